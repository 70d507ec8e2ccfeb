"""LlamaIndex's MCP tools: the arguments a model gave, and the output's text."""

from llama_index.tools.mcp import BasicMCPClient, McpToolSpec
from script import Script, Told, answer_of, play


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        client = BasicMCPClient(script.url)
    else:
        command, *arguments = script.command
        client = BasicMCPClient(command, arguments, script.environment)
    tools = await McpToolSpec(client).to_tool_list_async()
    told.tools = [tool.metadata.name for tool in tools]

    async def call(tool) -> object:
        return (await tool.acall(**script.calls[tool.metadata.name])).content

    for tool in tools:
        told.answers[tool.metadata.name] = await answer_of(call(tool))
    for resource in (await client.list_resources()).resources:
        read = await client.read_resource(resource.uri)
        told.resources[str(resource.uri)] = read.contents[0].text
    # As tools of their own, all or none of them:
    more = await McpToolSpec(client, include_resources=True).to_tool_list_async()
    told.note = f"{len(more) - len(tools)} resources as tools"


play("llama-index-tools-mcp", run)
