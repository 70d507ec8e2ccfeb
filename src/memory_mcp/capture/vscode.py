"""VS Code's hooks: Claude Code's shape, with `sessionId`, and a transcript for what was answered.

It takes nothing for its model when a prompt is sent, but after a tool.
"""

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, additional_context
from memory_mcp.transcripts.copilot import CopilotTranscript

LISTENING = frozenset({"SessionStart", "PostToolUse"})


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return claude_code.heard(payload, turn="", listening=LISTENING)


HOST = Host(
    name="vscode", chars_max=10_000, hear=hear, say=additional_context, transcript=CopilotTranscript
)
