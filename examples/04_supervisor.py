"""A supervisor asks three agents at once; they answer by themselves, and it merges what they say.

Without MEMORY_MCP_MODEL a server that answers by script stands in for the model, so that anybody
can try it; with it, any model that LiteLLM knows does the work.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

from memory_mcp.testing.chat import calls
from memory_mcp.testing.model_server import ModelServer, Rule

WORKERS = {
    "geographer": "You know where places are. Answer in one short sentence.",
    "historian": "You know what happened when. Answer in one short sentence.",
    "cook": "You know what people eat. Answer in one short sentence.",
}
SCRIPT = {
    "geographer": "Porto lies where the Douro meets the Atlantic.",
    "historian": "Porto gave Portugal its name.",
    "cook": "In Porto people eat francesinha.",
}


def scripted_model() -> ModelServer:
    """A model that answers as each worker would."""
    return ModelServer(
        Rule(system=WORKERS[name], answers=[calls("send_message", message=text)], loop=True)
        for name, text in SCRIPT.items()
    )


def memory_mcp(*arguments: str) -> None:
    """Run a command of memory-mcp's."""
    command = [sys.executable, "-m", "memory_mcp", *arguments]
    subprocess.run(command, check=True, capture_output=True)


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """What a tool answers scripts, which `--structured` asks for."""
    result = await client.call_tool(tool, arguments)
    return result.structured_content


async def main(database: Path) -> None:
    """Play it."""
    store = ("--database", str(database))
    for name, prompt in WORKERS.items():
        told = ("--model", "default", "--tag", "experts", "--system-prompt", prompt)
        memory_mcp(*store, "agents", "create", name, *told)
    memory_mcp(*store, "agents", "create", "supervisor", "--tag", "experts")
    memory_mcp(*store, "blocks", "create", "findings", "--group", "experts")

    asking = ("--agent", "supervisor", "--in-process", "--structured")
    arguments = ["-m", "memory_mcp", *store, *asking]
    server = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    async with Client(server) as supervisor:
        print("The supervisor asks everybody tagged `experts`, and waits:")
        sending = await call(
            supervisor,
            "send_to_agent",
            tags=["experts"],
            message="What should one know of Porto?",
            wait_seconds=120,
        )
        for one in sorted(sending["sent"], key=lambda one: one["to"]):
            answer = one["answer"]["text"] if one.get("answer") else "(no answer yet)"
            print(f"- {one['to']} ({one['state']}): {answer}")
            await call(
                supervisor, "core_memory_append", label="findings", content=f"{one['to']}: {answer}"
            )
        print("\nWhat the shared block holds now, in every one's view:")
        found = await supervisor.read_resource("memory://blocks/findings")
        print(getattr(found.contents[0], "text", ""))


if __name__ == "__main__":
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        os.environ.setdefault("MEMORY_MCP_WORKER_IDLE_SECONDS", "1")
        if not os.environ.get("MEMORY_MCP_MODEL"):
            model = stack.enter_context(scripted_model())
            os.environ["MEMORY_MCP_MODEL"] = "openai/scripted"
            os.environ["MEMORY_MCP_MODEL_BASE_URL"] = model.base_url
        anyio.run(main, Path(folder) / "memory.db")
