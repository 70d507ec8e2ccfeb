"""What like clients left at the end of a connection, in SQLite."""

from collections.abc import Callable
from datetime import timedelta

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.times import to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.session import Session

_OF = "agent_seq = (SELECT seq FROM agents WHERE id = ?) AND client = ? AND left_at >= ?"
_GET = f"SELECT memo FROM visits WHERE {_OF}"
_TAKE = f"DELETE FROM visits WHERE {_OF} RETURNING memo"
_PUT = """
INSERT INTO visits SELECT seq, ?, ?, ? FROM agents WHERE id = ?
ON CONFLICT DO UPDATE SET memo = excluded.memo, left_at = excluded.left_at
"""
_EXPIRED = "DELETE FROM visits WHERE left_at < ?"


class SqliteVisits:
    """The `VisitStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, agent_id: AgentId, client: str, within: timedelta) -> str | None:
        """The memo that a like client left, if not longer ago; nobody else gets it then."""
        wanted = (agent_id, client, to_iso(self._clock.now() - within))
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
        within: timedelta,
        joined: Callable[[str, str], str],
    ) -> None:
        """Leave a memo for the next like client, joined with one that lies there already."""
        now = self._clock.now()
        since = to_iso(now - within)

        def put(session: Session) -> None:
            session.run(_EXPIRED, (since,))
            there = session.value(_GET, (agent_id, client, since))
            left = joined(there, memo) if there else memo
            session.run(_PUT, (client, left, to_iso(now), agent_id))

        await self._database.write(put)
