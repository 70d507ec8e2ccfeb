#!/usr/bin/env bash
# PyPI: langchain-mcp-adapters 0.3.2
# Guess: get_resources gives the resources of a server that can be read, and says which cannot.
# Seen: if one that is listed answers "not found", the whole call ends in an ExceptionGroup, and the
#   ones that can be read are had only by naming them.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

pip_packages langchain-mcp-adapters==0.3.2
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" >"$WORK/out.jsonl" <<'PYTHON'
import asyncio, json, sys
from langchain_mcp_adapters.client import MultiServerMCPClient
async def main():
    server = {"transport": "stdio", "command": sys.executable, "args": sys.argv[1:]}
    client = MultiServerMCPClient({"probe": server})
    try:
        print(json.dumps([blob.as_string() for blob in await client.get_resources("probe")]))
    except* RuntimeError as group:
        print(json.dumps(f"{type(group).__name__}: {group.exceptions[0].exceptions[0]}"))
    named = await client.get_resources("probe", uris=["probe://first"])
    print(json.dumps([blob.as_string() for blob in named]))
asyncio.run(main())
PYTHON
judge <<'PYTHON'
every, named = lines("out.jsonl")
print("every resource:", every, "the readable one, named:", named)
assert every == "ExceptionGroup: Error fetching resource probe://absent"
assert named == ["PROBE-RESOURCE"]
PYTHON
