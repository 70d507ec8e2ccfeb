"""Copilot CLI's hooks: Claude Code's names, and a transcript for what was answered."""

from memory_mcp.capture import claude_code, vscode
from memory_mcp.capture.host import Heard, Host, Payload, Shows, as_printed

SHOWS: dict[str, Shows] = {"SessionStart": "changes", "UserPromptSubmit": "changes"}


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return claude_code.heard(payload, turn="", shows=SHOWS)


def say(_: str, text: str) -> str:
    """How it is told something for its model."""
    return as_printed({"additionalContext": text})


HOST = Host(name="copilot", chars_max=10_000, hear=hear, say=say, line=vscode.line)
