"""Qwen Code, headless, with an OpenAI-compatible provider."""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.real_hosts.hosts.host import EachPrompt, Host, Session

from memory_mcp.testing.chat import Answer, calls


class _Prompts(EachPrompt):
    def compact(self) -> None:
        """By its own command: its window is larger than a day in miniature."""
        self.say("/compress")


class QwenCode(Host):
    """Qwen Code of that version."""

    name = "qwen"
    title = "Qwen Code"
    package = "@qwen-code/qwen-code"
    version = "0.24.4"
    abilities = frozenset({"resume", "fork", "hooks", "import", "subagent", "compact"})
    shell_tool = "run_shell_command"

    def configure(self) -> None:
        """Nothing is told and nothing brought up to date."""
        folder = self.place.home / ".qwen"
        folder.mkdir()
        settings = {
            "general": {"enableAutoUpdate": False, "chatRecording": True},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
        }
        (folder / "settings.json").write_text(json.dumps(settings, indent=2))

    def start(self, folder: Path) -> Session:
        """A session with an id made here."""
        identity = str(uuid.uuid4())
        return self._session(folder, identity, ["--session-id", identity])

    def resume(self, session: Session, folder: Path) -> Session:
        """As with every prompt."""
        return self._session(folder, session.id)

    def fork(self, session: Session, folder: Path) -> Session:
        """A copy under a new id."""
        return self._session(folder, session.id, ["--resume", session.id, "--fork-session"])

    def _session(self, folder: Path, identity: str, first: Sequence[str] = ()) -> Session:
        which = iter((first,) if first else ())

        def command(prompt: str) -> list[str]:
            named = next(which, ["--resume", identity])
            return [
                self.script("qwen"), "--auth-type", "openai", "--openai-api-key", "not-a-key",
                "--openai-base-url", f"{self.model.url}/v1", "--model", "scripted", "--yolo",
                *named, "-p", prompt,
            ]  # fmt: skip

        session = _Prompts(self, folder, command)
        session.id = identity
        return session

    def shell(self, command: str) -> Answer:
        """In the foreground."""
        return calls(
            "run_shell_command", command=command, description="Look around", is_background=False
        )

    def delegate(self, order: str) -> Sequence[Answer]:
        """The subagent that can do everything."""
        agent = calls(
            "agent",
            description="Look around",
            prompt=order,
            subagent_type="general-purpose",
            run_in_background=False,
        )
        return [agent]

    @property
    def transcripts(self) -> Path:
        """All projects'."""
        return self.place.home / ".qwen" / "projects"
