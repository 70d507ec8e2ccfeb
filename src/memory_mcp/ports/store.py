"""The ports of the store as a whole: its outbox, its indexes, its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from memory_mcp.domain.ids import (
    AgentId,
)
from memory_mcp.domain.statistics import Statistics
from memory_mcp.domain.vectors import Packed


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the outbox. `agent_ids` are the agents whose memory it concerns."""

    seq: int
    at: datetime
    noun: str
    noun_id: str
    operation: str
    agent_ids: Sequence[AgentId]
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A row that waits for its vector, with the text to embed."""

    noun: Literal["message", "passage"]
    seq: int
    text: str


class Outbox(Protocol):
    """The changes table: what wakes other processes."""

    async def last_seq(self) -> int:
        """The newest change there is."""
        ...

    async def since(self, seq: int) -> list[Change]:
        """Changes after `seq`, oldest first.

        The first may be one of the noun `store`: older ones are gone, anything may have changed.
        """
        ...

    async def of_agent_since(self, agent_id: AgentId, seq: int) -> tuple[list[Change], int]:
        """Changes of one agent's memory after `seq`, oldest first; and the last one looked at."""
        ...

    async def latest(self, agent_id: AgentId | None, limit: int) -> list[Change]:
        """The newest changes, of one agent's memory or of all, oldest of them first."""
        ...

    async def committed(self) -> None:
        """Returns when this process has committed something."""
        ...

    async def pulse(self) -> int:
        """A number that differs whenever any process has committed since the last call."""
        ...

    async def others_committed(self) -> bool:
        """Whether another process has committed since the last call; the first call says no."""
        ...


class IndexStore(Protocol):
    """The derived indexes."""

    async def unembedded(self, limit: int, after: Unembedded | None = None) -> list[Unembedded]:
        """Rows that wait for a vector, in a fixed order; those after one of them, if given."""
        ...

    async def add_vectors(self, rows: Sequence[Unembedded], vectors: Sequence[Packed]) -> None:
        """Give rows their vectors."""
        ...

    async def rebuild(self) -> None:
        """Make every derived table anew from the canonical text; vectors follow."""
        ...


class StatisticsStore(Protocol):
    """Numbers about what is stored."""

    async def of_agent(self, agent_id: AgentId) -> Statistics:
        """One agent's memory in numbers."""
        ...
