"""A LangGraph agent that keeps its memory over runs, through LangChain's own MCP adapters.

The adapters (0.3.2) want mcp below 2, memory-mcp wants 2: each has an environment of its own, and
`memory-mcp` is found as a command on the PATH. Nothing of it is imported here. Without
OPENAI_API_KEY a script stands in for the model.
"""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.sessions import StdioConnection
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI

MEMORY = shutil.which("memory-mcp") or "memory-mcp"
MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
REMEMBER = {
    "name": "core_memory_append",
    "arguments": {"label": "human", "content": "Ana. Drinks her tea green."},
}
RULES = [
    {"said": "^I'm", "answers": [{"calls": [REMEMBER]}]},
    {"said": "^What", "system": "tea green", "answers": [{"text": "Your tea, green."}]},
    {"said": "tea green", "answers": [{"text": "Noted, Ana."}]},
]


async def run(database: Path, said: str) -> str:
    """One run of an agent with memory's tools, and what memory holds in view as its prompt."""
    arguments = ["--database", str(database), "--agent", "example"]
    server: StdioConnection = {"transport": "stdio", "command": MEMORY, "args": arguments}
    client = MultiServerMCPClient({"memory": server})
    async with client.session("memory", auto_initialize=False) as session:
        memory = await session.initialize()
        tools = await load_mcp_tools(session)
        agent = create_agent(ChatOpenAI(model=MODEL), tools, system_prompt=memory.instructions)
        ended = await agent.ainvoke({"messages": [{"role": "user", "content": said}]})
        for message in ended["messages"]:
            for call in getattr(message, "tool_calls", ()):
                print(f"  → {call['name']} {call['args']}")
        return ended["messages"][-1].text


@contextmanager
def scripted_model(folder: Path) -> Iterator[str]:
    """The address of a model that follows these rules, served by memory-mcp's own Python."""
    script = folder / "script.json"
    script.write_text(json.dumps({"rules": RULES}), "utf-8")
    python = Path(MEMORY).resolve().with_stem("python")
    command = [python, "-m", "memory_mcp.testing.model_server", "--script", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def main(database: Path) -> None:
    """Play it: two runs, and only the store between them."""
    for said in ("I'm Ana, and I drink my tea green.", "What do I drink?"):
        print(f"You:   {said}")
        print(f"Agent: {await run(database, said)}\n")


if __name__ == "__main__":
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        if not os.environ.get("OPENAI_API_KEY"):
            os.environ["OPENAI_API_KEY"] = "none"
            os.environ["OPENAI_BASE_URL"] = stack.enter_context(scripted_model(Path(folder)))
        asyncio.run(main(Path(folder) / "memory.db"))
