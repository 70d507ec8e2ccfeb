#!/usr/bin/env bash
# PyPI: langchain-mcp-adapters 0.3.2
# Guess: a MultiServerMCPClient holds a connection to each server; tools got from it share it.
# Seen: each call starts the server anew, initializes it, calls, and asks for the list of tools after
#   the call; what a server keeps for a connection is gone at the next.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

pip_packages langchain-mcp-adapters==0.3.2
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" <<'PYTHON'
import asyncio, sys
from langchain_mcp_adapters.client import MultiServerMCPClient
async def main():
    server = {"transport": "stdio", "command": sys.executable, "args": sys.argv[1:]}
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"probe": server}).get_tools()}
    await tools["look"].ainvoke({})
    await tools["plain"].ainvoke({})
asyncio.run(main())
PYTHON
judge <<'PYTHON'
processes = []
for each in probe:
    if "started" in each:
        processes.append([])
    else:
        processes[-1].append(each["method"])
print(*processes, sep="\n")
begin = ["initialize", "notifications/initialized"]
assert processes == [[*begin, "tools/list"], *[[*begin, "tools/call", "tools/list"]] * 2]
PYTHON
