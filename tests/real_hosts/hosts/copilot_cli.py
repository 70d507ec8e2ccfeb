"""GitHub Copilot's command line, headless, with a model provider of the user's own."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.real_hosts.hosts.host import EachPrompt, Host, Session

from memory_mcp.testing.chat import Answer, calls


class CopilotCli(Host):
    """Copilot CLI of that version."""

    name = "copilot-cli"
    title = "Copilot CLI"
    package = "@github/copilot"
    version = "1.0.102"
    abilities = frozenset({"resume", "hooks", "subagent", "import"})
    shell_tool = "bash"
    limits: ClassVar[dict[str, str]] = {
        "instructions reach the model": "it shows its model no server's instructions"
    }

    def configure(self) -> None:
        """All that it needs is in the environment."""

    def environment(self, **more: str) -> dict[str, str]:
        """With the model server."""
        return super().environment(
            COPILOT_PROVIDER_BASE_URL=f"{self.model.url}/v1",
            COPILOT_PROVIDER_API_KEY="not-a-key",
            COPILOT_MODEL="gpt-5.4",
            COPILOT_AUTO_UPDATE="false",
            COPILOT_OFFLINE="true",
            **more,
        )

    def start(self, folder: Path) -> Session:
        """A session with an id made here."""
        return self._session(folder, str(uuid.uuid4()))

    def resume(self, session: Session, folder: Path) -> Session:
        """By the same option that named it."""
        return self._session(folder, session.id)

    def _session(self, folder: Path, identity: str) -> Session:
        def command(prompt: str) -> list[str]:
            return [
                self.script("copilot"), "--allow-all-tools", "--no-color", "--session-id", identity,
                "-p", prompt,
            ]  # fmt: skip

        session = EachPrompt(self, folder, command)
        session.id = identity
        return session

    def shell(self, command: str) -> Answer:
        """In the foreground."""
        return calls("bash", command=command, description="Look around", mode="sync")

    def delegate(self, order: str) -> Sequence[Answer]:
        """An agent that is waited for."""
        agent = calls(
            "task",
            agent_type="general-purpose",
            description="Look around",
            name="helper",
            prompt=order,
            mode="sync",
        )
        return [agent]

    @property
    def transcripts(self) -> Path:
        """All sessions'."""
        return self.place.home / ".copilot" / "session-state"

    @property
    def import_format(self) -> str:
        """Of Copilot, whatever it is embedded in."""
        return "copilot"
