"""VS Code's hooks: Claude Code's shape, with `sessionId`, and a transcript for what was answered.

It takes nothing for its model when a prompt is sent, but after a tool.
"""

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, Shows, additional_context, event
from memory_mcp.domain.host_events import HostEvent

SHOWS: dict[str, Shows] = {"SessionStart": "changes", "PostToolUse": "changes"}


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return claude_code.heard(payload, turn="", shows=SHOWS)


def line(entry: Payload, session: str) -> HostEvent | None:
    """The assistant's words in a line of a transcript."""
    if entry.text("type") != "assistant.message":
        return None
    data, at = entry.inner("data"), entry.moment("timestamp")
    text, key = data.text("content"), data.text("messageId") or entry.text("id")
    return event("answer", session, text=text, key=key, at=at) if text else None


HOST = Host(name="vscode", chars_max=10_000, hear=hear, say=additional_context, line=line)
