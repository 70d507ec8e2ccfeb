"""A store that holds a little of everything, filled by the commands themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import Server, run

MESSAGES = [
    {
        "role": "user",
        "name": "Ana",
        "content": "When are the tides high in Porto?",
        "created_at": "2026-11-20T09:30:00Z",
        "conversation": "chat-1",
    },
    {
        "role": "assistant",
        "content": "At half past three.",
        "created_at": "2026-11-20T09:31:00Z",
        "conversation": "chat-1",
    },
]
PASSAGES = [
    {
        "content": "Decision: the tides are kept in SQLite.",
        "tags": ["decision", "database"],
        "occurred_at": "2026-11-18",
    },
    {"content": "The tides of Porto come from Leixões.", "tags": ["tides"]},
]


def lines(items: list[dict[str, Any]]) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store's path; tests only read it."""
    folder = tmp_path_factory.mktemp("filled")
    database = folder / "memory.db"
    for kind, items in (("jsonl", MESSAGES), ("passages", PASSAGES)):
        ended = run("--database", database, "import", kind, "-", folder=folder, stdin=lines(items))
        assert ended.returncode == 0, ended.stderr
    with Server(database) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Name: Ana [bold]Sousa[/bold].")
    return database
