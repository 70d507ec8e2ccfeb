#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: a server's instructions stand among the developer's messages, beside AGENTS.md, skills and
#   the other texts that say how to work.
# Seen: they stand nowhere in the input; they are the description of the tool namespace
#   `mcp__NAME`, in the list of tools.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["Done."]}'
MORE='required = true' codex
codex_run ALPHA
judge <<'PYTHON'
body = requests[-1]["body"]
(space,) = [tool for tool in body["tools"] if tool.get("name") == "mcp__probe"]
print({key: value for key, value in space.items() if key != "tools"})
assert space["type"] == "namespace" and space["description"].startswith("PROBE-INSTRUCTIONS")
rest = [body.get("instructions"), body["input"], [each for each in body["tools"] if each != space]]
assert "PROBE-INSTRUCTIONS" not in json.dumps(rest)
PYTHON
