"""An agent's memory in numbers, from counts kept by triggers."""

from pathlib import Path

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.statistics import BlockFill, IndexState, Statistics, TagCount
from memory_mcp.domain.times import from_iso
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.soundness import known_problems

TAGS_SHOWN = 20

_AGENT = "SELECT seq, name, (SELECT count(*) FROM agents) FROM agents WHERE id = ?"
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


class SqliteStatistics:
    """The `StatisticsStore` port."""

    def __init__(self, database: Database, indexes: Indexes) -> None:
        self._database = database
        self._indexes = indexes

    async def of_agent(self, agent_id: AgentId) -> Statistics:
        """One agent's memory in numbers."""
        return await self._database.read(lambda session: self._gather(session, agent_id))

    def _gather(self, session: Session, agent_id: AgentId) -> Statistics:
        agent = session.one(_AGENT, (agent_id,))
        assert agent is not None, "statistics are asked for agents that were chosen"
        seq, name, agents = agent
        messages = session.one(_MESSAGES, (seq,)) or (0, 0, None, None)
        passages = session.one(_PASSAGES, (seq,)) or (0, None, None)
        tags = session.all(_TAGS, (seq, TAGS_SHOWN))
        blocks = session.all(_BLOCKS, (seq,))
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
            agents=agents,
            near_duplicates=session.value(_NEAR, (seq,)),
            index=state,
            problems=tuple(known_problems(session)),
            database=str(path),
            database_bytes=_bytes_on_disk(path),
        )


def _bytes_on_disk(path: Path) -> int:
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
