"""Codex's hooks: Claude Code's shape. `turn_id` names the turn; a message that steers it shares it.

At a compaction it tells PreCompact, PostCompact, then SessionStart twice (`resume`, `compact`)
where the session was resumed just before (0.171.0).
"""

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, additional_context
from memory_mcp.transcripts.codex import CodexTranscript


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return claude_code.heard(payload, turn=payload.text("turn_id"))


# It takes about 2,500 tokens; three characters a token are few in any text.
HOST = Host(
    name="codex", chars_max=7_500, hear=hear, say=additional_context, transcript=CodexTranscript
)
