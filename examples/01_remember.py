"""Remember in one process and recall in the next: the official client, over stdio."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters


def server(database: Path) -> Client:
    """A client with a server process of its own, as a host starts one."""
    arguments = ["-m", "memory_mcp", "--database", str(database), "--agent", "example"]
    return Client(StdioServerParameters(command=sys.executable, args=arguments))


async def call(client: Client, tool: str, **arguments: Any) -> None:
    """Call a tool and print what a model would read."""
    result = await client.call_tool(tool, arguments)
    print(f"→ {tool}")
    print("\n".join(getattr(part, "text", "") for part in result.content), end="\n\n")


async def main(database: Path) -> None:
    """Play it."""
    async with server(database) as client:
        await call(client, "core_memory_append", label="human", content="Name: Ana. Likes tea.")
        await call(
            client,
            "archival_insert",
            content="The garden gate sticks in wet weather; oil the lower hinge.",
            tags=["house"],
            occurred_at="2026-10-04",
        )

    print("The first server has ended. The next one greets its model with:\n")
    async with server(database) as client:
        print(client.instructions, end="\n\n")
        await call(client, "archival_search", query="what did we do about the gate when it rains?")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(main, Path(folder) / "memory.db")
