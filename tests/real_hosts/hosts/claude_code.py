"""Claude Code, headless, with prompts as lines of JSON so that one process has several turns."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.real_hosts.hosts.host import Host, HostFailed, Lines, Session

from memory_mcp.testing.chat import Answer, calls

ALLOWED = "Bash,Agent,ToolSearch,mcp__memory"


class ClaudeCode(Host):
    """Claude Code of that version."""

    name = "claude-code"
    title = "Claude Code"
    package = "@anthropic-ai/claude-code"
    version = "2.1.332"
    abilities = frozenset({"busy", "subagent", "compact", "resume", "fork", "hooks", "import"})
    shell_tool = "Bash"

    def configure(self) -> None:
        """It asks nothing where nobody can answer, so it needs no file."""

    def environment(self, **more: str) -> dict[str, str]:
        """With the model server, and without everything that is not needed."""
        return super().environment(
            ANTHROPIC_BASE_URL=self.model.url,
            ANTHROPIC_API_KEY="sk-not-a-key",
            DISABLE_AUTOUPDATER="1",
            DISABLE_TELEMETRY="1",
            DISABLE_ERROR_REPORTING="1",
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            **more,
        )

    def start(self, folder: Path) -> Session:
        """A session that is spoken to on its standard input."""
        return _Talk(self, folder)

    def resume(self, session: Session, folder: Path) -> Session:
        """By the session's id."""
        return _Talk(self, folder, "--resume", session.id)

    def fork(self, session: Session, folder: Path) -> Session:
        """A copy under a new id."""
        return _Talk(self, folder, "--resume", session.id, "--fork-session")

    def shell(self, command: str) -> Answer:
        """Bash wants to be told why."""
        return calls("Bash", command=command, description="Look around")

    def delegate(self, order: str) -> Sequence[Answer]:
        """An agent that is waited for."""
        agent = calls(
            "Agent",
            description="Look around",
            prompt=order,
            subagent_type="general-purpose",
            run_in_background=False,
        )
        return [agent]

    @property
    def transcripts(self) -> Path:
        """All projects'."""
        return self.place.home / ".claude" / "projects"


class _Talk(Session):
    def __init__(self, host: ClaudeCode, folder: Path, *more: str) -> None:
        self._lines = Lines(
            [
                host.script("claude"), "-p", "--verbose", "--input-format", "stream-json",
                "--output-format", "stream-json", "--allowedTools", ALLOWED, *more,
            ],
            folder,
            host.environment(),
            host.place.root / "claude-code.log",
        )  # fmt: skip

    def say(self, prompt: str) -> None:
        self._send(prompt)
        self._result()

    def say_while_busy(self, first: str, is_busy: Callable[[], bool], second: str) -> None:
        self._send(first)
        if not is_busy():
            raise HostFailed("the model was never at work on the first prompt")
        self._send(second)
        self._result()

    def compact(self) -> None:
        self.say("/compact")

    def end(self) -> None:
        self._lines.close()

    def _send(self, prompt: str) -> None:
        content = [{"type": "text", "text": prompt}]
        self._lines.send({"type": "user", "message": {"role": "user", "content": content}})

    def _result(self) -> None:
        line = self._lines.wait_for(lambda told: told.get("type") == "result")
        self.id = str(line.get("session_id") or self.id)
