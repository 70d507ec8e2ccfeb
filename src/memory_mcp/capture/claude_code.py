"""Claude Code's hooks. Codex and VS Code took over most of their shape."""

from memory_mcp.capture.host import (
    Heard,
    Host,
    Payload,
    Shows,
    additional_context,
    event,
    said_in,
    tool_event,
)
from memory_mcp.domain.host_events import HostEvent, digest

COMPACTION = "The conversation was compacted"

SHOWS: dict[str, Shows] = {"SessionStart": "changes", "UserPromptSubmit": "changes"}
AFRESH = frozenset({"resume", "clear", "compact", "fork"})
"""Starts after which the model has lost, or may have lost, what it was shown."""


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return heard(payload, turn=payload.text("prompt_id"))


def heard(payload: Payload, *, turn: str, shows: dict[str, Shows] = SHOWS) -> Heard:
    """What a hook of this shape tells; `turn` is the host's id of the turn, if it has one."""
    hook = payload.text("hook_event_name", "hookEventName")
    session = payload.text("session_id", "sessionId")
    folder = payload.text("cwd") or None
    events = _events(hook, session, payload, turn) if session else ()
    transcript = payload.text("transcript_path") or None
    untold = hook == "Stop" and not events
    return Heard(
        hook=hook,
        events=events,
        session=session,
        folder=folder,
        shows="context" if payload.text("source") in AFRESH else shows.get(hook),
        transcript=transcript if untold else None,
    )


def _events(hook: str, session: str, payload: Payload, turn: str) -> tuple[HostEvent, ...]:
    at = payload.moment("timestamp")
    found: HostEvent | None = None
    match hook:
        case "SessionStart":
            folder, source = payload.text("cwd"), payload.text("source")
            found = event("start", session, name=source, folder=folder, at=at)
        case "UserPromptSubmit":
            found = event("prompt", session, text=payload.text("prompt"), key=turn, at=at)
        case "PostToolUse":
            found = tool_event(
                session,
                payload.text("tool_name"),
                payload.any("tool_input"),
                payload.any("tool_response"),
                key=payload.text("tool_use_id") or None,
                at=at,
            )
        case "Stop":
            if text := payload.text("last_assistant_message"):
                # A turn may stop more than once, each time with other words.
                key = f"{turn}:{digest(text)}" if turn else ""
                found = event("answer", session, text=text, key=key, at=at)
        case "PreCompact":
            trigger = payload.text("trigger")
            text = f"{COMPACTION} ({trigger})." if trigger else f"{COMPACTION}."
            found = event("compaction", session, text=text, at=at)
        case "PostCompact":
            text = payload.text("compact_summary")
            found = event("compacted", session, text=text, at=at)
        case "SessionEnd":
            found = event("end", session, name=payload.text("reason"), at=at)
        case _:
            pass
    return (found,) if found else ()


def line(entry: Payload, session: str) -> HostEvent | None:
    """The assistant's words in a line of a transcript."""
    if entry.text("type") != "assistant" or entry.any("isSidechain") is True:
        return None
    text = said_in(entry.inner("message").any("content"))
    key, at = entry.text("uuid"), entry.moment("timestamp")
    return event("answer", session, text=text, key=key, at=at) if text else None


HOST = Host(name="claude-code", chars_max=10_000, hear=hear, say=additional_context, line=line)
