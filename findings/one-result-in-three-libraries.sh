#!/usr/bin/env bash
# PyPI: pydantic-ai-slim 2.68.0, google-adk 2.13.0, llama-index-tools-mcp 0.6.0
# Guess: a library that turns MCP tools into its own gives the model the text of a result.
# Seen: pydantic-ai gives it structuredContent and never the text; google-adk the whole result as an
#   object, `isError` and all; llama-index Python's spelling of the result object, class names in it.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"look": {}}, "Done."]}'
pip_packages "pydantic-ai-slim[mcp,openai]==2.68.0"
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" "$URL/v1" <<'PYTHON'
import sys
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
probe, log, url = sys.argv[1:]
model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=url, api_key="fake"))
Agent(model, toolsets=[MCPToolset(StdioTransport(sys.executable, [probe, log]))]).run_sync("ALPHA")
PYTHON
pip_packages "google-adk[mcp]==2.13.0"
SETTINGS=(GOOGLE_API_KEY=fake GOOGLE_GEMINI_BASE_URL="$URL")
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" 2>"$WORK/stderr" <<'PYTHON'
import asyncio, sys
from google.adk.agents import LlmAgent
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool.mcp_session_manager import StdioConnectionParams
from google.adk.tools.mcp_tool.mcp_toolset import McpToolset
from google.genai.types import Content, Part
from mcp import StdioServerParameters
async def main():
    server = StdioServerParameters(command=sys.executable, args=sys.argv[1:])
    tools = McpToolset(connection_params=StdioConnectionParams(server_params=server))
    agent = LlmAgent(name="agent", model="gemini-2.5-flash", tools=[tools])
    runner = InMemoryRunner(agent=agent, app_name="agent")
    session = await runner.session_service.create_session(app_name="agent", user_id="user")
    said = Content(role="user", parts=[Part(text="ALPHA")])
    async for _ in runner.run_async(user_id="user", session_id=session.id, new_message=said):
        pass
    await tools.close()
asyncio.run(main())
PYTHON
pip_packages llama-index-tools-mcp==0.6.0
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" 2>"$WORK/stderr" >"$WORK/llama" <<'PYTHON'
import sys
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec
tools = McpToolSpec(client=BasicMCPClient(sys.executable, args=sys.argv[1:])).to_tool_list()
(look,) = [tool for tool in tools if tool.metadata.name == "look"]
sys.stdout.write(look.call().content) # what an agent hands its model
PYTHON
judge <<'PYTHON'
(pydantic,) = [m["content"] for m in requests[1]["body"]["messages"] if m["role"] == "tool"]
adk = requests[-1]["body"]["contents"][-1]["parts"][0]["functionResponse"]["response"]
llama = (WORK / "llama").read_text()
print("pydantic-ai:", pydantic, "google-adk:", adk, "llama-index:", llama, sep="\n")
assert pydantic == '{"word":"PROBE-STRUCTURE"}'
assert adk == {
    "content": [{"type": "text", "text": "PROBE-TEXT"}],
    "structuredContent": {"word": "PROBE-STRUCTURE"}, "isError": False,
}
assert "TextContent(type='text', text='PROBE-TEXT'" in llama and "PROBE-STRUCTURE" in llama
PYTHON
