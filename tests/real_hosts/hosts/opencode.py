"""opencode, and Kilo, which is built on it, headless."""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.real_hosts.hosts.host import EachPrompt, Host, Session

from memory_mcp.testing.chat import Answer, calls


class Opencode(Host):
    """opencode of that version."""

    name = "opencode"
    title = "opencode"
    package = "opencode-ai"
    version = "1.18.33"
    abilities = frozenset({"resume", "fork", "hooks", "subagent"})
    shell_tool = "bash"

    def configure(self) -> None:
        """A provider; nothing shared and nothing brought up to date."""
        folder = self.place.home / ".config" / self.name
        folder.mkdir(parents=True)
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{self.model.url}/v1", "apiKey": "not-a-key"},
            "models": {"scripted": {"limit": {"context": 400_000, "output": 4_000}}},
        }
        settings = {
            "autoupdate": False,
            "share": "disabled",
            "model": "scripted/scripted",
            "small_model": "scripted/scripted",
            "provider": {"scripted": provider},
        }
        (folder / f"{self.name}.json").write_text(json.dumps(settings, indent=2))

    def environment(self, **more: str) -> dict[str, str]:
        """Without what would be fetched."""
        unwanted = (
            "AUTOUPDATE",
            "MODELS_FETCH",
            "LSP_DOWNLOAD",
            "DEFAULT_PLUGINS",
            "SHARE",
            "PRESENCE",
            "SESSION_INGEST",
            "CODEBASE_INDEXING",
        )
        off = {f"{self.name.upper()}_DISABLE_{name}": "1" for name in unwanted}
        return super().environment(**off, KILO_TELEMETRY_LEVEL="off", **more)

    def start(self, folder: Path) -> Session:
        """It tells the id."""
        return self._session(folder)

    def resume(self, session: Session, folder: Path) -> Session:
        """As with every prompt."""
        return self._session(folder, session.id)

    def fork(self, session: Session, folder: Path) -> Session:
        """A copy under a new id."""
        return self._session(folder, session.id, ["--fork"])

    def _session(self, folder: Path, before: str = "", first: Sequence[str] = ()) -> Session:
        extra = iter((first,))

        def command(prompt: str) -> list[str]:
            which = ["--session", session.id, *next(extra, ())] if session.id else []
            return [
                self.script(self.name), "run", "--format", "json", "--auto", "--model",
                "scripted/scripted", *which, prompt,
            ]  # fmt: skip

        def identity(printed: str) -> str:
            for line in printed.splitlines():
                try:
                    return str(json.loads(line)["sessionID"])
                except (ValueError, KeyError, TypeError):
                    continue
            return ""

        session = EachPrompt(self, folder, command, identity)
        session.id = before
        return session

    def shell(self, command: str) -> Answer:
        """It wants to be told why."""
        return calls("bash", command=command, description="Look around")

    def delegate(self, order: str) -> Sequence[Answer]:
        """An agent that is waited for."""
        return [calls("task", description="Look around", prompt=order, subagent_type="general")]


class Kilo(Opencode):
    """Kilo of that version."""

    name = "kilo"
    title = "Kilo"
    package = "@kilocode/cli"
    version = "7.7.7"
