"""Two agents, two processes, one store: they share the block `human`, not the block `project`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters


def server(database: Path, agent: str) -> Client:
    """A client with a server process of its own, which speaks for `agent`."""
    arguments = ["-m", "memory_mcp", "--database", str(database), "--agent", agent]
    return Client(StdioServerParameters(command=sys.executable, args=arguments))


async def call(client: Client, tool: str, **arguments: Any) -> str:
    """What a model would read of the answer."""
    result = await client.call_tool(tool, arguments)
    return "\n".join(getattr(part, "text", "") for part in result.content)


async def main(database: Path) -> None:
    """Play it."""
    async with server(database, "garden") as garden, server(database, "kitchen") as kitchen:
        print("The garden agent learns something about the user, and something of its own:")
        print(await call(garden, "core_memory_append", label="human", content="Allergic to nuts."))
        print(await call(garden, "core_memory_append", label="project", content="Plant peas."))

        print("\nThe kitchen agent searches for something else. Its answer ends with the news:")
        print(await call(kitchen, "archival_search", query="supper"))

        print("\nIt is told once, and only what concerns it:")
        print(await call(kitchen, "archival_search", query="supper"))

        print("\nBoth may write at the same time, and nothing is lost:")
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                for client, name in ((garden, "garden"), (kitchen, "kitchen")):
                    line = f"{name} {number}"
                    tasks.start_soon(add, client, line)
        block = await garden.read_resource("memory://blocks/human")
        value = getattr(block.contents[0], "text", "")
        print(f"the shared block has {len(value.splitlines())} lines: 1 and 2 times 10")


async def add(client: Client, line: str) -> None:
    """Append a line to the shared block."""
    await call(client, "core_memory_append", label="human", content=line)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(main, Path(folder) / "memory.db")
