"""The changes table: one line for each thing that happened, written where it happened."""

import json
from collections.abc import Sequence
from typing import Any

from memory_mcp.domain.ids import AgentId
from memory_mcp.ports import Change
from memory_mcp.storage.sqlite.database import Database, Session

_INSERT = """
INSERT INTO changes (at, noun, noun_id, operation, agent_ids, details) VALUES (?, ?, ?, ?, ?, ?)
"""
_SINCE = """
SELECT seq, noun, noun_id, operation, agent_ids, details FROM changes
WHERE seq > ? ORDER BY seq LIMIT 1000
"""


async def record_change(
    session: Session,
    at: str,
    noun: str,
    noun_id: str,
    operation: str,
    agent_ids: Sequence[str],
    **details: Any,
) -> None:
    """Add a line to the outbox, inside the transaction that makes the change."""
    row = (at, noun, noun_id, operation, json.dumps(list(agent_ids)), json.dumps(details))
    await session.run(_INSERT, row)


class SqliteOutbox:
    """The `Outbox` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_seq(self) -> int:
        """The newest change there is; 0 without one."""
        async with self._database.reader() as session:
            return await session.value("SELECT coalesce(max(seq), 0) FROM changes")

    async def since(self, seq: int) -> list[Change]:
        """Changes after `seq`, oldest first, at most a thousand."""
        async with self._database.reader() as session:
            rows = await session.all(_SINCE, (seq,))
        return [
            Change(
                seq=place,
                noun=noun,
                noun_id=noun_id,
                operation=operation,
                agent_ids=[AgentId(agent_id) for agent_id in json.loads(agent_ids)],
                details=json.loads(details),
            )
            for place, noun, noun_id, operation, agent_ids, details in rows
        ]

    async def pulse(self) -> int:
        """`PRAGMA data_version` of one reading connection: it moves with every other commit."""
        async with self._database.pulse_reader() as session:
            return await session.value("PRAGMA data_version")
