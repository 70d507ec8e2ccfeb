#!/usr/bin/env bash
# @qwen-code/qwen-code 0.24.4
# Guess: UserPromptSubmit fires once for each prompt that the user submits.
# Seen: it fires again, with an empty `prompt` and without `submitted_prompt`, each time that the
#   results of tools go back to the model; `prompt_id` stays the same.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

qwen_code UserPromptSubmit Stop
model '{"ALPHA": [{"glob": {"pattern": "*"}}, {"glob": {"pattern": "*.py"}}, "Done."]}'
qwen_run -p ALPHA
judge <<'PYTHON'
prompts = [each for each in hooks if each["hook_event_name"] == "UserPromptSubmit"]
for each in prompts:
    print({key: each.get(key) for key in ("prompt", "submitted_prompt", "prompt_id")})
assert [each["prompt"] for each in prompts] == ["ALPHA", "", ""]
assert ["submitted_prompt" in each for each in prompts] == [True, False, False]
assert len({each["prompt_id"] for each in hooks}) == 1
PYTHON
