"""Gemini CLI's hooks."""

from memory_mcp.capture.claude_code import AFRESH, COMPACTION
from memory_mcp.capture.host import (
    Heard,
    Host,
    Payload,
    Shows,
    additional_context,
    event,
    plain,
    tool_event,
)
from memory_mcp.domain.host_events import HostEvent

SHOWS: dict[str, Shows] = {"SessionStart": "changes", "BeforeAgent": "changes"}


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    hook, session = payload.text("hook_event_name"), payload.text("session_id")
    found = _event(hook, session, payload) if session else None
    return Heard(
        hook=hook,
        events=(found,) if found else (),
        session=session,
        folder=payload.text("cwd") or None,
        shows="context" if payload.text("source") in AFRESH else SHOWS.get(hook),
    )


def _event(hook: str, session: str, payload: Payload) -> HostEvent | None:
    at = payload.moment("timestamp")
    match hook:
        case "SessionStart":
            folder, source = payload.text("cwd"), payload.text("source")
            return event("start", session, name=source, folder=folder, at=at)
        case "BeforeAgent":
            return event("prompt", session, text=payload.text("prompt"), at=at)
        case "AfterAgent":
            return event("answer", session, text=payload.text("prompt_response"), at=at)
        case "AfterTool":
            response = payload.inner("tool_response")
            answered = response.text("returnDisplay") or plain(response.any("llmContent"))
            name, asked = payload.text("tool_name"), payload.any("tool_input")
            return tool_event(session, name, asked, answered, key=None, at=at)
        case "PreCompress":
            trigger = payload.text("trigger")
            text = f"{COMPACTION} ({trigger})." if trigger else f"{COMPACTION}."
            return event("compaction", session, text=text, at=at)
        case "SessionEnd":
            return event("end", session, name=payload.text("reason"), at=at)
        case _:
            return None


HOST = Host(name="gemini", chars_max=10_000, hear=hear, say=additional_context)
