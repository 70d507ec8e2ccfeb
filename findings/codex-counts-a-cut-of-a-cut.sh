#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: the mark that codex puts where it cut a long MCP result says how much is missing there.
# Seen: the rollout file's mark is right, "27047 chars truncated". The text in the request to the
#   model has been cut once more, and the new mark took the old one's place: the model reads that
#   7 tokens are missing, where 27,000 characters are. The shell's output is cut once, and its mark
#   is the same in both.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"long_list": {}}, {"exec_command": {"cmd": "seq 10000 20000"}}, "Done."]}'
MORE='required = true' codex
codex_run ALPHA
cat "$WORK"/home/.codex/sessions/*/*/*/*.jsonl >"$WORK/rollout.jsonl"
judge <<'PYTHON'
def marks(items):
    outputs = [each["output"] for each in items if "output" in each]
    return [re.findall(r"…(\d+) (\w+) truncated…", output) for output in outputs]
kept = marks(each["payload"] for each in lines("rollout.jsonl"))
told = marks(requests[-1]["body"]["input"])
print("in the rollout:  ", kept)
print("told to the model:", told)
((number, unit),) = kept[0]
assert unit == "chars" and int(number) > 25_000
((said, unit),) = told[0]
assert unit == "tokens" and int(said) < 100
assert kept[1] == told[1] != []
PYTHON
