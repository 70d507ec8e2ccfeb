#!/usr/bin/env bash
# @github/copilot 1.0.102, @anthropic-ai/claude-code 2.1.332
# Guess: what a SessionStart hook told the model stays in the conversation, as any other message.
# Seen: in Claude Code it does. In Copilot CLI the resumed conversation has the prompts and the
#   answers, and the context is gone: whoever tells a resumed session only what is new leaves this
#   one without the rest.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

copilot_cli SessionStart
claude_code SessionStart
model '{"ALPHA": ["First done."], "BETA": ["Second done."]}'
printf '{"additionalContext": "COPILOT-TOLD"}' >"$WORK/says"
copilot_run -p ALPHA
copilot_run --continue -p BETA
printf '{"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "CLAUDE-TOLD"}}' \
    >"$WORK/says"
claude_code_run -- ALPHA
claude_code_run --continue -- BETA
judge <<'PYTHON'
told = {"chat": [], "messages": []}
for each in requests:
    name = "chat" if each["path"].endswith("/chat/completions") else "messages"
    words = json.dumps(each["body"]["messages"])
    told[name].append(("ALPHA" in words, "BETA" in words, "-TOLD" in words))
print("ALPHA, BETA, context: in Copilot's requests", told["chat"], "in Claude Code's", told["messages"])
assert told["chat"] == [(True, False, True), (True, True, False)]
assert told["messages"] == [(True, False, True), (True, True, True)]
PYTHON
