"""VS Code's hooks: Claude Code's shape, with `sessionId`, and a transcript for what was answered.

It takes nothing for its model when a prompt is sent, but after a tool.
"""

import re

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, Shows, additional_context, event
from memory_mcp.domain.host_events import HostEvent

SHOWS: dict[str, Shows] = {"SessionStart": "changes", "PostToolUse": "changes"}


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    if _is_copilot_clis(payload):
        return Heard(hook=payload.text("hook_event_name"))
    return claude_code.heard(payload, turn="", shows=SHOWS)


def _is_copilot_clis(payload: Payload) -> bool:
    """Copilot CLI runs the hooks of this folder too; its own are in its settings."""
    if payload.text("sessionId"):
        return False
    transcript = payload.text("transcript_path")
    return not transcript or "session-state" in re.split(r"[/\\]", transcript)


def line(entry: Payload, session: str) -> HostEvent | None:
    """The assistant's words in a line of a transcript."""
    if entry.text("type") != "assistant.message":
        return None
    data, at = entry.inner("data"), entry.moment("timestamp")
    text, key = data.text("content"), data.text("messageId") or entry.text("id")
    return event("answer", session, text=text, key=key, at=at) if text else None


HOST = Host(name="vscode", chars_max=10_000, hear=hear, say=additional_context, line=line)
