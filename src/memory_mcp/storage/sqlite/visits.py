"""What like clients left at the end of a connection, in SQLite."""

from collections.abc import Callable
from datetime import timedelta

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.times import to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.session import Session

_OF = "agent_seq = (SELECT seq FROM agents WHERE id = ?) AND client = ? AND kept_until >= ?"
_GET = f"SELECT memo FROM visits WHERE {_OF}"
_TAKE = f"DELETE FROM visits WHERE {_OF} RETURNING memo"
_PUT = """
INSERT INTO visits SELECT seq, ?, ?, ? FROM agents WHERE id = ?
ON CONFLICT DO UPDATE SET memo = excluded.memo, kept_until = excluded.kept_until
"""
_EXPIRED = "DELETE FROM visits WHERE kept_until < ?"


class SqliteVisits:
    """The `VisitStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, agent_id: AgentId, client: str) -> str | None:
        """The memo that a like client left, if it is still kept; nobody else gets it then."""
        wanted = (agent_id, client, to_iso(self._clock.now()))
        # A look costs no write: most clients stay, and leave nothing.
        if not await self._database.read(lambda session: session.value(_GET, wanted)):
            return None

        def take(session: Session) -> str | None:
            taken = session.all(_TAKE, wanted)
            return taken[0][0] if taken else None

        return await self._database.write(take)

    async def put(
        self,
        agent_id: AgentId,
        client: str,
        memo: str,
        kept: timedelta,
        joined: Callable[[str, str], str],
    ) -> None:
        """Leave a memo for the next like client, for so long; joined with one that lies there."""
        now = self._clock.now()
        until = to_iso(now + kept)

        def put(session: Session) -> None:
            session.run(_EXPIRED, (to_iso(now),))
            there = session.value(_GET, (agent_id, client, to_iso(now)))
            left = joined(there, memo) if there else memo
            session.run(_PUT, (client, left, until, agent_id))

        await self._database.write(put)
