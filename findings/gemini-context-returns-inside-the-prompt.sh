#!/usr/bin/env bash
# @google/gemini-cli 0.61.0
# Guess: `prompt` in BeforeAgent and AfterAgent is what the user typed; a hook's own
#   additionalContext goes to the model and does not come back to hooks.
# Seen: with `gemini -p` the context that SessionStart's hook added stands in that `prompt`, in
#   <hook_context> before the user's words, and in the chat file's user message also. Its < and >
#   are escaped while & is not, so that the escaping cannot be undone for certain.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

gemini_cli SessionStart BeforeAgent AfterAgent
model '{"ALPHA": ["Done."]}'
printf '{"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "a <b> & &lt;c&gt;"}}' \
    >"$WORK/says"
gemini_run -p ALPHA
cat "$WORK"/home/.gemini/tmp/*/chats/*.jsonl >"$WORK/chat.jsonl"
judge <<'PYTHON'
prompts = [each["prompt"] for each in hooks if "prompt" in each]
print(*prompts, sep="\n")
assert prompts == ["<hook_context>a &lt;b&gt; & &lt;c&gt;</hook_context>\n\nALPHA"] * 2
(written,) = [each for each in lines("chat.jsonl") if each.get("type") == "user"]
assert written["content"][0]["text"] == prompts[0]
PYTHON
