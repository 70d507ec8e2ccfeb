"""Recall: storing messages, and finding what was said."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.exact import exact_runs
from memory_mcp.domain.ids import AgentId, ConversationId
from memory_mcp.domain.messages import (
    ROLES,
    Conversation,
    Message,
    NewMessage,
    require_roles,
    text_to_embed,
)
from memory_mcp.domain.query import search_terms
from memory_mcp.domain.redact import redact, redacted
from memory_mcp.domain.texts import (
    EXTERNAL_ID_CHARS_MAX,
    MESSAGE_CHARS_MAX,
    NAME_CHARS_MAX,
    QUERY_CHARS_MAX,
    check_text,
    clip,
    require_name,
    require_text,
)
from memory_mcp.domain.times import UTC_ZONE, Zone, parse_window
from memory_mcp.ports import Appended, MessageFilter, MessageStore, Question, Vector
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.indexing import Indexing
from memory_mcp.services.paging import cursor_at, place_of, require_limit
from memory_mcp.services.ranking import fuse


@dataclass(frozen=True, slots=True)
class MessageHit:
    """A message found, with its neighbours in the conversation."""

    message: Message
    score: float
    before: Message | None = None
    after: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """One page of a search in recall. `total` counts the messages the filters admit."""

    hits: Sequence[MessageHit]
    cursors: Sequence[str | None]
    """For each hit, the cursor that goes on after it; `None` where nothing follows."""
    total: int
    ranked: bool
    """Whether hits are ordered by score, or by time, latest first."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Messages that may be stored, with their vectors, or `None` for those that follow."""

    messages: Sequence[NewMessage]
    vectors: Sequence[Vector | None]


class Recall:
    """Every message of every conversation. Messages only come in; nothing changes one."""

    def __init__(self, store: MessageStore, indexing: Indexing, eviction: Eviction) -> None:
        self._store = store
        self._indexing = indexing
        self._eviction = eviction

    async def append(
        self, agent_id: AgentId, messages: Sequence[NewMessage], host: str | None = None
    ) -> Appended:
        """Store messages in order, secrets redacted, once each by external id.

        Raises:
            InvalidInput: one cannot be stored; none was.
        """
        prepared = await self.prepare([checked_message(message) for message in messages])
        return await self.store(agent_id, prepared, host)

    async def unknown(
        self, agent_id: AgentId, messages: Sequence[NewMessage]
    ) -> Sequence[NewMessage]:
        """Those that are not stored yet: an import takes the write door for these alone."""
        known = await self._store.known(agent_id, messages)
        return [each for place, each in enumerate(messages) if place not in known]

    async def changed(self, agent_id: AgentId, messages: Sequence[NewMessage]) -> set[int]:
        """Which of the messages are stored in other words, under the same ids; as indexes.

        White space and secrets make no difference.
        """
        there = await self._store.contents(agent_id, messages)
        return {
            place
            for place, content in there.items()
            if content.split() != redact(messages[place].content).split()
        }

    async def prepare(self, checked: Sequence[NewMessage]) -> Prepared:
        """The slow part of `append`, of messages that `checked_message` made."""
        texts = [
            text_to_embed(message.name or message.role, message.created_at, message.content)
            for message in checked
        ]
        return Prepared(checked, await self._indexing.for_write(texts))

    async def store(
        self, agent_id: AgentId, prepared: Prepared, host: str | None = None
    ) -> Appended:
        """The rest of it: what an import does while it prepares the next messages."""
        messages, vectors = prepared.messages, prepared.vectors
        appended = await self._store.append(agent_id, messages, vectors, host)
        self._indexing.stored(vectors)
        self._eviction.noticed(agent_id)
        return appended

    async def search(
        self,
        agent_id: AgentId,
        query: str | None,
        *,
        roles: list[str] | None = None,
        start_date: str | None = None,
        end_date: str | None = None,
        zone: Zone = UTC_ZONE,
        limit: int = 5,
        cursor: str | None = None,
    ) -> MessagePage:
        """Messages that answer `query`, best first; without a query the latest, newest first.

        Days, and times without an offset, are those of `zone`.

        Raises:
            InvalidInput: an argument cannot be meant.
        """
        require_limit(limit)
        check_text(query or "", "query", QUERY_CHARS_MAX)
        window = parse_window(start_date, end_date, zone)
        only = MessageFilter(roles=require_roles(roles), window=window)
        if query is None or not query.strip():
            return await self._latest(agent_id, only, limit, cursor)
        search = ("message", agent_id, query, only)
        offset = place_of(cursor, *search) or 0
        vector = await self._indexing.for_question(query)
        question = Question(search_terms(query), vector, exact_runs(query))
        ranking = fuse(await self._store.search(agent_id, question, only))
        page = ranking[offset : offset + limit]
        places = [row.seq for row in page]
        found = await self._store.get(places)
        around = await self._store.neighbours(places)
        hits = [
            MessageHit(found[row.seq], row.score, *around.get(row.seq, (None, None)))
            for row in page
            if row.seq in found
        ]
        ends = range(offset + 1, offset + 1 + len(hits))
        return MessagePage(
            hits=hits,
            cursors=[cursor_at(end, *search) if end < len(ranking) else None for end in ends],
            total=await self._store.count(agent_id, only),
            ranked=True,
        )

    async def _latest(
        self, agent_id: AgentId, only: MessageFilter, limit: int, cursor: str | None
    ) -> MessagePage:
        search = ("message", agent_id, None, only)
        before = place_of(cursor, *search)
        found = await self._store.latest(agent_id, only, limit + 1, before)
        hits = [MessageHit(message, 0.0) for message in found[:limit]]
        return MessagePage(
            hits=hits,
            cursors=[
                cursor_at(hit.message.seq, *search) if place < len(found) else None
                for place, hit in enumerate(hits, 1)
            ],
            total=await self._store.count(agent_id, only),
            ranked=False,
        )

    async def conversations(
        self, agent_id: AgentId, limit: int = 100, beginning: str = ""
    ) -> list[Conversation]:
        """The agent's conversations whose ids begin so, latest first."""
        return await self._store.conversations(agent_id, limit, beginning)

    async def conversation(
        self, agent_id: AgentId, conversation_id: ConversationId
    ) -> tuple[Conversation, list[Message]]:
        """One conversation with its messages in order.

        Raises:
            ConversationNotFound: the agent has no such conversation.
        """
        return await self._store.conversation(agent_id, conversation_id)


def checked_message(message: NewMessage) -> NewMessage:
    """The message as it may be stored: secrets redacted, its time in UTC.

    Raises:
        InvalidInput: it cannot be stored.
    """
    if message.role not in ROLES:
        raise InvalidInput(
            f"role {clip(message.role, 40)!r} is none; the roles are {', '.join(ROLES)}."
        )
    require_text(message.content, "content", MESSAGE_CHARS_MAX)
    require_text(message.conversation, "conversation", EXTERNAL_ID_CHARS_MAX)
    if message.external_id is not None:
        require_text(message.external_id, "external_id", EXTERNAL_ID_CHARS_MAX)
    name = message.name
    if name is not None:
        require_name(name, "name")
        name = redact(name)[:NAME_CHARS_MAX]
    # The index is made from stored rows, whose times are UTC: dates must read the same here.
    return replace(
        message,
        content=redact(message.content),
        conversation=redact(message.conversation)[:EXTERNAL_ID_CHARS_MAX],
        name=name,
        metadata=redacted(message.metadata) if message.metadata else message.metadata,
        created_at=message.created_at.astimezone(UTC),
    )
