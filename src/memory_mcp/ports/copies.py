"""The port of copies: rows out of a store and into another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from memory_mcp.domain.copies import Copy

CopyKind = Literal[
    "block_version", "conversation", "forgotten", "message", "passage", "forgotten_text"
]

"""The kinds of copies that there may be many of, in the order in which they are taken in: what is
there must not stay out for what was forgotten beside it."""


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a copy: new here, or known; or refused, with the reason."""

    stored: bool
    refused: str | None = None


Page = Sequence[tuple[int, Copy]]

"""Copies, each with the place after which the next page begins."""


class CopyStore(Protocol):
    """Everything a store holds, out and in again. `agents` are names; `None`: every agent."""

    async def heads(self, agents: Sequence[str] | None) -> list[Copy]:
        """The agents and their blocks: what everything else belongs to."""
        ...

    async def page(
        self, kind: CopyKind, agents: Sequence[str] | None, after: int, limit: int
    ) -> Page:
        """The next rows of one kind, in the order they came."""
        ...

    async def tails(self, agents: Sequence[str] | None) -> list[Copy]:
        """What refers to messages: summaries, and how far was reflected."""
        ...

    async def put(self, copies: Sequence[Copy]) -> list[Put]:
        """Store copies in order, in one transaction; messages and passages have their own stores.

        What is there already stays as it is: a block with another text is refused, not overwritten.
        """
        ...
