"""opencode, by the plugin that `install` writes: several events in a call, each with its own id.

Kilo, Cline and Hermes Agent have plugins that tell in the same shape.
"""

from typing import Any, cast

from memory_mcp.capture.host import (
    Heard,
    Host,
    Payload,
    Shows,
    as_object,
    as_printed,
    event,
    tool_event,
)
from memory_mcp.domain.host_events import HostEvent

SHOWS: dict[str, Shows] = {
    "chat.message": "changes",  # opencode's and Kilo's
    "beforeRun": "changes",  # Cline's
    "afterTool": "changes",
    "system_prompt_block": "changes",  # Hermes Agent's
    "prefetch": "changes",
}


def hear(payload: Payload) -> Heard:
    """One call of the plugin's."""
    hook, session = payload.text("hook_event_name"), payload.text("session_id")
    folder = payload.text("cwd") or None
    told = payload.any("events")
    items = cast("list[Any]", told) if isinstance(told, list) else []
    found = (_event(Payload(as_object(item)), session, folder) for item in items if session)
    return Heard(
        hook=hook,
        events=tuple(event for event in found if event),
        session=session,
        folder=folder,
        shows=SHOWS.get(hook),
    )


def _event(told: Payload, session: str, folder: str | None) -> HostEvent | None:
    key, text, at = told.text("id"), told.text("text"), told.moment("at")
    match told.text("event"):
        case "start":
            return event("start", session, folder=folder, at=at)
        case "prompt":
            return event("prompt", session, text=text, key=key, at=at)
        case "answer":
            return event("answer", session, text=text, key=key, at=at)
        case "tool":
            name, asked, answered = told.text("name"), told.any("input"), told.any("output")
            return tool_event(session, name, asked, answered, key=key or None, at=at)
        case "compacted":
            # A fact: the plugin looked, and nothing of what was told is left in the history.
            return event("compaction", session, name="done", at=at)
        case "end":
            return event("end", session, at=at)
        case _:
            return None


def say(_: str, text: str) -> str:
    """How the plugin is told something for its model."""
    return as_printed({"additionalContext": text})


HOST = Host(name="opencode", chars_max=10_000, hear=hear, say=say)
