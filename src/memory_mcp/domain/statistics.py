"""What is out of view, in numbers: what tells a model what it doesn't know it doesn't know."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BlockFill:
    """How full one block is, in characters."""

    label: str
    chars: int
    limit_chars: int


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many passages of an agent carry a tag."""

    tag: str
    passages: int


@dataclass(frozen=True, slots=True)
class Unread:
    """How much mail of one agent waits to be read."""

    sender: str
    mails: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """How search is made up right now, and what still waits for a vector."""

    embedder: str | None
    """The embedder that makes this process's vectors; `None` when search is lexical only."""
    store_embedder: str | None
    """The embedder the store's vectors were made by."""
    vectors_scored_by: str | None
    """`sqlite-vec`, or `python` where no extension can be loaded; `None` when search is lexical."""
    waiting: int
    """Messages and passages of the store that have no vector yet."""
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowState:
    """How many of an agent's messages are in view, and how many a summary stands for."""

    limit_tokens: int
    messages_in_view: int
    """Those that have not left; of these as many are shown as the limit has room for."""
    messages_summarised: int
    summarised_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """One agent's memory in numbers. Dates are `None` where there is nothing to date."""

    agent: str
    messages: int
    conversations: int
    first_message_at: datetime | None
    last_message_at: datetime | None
    passages: int
    first_passage_at: datetime | None
    last_passage_at: datetime | None
    tags: tuple[TagCount, ...]
    """The most used tags, most used first, at most twenty."""
    blocks: tuple[BlockFill, ...]
    agents: int
    near_duplicates: int = 0
    """Pairs of passages that say nearly the same, on offer to be looked at."""
    unread: tuple[Unread, ...] = ()
    """Mail that came to the agent and that it has not seen, by sender."""
    index: IndexState
    window: WindowState | None = None
    problems: tuple[str, ...] = ()
    """What the last check found wrong with the store, in words."""
    database: str
    database_bytes: int
