#!/usr/bin/env bash
# @anthropic-ai/claude-code 2.1.332, @github/copilot 1.0.102; PyPI: pydantic-ai-slim 2.68.0
# Guess: a client's first message is `initialize`, as in every version of MCP up to 2025-11-25.
# Seen: the first is `server/discover` of 2026-07-28. When that is not known to the server, all three
#   initialize in the same process with 2025-11-25. One of them numbers its first request with a string.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["Done."]}'
claude_code
claude_code_run -- ALPHA
mv "$WORK/probe.jsonl" "$WORK/claude-code.jsonl"
copilot_cli
copilot_run -p ALPHA
mv "$WORK/probe.jsonl" "$WORK/copilot.jsonl"
pip_packages "pydantic-ai-slim[mcp,openai]==2.68.0"
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/pydantic-ai.jsonl" <<'PYTHON'
import asyncio, sys
from fastmcp.client.transports import StdioTransport
from pydantic_ai.mcp import MCPToolset
async def main():
    async with MCPToolset(StdioTransport(sys.executable, sys.argv[1:])) as tools:
        await tools.list_tools()
asyncio.run(main())
PYTHON
judge <<'PYTHON'
for client in ("claude-code", "copilot", "pydantic-ai"):
    first, second = [each for each in lines(client + ".jsonl") if "method" in each][:2]
    version = first["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"]
    print(client, repr(first["id"]), first["method"], version, "then", second["method"],
          second["params"]["protocolVersion"])
    assert (first["method"], version) == ("server/discover", "2026-07-28")
    assert (second["method"], second["params"]["protocolVersion"]) == ("initialize", "2025-11-25")
    assert isinstance(first["id"], str) == (client == "claude-code")
PYTHON
