#!/usr/bin/env bash
# @anthropic-ai/claude-code 2.1.332
# Guess: a tool result that has text and structuredContent reaches the model as its text, for MCP
#   says that the structure is for programs and that a text for those who cannot read it goes along.
# Seen: the model gets the JSON of structuredContent and never the text, and the hook PostToolUse
#   gets that JSON as a string, though a built-in tool's response is an object there.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

claude_code PostToolUse
model '{"ALPHA": [{"look": {}}, {"Bash": {"command": "true", "description": "Nothing"}}, "Seen."]}'
claude_code_run -- "ALPHA"
judge <<'PYTHON'
results = [
    part["content"]
    for message in requests[-1]["body"]["messages"]
    if message["role"] == "user" and isinstance(message["content"], list)
    for part in message["content"]
    if part["type"] == "tool_result"
]
print("to the model:", results[0])
print("to the hook:", [each["tool_response"] for each in hooks])
assert results[0].split("\n")[0] == '{"word":"PROBE-STRUCTURE"}'
assert not any("PROBE-TEXT" in json.dumps(each) for each in requests)
assert hooks[0]["tool_response"] == '{"word":"PROBE-STRUCTURE"}'
assert isinstance(hooks[1]["tool_response"], dict)
PYTHON
