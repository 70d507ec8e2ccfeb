"""CrewAI's adapter for MCP servers: its tools, run as an agent runs them."""

from crewai_tools import MCPServerAdapter
from mcp import StdioServerParameters
from script import Script, Told, as_text, play


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        server = {"url": script.url, "transport": "streamable-http"}
    else:
        command, *arguments = script.command
        server = StdioServerParameters(command=command, args=arguments, env=script.environment)
    with MCPServerAdapter(server, connect_timeout=60) as tools:
        told.tools = [tool.name for tool in tools]
        for tool in tools:
            try:
                told.answers[tool.name] = as_text(tool.run(**script.calls[tool.name]))
            except Exception as error:  # noqa: BLE001 - what the model is told
                told.answers[tool.name] = f"raised {type(error).__name__}: {error}"
    told.note = "no resources in this library"


play("crewai-tools", run)
