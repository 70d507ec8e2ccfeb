"""Cursor's hooks. It takes nothing for its model when a prompt is sent, but after a tool."""

from typing import Any, cast

from memory_mcp.capture.host import Heard, Host, Payload, as_printed, event, plain
from memory_mcp.domain.host_events import HostEvent, tool_event
from memory_mcp.domain.machine_texts import said_by_model, said_by_user

LISTENING = frozenset({"sessionStart", "postToolUse"})


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    hook = payload.text("hook_event_name")
    session = payload.text("conversation_id", "session_id")
    folder = _folder(payload)
    found = _event(hook, session, payload, folder) if session else None
    return Heard(
        hook=hook,
        events=(found,) if found else (),
        session=session,
        folder=folder,
        listens=hook in LISTENING,
    )


def _event(hook: str, session: str, payload: Payload, folder: str | None) -> HostEvent | None:
    turn = payload.text("generation_id")
    match hook:
        case "sessionStart":
            return event("start", session, folder=folder)
        case "beforeSubmitPrompt":
            return event("prompt", session, text=said_by_user(payload.text("prompt")), turn=turn)
        case "afterAgentResponse":
            return event("answer", session, text=said_by_model(payload.text("text")), turn=turn)
        case "postToolUse":
            return tool_event(
                session,
                payload.text("tool_name"),
                payload.any("tool_input"),
                plain(payload.any("tool_output")),
                key=payload.text("tool_use_id") or None,
            )
        case "preCompact":
            # It tells of no end of a compaction, and its documents of no other sign.
            return event("compaction", session, name="done")
        case "sessionEnd":
            return event("end", session, name=payload.text("reason"))
        case _:
            return None


def _folder(payload: Payload) -> str | None:
    roots = payload.any("workspace_roots")
    if isinstance(roots, list):
        for root in cast("list[Any]", roots):
            if isinstance(root, str) and root:
                return root
    return payload.text("cwd") or None


def say(_: str, text: str) -> str:
    """How it is told something for its model."""
    return as_printed({"additional_context": text})


HOST = Host(name="cursor", chars_max=10_000, hear=hear, say=say)
