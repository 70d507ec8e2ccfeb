#!/usr/bin/env bash
# @qwen-code/qwen-code 0.24.4
# Guess: an MCP server's tools are among the tools of the request, at the latest when the model has
#   looked one up with `tool_search`.
# Seen: they never are; the model calls `tool_call` with `name` and `arguments`, even a tool whose
#   `_meta` has Claude Code's anthropic/alwaysLoad. The hook PostToolUse names the tool itself.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

qwen_code PostToolUse
model '{"ALPHA": [{"tool_search": {"query": "select:mcp__probe__look"}},
    {"tool_call": {"name": "mcp__probe__look", "arguments": {}}}, "Done."]}'
qwen_run -p ALPHA
judge <<'PYTHON'
offered = [{tool["function"]["name"] for tool in each["body"]["tools"]} for each in requests]
print("offered:", sorted(offered[-1]), "hooks:", [each["tool_name"] for each in hooks])
assert len(offered) == 3 and not any("probe" in name for names in offered for name in names)
assert [each["tool_name"] for each in hooks] == ["tool_search", "mcp__probe__look"]
assert any(each.get("method") == "tools/call" for each in probe)
PYTHON
