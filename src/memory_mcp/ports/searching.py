"""What a search asks of a store, and what it brings up."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from memory_mcp.domain.exact import Run
from memory_mcp.domain.messages import Role
from memory_mcp.domain.passages import TagMatch
from memory_mcp.domain.times import Window
from memory_mcp.ports.models import Vector


@dataclass(frozen=True, slots=True)
class Question:
    """A search, ready for a store: quoted terms, the question's vector, what has to stand as it is.

    Any of them may be empty.
    """

    terms: Sequence[str]
    vector: Vector | None
    runs: Sequence[Run] = ()


@dataclass(slots=True)
class Candidate:
    """One row a search leg brought up. Scores are raw: higher is better, 0 is not found."""

    seq: int
    lexical: float = 0.0
    cosine: float | None = None
    exact: int = 0
    """How many runs of the question that decide stand in it."""
    bonus: float = 0.0
    """How well runs of the question stand in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages a search may return."""

    roles: Sequence[Role] = ()
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageFilter:
    """Which passages a search may return."""

    tags: Sequence[str] = ()
    tag_match: TagMatch = "any"
    window: Window = field(default_factory=Window)
