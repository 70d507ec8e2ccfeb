#!/usr/bin/env bash
# opencode-ai 1.18.33, @kilocode/cli 7.7.7
# Guess: `notifications/cancelled` names a request whose answer is still to come and not wanted.
# Seen: it follows every tool call, after its answer was received and used; a server that takes it
#   for the model's or the user's wish undoes what was wanted. Kilo, built on opencode, does the same.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"look": {}}, "Done."]}'
opencode_cli
opencode_run ALPHA
mv "$WORK/probe.jsonl" "$WORK/opencode.jsonl"
npm_packages @kilocode/cli@7.7.7
mkdir -p "$WORK/home/.config/kilo"
cp "$WORK/home/.config/opencode/opencode.json" "$WORK/home/.config/kilo/kilo.json"
SETTINGS=(KILO_DISABLE_AUTOUPDATE=1 KILO_DISABLE_MODELS_FETCH=1 KILO_TELEMETRY_LEVEL=off)
scratch kilo run ALPHA 2>"$WORK/stderr"
mv "$WORK/probe.jsonl" "$WORK/kilo.jsonl"
judge <<'PYTHON'
for host in ("opencode", "kilo"):
    log = lines(host + ".jsonl")
    (call,) = [each["id"] for each in log if each.get("method") == "tools/call"]
    after = [each for each in log if each.get("method") == "notifications/cancelled"]
    print(host, "call", call, "then", [each["params"] for each in after])
    assert [each["params"]["requestId"] for each in after] == [call]
used = [each for each in requests if "PROBE-TEXT" in json.dumps(each["body"]["messages"])]
assert len(used) >= 2
PYTHON
