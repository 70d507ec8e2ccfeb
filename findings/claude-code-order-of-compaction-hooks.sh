#!/usr/bin/env bash
# @anthropic-ai/claude-code 2.1.332
# Guess: PreCompact, PostCompact, then SessionStart with the source `compact`, for a start comes
#   when what went before it is over; and what happens besides a prompt has no `prompt_id`.
# Seen: SessionStart(compact) fires before PostCompact, so that whoever forgets at PostCompact what
#   he told the session forgets what he has just told; both compaction hooks have a `prompt_id`.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

claude_code SessionStart PreCompact PostCompact UserPromptSubmit
model '{"ALPHA": ["First done."], "BETA": ["Second done."]}'
says() { printf '{"type": "user", "message": {"role": "user", "content": "%s"}}\n' "$1"; }
{
    says ALPHA
    sleep 3
    says /compact
    sleep 3
    says BETA
    sleep 3
} | claude_code_run --input-format stream-json --output-format stream-json --verbose >"$WORK/out"
judge <<'PYTHON'
order = [each["hook_event_name"] + ":" + each.get("source", "") for each in hooks]
print(*order, sep="\n")
assert order == [
    "SessionStart:startup", "UserPromptSubmit:",
    "PreCompact:", "SessionStart:compact", "PostCompact:", "UserPromptSubmit:",
]
print([each.get("prompt_id") for each in hooks])
assert hooks[2]["prompt_id"] and hooks[4]["prompt_id"]
assert "model" in hooks[3] and "model" not in hooks[0]
PYTHON
