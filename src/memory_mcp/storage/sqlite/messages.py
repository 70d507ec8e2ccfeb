"""Recall in SQLite: conversations and messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from memory_mcp.domain.errors import ConversationNotFound
from memory_mcp.domain.host_events import copied
from memory_mcp.domain.ids import AgentId, ConversationId, MessageId, new_id
from memory_mcp.domain.messages import (
    LONG_TURN_WEIGHT,
    Conversation,
    Message,
    NewMessage,
    Turn,
    checksum,
    is_short,
)
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import (
    Appended,
    Backlog,
    Candidate,
    Clock,
    MessageFilter,
    Question,
    Vector,
)
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.indexes import MESSAGES, Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed import forgotten_among, forgotten_id, has_forgotten
from memory_mcp.storage.sqlite.retold import add_aliases, retold
from memory_mcp.storage.sqlite.search import (
    COUNT_ALL,
    Filter,
    exact_leg,
    lexical_leg,
    merged,
    vector_leg,
)
from memory_mcp.storage.sqlite.session import Row, Session, as_key
from memory_mcp.storage.sqlite.texts import LONG_TURNS, SHORT_TURNS, index_turns, tail_of

_COLUMNS = """row.id, row.seq, c.id, c.external_id, row.role, row.name, row.content,
    row.created_at, row.external_id"""
_FROM = "FROM messages row JOIN conversations c ON c.seq = row.conversation_seq"
_BY_SEQ = f"SELECT {_COLUMNS} {_FROM} WHERE row.seq IN (SELECT value FROM json_each(?))"
_OF_CONVERSATION = f"SELECT {_COLUMNS} {_FROM} WHERE row.conversation_seq = ? ORDER BY row.seq"
_ARRIVED = f"""
SELECT {_COLUMNS} {_FROM} WHERE row.agent_seq = ? AND row.seq > ? ORDER BY row.seq LIMIT ?
"""
_LAST_ARRIVED = f"""
SELECT {_COLUMNS} {_FROM} WHERE row.agent_seq = ? AND row.seq > ? ORDER BY row.seq DESC LIMIT ?
"""
# CROSS: what is asked for comes first, or SQLite goes through all the agent's messages.
_KNOWN_THERE = """
SELECT asked.key, m.id FROM json_each(:asked) asked
CROSS JOIN conversations c ON c.agent_seq = :agent AND c.external_id = asked.value ->> 0
CROSS JOIN messages m ON m.agent_seq = :agent AND m.conversation_seq = c.seq
    AND m.external_id = asked.value ->> 1
UNION ALL
SELECT asked.key, m.id FROM json_each(:asked) asked
CROSS JOIN messages m ON m.id = asked.value ->> 2
"""
_KNOWN = f"""{_KNOWN_THERE}
UNION ALL
SELECT asked.key, m.id FROM json_each(:asked) asked CROSS JOIN messages m ON m.agent_seq = :agent
    AND m.external_id = asked.value ->> 1 WHERE asked.value ->> 3
UNION ALL
SELECT asked.key, m.id FROM json_each(:asked) asked
CROSS JOIN message_aliases a ON a.agent_seq = :agent AND a.external_id = asked.value ->> 1
CROSS JOIN messages m ON m.id = a.message_id WHERE asked.value ->> 3
"""
_CONTENTS = """
SELECT asked.key, m.content FROM json_each(:asked) asked
CROSS JOIN conversations c ON c.agent_seq = :agent AND c.external_id = asked.value ->> 0
CROSS JOIN messages m ON m.agent_seq = :agent AND m.conversation_seq = c.seq
    AND m.external_id = asked.value ->> 1
"""
_BACKLOG = """
SELECT min(seq), max(seq), count(*), max(created_at) FROM messages
WHERE agent_seq = :agent AND seq > :after AND seq <= (
    SELECT seq FROM messages WHERE agent_seq = :agent AND seq > :after
    ORDER BY seq DESC LIMIT 1 OFFSET :keep)
"""
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
_LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'messages'"
_INSERT = """
INSERT INTO messages
    (seq, id, agent_seq, conversation_seq, role, name, content, created_at, external_id, metadata,
    checksum)
"""
_CONVERSATIONS = """
SELECT id, external_id, host, project, started_at, last_at, messages, ended_at
FROM conversations WHERE agent_seq = ?1 AND messages > 0 AND substr(id, 1, length(?3)) = ?3
ORDER BY last_at DESC, seq DESC LIMIT ?2
"""
_CONVERSATION = """
SELECT id, external_id, host, project, started_at, last_at, messages, ended_at, seq
FROM conversations WHERE agent_seq = ?1 AND (id = ?2 OR external_id = ?2) ORDER BY id = ?2 DESC
"""


@dataclass(frozen=True, slots=True)
class _Run:
    """A conversation being added to: its last turns so far, and the new messages."""

    conversation_seq: int
    tail: list[Turn]
    new: list[tuple[int, NewMessage, Vector | None]] = field(
        default_factory=list[tuple[int, NewMessage, Vector | None]]
    )


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
        """Store messages in order, once each by external id; those that were forgotten stay so."""

        def store(session: Session) -> Appended:
            agent_seq = seq_of(session, agent_id)
            watchful = has_forgotten(session, agent_seq)
            again = retold(session, agent_seq, messages, host)
            there = {**_known(session, agent_seq, messages, _KNOWN_THERE), **again}
            runs: dict[str, _Run] = {}
            rows: list[tuple[Any, ...]] = []
            ids: list[MessageId] = []
            known: list[MessageId] = []
            came: dict[_Source, MessageId] = {}
            seq = session.value(_LAST_SEQ) or 0
            for place, (message, vector) in enumerate(zip(messages, vectors, strict=True)):
                sources = _sources(message)
                same = there.get(place) or next((came[it] for it in sources if it in came), None)
                if same:
                    known.append(same)
                    continue
                came_from = (agent_seq, message.conversation, message.external_id)
                if watchful and (gone := forgotten_id(session, *came_from, message.id)):
                    known.append(gone)
                    continue
                run = runs.get(message.conversation)
                if run is None:
                    run = runs[message.conversation] = _run(session, agent_seq, message, host)
                message_id = message.id or MessageId(new_id("message"))
                seq += 1
                rows.append(_row(seq, message_id, agent_seq, run.conversation_seq, message))
                run.new.append((seq, message, vector))
                # How forks' copies would be called is no id that anything is known by.
                if aliases := [each for each in message.aliases if not copied(each)]:
                    add_aliases(session, agent_seq, message_id, aliases)
                ids.append(message_id)
                came.update(dict.fromkeys(sources, message_id))
            session.insert(_INSERT, rows)
            self._index(session, agent_seq, list(runs.values()))
            if ids:
                now = to_iso(self._clock.now())
                record_change(
                    session, now, "message", ids[-1], "appended", [agent_id], messages=len(ids)
                )
            gone_here = forgotten_among(session, known) if watchful else set[MessageId]()
            left = [each for each in known if each not in gone_here]
            return Appended(ids, left, [each for each in known if each in gone_here])

        return await self._database.write(store)

    def _index(self, session: Session, agent_seq: int, runs: "Sequence[_Run]") -> None:
        index_turns(session, [(run.tail, [_turn(*each) for each in run.new]) for run in runs])
        vectors = [(seq, agent_seq, vector) for run in runs for seq, _, vector in run.new]
        self._indexes.add_vectors_to(session, MESSAGES, vectors)

    async def search(
        self, agent_id: AgentId, question: Question, only: MessageFilter
    ) -> list[Candidate]:
        """The best rows of each leg, filters applied before ranking."""

        def legs(session: Session) -> list[Candidate]:
            rows = _filter(seq_of(session, agent_id), only)
            words = lexical_leg(session, SHORT_TURNS, question.terms, rows)
            for seq, score in lexical_leg(session, LONG_TURNS, question.terms, rows).items():
                words[seq] = LONG_TURN_WEIGHT * score
            near = vector_leg(session, self._indexes, MESSAGES, question.vector, rows)
            exact = {
                seq: stands
                for index in (SHORT_TURNS, LONG_TURNS)
                for seq, stands in exact_leg(
                    session, index, question.runs, rows, [*words, *near]
                ).items()
            }
            return merged(words, near, exact)

        return await self._database.read(legs)

    async def latest(
        self, agent_id: AgentId, only: MessageFilter, limit: int, before_seq: int | None
    ) -> list[Message]:
        """The newest messages, newest first, older than `before_seq` if given."""

        def newest(session: Session) -> list[Row]:
            rows = _filter(seq_of(session, agent_id), only)
            sql = f"""
                SELECT {_COLUMNS} {_FROM}
                WHERE {rows.sql} AND (:before IS NULL OR (row.created_at, row.seq) <
                    (SELECT created_at, seq FROM messages WHERE seq = :before))
                ORDER BY row.created_at DESC, row.seq DESC LIMIT :limit
            """
            return session.all(sql, {**rows.parameters, "before": before_seq, "limit": limit})

        return [_from_row(row) for row in await self._database.read(newest)]

    async def arrived(self, agent_id: AgentId, after_seq: int, limit: int) -> list[Message]:
        """Messages in the order they arrived, from the first after `after_seq` on."""
        rows = await self._database.read(
            lambda session: session.all(_ARRIVED, (seq_of(session, agent_id), after_seq, limit))
        )
        return [_from_row(row) for row in rows]

    async def last_arrived(self, agent_id: AgentId, after_seq: int, limit: int) -> list[Message]:
        """The latest arrivals after `after_seq`, in the order they arrived."""
        rows = await self._database.read(
            lambda session: session.all(
                _LAST_ARRIVED, (seq_of(session, agent_id), after_seq, limit)
            )
        )
        return [_from_row(row) for row in reversed(rows)]

    async def contents(self, agent_id: AgentId, messages: Sequence[NewMessage]) -> dict[int, str]:
        """What is stored under the messages' ids in their conversations; by their indexes."""
        asked = json.dumps([[each.conversation, each.external_id] for each in messages])

        def read(session: Session) -> dict[int, str]:
            rows = session.all(_CONTENTS, {"agent": seq_of(session, agent_id), "asked": asked})
            return dict(rows)

        return await self._database.read(read)

    async def known(self, agent_id: AgentId, messages: Sequence[NewMessage]) -> set[int]:
        """Which of the messages are there already, by external id or their own; as indexes."""
        return set(
            await self._database.read(
                lambda session: _known(session, seq_of(session, agent_id), messages, _KNOWN)
            )
        )

    async def backlog(self, agent_id: AgentId, after_seq: int, keep: int) -> Backlog | None:
        """What arrived after `after_seq`, but for the last `keep`; `None` when that is nothing."""

        def measure(session: Session) -> Backlog | None:
            asked = {"agent": seq_of(session, agent_id), "after": after_seq, "keep": keep}
            row = session.one(_BACKLOG, asked)
            return Backlog(row[0], row[1], row[2], from_iso(row[3])) if row and row[2] else None

        return await self._database.read(measure)

    async def get(self, seqs: Sequence[int]) -> dict[int, Message]:
        """Messages by place; places of forgotten ones are missing."""
        return await self._database.read(lambda session: _get(session, seqs))

    async def neighbours(self, seqs: Sequence[int]) -> dict[int, tuple[Message | None, ...]]:
        """For each place the message before and the one after it in its conversation."""

        def around(session: Session) -> dict[int, tuple[Message | None, ...]]:
            places = session.all(_NEIGHBOURS, (json.dumps(list(seqs)),))
            found = _get(session, [seq for _, *pair in places for seq in pair if seq])
            return {seq: (found.get(before), found.get(after)) for seq, before, after in places}

        return await self._database.read(around)

    async def count(self, agent_id: AgentId, only: MessageFilter) -> int:
        """How many messages the filter admits."""

        def count(session: Session) -> int:
            rows = _filter(seq_of(session, agent_id), only)
            if not rows.narrow:
                return session.value(COUNT_ALL, (rows.agent_seq, "message"))
            sql = f"SELECT count(*) FROM messages row WHERE {rows.sql}"
            return session.value(sql, rows.parameters)

        return await self._database.read(count)

    async def conversations(
        self, agent_id: AgentId, limit: int, beginning: str = ""
    ) -> list[Conversation]:
        """The agent's conversations whose ids begin so, latest first."""

        def find(session: Session) -> list[Row]:
            asked = (seq_of(session, agent_id), limit, as_key(beginning))
            return session.all(_CONVERSATIONS, asked)

        rows = await self._database.read(find)
        return [_conversation_from_row(row) for row in rows]

    async def conversation(
        self, agent_id: AgentId, conversation_id: ConversationId
    ) -> tuple[Conversation, list[Message]]:
        """One conversation with its messages in order.

        Raises:
            ConversationNotFound: the agent has no such conversation.
        """

        def whole(session: Session) -> tuple[Conversation, list[Message]]:
            agent_seq = seq_of(session, agent_id)
            row = session.one(_CONVERSATION, (agent_seq, as_key(conversation_id)))
            if row is None:
                raise ConversationNotFound(
                    f"there is no conversation {clip(conversation_id, 60)!r}. "
                    "memory://conversations lists those there are."
                )
            messages = session.all(_OF_CONVERSATION, (row[8],))
            return _conversation_from_row(row[:8]), [_from_row(message) for message in messages]

        return await self._database.read(whole)


def _filter(agent_seq: int, only: MessageFilter) -> Filter:
    made = Filter(agent_seq, "message")
    if only.roles:
        made.add("row.role IN (SELECT value FROM json_each(:roles))", roles=json.dumps(only.roles))
    made.add_window("row.created_at", only.window)
    return made


def _run(session: Session, agent_seq: int, message: NewMessage, host: str | None) -> _Run:
    """The conversation a message belongs to, made if need be, with the messages at its end."""
    seq = session.value(_FIND_CONVERSATION, (agent_seq, message.conversation))
    if seq is None:
        at = to_iso(message.created_at)
        row = (new_id("conversation"), agent_seq, message.conversation, host, at, at)
        seq = session.value(_INSERT_CONVERSATION, row)
    return _Run(seq, tail_of(session, seq))


_Source = tuple[str, str]
"""In what a message is known by an id (a conversation, these words, anywhere), and the id."""


def _sources(message: NewMessage) -> list[_Source]:
    """What a message that comes twice is known by."""
    sources: list[_Source] = [("", message.id)] if message.id else []
    if (ident := message.external_id) is None:
        return sources
    sources.append((f"in {message.conversation}", ident))
    if _is_random(message):
        sources.append(("anywhere", ident))
    elif message.own_id:
        # A short id is good in its conversation, and for the same words in another.
        sources.append((f"said {message.content}", ident))
    return sources


def _known(
    session: Session, agent_seq: int, messages: Sequence[NewMessage], sql: str
) -> dict[int, MessageId]:
    """Which of the messages are there already, by place, and as which."""
    asked = [
        [each.conversation, each.external_id, each.id, int(_is_random(each))] for each in messages
    ]
    rows = session.all(sql, {"agent": agent_seq, "asked": json.dumps(asked)})
    return {place: MessageId(message_id) for place, message_id in rows}


def _turn(seq: int, message: NewMessage, _: Vector | None) -> Turn:
    return Turn(seq, message.name or message.role, message.created_at, message.content)


def _get(session: Session, seqs: Sequence[int]) -> dict[int, Message]:
    rows = session.all(_BY_SEQ, (json.dumps(list(seqs)),))
    return {row[1]: _from_row(row) for row in rows}


def _is_random(message: NewMessage) -> bool:
    return message.own_id and not is_short(message.external_id or "")


def _row(
    seq: int, message_id: str, agent_seq: int, conversation: int, message: NewMessage
) -> tuple[Any, ...]:
    return (
        seq,
        message_id,
        agent_seq,
        conversation,
        message.role,
        message.name,
        message.content,
        to_iso(message.created_at),
        message.external_id,
        json.dumps(message.metadata) if message.metadata else None,
        checksum(message.content),
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
        ended_at=from_iso(row[7]) if row[7] else None,
    )
