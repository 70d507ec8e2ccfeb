#!/usr/bin/env bash
# @github/copilot 1.0.102
# Guess: with hook names in PascalCase the payload is Claude Code's, since its keys are
#   (`hook_event_name`, `session_id`, `tool_name`).
# Seen: a new session's `source` is `new`, not `startup`; the tool's answer is in
#   `tool_result.text_result_for_llm`, not in `tool_response`; a tool is called `probe-look`, not
#   `mcp__probe__look`; `transcript_path` comes with Stop alone; Stop has not the last words.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

copilot_cli SessionStart UserPromptSubmit PostToolUse Stop
model '{"ALPHA": [{"look": {}}, "Done."]}'
copilot_run -p ALPHA
judge <<'PYTHON'
print(*hooks, sep="\n")
start, prompt, tool, stop = hooks
assert start["source"] == "new"
assert tool["tool_name"] == "probe-look" and "tool_response" not in tool
assert tool["tool_result"]["text_result_for_llm"].startswith("PROBE-TEXT")
assert ["transcript_path" in each for each in hooks] == [False, False, False, True]
assert "last_assistant_message" not in stop
PYTHON
