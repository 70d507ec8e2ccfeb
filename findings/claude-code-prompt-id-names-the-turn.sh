#!/usr/bin/env bash
# @anthropic-ai/claude-code 2.1.332
# Guess: `prompt_id` in a hook's payload is the prompt's own, as its name and its place in
#   UserPromptSubmit say.
# Seen: a prompt sent while the model works joins the turn under way: its UserPromptSubmit has the
#   `prompt_id` of the prompt before, and there is one Stop for both. In the transcript it stands
#   not as a `user` line but as an `attachment` of the type queued_command.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

claude_code UserPromptSubmit Stop
model '{"ALPHA": [{"Bash": {"command": "sleep 4", "description": "Wait"}}, "First done."],
    "BETA": ["Second done."]}'
says() { printf '{"type": "user", "message": {"role": "user", "content": "%s"}}\n' "$1"; }
{
    says ALPHA
    sleep 3
    says BETA
    sleep 4
} | claude_code_run --input-format stream-json --output-format stream-json --verbose >"$WORK/out"
cat "$WORK"/home/.claude/projects/*/*.jsonl >"$WORK/transcript.jsonl"
judge <<'PYTHON'
for each in hooks:
    print(each["hook_event_name"], each.get("prompt"), each["prompt_id"])
first, second, *stops = hooks
assert (first["prompt"], second["prompt"]) == ("ALPHA", "BETA")
assert first["prompt_id"] == second["prompt_id"] == stops[0]["prompt_id"]
assert len(stops) == 1
transcript = lines("transcript.jsonl")
where = [each["type"] for each in transcript if "BETA" in json.dumps(each)]
print("BETA stands in lines of the types", sorted(set(where)))
assert "user" not in where and "attachment" in where
PYTHON
