#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: of a tool result with a short text and a long structuredContent the model gets the text, or
#   as much of the beginning as fits.
# Seen: the text is left out, and the structure's JSON, 39,000 characters, is cut in its middle
#   to about 12,000: beginning and end remain, which is no JSON any more. The hook PostToolUse gets
#   the whole result, with the text.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"long_list": {}}, "Done."]}'
MORE='required = true' codex PostToolUse
codex_run ALPHA
judge <<'PYTHON'
(output,) = [each["output"] for each in requests[-1]["body"]["input"] if "output" in each]
whole = hooks[0]["tool_response"]
cut = output[len(output) // 2 - 40 : len(output) // 2 + 40]
print(len(json.dumps(whole["structuredContent"], separators=(",", ":"))), "->", len(output))
print(output[:90], cut, output[-60:], sep="\n")
assert "PROBE-TEXT" not in output and "PROBE-TEXT" in whole["content"][0]["text"]
assert 11_000 < len(output) < 13_000
assert "item-00000" in output and "item-02999" in output and "item-01500" not in output
PYTHON
