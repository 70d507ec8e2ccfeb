"""Codex's hooks: Claude Code's shape, with an id for each turn."""

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, additional_context, event, said_in
from memory_mcp.domain.host_events import HostEvent


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return claude_code.heard(payload, turn=payload.text("turn_id"))


def line(entry: Payload, session: str) -> HostEvent | None:
    """The assistant's words in a line of a session's file."""
    item = entry.inner("payload")
    if entry.text("type") != "response_item" or item.text("role") != "assistant":
        return None
    text = said_in(item.any("content"))
    key, at = item.text("id"), entry.moment("timestamp")
    return event("answer", session, text=text, key=key, at=at) if text else None


# It takes about 2,500 tokens; three characters a token are few in any text.
HOST = Host(name="codex", chars_max=7_500, hear=hear, say=additional_context, line=line)
