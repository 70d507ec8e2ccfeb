#!/usr/bin/env bash
# @google/gemini-cli 0.61.0
# Guess: the chat file has one line for each message, and a tool's result once.
# Seen: the model's message comes twice under one `id`, first without and then with `toolCalls`; that
#   holds the result, which comes again in a line of the type `user`. And the call's id there is
#   not the one in the request to the model (the API gave none): the tool's name is added before it.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

gemini_cli AfterTool
model '{"ALPHA": [{"plain": {}}, "Done."]}'
gemini_run -p ALPHA
cat "$WORK"/home/.gemini/tmp/*/chats/*.jsonl >"$WORK/chat.jsonl"
judge <<'PYTHON'
written = [each for each in lines("chat.jsonl") if each.get("type") in ("user", "gemini")]
for each in written:
    print(each["id"], each["type"], sorted(each), "PROBE-PLAIN" in json.dumps(each))
results = [each for each in written if "PROBE-PLAIN" in json.dumps(each)]
assert [each["type"] for each in results] == ["gemini", "user"]
assert sum(each["id"] == results[0]["id"] for each in written) == 2
(asked,) = [
    part["functionResponse"]["id"]
    for content in requests[-1]["body"]["contents"] for part in content["parts"]
    if "functionResponse" in part
]
kept = results[0]["toolCalls"][0]["id"]
print("in the request:", asked, "in the file:", kept)
assert kept == "mcp_probe_plain__" + asked
assert "tool_use_id" not in hooks[0] and asked not in json.dumps(hooks)
PYTHON
