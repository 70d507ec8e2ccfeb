#!/usr/bin/env bash
# @google/gemini-cli 0.61.0
# Guess: the hook PreCompress fires when the conversation is about to be compressed; its `trigger`
#   `auto` means that the window is nearly full.
# Seen: PreCompress(auto) fires before each request to the model, in a turn with two tool calls
#   three times, though the model counted 500 tokens and nothing was compressed.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

gemini_cli BeforeAgent PreCompress AfterAgent
model '{"ALPHA": [{"look": {}}, {"plain": {}}, "Done."]}'
gemini_run -p ALPHA
judge <<'PYTHON'
events = [each["hook_event_name"] + ":" + each.get("trigger", "") for each in hooks]
print(events, len(requests), "requests")
assert events == ["BeforeAgent:", *["PreCompress:auto"] * 3, "AfterAgent:"]
assert len(requests) == 3
assert all("ALPHA" in json.dumps(each["body"]["contents"]) for each in requests)
PYTHON
