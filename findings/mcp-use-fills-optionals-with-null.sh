#!/usr/bin/env bash
# PyPI: mcp-use 1.7.1
# Guess: an optional argument that the model left out is left out of tools/call.
# Seen: it is sent as null, which the tool's schema ("type": "string") does not allow: a server that
#   checks its input by its own schema refuses a call that the model made rightly.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"note": {"words": "some"}}, "Done."]}'
pip_packages mcp-use==1.7.1 langchain-openai==1.7.0
SETTINGS=(MCP_USE_ANONYMIZED_TELEMETRY=false)
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" "$URL/v1" >"$WORK/out" 2>&1 <<'PYTHON'
import asyncio, sys
from langchain_openai import ChatOpenAI
from mcp_use import MCPAgent, MCPClient
async def main():
    probe, log, url = sys.argv[1:]
    client = MCPClient({"mcpServers": {"probe": {"command": sys.executable, "args": [probe, log]}}})
    model = ChatOpenAI(model="scripted", base_url=url, api_key="fake")
    await MCPAgent(llm=model, client=client, max_steps=5).run("ALPHA")
    await client.close_all_sessions()
asyncio.run(main())
PYTHON
judge <<'PYTHON'
called = [
    call["function"]["arguments"]
    for message in requests[-1]["body"]["messages"] for call in message.get("tool_calls") or []
]
(sent,) = [each["params"]["arguments"] for each in probe if each.get("method") == "tools/call"]
print("the model's call:", called, "what the server got:", sent)
assert json.loads(called[0]) == {"words": "some"}
assert sent == {"words": "some", "tag": None, "limit": None}
PYTHON
