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
    abilities = frozenset({"hooks"})
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
        """A prompt is a session: `--id` wants a terminal, ACP an account of Cline's."""
        return EachPrompt(self, folder, lambda prompt: [self.script("cline"), "--json", prompt])

    def shell(self, command: str) -> Answer:
        """It takes a list of them."""
        return calls("run_commands", commands=[command])
