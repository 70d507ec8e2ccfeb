"""The changes table: one line for each thing that happened, written where it happened."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.times import from_iso
from memory_mcp.ports import Change
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.session import Row, Session

SINCE_MOST = 1_000
"""How many changes are told at one go."""

GONE = "store"
"""The noun of a line that stands for lines that are gone."""
_INSERT = """
INSERT INTO changes (at, noun, noun_id, operation, agent_ids, details) VALUES (?, ?, ?, ?, ?, ?)
"""
_COLUMNS = "seq, at, noun, noun_id, operation, agent_ids, details"
_SINCE = f"SELECT {_COLUMNS} FROM changes WHERE seq > ? ORDER BY seq LIMIT {SINCE_MOST}"
_SINCE_OF_AGENT = f"""
SELECT {_COLUMNS} FROM changes WHERE seq > ?1 AND seq <= ?2
    AND EXISTS (SELECT 1 FROM json_each(agent_ids) WHERE value = ?3)
ORDER BY seq LIMIT {SINCE_MOST}
"""
_LAST = "SELECT coalesce(max(seq), 0) FROM changes"
_LATEST = f"""
SELECT {_COLUMNS} FROM changes
WHERE ?1 IS NULL OR EXISTS (SELECT 1 FROM json_each(agent_ids) WHERE value = ?1)
ORDER BY seq DESC LIMIT ?2
"""


def record_change(
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
    session.run(_INSERT, row)


class SqliteOutbox:
    """The `Outbox` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_seq(self) -> int:
        """The newest change there is; 0 without one."""
        return await self._database.read(lambda session: session.value(_LAST))

    async def since(self, seq: int) -> list[Change]:
        """Changes after `seq`, oldest first, at most a thousand.

        Where older ones were let go meanwhile, the first says so: anything may have changed.
        """
        rows = await self._database.read(lambda session: session.all(_SINCE, (seq,)))
        changes = [_from_row(row) for row in rows]
        if changes and changes[0].seq > seq + 1:  # what came between was let go
            gone = (*rows[0][:2], GONE, "", "pruned", "[]", "{}")
            return [replace(_from_row(gone), seq=changes[0].seq - 1), *changes]
        return changes

    async def of_agent_since(self, agent_id: AgentId, seq: int) -> tuple[list[Change], int]:
        """Changes of one agent's memory after `seq`, oldest first, at most a thousand.

        And the last change looked at, after which to go on: others' are gone through once.
        """

        def find(session: Session) -> tuple[list[Row], int]:
            last: int = session.value(_LAST)
            rows = session.all(_SINCE_OF_AGENT, (seq, last, agent_id))
            return rows, last if len(rows) < SINCE_MOST else rows[-1][0]

        rows, looked_at = await self._database.read(find)
        return [_from_row(row) for row in rows], max(seq, looked_at)

    async def latest(self, agent_id: AgentId | None, limit: int) -> list[Change]:
        """The newest changes, of one agent's memory or of all, oldest of them first."""
        rows = await self._database.read(lambda session: session.all(_LATEST, (agent_id, limit)))
        return [_from_row(row) for row in reversed(rows)]

    async def committed(self) -> None:
        """Returns when this process has committed something."""
        await self._database.committed()

    async def pulse(self) -> int:
        """A number that differs whenever any process has committed since the last call."""
        return await self._database.pulse()

    async def others_committed(self) -> bool:
        """Whether another process has committed since the last call; the first call says no."""
        return await self._database.others_committed()


def _from_row(row: Row) -> Change:
    seq, at, noun, noun_id, operation, agent_ids, details = row
    return Change(
        seq=seq,
        at=from_iso(at),
        noun=noun,
        noun_id=noun_id,
        operation=operation,
        agent_ids=[AgentId(agent_id) for agent_id in json.loads(agent_ids)],
        details=json.loads(details),
    )
