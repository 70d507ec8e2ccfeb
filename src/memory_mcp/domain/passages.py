"""Archival memory: passages."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from memory_mcp.domain.ids import PassageId
from memory_mcp.domain.times import in_words

TagMatch = Literal["any", "all"]


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
    """When the same text was last filed again; equals `created_at` until then."""
    origin: str
    external_id: str | None
    supersedes: PassageId | None = None
    """The passage whose place it took."""

    @property
    def dated(self) -> datetime:
        """When what it tells happened, as far as known: `occurred_at`, else `created_at`."""
        return self.occurred_at or self.created_at


def content_hash(content: str) -> bytes:
    """What makes two passages the same text: SHA-256 of the words, whatever their spacing."""
    return hashlib.sha256(" ".join(content.split()).encode()).digest()[:16]


def lexical_text(content: str, tags: Sequence[str], occurred_at: datetime | None) -> str:
    """What the lexical index holds of a passage: its words, its tags, when it happened."""
    parts = [content, *sorted(tags)]
    if occurred_at:
        parts.append(in_words(occurred_at))
    return "\n".join(parts)


def text_to_embed(content: str, occurred_at: datetime | None) -> str:
    """What the embedder sees of a passage."""
    return f"[{in_words(occurred_at)}] {content}" if occurred_at else content
