"""A Pydantic AI agent that keeps its memory over runs, through Pydantic AI's MCP toolset.

Without OPENAI_API_KEY a script stands in for the model.
"""

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent, ToolCallPart
from pydantic_ai.mcp import MCPToolset

from memory_mcp.testing.chat import calls, says
from memory_mcp.testing.model_server import ModelServer, Rule

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")


async def run(database: Path, said: str) -> str:
    """One run of an agent with memory's tools, and what memory holds in view as its prompt."""
    arguments = ["-m", "memory_mcp", "--database", str(database), "--agent", "example"]
    server = StdioTransport(sys.executable, arguments, keep_alive=False)
    memory = MCPToolset(server, id="memory", include_instructions=True)
    ended = await Agent(f"openai-chat:{MODEL}", toolsets=[memory]).run(said)
    for message in ended.all_messages():
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                print(f"  → {part.tool_name} {part.args}")
    return ended.output


def scripted_model() -> ModelServer:
    """A model that keeps what it is told, and answers from what memory put in its view."""
    remember = calls("core_memory_append", label="human", content="Ana. Drinks her tea green.")
    return ModelServer(
        [
            Rule(said="^I'm", answers=[remember]),
            Rule(said="^What", system="tea green", answers=[says("Your tea, green.")]),
            Rule(said="tea green", answers=[says("Noted, Ana.")]),
        ]
    )


async def main(database: Path) -> None:
    """Play it: two runs, and only the store between them."""
    for said in ("I'm Ana, and I drink my tea green.", "What do I drink?"):
        print(f"You:   {said}")
        print(f"Agent: {await run(database, said)}\n")


if __name__ == "__main__":
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        if not os.environ.get("OPENAI_API_KEY"):
            model = stack.enter_context(scripted_model())
            os.environ["OPENAI_API_KEY"] = "none"
            os.environ["OPENAI_BASE_URL"] = model.base_url
        asyncio.run(main(Path(folder) / "memory.db"))
