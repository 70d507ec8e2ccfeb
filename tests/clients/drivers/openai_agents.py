"""OpenAI's Agents SDK: the tools as its runner makes them, called with a model's JSON."""

import json
import sys

from agents import Agent, RunContextWrapper
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp, MCPUtil
from agents.tool_context import ToolContext
from script import Script, Told, answer_of, filled, play

STRICT = "--strict" in sys.argv


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        server = MCPServerStreamableHttp({"url": script.url}, client_session_timeout_seconds=60)
    else:
        command, *arguments = script.command
        parameters = {"command": command, "args": arguments, "env": script.environment}
        server = MCPServerStdio(parameters, client_session_timeout_seconds=60)
    async with server:
        agent = Agent("tests", mcp_servers=[server])
        tools = await MCPUtil.get_function_tools(server, STRICT, RunContextWrapper(None), agent)
        told.tools = [tool.name for tool in tools]
        for tool in tools:
            given = script.calls[tool.name]
            if STRICT:
                given = filled(tool.params_json_schema, given)
            text = json.dumps(given)
            context = ToolContext(None, tool_name=tool.name, tool_call_id="1", tool_arguments=text)
            told.answers[tool.name] = await answer_of(tool.on_invoke_tool(context, text))
        for resource in (await server.list_resources()).resources:
            read = await server.read_resource(str(resource.uri))
            told.resources[str(resource.uri)] = read.contents[0].text


play("openai-agents", run)
