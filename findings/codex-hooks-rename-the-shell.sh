#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: in PostToolUse `tool_name` and `tool_input` are the call that the model made.
# Seen: a call of `exec_command` with `cmd` is told as `Bash` with `command`, and its response is
#   the bare output, without the frame (chunk, time, exit code) that the model gets and that the
#   rollout file keeps. So hook and rollout do not agree on any of the three.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"exec_command": {"cmd": "echo ran-here"}}, "Done."]}'
codex PostToolUse
codex_run ALPHA
cat "$WORK"/home/.codex/sessions/*/*/*/*.jsonl >"$WORK/rollout.jsonl"
judge <<'PYTHON'
items = [each["payload"] for each in lines("rollout.jsonl") if each["type"] == "response_item"]
(call,) = [each for each in items if each["type"] == "function_call"]
(output,) = [each["output"] for each in items if each["type"] == "function_call_output"]
(hook,) = hooks
print("rollout:", call["name"], call["arguments"], repr(output))
print("hook:   ", hook["tool_name"], json.dumps(hook["tool_input"]), repr(hook["tool_response"]))
assert (call["name"], json.loads(call["arguments"])) == ("exec_command", {"cmd": "echo ran-here"})
assert (hook["tool_name"], hook["tool_input"]) == ("Bash", {"command": "echo ran-here"})
assert hook["tool_response"] == "ran-here\n" and output != hook["tool_response"]
assert call["call_id"] == hook["tool_use_id"]
PYTHON
