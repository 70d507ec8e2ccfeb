"""LangChain's MCP adapters as they are by default: a new session for each call."""

from langchain_mcp_adapters.client import MultiServerMCPClient
from script import Script, Told, answer_of, play


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        server = {"transport": "streamable_http", "url": script.url}
    else:
        command, *arguments = script.command
        server = {"transport": "stdio", "command": command, "args": arguments}
        server["env"] = script.environment
    client = MultiServerMCPClient({"memory": server})
    tools = await client.get_tools()
    told.tools = [tool.name for tool in tools]

    async def call(tool) -> object:
        asked = {"type": "tool_call", "id": "1", "name": tool.name, "args": script.calls[tool.name]}
        return (await tool.ainvoke(asked)).content

    for tool in sorted(tools, key=lambda tool: list(script.calls).index(tool.name)):
        told.answers[tool.name] = await answer_of(call(tool))
    for blob in await client.get_resources("memory"):
        told.resources[str(blob.metadata["uri"])] = blob.as_string()


play("langchain-mcp-adapters", run)
