#!/usr/bin/env bash
# @anthropic-ai/claude-code 2.1.332
# Guess: a server's instructions stand in the request's `system` field, and a subagent, which may
#   call the server's tools, gets them as the main agent does.
# Seen: they stand in `messages`, in one of the role `system` after the user's prompt. The subagent
#   has the tools in its first request, but the instructions only from its second.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

claude_code UserPromptSubmit
model '{"ALPHA": [{"Agent": {"description": "Helper", "subagent_type": "general-purpose",
    "run_in_background": false, "prompt": "HELPER"}}, "Done."], "HELPER": [{"look": {}}, "Helped."]}'
claude_code_run -- ALPHA
judge <<'PYTHON'
def places(body):
    told = [m["role"] for m in body["messages"] if "PROBE-INSTRUCTIONS" in json.dumps(m)]
    return told + ["the system field"] * ("PROBE-INSTRUCTIONS" in json.dumps(body["system"]))
bodies = [each["body"] for each in requests if each["path"].endswith("/messages")]
helper = [b for b in bodies if "HELPER" in json.dumps(b["messages"][:2]) and "ALPHA" not in json.dumps(b)]
main = [b for b in bodies if b not in helper]
print("main:", [places(b) for b in main], "subagent:", [places(b) for b in helper])
assert places(main[0]) == ["system"]
assert any(tool["name"].endswith("look") for tool in helper[0]["tools"])
assert places(helper[0]) == [] and places(helper[1]) == ["system"]
PYTHON
