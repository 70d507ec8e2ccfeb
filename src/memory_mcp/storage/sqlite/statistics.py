"""An agent's memory in numbers, from counts kept by triggers."""

from pathlib import Path

from memory_mcp.domain.agents import unmade_name
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.statistics import BlockFill, IndexState, Statistics, TagCount, Unread
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.soundness import known_problems
from memory_mcp.storage.sqlite.unmade import blocks_to_be

TAGS_SHOWN = 20

_AGENT = "SELECT seq, name FROM agents WHERE id = ?"
_AGENTS = "SELECT count(*) FROM agents WHERE deleted_at IS NULL"
_MESSAGES = """
SELECT (SELECT coalesce(sum(n), 0) FROM counts WHERE agent_seq = ?1 AND noun = 'message'),
    (SELECT count(*) FROM conversations WHERE agent_seq = ?1 AND messages > 0),
    (SELECT min(created_at) FROM messages WHERE agent_seq = ?1),
    (SELECT max(created_at) FROM messages WHERE agent_seq = ?1)
"""
_PASSAGES = """
SELECT (SELECT coalesce(sum(n), 0) FROM counts WHERE agent_seq = ?1 AND noun = 'passage'),
    (SELECT min(dated) FROM passages WHERE agent_seq = ?1),
    (SELECT max(dated) FROM passages WHERE agent_seq = ?1)
"""
_TAGS = """
SELECT tag, n FROM counts WHERE agent_seq = ? AND noun = 'tag' ORDER BY n DESC, tag LIMIT ?
"""
_NEAR = "SELECT count(*) FROM near_duplicates WHERE agent_seq = ?"
_BLOCKS = """
SELECT ab.label, length(b.value), b.limit_chars
FROM agent_blocks ab JOIN blocks b ON b.seq = ab.block_seq
WHERE ab.agent_seq = ? ORDER BY ab.position, ab.label
"""
_UNREAD = """
SELECT s.name, count(*) FROM mail m JOIN agents s ON s.seq = m.sender_seq
WHERE m.recipient_seq = ? AND m.state = 'queued' AND m.expires_at > ?
GROUP BY s.seq ORDER BY min(m.seq)
"""


class SqliteStatistics:
    """The `StatisticsStore` port."""

    def __init__(self, database: Database, indexes: Indexes, clock: Clock) -> None:
        self._database = database
        self._indexes = indexes
        self._clock = clock

    async def of_agent(self, agent_id: AgentId) -> Statistics:
        """One agent's memory in numbers."""
        return await self._database.read(lambda session: self._gather(session, agent_id))

    def _gather(self, session: Session, agent_id: AgentId) -> Statistics:
        to_be = unmade_name(agent_id)
        agent = (0, to_be) if to_be is not None else session.one(_AGENT, (agent_id,))
        assert agent is not None, "statistics are asked for agents that were chosen"
        seq, name = agent
        messages = session.one(_MESSAGES, (seq,)) or (0, 0, None, None)
        passages = session.one(_PASSAGES, (seq,)) or (0, None, None)
        tags = session.all(_TAGS, (seq, TAGS_SHOWN))
        blocks = session.all(_BLOCKS, (seq,))
        if to_be is not None:
            there = blocks_to_be(session, self._clock.now())
            blocks = [(block.label, len(block.value), block.limit_chars) for block in there]
        unread = session.all(_UNREAD, (seq, to_iso(self._clock.now())))
        state: IndexState = self._indexes.state(session)
        path = self._database.path
        return Statistics(
            agent=name,
            messages=messages[0],
            conversations=messages[1],
            first_message_at=from_iso(messages[2]) if messages[2] else None,
            last_message_at=from_iso(messages[3]) if messages[3] else None,
            passages=passages[0],
            first_passage_at=from_iso(passages[1]) if passages[1] else None,
            last_passage_at=from_iso(passages[2]) if passages[2] else None,
            tags=tuple(TagCount(tag, count) for tag, count in tags),
            blocks=tuple(BlockFill(label, chars, limit) for label, chars, limit in blocks),
            agents=session.value(_AGENTS),
            near_duplicates=session.value(_NEAR, (seq,)),
            unread=tuple(Unread(sender, mails) for sender, mails in unread),
            index=state,
            problems=tuple(known_problems(session)),
            database=str(path),
            database_bytes=_bytes_on_disk(path),
        )


def _bytes_on_disk(path: Path) -> int:
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
