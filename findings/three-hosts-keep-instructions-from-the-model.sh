#!/usr/bin/env bash
# @github/copilot 1.0.102, cline 3.0.65, @continuedev/cli 1.5.47
# Guess: a server's `instructions`, which MCP has for telling a model how to use the server, reach
#   it wherever the server's tools do.
# Seen: in these three they are read and dropped; the tools are there, the instructions nowhere in
#   the request.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["Done."]}'
copilot_cli
copilot_run -p "ALPHA, Copilot"
cline_cli
cline_run "ALPHA, Cline"
continue_cli probe
continue_run "ALPHA, Continue"
judge <<'PYTHON'
seen = {}
for each in requests:
    words = json.dumps(each["body"])
    host = re.search(r"ALPHA, (\w+)", words)[1]
    seen[host] = {"tools": "Text and structure." in words, "instructions": "PROBE-INSTRUCTIONS" in words}
print(seen)
assert seen == dict.fromkeys(
    ("Copilot", "Cline", "Continue"), {"tools": True, "instructions": False}
)
PYTHON
