"""Recall is append-only, whoever holds the file."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.messages import NewMessage
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import open_memory

CHANGED = """agent_seq, conversation_seq, role, name, 'I like rye.', created_at, external_id,
    metadata FROM messages"""


@pytest.fixture
async def stored(path: Path) -> Path:
    """A store with one message, closed."""
    said = NewMessage(
        role="user",
        content="I like tea.",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        conversation="morning",
        external_id="event-1",
    )
    async with open_memory(path) as services:
        agent = await services.agents.choose(AgentChoice())
        await services.recall.append(agent.id, [said])
    return path


@pytest.fixture
def connection(stored: Path) -> Iterator[Any]:
    """A connection of anybody's, without any of our settings."""
    connection = sqlite_module().connect(stored, isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE messages SET content = 'I like rye.'",
        "UPDATE OR REPLACE messages SET content = 'I like rye.'",
        "UPDATE OR IGNORE messages SET content = 'I like rye.'",
        "UPDATE messages SET metadata = '{}'",
        "DELETE FROM messages",
        "DELETE FROM messages WHERE seq = 1",
        f"REPLACE INTO messages SELECT seq, id, {CHANGED}",
        f"REPLACE INTO messages SELECT NULL, id, {CHANGED}",
        f"REPLACE INTO messages SELECT NULL, 'message-2', {CHANGED}",
        f"INSERT INTO messages SELECT seq, id, {CHANGED} WHERE true "
        "ON CONFLICT DO UPDATE SET content = excluded.content",
    ],
    ids=[
        "update",
        "update-or-replace",
        "update-or-ignore",
        "update-of-metadata",
        "delete-all",
        "delete",
        "replace-by-place",
        "replace-by-id",
        "replace-by-external-id",
        "upsert",
    ],
)
async def test_no_statement_changes_or_removes_a_message(connection: Any, sql: str) -> None:
    everything = "SELECT * FROM messages"
    before = connection.execute(everything).fetchall()

    with suppress(sqlite_module().DatabaseError):
        connection.execute(sql)

    assert connection.execute(everything).fetchall() == before
    assert len(before) == 1


async def test_the_store_says_why_it_refuses(connection: Any) -> None:
    with pytest.raises(sqlite_module().IntegrityError, match="a message never changes"):
        connection.execute("UPDATE messages SET content = 'I like rye.'")
    with pytest.raises(sqlite_module().IntegrityError, match="only removed by forgetting it"):
        connection.execute("DELETE FROM messages")


async def test_a_message_entered_among_the_forgotten_may_go_and_is_no_longer_counted(
    connection: Any,
) -> None:
    connection.execute(
        "INSERT INTO forgotten (id, noun, agent_seq, forgotten_at) "
        "SELECT id, 'message', 1, '' FROM messages"
    )

    connection.execute("DELETE FROM messages")

    assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    assert connection.execute("SELECT messages FROM conversations").fetchone() == (0,)
    counted = "SELECT n FROM counts WHERE noun = 'message'"
    assert connection.execute(counted).fetchone() == (0,)
