"""Qwen Code's hooks: Claude Code's shape, with times (0.24.4).

A tool's use has two ids, of which the transcript knows `tool_call_id`. After each round of tools
UserPromptSubmit comes again, with an empty prompt. What it is told at a session's start is gone
from the second request on.
"""

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, additional_context
from memory_mcp.transcripts.qwen import QwenTranscript

LISTENING = frozenset({"UserPromptSubmit"})


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    call = "tool_call_id" if payload.text("tool_call_id") else "tool_use_id"
    listening = LISTENING if payload.text("prompt") else frozenset[str]()
    turn = payload.text("prompt_id")
    return claude_code.heard(payload, turn=turn, call=call, listening=listening)


HOST = Host(
    name="qwen", chars_max=10_000, hear=hear, say=additional_context, transcript=QwenTranscript
)
