#!/usr/bin/env bash
# @qwen-code/qwen-code 0.24.4
# Guess: a hook's `timeout` is in one unit, seconds as in Claude Code, whose shape the settings
#   share, or milliseconds as in Gemini CLI, from which Qwen Code comes.
# Seen: it is in seconds below 1000 and in milliseconds from there: a hook that needs two seconds
#   comes to its end with 999 and is ended with 1000.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

printf '#!/bin/sh\nsleep 2\nexec %s\n' "$WORK/hook" >"$WORK/slow"
chmod +x "$WORK/slow"
model '{"ALPHA": ["Done."]}'
for each in 5 999 1000; do
    TIMEOUT=$each qwen_code UserPromptSubmit
    sed -i "s#$WORK/hook#$WORK/slow#" "$WORK/home/.qwen/settings.json"
    qwen_run -p ALPHA
    touch "$WORK/hooks.jsonl"
    mv "$WORK/hooks.jsonl" "$WORK/after-$each.jsonl"
done
judge <<'PYTHON'
ended = {number: len(lines(f"after-{number}.jsonl")) for number in (5, 999, 1000)}
print("timeout: hooks of two seconds that came to their end:", ended)
assert ended == {5: 1, 999: 1, 1000: 0}
PYTHON
