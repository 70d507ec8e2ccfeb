#!/usr/bin/env bash
# cline 3.0.65, @continuedev/cli 1.5.47
# Guess: structuredContent came with MCP 2025-06-18, so a server may tell by the `protocolVersion` that
#   a client asks for whether the client makes use of it.
# Seen: Cline CLI asks for 2024-11-05 and gives its model the structure; Continue CLI asks for 2025-11-25
#   and drops it. Cline calls itself "@cline/core" with the version 0.0.0.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"look": {}}, "Done."]}'
cline_cli
cline_run "ALPHA, Cline"
mv "$WORK/probe.jsonl" "$WORK/cline.jsonl"
continue_cli continue
continue_run "ALPHA, Continue"
judge <<'PYTHON'
for host, version, structure in (("Cline", "2024-11-05", True), ("Continue", "2025-11-25", False)):
    (asked,) = [
        each["params"] for each in lines(host.lower() + ".jsonl") if each.get("method") == "initialize"
    ]
    bodies = [json.dumps(each["body"]) for each in requests]
    given = any("PROBE-STRUCTURE" in body for body in bodies if "ALPHA, " + host in body)
    print(host, asked["protocolVersion"], asked["clientInfo"], "structure reaches the model:", given)
    assert (asked["protocolVersion"], given) == (version, structure)
    assert (asked["clientInfo"]["version"] == "0.0.0") == (host == "Cline")
PYTHON
