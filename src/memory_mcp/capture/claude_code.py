"""Claude Code's hooks. Codex, VS Code, Qwen Code and Copilot took over most of their shape.

`prompt_id` names the turn, not the prompt: what is typed while the model works has the same one
(2.1.332). A hook in a subagent has the main session's id, and an `agent_id`.
"""

from typing import Any

from memory_mcp.capture.host import Heard, Host, Payload, additional_context, event, plain
from memory_mcp.domain.host_events import HostEvent, tool_event
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.transcripts.claude_code import ClaudeCodeTranscript

LISTENING = frozenset({"SessionStart", "UserPromptSubmit"})


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return heard(payload, turn=payload.text("prompt_id"))


def heard(
    payload: Payload,
    *,
    turn: str,
    call: str = "tool_use_id",
    answer: str = "tool_response",
    listening: frozenset[str] = LISTENING,
) -> Heard:
    """What a hook of this shape tells.

    `turn` is the host's id of the turn, if it has one; `call` names the field with the id of a
    tool's use that its transcripts have too, `answer` the one with the tool's answer.
    """
    hook = payload.text("hook_event_name", "hookEventName")
    session = payload.text("session_id", "sessionId")
    folder = payload.text("cwd") or None
    if payload.text("agent_id", "agentId"):  # a subagent's: neither the user's nor the session's
        return Heard(hook=hook, session=session, folder=folder)
    found = _event(hook, session, payload, turn, call, answer) if session else None
    return Heard(
        hook=hook,
        events=(found,) if found else (),
        session=session,
        folder=folder,
        listens=hook in listening,
        transcript=payload.text("transcript_path", "transcriptPath") or None,
    )


def _event(
    hook: str, session: str, payload: Payload, turn: str, call: str, answer: str
) -> HostEvent | None:
    at = payload.moment("timestamp")
    more: dict[str, Any] = {"at": at, "turn": turn, "stamped": at is not None}
    match hook:
        case "SessionStart":
            return event(
                "start",
                session,
                name=payload.text("source"),
                folder=payload.text("cwd"),
                idle_seconds=_idle(payload),
                at=at,
            )
        case "UserPromptSubmit":
            return event("prompt", session, text=said_by_user(payload.text("prompt")), **more)
        case "PostToolUse" | "PostToolUseFailure":
            return tool_event(
                session,
                payload.text("tool_name"),
                payload.any("tool_input"),
                answer_of(payload.any(answer, "error")),
                key=payload.text(call) or None,
                at=at,
                stamped=at is not None,
            )
        case "Stop":
            text = said_by_model(payload.text("last_assistant_message"))
            return event("answer", session, text=text, **more) if text else None
        case "PreCompact":
            return event("compaction", session, name="attempt", at=at)
        case "PostCompact":
            return event("compaction", session, name="done", at=at)
        case "SessionEnd":
            return event("end", session, name=payload.text("reason"), at=at)
        case _:
            return None


def _idle(payload: Payload) -> float | None:
    """How long ago the last answer came, of a session that begins on another's history."""
    is_copy = payload.text("source") in ("fork", "resume")
    return payload.number("seconds_since_last_response") if is_copy else None


def answer_of(value: Any) -> str:
    """What a tool answered, of the shapes hosts tell it in."""
    told = Payload(value if isinstance(value, dict) else {})  # pyright: ignore[reportUnknownArgumentType] - JSON
    shown = told.text("returnDisplay", "text_result_for_llm", "stdout")
    return shown or plain(value)


HOST = Host(
    name="claude-code",
    chars_max=10_000,
    hear=hear,
    say=additional_context,
    transcript=ClaudeCodeTranscript,
)
