"""The ports of archival memory: filing, forgetting, upkeep."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from memory_mcp.domain.errors import StoreGone
from memory_mcp.domain.forgetting import NearDuplicate
from memory_mcp.domain.ids import (
    AgentId,
    PassageId,
)
from memory_mcp.domain.passages import Coming, NewPassage, Passage
from memory_mcp.ports.models import Vector
from memory_mcp.ports.searching import Candidate, PassageFilter, Question


@dataclass(frozen=True, slots=True)
class Filed:
    """A passage that was filed; `refreshed` when it was there already."""

    passage: Passage
    refreshed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What became of the passages that a file brought: how many of each."""

    stored: int
    known: int
    """Those that are there, and those that were superseded."""
    forgotten: int
    """Those that were forgotten here: a file doesn't bring them back."""


class PassageStore(Protocol):
    """Archival memory."""

    async def file(
        self,
        agent_id: AgentId,
        passages: Sequence[NewPassage],
        vectors: Sequence[Vector | None],
    ) -> list[Filed]:
        """Store passages that somebody tells now; one that is there is refreshed.

        What one supersedes is removed in the same step, and kept for some days.

        Raises:
            PassageNotFound: one supersedes a passage that the agent doesn't have; none was stored.
        """
        ...

    async def take_in(self, agent_id: AgentId, passages: Sequence[Coming]) -> TakenIn:
        """Store passages that a file brings; known ones are refreshed, and vectors follow.

        One that was copied from another store, and is here under its id, stays as it is. One that
        was forgotten or superseded here stays out.
        """
        ...

    async def search(
        self, agent_id: AgentId, question: Question, only: PassageFilter
    ) -> list[Candidate]:
        """The best rows of each leg, filters applied before ranking."""
        ...

    async def get(self, seqs: Sequence[int]) -> dict[int, Passage]:
        """Passages by place; places of forgotten ones are missing."""
        ...

    async def by_id(self, agent_id: AgentId, passage_id: PassageId) -> Passage:
        """One passage.

        Raises:
            PassageNotFound: the agent has no such passage; the text says what became of it.
        """
        ...

    async def count(self, agent_id: AgentId, only: PassageFilter) -> int:
        """How many passages the filter admits."""
        ...

    async def top_tags(self, agent_id: AgentId, limit: int) -> list[tuple[str, int]]:
        """The most used tags with their numbers of passages; all of them for a limit of -1."""
        ...


class UpkeepStore(Protocol):
    """What is done in the background to keep a store in order."""

    async def compare(self, agent_id: AgentId, rows: int) -> bool:
        """Compare the next passages that came with all others; whether more may be waiting."""
        ...

    async def near_duplicates(self, agent_id: AgentId, limit: int) -> list[NearDuplicate]:
        """Pairs of passages that say nearly the same, nearest first."""
        ...

    @property
    def is_read_only(self) -> bool:
        """Whether the store could only be opened to read it."""
        ...

    async def tidy(self) -> bool:
        """Keep what only grows within bounds, a step at a time; whether there may be more."""
        ...

    async def fold_log(self) -> None:
        """Put what stands in the log into the store's file, if nobody is reading it."""
        ...

    def lost(self) -> StoreGone | None:
        """Whether the store's file is not where it was opened, and what to do."""
        ...

    async def until_lost(self) -> None:
        """Returns when a read or a write was refused for that."""
        ...

    async def check(self) -> list[str] | None:
        """What is wrong with the store, in words; `None` when it was looked at lately."""
        ...
