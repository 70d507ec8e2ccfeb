"""Summaries in SQLite."""

from memory_mcp.domain.ids import AgentId, SummaryId, new_id
from memory_mcp.domain.summaries import MADE_BY_EXTRACT, NewSummary, Summary
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Row, Session

_COLUMNS = "id, text, first_seq, last_seq, messages, covered, last_at, made_by, created_at"
_LATEST = f"SELECT {_COLUMNS} FROM summaries WHERE agent_seq = ? ORDER BY seq DESC LIMIT 1"
_CHAIN = f"SELECT {_COLUMNS} FROM summaries WHERE agent_seq = ? ORDER BY seq"
_TOLD = "SELECT count(*) FROM messages WHERE agent_seq = ? AND seq BETWEEN ? AND ?"
_INSERT = """
INSERT INTO summaries (id, agent_seq, text, first_seq, last_seq, messages, covered, last_at,
    made_by, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_MAKE_ANEW = "UPDATE summaries SET text = ? WHERE id = ? AND text = '' RETURNING id"

# The newest of each agent, if it was extracted and no run about it has ended; and the one before.
_UNWRITTEN = f"""
SELECT a.id, s.seq, s.agent_seq FROM summaries s JOIN agents a ON a.seq = s.agent_seq
WHERE s.seq = (SELECT max(seq) FROM summaries n WHERE n.agent_seq = s.agent_seq)
    AND s.made_by = '{MADE_BY_EXTRACT}' AND NOT EXISTS (SELECT 1 FROM runs r
        WHERE r.agent_seq = s.agent_seq AND r.kind = 'summarise' AND r.last_seq = s.last_seq)
"""
_UP_TO = f"""
SELECT {_COLUMNS} FROM summaries WHERE agent_seq = ? AND seq <= ? ORDER BY seq DESC LIMIT 2
"""


class SqliteSummaries:
    """The `SummaryStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def latest(self, agent_id: AgentId) -> Summary | None:
        """The agent's summary in view, if anything was evicted yet."""
        return await self._database.read(lambda session: _latest(session, agent_id))

    async def chain(self, agent_id: AgentId) -> list[Summary]:
        """Every summary the agent ever had in view, oldest first."""
        rows = await self._database.read(
            lambda session: session.all(_CHAIN, (seq_of(session, agent_id),))
        )
        return [_from_row(row) for row in rows]

    async def unwritten(self) -> list[tuple[AgentId, Summary, Summary | None]]:
        """Summaries in view that were extracted, and that no model has been asked to write yet.

        Each with its agent, and the one it was made from.
        """

        def find(session: Session) -> list[tuple[AgentId, Summary, Summary | None]]:
            found: list[tuple[AgentId, Summary, Summary | None]] = []
            for agent_id, seq, agent_seq in session.all(_UNWRITTEN):
                rows = session.all(_UP_TO, (agent_seq, seq))
                latest, *before = [_from_row(row) for row in rows]
                found.append((AgentId(agent_id), latest, before[0] if before else None))
            return found

        return await self._database.read(find)

    async def evict(self, agent_id: AgentId, summary: NewSummary, after: Summary | None) -> bool:
        """Put a summary in view, made from the one `after`; the messages it tells of leave.

        False, and nothing changed, when another eviction or a forgetting came before.
        """

        def put(session: Session) -> bool:
            latest = _latest(session, agent_id)
            # Something may have been forgotten since it was written: neither may come back by it.
            told = session.value(
                _TOLD, (seq_of(session, agent_id), summary.first_seq, summary.last_seq)
            )
            if latest != after or told != summary.messages:
                return False
            now = to_iso(self._clock.now())
            summary_id = new_id("summary")
            row = (
                summary_id,
                seq_of(session, agent_id),
                summary.text,
                summary.first_seq,
                summary.last_seq,
                summary.messages,
                summary.messages + (after.covered if after else 0),
                to_iso(summary.last_at),
                summary.made_by,
                now,
            )
            session.run(_INSERT, row)
            record_change(
                session,
                now,
                "summary",
                summary_id,
                "made",
                [agent_id],
                messages=summary.messages,
                made_by=summary.made_by,
            )
            return True

        return await self._database.write(put)

    async def make_anew(self, agent_id: AgentId, summary: Summary, text: str, told: int) -> bool:
        """Give a summary that was dropped another text, made of `told` messages that are there.

        False, and nothing changed, when one of them was forgotten meanwhile, or it has a text.
        """

        def put(session: Session) -> bool:
            agent_seq = seq_of(session, agent_id)
            now = to_iso(self._clock.now())
            there = session.value(_TOLD, (agent_seq, 0, summary.last_seq))
            if there != told or session.value(_MAKE_ANEW, (text, summary.id)) is None:
                return False
            record_change(session, now, "summary", summary.id, "changed", [agent_id])
            return True

        return await self._database.write(put)

    async def told(self, summary: Summary, agent_id: AgentId) -> int:
        """How many messages are there up to the last that a summary tells of."""
        return await self._database.read(
            lambda session: session.value(_TOLD, (seq_of(session, agent_id), 0, summary.last_seq))
        )


def _latest(session: Session, agent_id: AgentId) -> Summary | None:
    row = session.one(_LATEST, (seq_of(session, agent_id),))
    return _from_row(row) if row else None


def _from_row(row: Row) -> Summary:
    return Summary(
        id=SummaryId(row[0]),
        text=row[1],
        first_seq=row[2],
        last_seq=row[3],
        messages=row[4],
        covered=row[5],
        last_at=from_iso(row[6]),
        made_by=row[7],
        created_at=from_iso(row[8]),
    )
