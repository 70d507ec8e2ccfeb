#!/usr/bin/env bash
# PyPI: openai-agents 0.24.0
# Guess: `_meta` of a tool in tools/list is for the client; a call's `_meta` is the request's own, with
#   a progress token for instance.
# Seen: each tools/call has the tool's `_meta` as its own, so that what the server wrote there for
#   other hosts comes back to it as if the client had said it of the call.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"look": {}}, "Done."]}'
pip_packages openai-agents==0.24.0
SETTINGS=(OPENAI_AGENTS_DISABLE_TRACING=1)
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" "$URL/v1" <<'PYTHON'
import asyncio, sys
from agents import Agent, OpenAIChatCompletionsModel, Runner
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI
async def main():
    probe, log, url = sys.argv[1:]
    model = OpenAIChatCompletionsModel("scripted", AsyncOpenAI(base_url=url, api_key="fake"))
    async with MCPServerStdio({"command": sys.executable, "args": [probe, log]}) as server:
        await Runner.run(Agent("agent", model=model, mcp_servers=[server]), "ALPHA")
asyncio.run(main())
PYTHON
judge <<'PYTHON'
(call,) = [each["params"] for each in probe if each.get("method") == "tools/call"]
print(call)
assert call == {"_meta": {"anthropic/alwaysLoad": True}, "name": "look", "arguments": {}}
PYTHON
