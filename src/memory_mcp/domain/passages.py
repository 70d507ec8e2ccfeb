"""Archival memory: passages."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from memory_mcp.domain.ids import PassageId, new_id
from memory_mcp.domain.query import index_form
from memory_mcp.domain.times import in_words, to_iso

DIGEST_CHARS = 32
GATHERED_CHARS = 1_200
"""What a search's answer shows of a passage, about."""

TagMatch = Literal["any", "all"]

Door = Literal["told", "moved", "file"]
"""How a passage comes: somebody tells it now; it moves here from a block; a file brings it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassage:
    """A passage on its way into archival memory."""

    content: str
    tags: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    origin: str = "agent"
    """Who filed it: `agent`, `import`, or `block:<label>` for what had no more room there."""
    source: str | None = None
    """What it was taken from, as its importer names it: a note's file, a mem0 user; two sources'
    passages stay two."""
    external_id: str | None = None
    metadata: dict[str, Any] | None = None
    supersedes: PassageId | None = None
    """The passage whose place it takes, as that is no longer true."""
    copied: "Copied | None" = None
    """What it was in the store it is copied from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a passage keeps when it is copied from another store."""

    id: PassageId
    created_at: datetime
    refreshed_at: datetime
    supersedes: PassageId | None
    """What it took the place of there; nothing has to go for it here."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A passage on its way in, with all that is computed of it before a store is asked."""

    passage: NewPassage
    id: PassageId
    """The id it gets if it is new."""
    text: str
    """Its text's digest."""
    occurred_at: str | None
    """In stored form."""
    words: str
    """What the lexical index holds of it."""


def coming(passage: NewPassage) -> Coming:
    """A passage with what is computed of it."""
    return Coming(
        passage,
        passage.copied.id if passage.copied else PassageId(new_id("passage")),
        text_digest(passage.content),
        to_iso(passage.occurred_at) if passage.occurred_at else None,
        index_form(lexical_text(passage.content, passage.tags, passage.occurred_at)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One archival entry."""

    id: PassageId
    seq: int
    content: str
    tags: tuple[str, ...]
    occurred_at: datetime | None
    created_at: datetime
    refreshed_at: datetime
    """When it was last filed again; equals `created_at` until then."""
    origin: str
    external_id: str | None
    source: str | None = None
    supersedes: PassageId | None = None
    """The passage whose place it took."""

    @property
    def dated(self) -> datetime:
        """When what it tells happened, as far as known: `occurred_at`, else `created_at`."""
        return self.occurred_at or self.created_at


def gathered(passages: Sequence[NewPassage]) -> list[NewPassage]:
    """Short passages of one origin, in few: one after the other, as far as one has room.

    Each has the date of its last part.
    """
    parts: list[list[NewPassage]] = []
    room = 0
    for passage in passages:
        room -= len(passage.content) + 1
        if not parts or room < 0:
            parts.append([])
            room = GATHERED_CHARS - len(passage.content) - 1
        parts[-1].append(passage)
    return [
        replace(
            part[-1],
            content="\n".join(each.content for each in part),
            occurred_at=max((each.occurred_at for each in part if each.occurred_at), default=None),
            metadata=part[-1].metadata
            if all(each.metadata == part[-1].metadata for each in part)
            else None,
        )
        for part in parts
    ]


def text_digest(content: str) -> str:
    """What two passages of the same text have in common: SHA-256, its first 32 hex digits.

    Every character counts, spaces and tabs too. Only line ends are read alike, however they are
    written, and those at the end of the text count for nothing: that is how a file was saved.
    """
    plain = content.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    return hashlib.sha256(plain.encode()).hexdigest()[:DIGEST_CHARS]


def identity(text: str, occurred_at: str | None, source: str | None) -> str:
    """What an agent has once: a text (its digest) with its date (in stored form) and its source.

    In order, passages of one text stand together, undated ones first; among those of one date the
    one without a source is first.
    """
    return f"{text} {occurred_at or ''} {source or ''}"


def fitting(
    text: str, occurred_at: str | None, source: str | None, door: Door
) -> tuple[tuple[str, str], ...]:
    """Where to look for the passage that is the same as one that comes: ranges of identities.

    Each is from its first up to its second; the first passage of the first range that holds any is
    the one. Whoever tells a text means the one that is there, whatever its source; another date
    makes it another passage, an unknown one does not. When a line was written, which is the date
    it moves with, is no such date. What a file brings has the date it has there, and its source; a
    passage whose source nobody told fits any.
    """
    # `!` is the character after the space, with which the next part begins.
    whatever_its_date = f"{text} ", f"{text}!"
    if door == "file" and source is not None:
        both = identity(text, occurred_at, source), identity(text, occurred_at, None)
        return tuple((one, f"{one}\1") for one in both)
    if door == "file":
        return (_of_date(text, occurred_at),)
    if occurred_at is None:
        return (whatever_its_date,)
    other = whatever_its_date if door == "moved" else _of_date(text, None)
    return _of_date(text, occurred_at), other


def _of_date(text: str, occurred_at: str | None) -> tuple[str, str]:
    return f"{text} {occurred_at or ''} ", f"{text} {occurred_at or ''}!"


def forgotten_digest(text: str, occurred_at: str | None) -> str:
    """What is kept of a passage that is gone: its text's digest, then one of its date with it.

    In order, those of one text stand together.
    """
    if occurred_at is None:
        return f"{text} "
    return f"{text} {hashlib.sha256(f'{text} {occurred_at}'.encode()).hexdigest()[:16]}"


def lexical_text(content: str, tags: Sequence[str], occurred_at: datetime | None) -> str:
    """What the lexical index holds of a passage: its words, its tags, when it happened."""
    parts = [content, *sorted(tags)]
    if occurred_at:
        parts.append(in_words(occurred_at))
    return "\n".join(parts)


def text_to_embed(content: str, occurred_at: datetime | None) -> str:
    """What the embedder sees of a passage."""
    return f"[{in_words(occurred_at)}] {content}" if occurred_at else content
