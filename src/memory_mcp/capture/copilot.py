"""GitHub Copilot CLI's hooks: Claude Code's names, shapes of its own (1.0.102).

It takes a top-level `additionalContext` and nothing else, after a session's start, a prompt and a
tool; what it took at the start is gone when the session is resumed. Only Stop names the transcript,
which has the answers, and is behind by then. It runs the hooks that VS Code has in
`~/.copilot/hooks`, too: what comes there is Copilot's, and of two hooks that are told the same
event the first is answered.
"""

from memory_mcp.capture import claude_code
from memory_mcp.capture.host import Heard, Host, Payload, as_printed
from memory_mcp.transcripts.copilot import CopilotTranscript

LISTENING = frozenset({"UserPromptSubmit"})


def hear(payload: Payload) -> Heard:
    """One call of a hook."""
    return claude_code.heard(payload, turn="", answer="tool_result", listening=LISTENING)


def say(_: str, text: str) -> str:
    """How it is told something for its model."""
    return as_printed({"additionalContext": text})


HOST = Host(
    name="copilot",
    chars_max=10_000,
    hear=hear,
    say=say,
    transcript=CopilotTranscript,
    tools_in_transcript=True,
)
