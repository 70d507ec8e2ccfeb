#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: UserPromptSubmit means that the user submitted a prompt.
# Seen: it fires for the task that the model gives a subagent, too, with the parent's `session_id`;
#   only `agent_id` and `agent_type` tell the two apart. The subagent's rollout is a file like a
#   session's own beside it.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"spawn_agent": {"message": "HELPER"}}, {"exec_command": {"cmd": "sleep 3"}}, "Done."],
    "HELPER": ["Helped."]}'
codex SessionStart UserPromptSubmit
codex_run ALPHA
ls "$WORK"/home/.codex/sessions/*/*/* >"$WORK/rollouts"
judge <<'PYTHON'
for each in hooks:
    print(*(f"{key}={each.get(key)}" for key in ("hook_event_name", "session_id", "agent_id", "prompt")))
users, helpers = [each for each in hooks if each["hook_event_name"] == "UserPromptSubmit"]
assert (users["prompt"], helpers["prompt"]) == ("ALPHA", "HELPER")
assert users["session_id"] == helpers["session_id"]
assert "agent_id" not in users and helpers["agent_id"]
assert len((WORK / "rollouts").read_text().split()) == 2
PYTHON
