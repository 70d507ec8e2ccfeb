#!/usr/bin/env bash
# @anthropic-ai/claude-code 2.1.332
# Guess: in the transcript of a forked session the copied lines are as they were, or are new
#   throughout: `sessionId` and `promptId` say where and in which turn a line was written.
# Seen: a copied line keeps its `uuid` and its time, but has the fork's `sessionId`, and every
#   copied prompt has the `promptId` of the prompt that the fork began with. So a prompt is not
#   known by `promptId`, and two files hold the same `uuid` under two sessions.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

claude_code UserPromptSubmit
model '{"ALPHA": ["First done."], "BETA": ["Second done."], "GAMMA": ["Third done."]}'
claude_code_run -- ALPHA
claude_code_run --continue -- BETA
claude_code_run --continue --fork-session -- GAMMA
for each in "$WORK"/home/.claude/projects/*/*.jsonl; do
    if grep -q GAMMA "$each"; then cp "$each" "$WORK/fork.jsonl"; else cp "$each" "$WORK/old.jsonl"; fi
done
judge <<'PYTHON'
def prompts(name):
    return {
        each["message"]["content"]: each
        for each in lines(name)
        if each["type"] == "user" and isinstance(each["message"]["content"], str)
    }
old, fork = prompts("old.jsonl"), prompts("fork.jsonl")
for name, each in [*old.items(), *fork.items()]:
    print(name, each["uuid"], each["sessionId"], each["promptId"])
assert list(old) == ["ALPHA", "BETA"] and list(fork) == ["ALPHA", "BETA", "GAMMA"]
for name in old:
    assert old[name]["uuid"] == fork[name]["uuid"]
    assert old[name]["timestamp"] == fork[name]["timestamp"]
    assert old[name]["sessionId"] != fork[name]["sessionId"]
assert old["ALPHA"]["promptId"] != old["BETA"]["promptId"]
assert len({each["promptId"] for each in fork.values()}) == 1
PYTHON
