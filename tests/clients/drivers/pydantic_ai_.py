"""Pydantic AI: a scripted model of its own calls each tool, and sees what comes back."""

from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from pydantic_ai import Agent, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import RetryPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from script import Script, Told, play


async def run(script: Script, told: Told) -> None:
    """Play it."""
    if script.url:
        transport = StreamableHttpTransport(script.url)
    else:
        command, *arguments = script.command
        transport = StdioTransport(command, arguments, env=script.environment, keep_alive=False)
    memory = MCPToolset(transport, id="memory", tool_error_behavior="failed", init_timeout=60)
    waiting: list[tuple[str, dict]] = list(script.calls.items())

    def model(messages: list, info: AgentInfo) -> ModelResponse:
        told.tools = [tool.name for tool in info.function_tools]
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart):
                told.answers[part.tool_name] = part.model_response_str()
            elif isinstance(part, RetryPromptPart) and part.tool_name:
                told.answers[part.tool_name] = part.model_response()
        if not waiting:
            return ModelResponse([TextPart("done")])
        name, given = waiting.pop(0)
        return ModelResponse([ToolCallPart(name, given)])

    async with memory:
        await Agent(FunctionModel(model), toolsets=[memory]).run("Go.")
        for resource in await memory.list_resources():
            told.resources[str(resource.uri)] = str(await memory.read_resource(str(resource.uri)))


play("pydantic-ai-slim", run)
