"""Cline's command line, headless."""

from pathlib import Path
from typing import ClassVar

from tests.real_hosts.hosts.host import TURN_SECONDS, EachPrompt, Host, Session, run

from memory_mcp.testing.chat import Answer, calls


class ClineCli(Host):
    """Cline CLI of that version."""

    name = "cline"
    title = "Cline CLI"
    package = "cline"
    version = "3.0.65"
    abilities = frozenset({"resume", "hooks"})
    shell_tool = "run_commands"
    limits: ClassVar[dict[str, str]] = {
        "instructions reach the model": "it shows its model no server's instructions"
    }

    def configure(self) -> None:
        """A provider, told as its user does."""
        run(
            [
                self.script("cline"), "auth", "--provider", "openai-compatible", "--apikey",
                "not-a-key", "--modelid", "scripted", "--baseurl", f"{self.model.url}/v1",
            ],
            self.place.project,
            self.environment(),
            self.place.root / "cline.log",
            TURN_SECONDS,
        )  # fmt: skip

    def environment(self, **more: str) -> dict[str, str]:
        """Without telemetry."""
        return super().environment(
            CLINE_TELEMETRY_DISABLED="1", CLINE_DISABLE_AUTO_UPDATE="1", CLINE_NO_AUTO_UPDATE="1",
            **more,
        )  # fmt: skip

    def start(self, folder: Path) -> Session:
        """It is known by its folder."""
        return self._session(folder)

    def resume(self, session: Session, folder: Path) -> Session:
        """As with every prompt."""
        return self._session(folder, session.id)

    def _session(self, folder: Path, before: str = "") -> Session:
        def command(prompt: str) -> list[str]:
            which = ["--id", session.id] if session.id else []
            return [self.script("cline"), "--json", *which, prompt]

        def identity(printed: str) -> str:
            """It prints none; the newest folder of its sessions is named by it."""
            sessions = self.place.home / ".cline" / "data" / "sessions"
            return max((each.name for each in sessions.iterdir() if each.is_dir()), default="")

        session = EachPrompt(self, folder, command, identity)
        session.id = before
        return session

    def shell(self, command: str) -> Answer:
        """It takes a list of them."""
        return calls("run_commands", commands=[command])
