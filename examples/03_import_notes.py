"""Import notes from JSON lines with the command, then search them by words, tags and dates."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

NOTES: list[dict[str, Any]] = [
    {"content": "Tyres changed to winter ones.", "tags": ["car"], "occurred_at": "2025-11-08"},
    {"content": "Annual inspection passed, next in 2027.", "tags": ["car", "papers"]},
    {"content": "Passport renewed at the town hall.", "tags": ["papers"], "occurred_at": "2026-03"},
    {"content": "Passport renewed at the town hall.", "tags": ["papers"]},
    {"content": "New battery, the old one froze.", "tags": ["car"], "occurred_at": "2026-01-17"},
]


def run_import(memory: list[str], notes: Path) -> None:
    """Run the importer. A bad line is reported, and makes its exit code 1."""
    command = [*memory, "import", "passages", str(notes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"{done.stdout}(exit code {done.returncode})\n")


async def search(memory: list[str]) -> None:
    """Ask as a model would."""
    async with Client(StdioServerParameters(command=memory[0], args=memory[1:])) as client:
        for asked in (
            {"query": "what was done on the car?", "tags": ["car"]},
            {"query": "car", "tags": ["car", "papers"], "tag_match": "all"},
            {"query": "winter", "start_date": "2026-01-01", "end_date": "2026-01-31"},
        ):
            result = await client.call_tool("archival_search", asked)
            print(f"→ {asked}")
            print("\n".join(getattr(part, "text", "") for part in result.content), end="\n\n")


def main(folder: Path) -> None:
    """Write the notes, import them twice, search them."""
    store = ["--database", str(folder / "memory.db"), "--agent", "example"]
    memory = [sys.executable, "-m", "memory_mcp", *store]
    notes = folder / "notes.jsonl"
    notes.write_text("".join(json.dumps(note) + "\n" for note in NOTES), "utf-8")
    run_import(memory, notes)
    print("The same file again stores nothing twice:")
    run_import(memory, notes)
    anyio.run(search, memory)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
