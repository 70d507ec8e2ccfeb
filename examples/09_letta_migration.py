"""From a Letta agent file to a running memory: its blocks in view, its conversation found again.

    python examples/09_letta_migration.py [AGENT.af]

It looks first, imports, imports again, and starts the server as a host would. The store is a
throwaway one; with your own, `memory-mcp import af AGENT.af` is all there is to it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

SAMPLE = Path(__file__).parent / "letta" / "gardener.af"


def run_import(memory: list[str], *arguments: str) -> None:
    """Run the importer and show its report."""
    print(f"$ memory-mcp import af {' '.join(Path(each).name for each in arguments)}", flush=True)
    subprocess.run([*memory, "import", "af", *arguments], check=True)
    print(flush=True)


async def look(memory: list[str], agent: str) -> None:
    """What a host's model is greeted with as that agent, and what it finds."""
    server = StdioServerParameters(command=memory[0], args=[*memory[1:], "--agent", agent])
    async with Client(server) as client:
        print(f"{client.instructions}\n")
        found = await client.call_tool("conversation_search", {"query": "beans"})
        print("→ conversation_search beans")
        print("\n".join(getattr(part, "text", "") for part in found.content))


def main(file: Path, database: Path) -> None:
    """Import the file, and be its first agent."""
    memory = [sys.executable, "-m", "memory_mcp", "--database", str(database)]
    run_import(memory, str(file), "--dry-run")
    run_import(memory, str(file))
    print("The same file again stores nothing twice:", flush=True)
    run_import(memory, str(file))
    told = json.loads(file.read_text("utf-8"))
    agent = told["agents"][0] if "agents" in told else told  # the older files hold one
    anyio.run(look, memory, agent["name"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        main(Path(sys.argv[1]) if sys.argv[1:] else SAMPLE, Path(folder) / "memory.db")
