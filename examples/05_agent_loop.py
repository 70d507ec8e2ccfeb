"""An agent loop in thirty lines, with any model LiteLLM knows, that keeps its memory over runs.

    python examples/05_agent_loop.py "I'm Ana, and I drink my tea green." "What do I drink?"

Each thing said is a run of its own: a new session, a new conversation, the same store. That is a
throwaway one unless MEMORY_MCP_DATABASE names yours. Without MEMORY_MCP_MODEL a script stands in
for the model; with it, that model does the work.
"""

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

from memory_mcp.testing.chat import calls, says
from memory_mcp.testing.model_server import ModelServer, Rule

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches a price list
import litellm

STEPS_MAX = 10


async def run(server: StdioServerParameters, model: dict[str, Any], said: str) -> str:
    """The agent's answer, after as many calls of memory's tools as the model wants."""
    async with Client(server) as memory:
        tools = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.input_schema,
                },
            }
            for tool in (await memory.list_tools()).tools
        ]
        messages: list[Any] = [
            {"role": "system", "content": memory.instructions},  # what memory holds in view
            {"role": "user", "content": said},
        ]
        for _ in range(STEPS_MAX):
            reply: Any = await litellm.acompletion(messages=messages, tools=tools, **model)
            message = reply.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                return message.content
            for call in message.tool_calls:
                print(f"  → {call.function.name} {call.function.arguments}")
                arguments = json.loads(call.function.arguments)
                result = await memory.call_tool(call.function.name, arguments)
                text = "\n".join(getattr(part, "text", "") for part in result.content)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
    return f"(no answer in {STEPS_MAX} steps)"


def scripted_model() -> ModelServer:
    """A model that keeps what it is told, and answers from what memory put in its view."""
    remember = calls("core_memory_append", label="human", content="Ana. Drinks her tea green.")
    return ModelServer(
        [
            Rule(said="^I'm Ana", answers=[remember], loop=True),
            Rule(said="^What", system="tea green", answers=[says("Your tea, green.")], loop=True),
            Rule(said="tea green", answers=[says("Noted, Ana.")], loop=True),
            Rule(answers=[says("I don't know.")], loop=True),
        ]
    )


async def main(database: str, model: dict[str, Any], told: list[str]) -> None:
    """Play it."""
    arguments = ["-m", "memory_mcp", "--database", database, "--agent", "example"]
    server = StdioServerParameters(command=sys.executable, args=arguments)
    for said in told:
        print(f"You:   {said}")
        print(f"Agent: {await run(server, model, said)}\n")


if __name__ == "__main__":
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        if name := os.environ.get("MEMORY_MCP_MODEL"):
            asked = {"model": name, "base_url": os.environ.get("MEMORY_MCP_MODEL_BASE_URL")}
        else:
            script = stack.enter_context(scripted_model())
            asked = {"model": "openai/scripted", "base_url": script.base_url, "api_key": "none"}
        store = os.environ.get("MEMORY_MCP_DATABASE") or str(Path(folder) / "memory.db")
        words = sys.argv[1:] or ["I'm Ana, and I drink my tea green.", "What do I drink?"]
        anyio.run(main, store, asked, words)
