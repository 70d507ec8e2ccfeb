"""Continue's command line, headless."""

from pathlib import Path
from typing import ClassVar

from tests.real_hosts.hosts.host import EachPrompt, Host, Session

from memory_mcp.testing.chat import Answer, calls

CONFIGURATION = """\
name: Local Config
version: 1.0.0
schema: v1
models:
  - name: scripted
    provider: openai
    model: gpt-4o
    apiBase: {url}/v1
    apiKey: not-a-key
    roles:
      - chat
"""


class ContinueCli(Host):
    """Continue CLI of that version."""

    name = "continue"
    title = "Continue CLI"
    package = "@continuedev/cli"
    version = "1.5.47"
    abilities = frozenset({"resume"})
    shell_tool = "Bash"
    limits: ClassVar[dict[str, str]] = {
        "context at the start": "it has neither hooks nor shows instructions",
        "differences once": "it has no hooks; a tool's next answer tells them",
        "resume": "it has neither hooks nor shows instructions",
        "instructions reach the model": "it shows its model no server's instructions",
    }

    def configure(self) -> None:
        """A provider."""
        folder = self.place.home / ".continue"
        folder.mkdir()
        (folder / "config.yaml").write_text(CONFIGURATION.format(url=self.model.url))

    def environment(self, **more: str) -> dict[str, str]:
        """Without telemetry."""
        return super().environment(
            CONTINUE_TELEMETRY_ENABLED="0", CONTINUE_CLI_ENABLE_TELEMETRY="0", **more
        )

    def start(self, folder: Path) -> Session:
        """The folder's last session is resumed by the prompts that follow."""
        return self._session(folder, begun=False)

    def resume(self, session: Session, folder: Path) -> Session:
        """The folder's last."""
        return self._session(folder, begun=True)

    def _session(self, folder: Path, *, begun: bool) -> Session:
        first = iter(() if begun else ([],))
        config = str(self.place.home / ".continue" / "config.yaml")

        def command(prompt: str) -> list[str]:
            which = next(first, ["--resume"])
            return [self.script("cn"), "--config", config, "--auto", *which, "-p", prompt]

        return EachPrompt(self, folder, command)

    def shell(self, command: str) -> Answer:
        """As it is."""
        return calls("Bash", command=command)
