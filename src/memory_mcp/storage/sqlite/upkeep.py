"""Upkeep in SQLite: near-duplicates, and the daily look at the file."""

import json
from array import array
from struct import unpack

from memory_mcp.domain.errors import StoreGone
from memory_mcp.domain.forgetting import NEAR_SIMILARITY, NearDuplicate, may_say_the_same
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.times import from_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.indexes import PASSAGES, Indexes
from memory_mcp.storage.sqlite.search import Filter, vector_leg
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.soundness import daily_problems
from memory_mcp.storage.sqlite.tidying import tidy

Pairs = list[tuple[int, int, float]]

_COMPARED = "SELECT compared_seq FROM agents WHERE seq = ?"
# What waits for a vector is compared once it has one; nothing behind it goes before.
_NEXT = """
SELECT p.seq, v.vector FROM passages p LEFT JOIN passage_vectors v ON v.seq = p.seq
WHERE p.agent_seq = ?1 AND p.seq > ?2 AND p.seq < coalesce(
    (SELECT min(w.seq) FROM waiting w JOIN passages q ON q.seq = w.seq
        WHERE w.noun = 'passage' AND q.agent_seq = ?1), 9e18)
ORDER BY p.seq LIMIT ?3
"""
_TEXTS = """
SELECT seq, content, occurred_at, source FROM passages WHERE seq IN (SELECT value FROM json_each(?))
"""
_ADD = """
INSERT OR IGNORE INTO near_duplicates (agent_seq, passage_seq, other_seq, similarity)
SELECT ?, new.seq, old.seq, ? FROM passages new, passages old WHERE new.seq = ? AND old.seq = ?
"""
# What was put back meanwhile has set it back, and is compared in its turn.
_GO_ON = "UPDATE agents SET compared_seq = ? WHERE seq = ? AND compared_seq = ?"
_PAIRS = """
SELECT new.id, new.content, old.id, old.content, n.similarity
FROM near_duplicates n JOIN passages new ON new.seq = n.passage_seq
    JOIN passages old ON old.seq = n.other_seq
WHERE n.agent_seq = ? ORDER BY n.similarity DESC, n.passage_seq DESC, n.other_seq DESC LIMIT ?
"""


class SqliteUpkeep:
    """The `UpkeepStore` port."""

    def __init__(self, database: Database, indexes: Indexes, clock: Clock) -> None:
        self._database = database
        self._indexes = indexes
        self._clock = clock

    async def fold_log(self) -> None:
        """Put what stands in the log into the store's file, if nobody is reading it."""
        await self._database.fold_log()

    def lost(self) -> StoreGone | None:
        """Whether the store's file is not where it was opened, and what to do."""
        return self._database.lost()

    async def until_lost(self) -> None:
        """Returns when a read or a write was refused for that."""
        await self._database.until_lost()

    @property
    def is_read_only(self) -> bool:
        """Whether the store could only be opened to read it."""
        return self._database.is_read_only

    async def tidy(self) -> bool:
        """Keep what only grows within bounds, a step at a time; whether there may be more."""
        return await tidy(self._database, self._clock.now())

    async def compare(self, agent_id: AgentId, rows: int) -> bool:
        """Compare the next passages that came with all others; whether more may be waiting."""

        def look(session: Session) -> tuple[int, int, int, int, Pairs]:
            agent_seq = seq_of(session, agent_id)
            after = session.value(_COMPARED, (agent_seq,))
            if not self._indexes.is_usable(session):
                return agent_seq, after, after, 0, []
            found = session.all(_NEXT, (agent_seq, after, rows))
            near = [
                pair
                for seq, vector in found
                if vector is not None
                for pair in self._near(session, agent_seq, seq, vector)
            ]
            last = found[-1][0] if found else after
            return agent_seq, after, last, len(found), _told_apart(session, near)

        agent_seq, after, last, found, pairs = await self._database.read(look)

        def note(session: Session) -> None:
            added = [(agent_seq, similarity, new, old) for new, old, similarity in pairs]
            session.run_many(_ADD, added)
            session.run(_GO_ON, (last, agent_seq, after))

        if found:
            await self._database.write(note)
        return found == rows

    def _near(self, session: Session, agent_seq: int, seq: int, vector: bytes) -> Pairs:
        """The other passages within reach, each pair with the later one first."""
        numbers = array("f", unpack(f"{len(vector)}b", vector))
        rows = Filter(agent_seq, "passage")
        leg = vector_leg(session, self._indexes, PASSAGES, numbers, rows)
        return [
            (max(seq, other), min(seq, other), similarity)
            for other, similarity in leg.items()
            if other != seq and similarity >= NEAR_SIMILARITY
        ]

    async def near_duplicates(self, agent_id: AgentId, limit: int) -> list[NearDuplicate]:
        """Pairs of passages that say nearly the same, nearest first."""
        rows = await self._database.read(
            lambda session: session.all(_PAIRS, (seq_of(session, agent_id), limit))
        )
        return [
            NearDuplicate(
                passage_id=new_id,
                content=content,
                other_id=old_id,
                other_content=other,
                similarity=similarity,
            )
            for new_id, content, old_id, other, similarity in rows
        ]

    async def check(self) -> list[str] | None:
        """What is wrong with the store, in words; `None` when it was looked at lately."""
        return await daily_problems(self._database, self._clock.now())


def _told_apart(session: Session, pairs: Pairs) -> Pairs:
    """Those of the pairs that no number, no date and no source tells apart."""
    seqs = sorted({seq for new, old, _ in pairs for seq in (new, old)})
    texts = {
        seq: (content, from_iso(at) if at else None, source)
        for seq, content, at, source in session.all(_TEXTS, (json.dumps(seqs),))
    }
    kept: Pairs = []
    for new, old, similarity in pairs:
        if new in texts and old in texts:
            (a, a_at, a_source), (b, b_at, b_source) = texts[new], texts[old]
            # The very same text is there twice because its sources are two.
            if (a != b or a_source == b_source) and may_say_the_same(a, b, a_at, b_at):
                kept.append((new, old, similarity))
    return kept
