#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: `codex exec`, which has one turn only, waits for the configured MCP servers before it asks
#   the model, for as long as `startup_timeout_sec` in a server's entry allows.
# Seen: it does not. A server that needs one second to answer `initialize` is missing in the first
#   request, tools and instructions; it is there in the second, if the turn has one. With
#   `required = true` in the entry it is there in the first.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"exec_command": {"cmd": "sleep 2"}}, "Done."]}'
WAIT=', "--wait", "1"'
codex
codex_run ALPHA
MORE='required = true' codex
codex_run ALPHA
judge <<'PYTHON'
bodies = [each["body"] for each in requests if each["path"].endswith("/responses")]
there = ["mcp__probe" in [tool.get("name") for tool in body["tools"]] for body in bodies]
print("the probe's tools in each request, not required:", there[:2], "required:", there[2:])
assert there == [False, True, True, True]
PYTHON
