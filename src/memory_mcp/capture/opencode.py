"""opencode, by the plugin that `install` writes: several events in a call, each with its own id.

Kilo, Cline, Hermes Agent and OpenClaw have plugins that tell in the same shape.
"""

from typing import Any, cast

from memory_mcp.capture.host import Heard, Host, Payload, as_printed, event, plain
from memory_mcp.domain.host_events import HostEvent, tool_event
from memory_mcp.domain.json_values import as_object
from memory_mcp.domain.machine_texts import said_by_model, said_by_user

LISTENING = frozenset(
    {
        "chat.message",  # opencode's and Kilo's
        "beforeRun",  # Cline's
        "afterTool",
        "system_prompt_block",  # Hermes Agent's
        "prefetch",
        "before_prompt_build",  # OpenClaw's
    }
)


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
        listens=hook in LISTENING,
    )


def _event(told: Payload, session: str, folder: str | None) -> HostEvent | None:
    key, text, at = told.text("id"), told.text("text"), told.moment("at")
    match told.text("event"):
        case "start":
            parent = told.text("copied_from")
            return event("start", session, folder=folder, parent=parent, at=at)
        case "prompt":
            return event("prompt", session, text=said_by_user(text), key=key, at=at)
        case "answer":
            return event("answer", session, text=said_by_model(text), key=key, at=at)
        case "tool":
            name, asked, answered = told.text("name"), told.any("input"), plain(told.any("output"))
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
