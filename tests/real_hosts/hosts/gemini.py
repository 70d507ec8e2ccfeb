"""Gemini CLI, headless: each prompt is a process, and all after the first resume its session."""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.real_hosts.hosts.host import EachPrompt, Host, Session

from memory_mcp.testing.chat import Answer, calls, says


class GeminiCli(Host):
    """Gemini CLI of that version."""

    name = "gemini"
    title = "Gemini CLI"
    package = "@google/gemini-cli"
    version = "0.61.0"
    abilities = frozenset({"resume", "hooks", "import", "subagent", "compact"})
    shell_tool = "run_shell_command"

    def configure(self) -> None:
        """Its key is in the environment; nothing is told and nothing brought up to date."""
        folder = self.place.home / ".gemini"
        folder.mkdir()
        settings = {
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "privacy": {"usageStatisticsEnabled": False},
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "telemetry": {"enabled": False},
        }
        (folder / "settings.json").write_text(json.dumps(settings, indent=2))

    def environment(self, **more: str) -> dict[str, str]:
        """With the model server."""
        return super().environment(
            GOOGLE_GEMINI_BASE_URL=self.model.url,
            GEMINI_API_KEY="not-a-key",
            GEMINI_TELEMETRY_ENABLED="false",
            **more,
        )

    def start(self, folder: Path) -> Session:
        """A session with an id made here."""
        return self._session(folder, str(uuid.uuid4()), begun=False)

    def resume(self, session: Session, folder: Path) -> Session:
        """As with every prompt."""
        return self._session(folder, session.id, begun=True)

    def _session(self, folder: Path, identity: str, *, begun: bool) -> Session:
        which = iter(() if begun else (["--session-id", identity],))

        def command(prompt: str) -> list[str]:
            named = next(which, ["--resume", identity])
            return [self.script("gemini"), "--skip-trust", "--yolo", *named, "-p", prompt]

        session = EachPrompt(self, folder, command)
        session.id = identity
        return session

    def shell(self, command: str) -> Answer:
        """It wants to be told why."""
        return calls("run_shell_command", command=command, description="Look around")

    def delegate(self, order: str) -> Sequence[Answer]:
        """The subagent that can do everything."""
        return [calls("invoke_agent", agent_name="generalist", prompt=order)]

    def report(self, text: str) -> Sequence[Answer]:
        """By a tool."""
        return [calls("complete_task", result={"response": text}), says("Done.")]

    @property
    def transcripts(self) -> Path:
        """All projects'."""
        return self.place.home / ".gemini" / "tmp"
