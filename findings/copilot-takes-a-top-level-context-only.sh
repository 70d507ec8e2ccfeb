#!/usr/bin/env bash
# @github/copilot 1.0.102
# Guess: hooks named as Claude Code names them (SessionStart, in PascalCase) may answer as there: the
#   context stands in `hookSpecificOutput.additionalContext`.
# Seen: that one is passed over without a word. An `additionalContext` at the top of the answer
#   reaches the model, in a message of the user's role without any frame, before the prompt.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

copilot_cli SessionStart
model '{"ALPHA": ["Done."]}'
printf '{"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "NESTED"}}' >"$WORK/says"
copilot_run -p ALPHA
printf '{"additionalContext": "ON-TOP"}' >"$WORK/says"
copilot_run -p ALPHA
judge <<'PYTHON'
for each in requests:
    print([(m["role"], m["content"][-60:]) for m in each["body"]["messages"] if m["role"] != "system"])
nested, top = [each["body"]["messages"] for each in requests]
assert "NESTED" not in json.dumps(nested)
assert {"role": "user", "content": "ON-TOP"} in top
PYTHON
