"""mcp-use: its tools for LangChain, which send null for what was left out."""

from mcp_use import MCPClient
from mcp_use.agents.adapters import LangChainAdapter
from script import Script, Told, answer_of, play


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        server = {"url": script.url}
    else:
        command, *arguments = script.command
        server = {"command": command, "args": arguments, "env": script.environment}
    client = MCPClient.from_dict({"mcpServers": {"memory": server}})
    try:
        tools = await LangChainAdapter().create_tools(client)
        told.tools = [tool.name for tool in tools]
        for tool in tools:
            if tool.name in script.calls:
                told.answers[tool.name] = await answer_of(tool.ainvoke(script.calls[tool.name]))
        session = client.get_session("memory")
        for resource in await session.list_resources():
            read = await session.read_resource(resource.uri)
            told.resources[str(resource.uri)] = read.contents[0].text
    finally:
        await client.close_all_sessions()


play("mcp-use", run)
