"""Gemini CLI, headless: each prompt is a process, and all after the first resume its session."""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.real_hosts.hosts.host import Host, Session, run
from tests.real_hosts.model.scenario import FILL

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
        return _Prompts(self, folder, str(uuid.uuid4()), begun=False)

    def resume(self, session: Session, folder: Path) -> Session:
        """As with every prompt."""
        return _Prompts(self, folder, session.id, begun=True)

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


class _Prompts(Session):
    def __init__(self, host: GeminiCli, folder: Path, session: str, *, begun: bool) -> None:
        self._host = host
        self._folder = folder
        self._begun = begun
        self.id = session

    def say(self, prompt: str) -> None:
        which = ["--resume", self.id] if self._begun else ["--session-id", self.id]
        self._begun = True
        run(
            [self._host.script("gemini"), "--skip-trust", "--yolo", *which, "-p", prompt],
            self._folder,
            self._host.environment(),
            self._host.place.root / "gemini.log",
        )

    def compact(self) -> None:
        """It compacts before the request that would not fit."""
        self.say(FILL)

    def end(self) -> None:
        """It has ended with its last prompt."""
