"""An agent of the OpenAI Agents SDK that keeps its memory over runs, through the SDK's MCP client.

Without OPENAI_API_KEY a script stands in for the model.
"""

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from agents import Agent, Runner, ToolCallItem, set_default_openai_api, set_tracing_disabled
from agents.mcp import MCPServerStdio, MCPServerStdioParams

from memory_mcp.testing.chat import calls, says
from memory_mcp.testing.model_server import ModelServer, Rule

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")


async def run(database: Path, said: str) -> str:
    """One run of an agent with memory's tools, and what memory holds in view as its prompt."""
    arguments = ["-m", "memory_mcp", "--database", str(database), "--agent", "example"]
    server = MCPServerStdioParams(command=sys.executable, args=arguments)
    async with MCPServerStdio(server, client_session_timeout_seconds=30) as memory:
        # Not server_initialize_result: a server of today's protocol gives none (0.24.0).
        view = memory.session.instructions if memory.session else None
        agent = Agent("example", instructions=view, model=MODEL, mcp_servers=[memory])
        ended = await Runner.run(agent, said)
        for item in ended.new_items:
            if isinstance(item, ToolCallItem):
                print(f"  → {item.tool_name}")
        return ended.final_output


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
        set_default_openai_api("chat_completions")  # what servers other than OpenAI's speak
        set_tracing_disabled(True)  # a trace would send what was said to OpenAI
        asyncio.run(main(Path(folder) / "memory.db"))
