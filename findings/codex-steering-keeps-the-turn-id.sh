#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: `turn_id` in UserPromptSubmit is another for each prompt, for a prompt is what begins a turn.
# Seen: words typed in the terminal while the model works fire UserPromptSubmit with the `turn_id`
#   of the turn under way.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"exec_command": {"cmd": "sleep 6", "yield_time_ms": 9000}}, "Done."], "BETA": ["Steered."]}'
codex UserPromptSubmit
printf '[projects."%s"]\ntrust_level = "trusted"\n' "$PWD" >>"$WORK/home/.codex/config.toml"
cat >"$WORK/type.py" <<'PYTHON'
import os, pty, select, sys, time
child, terminal = pty.fork()
if not child:
    os.environ["TERM"] = "xterm-256color"
    os.execvp(sys.argv[1], sys.argv[1:])
log = open(os.path.join(os.environ["WORK"], "hooks.jsonl"), "a+")
end, typed = time.monotonic() + 40, []
while time.monotonic() < end and len(typed) < 3:
    if select.select([terminal], [], [], 0.2)[0]:
        seen = os.read(terminal, 65536)
        if b"\x1b[6n" in seen: # it asks a terminal where the cursor is
            os.write(terminal, b"\x1b[1;1R")
    log.seek(0)
    prompts = log.read().count("UserPromptSubmit")
    started = time.monotonic() > end - 36
    if started and prompts == len(typed):
        typed.append(["ALPHA", "BETA", ""][len(typed)])
        for key in typed[-1] + "\r" * bool(typed[-1]):
            os.write(terminal, key.encode())
            time.sleep(0.3)
os.kill(child, 15)
PYTHON
scratch python3 "$WORK/type.py" codex
judge <<'PYTHON'
for each in hooks:
    print(each["hook_event_name"], each["prompt"], each["turn_id"])
assert [each["prompt"] for each in hooks] == ["ALPHA", "BETA"]
assert hooks[0]["turn_id"] == hooks[1]["turn_id"]
PYTHON
