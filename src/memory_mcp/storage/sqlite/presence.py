"""Which connections are there, in SQLite."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.times import to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.session import Session

KEPT = timedelta(hours=1)

_PUT = """
INSERT INTO presence SELECT ?, seq, ? FROM agents WHERE id = ?
ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at, agent_seq = excluded.agent_seq
"""


class SqlitePresence:
    """The `PresenceStore` port. No line of the outbox tells of it: it is no memory."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def put(self, connections: Mapping[str, AgentId]) -> None:
        """These connections, by what they are known by, are there now."""
        now = self._clock.now()

        def put(session: Session) -> None:
            rows = [(name, to_iso(now), agent_id) for name, agent_id in connections.items()]
            session.run_many(_PUT, rows)
            session.run("DELETE FROM presence WHERE seen_at < ?", (to_iso(now - KEPT),))

        await self._database.write(put)

    async def remove(self, connections: Collection[str]) -> None:
        """These are there no longer."""

        def remove(session: Session) -> None:
            rows = [(name,) for name in connections]
            session.run_many("DELETE FROM presence WHERE connection = ?", rows)

        await self._database.write(remove)
