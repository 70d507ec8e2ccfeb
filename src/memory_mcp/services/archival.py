"""Archival memory: filing passages and finding them again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.exact import exact_runs
from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.passages import Coming, NewPassage, Passage, TagMatch, text_to_embed
from memory_mcp.domain.query import search_terms
from memory_mcp.domain.redact import redact, redacted
from memory_mcp.domain.texts import (
    EXTERNAL_ID_CHARS_MAX,
    PASSAGE_CHARS_MAX,
    QUERY_CHARS_MAX,
    SOURCE_CHARS_MAX,
    require_tags,
    require_text,
)
from memory_mcp.domain.times import UTC_ZONE, Zone, parse_window
from memory_mcp.ports import Filed, PassageFilter, PassageStore, Question, TakenIn, Vector
from memory_mcp.services.indexing import Indexing
from memory_mcp.services.paging import cursor_at, place_of, require_limit
from memory_mcp.services.ranking import fuse

TAGS_TOLD = 8
NO_LIMIT = -1


@dataclass(frozen=True, slots=True)
class PassageHit:
    """A passage found."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagePage:
    """One page of a search in archival memory. `total` counts the passages the filters admit."""

    hits: Sequence[PassageHit]
    cursors: Sequence[str | None]
    """For each hit, the cursor that goes on after it; `None` where nothing follows."""
    total: int
    tags: Sequence[str]
    """The most used tags, so that the next search can ask for one."""


class Archival:
    """Texts without end, found by words, by meaning, by tag and by date."""

    def __init__(self, store: PassageStore, indexing: Indexing) -> None:
        self._store = store
        self._indexing = indexing

    async def file(self, agent_id: AgentId, passages: Sequence[NewPassage]) -> list[Filed]:
        """Store passages that somebody tells now; the same one again refreshes the one there.

        It is the same if its text is, letter by letter, and its date is no other.

        Raises:
            InvalidInput: one cannot be stored; none was.
        """
        checked, vectors = await self._prepared(passages)
        filed = await self._store.file(agent_id, checked, vectors)
        self._indexing.stored(vectors, again=any(one.refreshed for one in filed))
        return filed

    async def take_in(self, agent_id: AgentId, passages: Sequence[Coming]) -> TakenIn:
        """Store passages that a file brings, made of what `checked_passage` made; vectors follow.

        The same one again refreshes the one there. It is the same if its text is, letter by letter,
        with its date and its source; or its text with its external id. One that was forgotten or
        superseded here stays out.
        """
        taken = await self._store.take_in(agent_id, passages)
        self._indexing.stored([None])
        return taken

    async def _prepared(
        self, passages: Sequence[NewPassage]
    ) -> tuple[list[NewPassage], Sequence[Vector | None]]:
        checked = [checked_passage(passage) for passage in passages]
        texts = [text_to_embed(passage.content, passage.occurred_at) for passage in checked]
        return checked, await self._indexing.for_write(texts)

    async def search(
        self,
        agent_id: AgentId,
        query: str,
        *,
        tags: list[str] | None = None,
        tag_match: TagMatch = "any",
        start_date: str | None = None,
        end_date: str | None = None,
        zone: Zone = UTC_ZONE,
        limit: int = 5,
        cursor: str | None = None,
    ) -> PassagePage:
        """Passages that answer `query`, best first.

        Days, and times without an offset, are those of `zone`.

        Raises:
            InvalidInput: an argument cannot be meant.
        """
        require_limit(limit)
        require_text(query, "query", QUERY_CHARS_MAX)
        if tag_match not in ("any", "all"):
            raise InvalidInput(f"tag_match {tag_match!r} is neither 'any' nor 'all'.")
        only = PassageFilter(
            tags=require_tags(tags),
            tag_match=tag_match,
            window=parse_window(start_date, end_date, zone),
        )
        search = ("passage", agent_id, query, only)
        offset = place_of(cursor, *search) or 0
        vector = await self._indexing.for_question(query)
        question = Question(search_terms(query), vector, exact_runs(query))
        ranking = fuse(await self._store.search(agent_id, question, only))
        page = ranking[offset : offset + limit]
        found = await self._store.get([row.seq for row in page])
        hits = [PassageHit(found[row.seq], row.score) for row in page if row.seq in found]
        ends = range(offset + 1, offset + 1 + len(hits))
        return PassagePage(
            hits=hits,
            cursors=[cursor_at(end, *search) if end < len(ranking) else None for end in ends],
            total=await self._store.count(agent_id, only),
            tags=[tag for tag, _ in await self._store.top_tags(agent_id, TAGS_TOLD)],
        )

    async def tags(self, agent_id: AgentId) -> list[str]:
        """Every tag of the agent's passages, the most used first."""
        return [tag for tag, _ in await self._store.top_tags(agent_id, NO_LIMIT)]

    async def count(self, agent_id: AgentId) -> int:
        """How many passages the agent has."""
        return await self._store.count(agent_id, PassageFilter())

    async def passage(self, agent_id: AgentId, passage_id: PassageId) -> Passage:
        """One passage.

        Raises:
            PassageNotFound: the agent has no such passage.
        """
        return await self._store.by_id(agent_id, passage_id)


def checked_passage(passage: NewPassage) -> NewPassage:
    """The passage as it may be stored: redacted, tags trimmed, its date in UTC.

    Raises:
        InvalidInput: it cannot be stored.
    """
    require_text(passage.content, "content", PASSAGE_CHARS_MAX)
    if passage.external_id is not None:
        require_text(passage.external_id, "external_id", EXTERNAL_ID_CHARS_MAX)
    if passage.source is not None:
        require_text(passage.source, "source", SOURCE_CHARS_MAX)
    occurred_at = passage.occurred_at.astimezone(UTC) if passage.occurred_at else None
    content = redact(passage.content)
    tags = tuple(redact(tag) for tag in require_tags(list(passage.tags)))
    source = redact(passage.source) if passage.source else passage.source
    metadata = redacted(passage.metadata) if passage.metadata else passage.metadata
    before = passage.content, passage.tags, passage.source, passage.metadata
    if (content, tags, source, metadata) == before and occurred_at is passage.occurred_at:
        return passage  # as nearly all are: an import makes hundreds of thousands
    return replace(
        passage,
        content=content,
        tags=tags,
        source=source,
        metadata=metadata,
        occurred_at=occurred_at,
    )
