"""Google's Agent Development Kit: what a tool gives back is the model's function response."""

from google.adk.agents import LlmAgent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.sessions import InMemorySessionService
from google.adk.tools.mcp_tool import (
    McpToolset,
    StdioConnectionParams,
    StreamableHTTPConnectionParams,
)
from google.adk.tools.tool_context import ToolContext
from mcp import StdioServerParameters
from script import Script, Told, answer_of, play


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        connection = StreamableHTTPConnectionParams(url=script.url, timeout=60)
    else:
        command, *arguments = script.command
        server = StdioServerParameters(command=command, args=arguments, env=script.environment)
        connection = StdioConnectionParams(server_params=server, timeout=60)
    memory = McpToolset(connection_params=connection)
    sessions = InMemorySessionService()
    session = await sessions.create_session(app_name="tests", user_id="tests")
    context = ToolContext(
        InvocationContext(
            invocation_id="1",
            agent=LlmAgent(name="tests"),
            session=session,
            session_service=sessions,
        )
    )
    try:
        tools = await memory.get_tools()
        told.tools = [tool.name for tool in tools]
        for tool in tools:
            given = script.calls[tool.name]
            told.answers[tool.name] = await answer_of(
                tool.run_async(args=given, tool_context=context)
            )
        for name in await memory.list_resources():
            read = await memory.read_resource(name)
            told.resources[(await memory.get_resource_info(name))["uri"]] = read[0].text
    finally:
        await memory.close()


play("google-adk", run)
