"""Codex: the first session by `codex exec`, the others by its app server, which can steer."""

import json
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.real_hosts.hosts.host import EachPrompt, Host, HostFailed, Lines, Session

from memory_mcp.testing.chat import Answer, calls

CONFIGURATION = """\
model = "gpt-5.4"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[analytics]
enabled = false

[feedback]
enabled = false

[otel]
exporter = "none"
metrics_exporter = "none"
trace_exporter = "none"

[model_providers.scripted]
name = "Scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 0
"""


class Codex(Host):
    """Codex of that version."""

    name = "codex"
    title = "Codex"
    package = "@openai/codex"
    version = "0.171.0"
    abilities = frozenset({"busy", "subagent", "compact", "resume", "fork", "hooks", "import"})
    shell_tool = "exec_command"

    def configure(self) -> None:
        """Its provider; projects are trusted where it may do everything."""
        folder = self.place.home / ".codex"
        folder.mkdir()
        (folder / "config.toml").write_text(CONFIGURATION.format(url=self.model.url))

    def install(self) -> None:
        """Install, and trust the hooks, as its user is asked to do once with /hooks."""
        super().install()
        server = _AppServer(self, self.place.project)
        try:
            listed = server.ask("hooks/list", cwds=[str(self.place.project)])["data"]
            trusted = {
                hook["key"]: {"trusted_hash": hook["currentHash"]}
                for entry in listed
                for hook in entry["hooks"]
            }
            edit = {"keyPath": "hooks.state", "mergeStrategy": "upsert", "value": trusted}
            server.ask("config/batchWrite", edits=[edit])
        finally:
            server.lines.close()

    def environment(self, **more: str) -> dict[str, str]:
        """With the provider's key."""
        return super().environment(SCRIPTED_KEY="sk-not-a-key", **more)

    def start(self, folder: Path) -> Session:
        """Without an app server: what `codex exec` starts, it does not wait for."""

        def command(prompt: str) -> list[str]:
            which = ["resume", session.id] if session.id else []
            words = [self.script("codex"), "exec", *which]
            return [*words, "--skip-git-repo-check", "--json", prompt]

        def identity(printed: str) -> str:
            told = map(json.loads, printed.splitlines())
            return next((line["thread_id"] for line in told if "thread_id" in line), "")

        session = EachPrompt(self, folder, command, identity)
        return session

    def resume(self, session: Session, folder: Path) -> Session:
        """In an app server of its own."""
        return _Thread(self, folder, "thread/resume", session.id)

    def fork(self, session: Session, folder: Path) -> Session:
        """In an app server of its own."""
        return _Thread(self, folder, "thread/fork", session.id)

    def shell(self, command: str) -> Answer:
        """One that is waited for."""
        return calls("exec_command", cmd=command, yield_time_ms=15_000)

    def delegate(self, order: str) -> Sequence[Answer]:
        """A subagent, and time for it to end."""
        return [calls("spawn_agent", message=order, task_name="look_around"), self.shell("sleep 3")]

    @property
    def transcripts(self) -> Path:
        """All of them."""
        return self.place.home / ".codex" / "sessions"


class _AppServer:
    """What editors speak to Codex by."""

    def __init__(self, host: Codex, folder: Path) -> None:
        self._numbers = count(1)
        self.lines = Lines(
            [host.script("codex"), "app-server"],
            folder,
            host.environment(),
            host.place.root / "codex.log",
        )
        self.ask("initialize", clientInfo={"name": "real_hosts", "version": "1"})
        self.lines.send({"method": "initialized"})

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """What a method returns.

        Raises:
            HostFailed: an error, or nothing.
        """
        number = next(self._numbers)
        self.lines.send({"id": number, "method": method, "params": params})
        told = self.lines.wait_for(lambda line: line.get("id") == number and "method" not in line)
        if "error" in told:
            raise HostFailed(f"{method}: {told['error'].get('message')}")
        return told["result"]


class _Thread(Session):
    """A session in an app server."""

    def __init__(self, host: Codex, folder: Path, method: str, before: str) -> None:
        self._server = _AppServer(host, folder)
        told = self._server.ask(method, threadId=before, cwd=str(folder))
        self.id = told["thread"]["id"]

    def say(self, prompt: str) -> None:
        self._turn(prompt)
        self._completed()

    def say_while_busy(self, first: str, is_busy: Callable[[], bool], second: str) -> None:
        turn = self._turn(first)
        if not is_busy():
            raise HostFailed("the model was never at work on the first prompt")
        self._server.ask("turn/steer", expectedTurnId=turn, **self._input(second))
        self._completed()

    def compact(self) -> None:
        self._server.ask("thread/compact/start", threadId=self.id)
        self._completed()

    def end(self) -> None:
        self._server.lines.close()

    def _input(self, prompt: str) -> dict[str, Any]:
        return {"threadId": self.id, "input": [{"type": "text", "text": prompt}]}

    def _turn(self, prompt: str) -> str:
        return self._server.ask("turn/start", **self._input(prompt))["turn"]["id"]

    def _completed(self) -> None:
        self._server.lines.wait_for(
            lambda told: (
                told.get("method") == "turn/completed" and told["params"].get("threadId") == self.id
            )
        )
