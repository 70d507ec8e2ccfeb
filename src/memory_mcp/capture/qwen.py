"""Qwen Code's hooks: Claude Code's shape, with times (0.24.4).

A tool's use has two ids, of which the transcript knows `tool_call_id`. After each round of tools
UserPromptSubmit comes again, with an empty prompt.
"""

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, additional_context
from memory_mcp.transcripts.qwen import QwenTranscript


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    call = "tool_call_id" if payload.text("tool_call_id") else "tool_use_id"
    return claude_code.heard(payload, turn=payload.text("prompt_id"), call=call)


HOST = Host(
    name="qwen", chars_max=10_000, hear=hear, say=additional_context, transcript=QwenTranscript
)
