#!/usr/bin/env bash
# @continuedev/cli 1.5.47
# Guess: tools of the same name of two servers are told apart by the servers' names, as in the other
#   hosts, or one is left out.
# Seen: tools go to the model under their bare names, and with two servers that both have `look`
#   the request offers `look` twice; a call goes to the server that stands first.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"look": {}}, "Done."]}'
continue_cli one two
continue_run ALPHA
judge <<'PYTHON'
offered = [tool["function"]["name"] for tool in requests[0]["body"]["tools"]]
calls = {
    name: sum(each.get("method") == "tools/call" for each in lines(name + ".jsonl"))
    for name in ("one", "two")
}
print(offered, calls)
assert offered.count("look") == 2 and calls == {"one": 1, "two": 0}
PYTHON
