"""FastMCP's client, by itself."""

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from script import Script, Told, answer_of, play


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        transport = StreamableHttpTransport(script.url)
    else:
        command, *arguments = script.command
        transport = StdioTransport(command, arguments, env=script.environment, keep_alive=False)
    async with Client(transport) as client:
        tools = [tool.name for tool in await client.list_tools()]
        told.tools = tools

        async def call(name: str) -> object:
            result = await client.call_tool(name, script.calls[name])
            shown = [part.text for part in result.content]
            return (
                shown if result.structured_content is None else [*shown, result.structured_content]
            )

        for name in tools:
            told.answers[name] = await answer_of(call(name))
        for resource in await client.list_resources():
            read = await client.read_resource(resource.uri)
            told.resources[str(resource.uri)] = read[0].text


play("fastmcp", run)
