#!/usr/bin/env bash
# @google/gemini-cli 0.61.0
# Guess: a tool's text reaches the model, and the hook AfterTool, as the server sent it.
# Seen: both get it in a frame, <untrusted_context>, one around each of a result's texts; only
#   `returnDisplay`, for the screen, is without. structuredContent reaches neither.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

gemini_cli AfterTool
model '{"ALPHA": [{"look": {}}, {"two_texts": {}}, "Done."]}'
gemini_run -p ALPHA
judge <<'PYTHON'
given = [
    part["functionResponse"]["response"]
    for content in requests[-1]["body"]["contents"] for part in content["parts"]
    if "functionResponse" in part
]
print("to the model:", given)
print("to the hook: ", [each["tool_response"] for each in hooks])
assert given[0] == {"output": "<untrusted_context>\nPROBE-TEXT\n</untrusted_context>"}
assert "PROBE-STRUCTURE" not in json.dumps([requests, hooks])
assert "<untrusted_context>" in hooks[0]["tool_response"]["llmContent"][0]["text"]
assert hooks[0]["tool_response"]["returnDisplay"] == "PROBE-TEXT"
PYTHON
