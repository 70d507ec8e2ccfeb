#!/usr/bin/env bash
# @google/gemini-cli 0.61.0
# Guess: a resumed chat holds what its user said, whatever a hook added to it.
# Seen: where SessionStart's hook gave context, the first prompt begins with <hook_context>. On
#   resume the model gets the chat without that message: the context is gone, and the user's words
#   with it. Context that BeforeAgent's hook gives stands behind the words, and both come back.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["First done."], "BETA": ["Second done."], "GAMMA": ["Third done."]}'
gemini_cli SessionStart
printf '{"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "TOLD-AT-START"}}' \
    >"$WORK/says"
gemini_run -p ALPHA
gemini_run --resume latest -p BETA
gemini_cli BeforeAgent
printf '{"hookSpecificOutput": {"hookEventName": "BeforeAgent", "additionalContext": "TOLD-AT-PROMPT"}}' \
    >"$WORK/says"
gemini_run --resume latest -p BETA
gemini_run --resume latest -p GAMMA
judge <<'PYTHON'
def words(each):
    contents = each["body"].get("contents", [])
    return "\n".join(part.get("text", "") for turn in contents for part in turn["parts"])
said = [words(each) for each in requests if "First done." in words(each) or "ALPHA" in words(each)]
held = [("ALPHA" in text, "TOLD-AT-START" in text, "TOLD-AT-PROMPT" in text) for text in said]
print("ALPHA, context of the start, context of the prompt:", *held, sep="\n")
assert held[0] == (True, True, False)  # as it is said
assert held[1] == (False, False, False)  # resumed
assert held[2] == (False, False, True)  # told at a prompt
assert held[3] == (False, False, True) and "BETA" in said[3]  # resumed
PYTHON
