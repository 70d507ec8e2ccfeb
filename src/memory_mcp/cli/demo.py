"""`memory-mcp demo`: the main job in a minute, through a real MCP client and a real server process.

Everything happens in a throwaway store; nothing of the user's is read or written.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from mcp import Client, StdioServerParameters

from memory_mcp.rendezvous import Rendezvous

FACTS = (
    ("human", "Name: Ana Sousa. Lives in Porto. Speaks Portuguese and English."),
    ("human", "Prefers short answers with the reason first (said 2026-11-20)."),
    ("project", "Goal: a tide calendar for surfers. Database: SQLite, decided 2026-11-18."),
)
PASSAGES = (
    (
        "Decision: SQLite instead of Postgres for the tide calendar, because one file is easier to "
        "back up and the data stays under 1 GB.",
        ["decision", "database"],
        "2026-11-18",
    ),
    (
        "The Leixões tide station reports in UTC, not in local time; the October shift of one hour "
        "came from that.",
        ["bug", "tides"],
        "2026-10-25",
    ),
    ("Ana's surf club meets on Thursdays at Matosinhos beach.", ["people"], None),
)
MESSAGES = (
    ("user", "The forecast page feels slow on my phone, can we look at it next week?"),
    ("assistant", "Yes. I'd start with the map tiles: they load before the tide table does."),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Remember, restart, recall and search, in a throwaway store."
    parser.epilog = "example: memory-mcp demo"


def run(_: argparse.Namespace) -> None:
    """Play it."""
    with tempfile.TemporaryDirectory(prefix="memory-mcp-demo-") as folder:
        database = Path(folder) / "memory.db"
        try:
            anyio.run(_play, database)
        finally:  # its reader may have left in the middle
            Rendezvous(str(database)).end()
    say("The demo's store is gone again. To use memory-mcp for real: README, “Set-up”.")


def say(text: str = "") -> None:
    """One line of the tale."""
    print(text, flush=True)


async def _play(database: Path) -> None:
    say("1. A host starts memory-mcp, and the model remembers.\n")
    async with _server(database) as client:
        for label, content in FACTS:
            await _call(client, "core_memory_append", label=label, content=content)
        for content, tags, occurred_at in PASSAGES:
            more = {"occurred_at": occurred_at} if occurred_at else {}
            await _call(client, "archival_insert", content=content, tags=tags, **more)
        for role, content in MESSAGES:
            await _call(client, "conversation_append", role=role, content=content)
    await _end(database)
    say("2. Every process has ended. New ones, as in tomorrow's session, start on the same file.")
    say("   Before any tool call, its greeting already tells the model:\n")
    async with _server(database) as client:
        _show(client.instructions or "")
        say("3. The model looks things up: by meaning, by words, by date, in what was said.\n")
        await _call(
            client, "archival_search", query="why is there no server for our data?", limit=1
        )
        await _call(client, "archival_search", query="time zone", end_date="2026-10-31", limit=1)
        await _call(client, "conversation_search", query="performance on mobile", limit=1)
        say("4. A fact changes, and is corrected in place.\n")
        await _call(
            client,
            "core_memory_replace",
            label="human",
            old_content="Lives in Porto.",
            new_content="Lives in Lisbon (since 2026-11).",
        )
        say("5. A mistake gets an answer that says how to go on.\n")
        await _call(client, "core_memory_append", label="humans", content="Likes tea.")
    await _end(database)


async def _end(database: Path) -> None:
    """End the store's daemon, which would stay for a while."""
    await to_thread.run_sync(Rendezvous(str(database)).end)


def _server(database: Path) -> Client:
    command = [
        "-m",
        "memory_mcp",
        "--database",
        str(database),
        "--agent",
        "demo",
        "--tools",
        "capture",
    ]
    return Client(StdioServerParameters(command=sys.executable, args=command))


async def _call(client: Client, tool: str, **arguments: Any) -> None:
    told = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    say(f"   → {tool}({told})")
    result = await client.call_tool(tool, arguments)
    _show("\n".join(getattr(part, "text", "") for part in result.content))


def _show(text: str) -> None:
    say("\n".join(f"     {line}" for line in text.splitlines()) + "\n")
