"""Recall in SQLite: conversations and messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memory_mcp.domain.errors import ConversationNotFound
from memory_mcp.domain.ids import AgentId, ConversationId, MessageId, new_id
from memory_mcp.domain.messages import (
    NEIGHBOURS_BEFORE,
    Conversation,
    Message,
    NewMessage,
    text_to_embed,
)
from memory_mcp.domain.query import index_form
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Appended, Candidate, Clock, MessageFilter, Question, Vector
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database, Row, Session
from memory_mcp.storage.sqlite.indexes import MESSAGES, MESSAGES_NEIGHBOURS, Indexes, neighbours_at
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.search import Filter, lexical_leg, merged, vector_leg

_COLUMNS = """m.id, m.seq, c.id, c.external_id, m.role, m.name, m.content, m.created_at,
    m.external_id"""
_FROM = "FROM messages m JOIN conversations c ON c.seq = m.conversation_seq"
_BY_SEQ = f"SELECT {_COLUMNS} {_FROM} WHERE m.seq IN (SELECT value FROM json_each(?))"
_OF_CONVERSATION = f"SELECT {_COLUMNS} {_FROM} WHERE m.conversation_seq = ? ORDER BY m.seq"
_NEIGHBOURS = """
SELECT hit.value,
    (SELECT max(b.seq) FROM messages b
        WHERE b.conversation_seq = m.conversation_seq AND b.seq < m.seq),
    (SELECT min(a.seq) FROM messages a
        WHERE a.conversation_seq = m.conversation_seq AND a.seq > m.seq)
FROM json_each(?) hit JOIN messages m ON m.seq = hit.value
"""
_FIND_CONVERSATION = "SELECT seq FROM conversations WHERE agent_seq = ? AND external_id = ?"
_INSERT_CONVERSATION = """
INSERT INTO conversations (id, agent_seq, external_id, host, started_at, last_at)
VALUES (?, ?, ?, ?, ?, ?) RETURNING seq
"""
_INSERT = """
INSERT INTO messages
    (id, agent_seq, conversation_seq, role, name, content, created_at, external_id, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (agent_seq, conversation_seq, external_id) WHERE external_id IS NOT NULL DO NOTHING
RETURNING seq
"""
_TAIL = """
SELECT seq, content FROM messages WHERE conversation_seq = ? ORDER BY seq DESC LIMIT ?
"""
_CONVERSATIONS = """
SELECT id, external_id, host, project, started_at, last_at, messages FROM conversations
WHERE agent_seq = ? ORDER BY last_at DESC, seq DESC LIMIT ?
"""
_CONVERSATION = """
SELECT id, external_id, host, project, started_at, last_at, messages, seq FROM conversations
WHERE agent_seq = ? AND id = ?
"""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A message just inserted, with what the indexes need of it."""

    seq: int
    conversation_seq: int
    message: NewMessage
    vector: Vector | None


class SqliteMessages:
    """The `MessageStore` port."""

    def __init__(self, database: Database, indexes: Indexes, clock: Clock) -> None:
        self._database = database
        self._indexes = indexes
        self._clock = clock

    async def append(
        self,
        agent_id: AgentId,
        messages: Sequence[NewMessage],
        vectors: Sequence[Vector | None],
        host: str | None,
    ) -> Appended:
        """Store messages in order, once each by external id."""
        async with self._database.transaction() as session:
            agent_seq = await seq_of(session, agent_id)
            conversations: dict[str, int] = {}
            tails: dict[int, list[tuple[int, str]]] = {}
            stored: list[_Stored] = []
            ids: list[MessageId] = []
            for message, vector in zip(messages, vectors, strict=True):
                conversation = conversations.get(message.conversation)
                if conversation is None:
                    conversation = await _conversation(session, agent_seq, message, host)
                    conversations[message.conversation] = conversation
                    tails[conversation] = await _tail(session, conversation)
                message_id = new_id("message")
                seq = await session.value(
                    _INSERT, _insert_row(message_id, agent_seq, conversation, message)
                )
                if seq is not None:
                    stored.append(_Stored(seq, conversation, message, vector))
                    ids.append(MessageId(message_id))
            if stored:
                await self._index(session, agent_seq, stored, tails)
                await record_change(
                    session, to_iso(self._clock.now()), "message", ids[-1], "appended",
                    [agent_id], messages=len(ids), conversations=sorted(conversations)[:20],
                )  # fmt: skip
        return Appended(ids, len(messages) - len(ids))

    async def _index(
        self,
        session: Session,
        agent_seq: int,
        stored: Sequence[_Stored],
        tails: dict[int, list[tuple[int, str]]],
    ) -> None:
        rows = [
            (row.seq, index_form(_embedded_text(row.message)), agent_seq, row.vector)
            for row in stored
        ]
        await self._indexes.add(session, MESSAGES, rows)
        for conversation, tail in tails.items():
            new = [
                (row.seq, row.message.content)
                for row in stored
                if row.conversation_seq == conversation
            ]
            if new:
                await self._index_neighbours(session, tail, new)

    async def _index_neighbours(
        self, session: Session, tail: list[tuple[int, str]], new: list[tuple[int, str]]
    ) -> None:
        """Index the new messages' neighbours, and the last old one's again: it has one more."""
        run = tail + new
        contents = [content for _, content in run]
        if tail:
            last = len(tail) - 1
            old = neighbours_at(contents[: last + 1], last)
            await self._indexes.remove_text(session, MESSAGES_NEIGHBOURS, [(run[last][0], old)])
        first = max(0, len(tail) - 1)
        texts = [
            (run[place][0], neighbours_at(contents, place)) for place in range(first, len(run))
        ]
        await self._indexes.add_text(session, MESSAGES_NEIGHBOURS, texts)

    async def search(
        self, agent_id: AgentId, question: Question, only: MessageFilter
    ) -> list[Candidate]:
        """The best rows of each leg, filters applied before ranking."""
        async with self._database.reader() as session:
            rows = _filter(await seq_of(session, agent_id), only)
            lexical = await lexical_leg(session, MESSAGES, question.terms, rows)
            context = await lexical_leg(session, MESSAGES_NEIGHBOURS, question.terms, rows)
            cosine = await vector_leg(session, self._indexes, MESSAGES, question.vector, rows)
        return merged(lexical, context, cosine)

    async def latest(
        self, agent_id: AgentId, only: MessageFilter, limit: int, before_seq: int | None
    ) -> list[Message]:
        """The newest messages, newest first, older than `before_seq` if given."""
        async with self._database.reader() as session:
            rows = _filter(await seq_of(session, agent_id), only)
            sql = f"""
                SELECT {_COLUMNS} {_FROM}
                WHERE {rows.sql.replace("row.", "m.")} AND (:before IS NULL OR m.seq < :before)
                ORDER BY m.seq DESC LIMIT :limit
            """
            found = await session.all(
                sql, {**rows.parameters, "before": before_seq, "limit": limit}
            )
        return [_from_row(row) for row in found]

    async def get(self, seqs: Sequence[int]) -> dict[int, Message]:
        """Messages by place; places of forgotten ones are missing."""
        async with self._database.reader() as session:
            return await _get(session, seqs)

    async def neighbours(self, seqs: Sequence[int]) -> dict[int, tuple[Message | None, ...]]:
        """For each place the message before and the one after it in its conversation."""
        async with self._database.reader() as session:
            places = await session.all(_NEIGHBOURS, (json.dumps(list(seqs)),))
            wanted = [seq for _, before, after in places for seq in (before, after) if seq]
            found = await _get(session, wanted)
        return {seq: (found.get(before), found.get(after)) for seq, before, after in places}

    async def count(self, agent_id: AgentId, only: MessageFilter) -> int:
        """How many messages the filter admits."""
        async with self._database.reader() as session:
            agent_seq = await seq_of(session, agent_id)
            if not only.roles and only.window.is_open:
                return await session.value(
                    "SELECT coalesce(sum(n), 0) FROM counts "
                    "WHERE agent_seq = ? AND noun = 'message'",
                    (agent_seq,),
                )
            rows = _filter(agent_seq, only)
            sql = f"SELECT count(*) FROM messages row WHERE {rows.sql}"
            return await session.value(sql, rows.parameters)

    async def conversations(self, agent_id: AgentId, limit: int) -> list[Conversation]:
        """The agent's conversations, latest first."""
        async with self._database.reader() as session:
            agent_seq = await seq_of(session, agent_id)
            rows = await session.all(_CONVERSATIONS, (agent_seq, limit))
        return [_conversation_from_row(row) for row in rows]

    async def conversation(
        self, agent_id: AgentId, conversation_id: ConversationId
    ) -> tuple[Conversation, list[Message]]:
        """One conversation with its messages in order.

        Raises:
            ConversationNotFound: the agent has no such conversation.
        """
        async with self._database.reader() as session:
            agent_seq = await seq_of(session, agent_id)
            row = await session.one(_CONVERSATION, (agent_seq, conversation_id))
            if row is None:
                raise ConversationNotFound(
                    f"there is no conversation {conversation_id!r}. "
                    "memory://conversations lists those there are."
                )
            messages = await session.all(_OF_CONVERSATION, (row[7],))
        return _conversation_from_row(row[:7]), [_from_row(message) for message in messages]


def _filter(agent_seq: int, only: MessageFilter) -> Filter:
    made = Filter(agent_seq)
    if only.roles:
        made.add("row.role IN (SELECT value FROM json_each(:roles))", roles=json.dumps(only.roles))
    if only.window.start:
        made.add("row.created_at >= :start", start=only.window.start)
    if only.window.end:
        made.add("row.created_at < :end", end=only.window.end)
    return made


def _embedded_text(message: NewMessage) -> str:
    return text_to_embed(message.name or message.role, message.created_at, message.content)


async def _conversation(
    session: Session, agent_seq: int, message: NewMessage, host: str | None
) -> int:
    seq = await session.value(_FIND_CONVERSATION, (agent_seq, message.conversation))
    if seq is None:
        at = to_iso(message.created_at)
        row = (new_id("conversation"), agent_seq, message.conversation, host, at, at)
        seq = await session.value(_INSERT_CONVERSATION, row)
    return seq


async def _tail(session: Session, conversation: int) -> list[tuple[int, str]]:
    """The last messages of a conversation, oldest first: what the next ones have for neighbours."""
    rows = await session.all(_TAIL, (conversation, NEIGHBOURS_BEFORE + 1))
    return [(seq, content) for seq, content in reversed(rows)]


async def _get(session: Session, seqs: Sequence[int]) -> dict[int, Message]:
    rows = await session.all(_BY_SEQ, (json.dumps(list(seqs)),))
    return {row[1]: _from_row(row) for row in rows}


def _insert_row(
    message_id: str, agent_seq: int, conversation: int, message: NewMessage
) -> tuple[Any, ...]:
    return (
        message_id,
        agent_seq,
        conversation,
        message.role,
        message.name,
        message.content,
        to_iso(message.created_at),
        message.external_id,
        json.dumps(message.metadata) if message.metadata else None,
    )


def _from_row(row: Row) -> Message:
    return Message(
        id=MessageId(row[0]),
        seq=row[1],
        conversation_id=ConversationId(row[2]),
        conversation=row[3],
        role=row[4],
        name=row[5],
        content=row[6],
        created_at=from_iso(row[7]),
        external_id=row[8],
    )


def _conversation_from_row(row: Row) -> Conversation:
    return Conversation(
        id=ConversationId(row[0]),
        external_id=row[1],
        host=row[2],
        project=row[3],
        started_at=from_iso(row[4]),
        last_at=from_iso(row[5]),
        messages=row[6],
    )
