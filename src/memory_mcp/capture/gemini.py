"""Gemini CLI's hooks.

PreCompress comes before each request to the model, whether or not anything is compressed, and in
`gemini -p` the prompt begins with what hooks of the session's start said (0.61.0). Hooks in a
subagent look like the session's own. At a resume SessionStart names a file that is not the
session's.
"""

from memory_mcp.capture.claude_code import answer_of
from memory_mcp.capture.host import Heard, Host, Payload, additional_context, event
from memory_mcp.domain.host_events import HostEvent, tool_event
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.transcripts.gemini import GeminiTranscript

# What SessionStart says comes before the first prompt, in one text with it, and a history that is
# resumed lacks messages that begin with `<`: the user's words would go with it.
LISTENING = frozenset({"BeforeAgent"})


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    hook, session = payload.text("hook_event_name"), payload.text("session_id")
    found = _event(hook, session, payload) if session else None
    return Heard(
        hook=hook,
        events=(found,) if found else (),
        session=session,
        folder=payload.text("cwd") or None,
        listens=hook in LISTENING,
        transcript=payload.text("transcript_path") or None,
    )


def _event(hook: str, session: str, payload: Payload) -> HostEvent | None:
    at = payload.moment("timestamp")
    stamped = at is not None
    match hook:
        case "SessionStart":
            folder, source = payload.text("cwd"), payload.text("source")
            return event("start", session, name=source, folder=folder, at=at)
        case "BeforeAgent":
            text = said_by_user(payload.text("prompt"))
            return event("prompt", session, text=text, at=at, stamped=stamped)
        case "AfterAgent":
            text = said_by_model(payload.text("prompt_response"))
            return event("answer", session, text=text, at=at, stamped=stamped)
        case "AfterTool":
            answer = answer_of(payload.any("tool_response"))
            name, asked = payload.text("tool_name"), payload.any("tool_input")
            return tool_event(session, name, asked, answer, key=None, at=at, stamped=stamped)
        case "PreCompress":
            return event("compaction", session, name="attempt", at=at)
        case "SessionEnd":
            return event("end", session, name=payload.text("reason"), at=at)
        case _:
            return None


HOST = Host(
    name="gemini",
    chars_max=10_000,
    hear=hear,
    say=additional_context,
    transcript=GeminiTranscript,
    tools_in_transcript=True,
)
