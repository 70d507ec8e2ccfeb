#!/usr/bin/env bash
# @github/copilot 1.0.102, cline 3.0.65, @continuedev/cli 1.5.47, opencode-ai 1.18.33
# Guess: of a result with a text and structuredContent a model reads the text, in every host.
# Seen: in opencode. In Copilot CLI it reads the text and below it the structure's JSON, in Cline CLI
#   the JSON of the whole result, in Continue CLI the JSON of the array of content.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"look": {}}, "Done."]}'
copilot_cli
copilot_run -p "ALPHA, Copilot"
cline_cli
cline_run "ALPHA, Cline"
continue_cli probe
continue_run "ALPHA, Continue"
opencode_cli
opencode_run "ALPHA, opencode"
judge <<'PYTHON'
read = {}
for each in requests:
    messages = each["body"]["messages"]
    host = re.search(r"ALPHA, (\w+)", json.dumps(messages))[1]
    read |= {host: message["content"] for message in messages if message["role"] == "tool"}
for host, content in read.items():
    print(f"{host}: {content!r}")
assert read == {
    "Copilot": 'PROBE-TEXT\n\n{"word":"PROBE-STRUCTURE"}',
    "Cline": '{"content":[{"type":"text","text":"PROBE-TEXT"}],'
    '"structuredContent":{"word":"PROBE-STRUCTURE"}}',
    "Continue": '[{"type":"text","text":"PROBE-TEXT"}]',
    "opencode": "PROBE-TEXT",
}
PYTHON
