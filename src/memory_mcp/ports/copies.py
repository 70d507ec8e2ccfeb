"""The port of copies: rows out of a store and into another."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from memory_mcp.domain.copies import Copy

CopyKind = Literal[
    "agent",
    "block",
    "block_version",
    "conversation",
    "forgotten",
    "message",
    "passage",
    "forgotten_text",
    "superseded",
    "session",
    "summary",
    "reflected",
    "mail",
    "run",
    "run_call",
    "run_change",
    "setting",
    "deleted",
    "receipt",
]
"""The kinds of copies, each after those it refers to."""

Place = tuple[str | int, ...]
"""Where among the rows of its kind a copy stands; the empty one is before the first."""


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a copy: new here, known, or neither; and what is to be told of that."""

    stored: bool = False
    known: bool = False
    """It was here already, and stays as it is."""
    note: str | None = None
    forgotten: int = 0
    """Lines of it, or 1 for all of it, that were forgotten here, and stay out."""


Page = Sequence[tuple[Place, Copy]]
"""Copies, each with the place after which the next page begins."""


class CopyReader(Protocol):
    """Everything a store holds. `agents` are names; `None`: the whole store."""

    async def heads(self, agents: Sequence[str] | None) -> list[Copy]:
        """The agents in use and the blocks they have."""
        ...

    async def page(
        self, kind: CopyKind, agents: Sequence[str] | None, after: Place, limit: int
    ) -> Page:
        """The next rows of one kind, in the order they came.

        Of the whole store deleted agents and blocks that nobody has are among them.
        """
        ...

    async def left_behind(self, agents: Sequence[str] | None) -> Mapping[str, int]:
        """What no page holds on purpose, in words, and how much of it there is."""
        ...


class CopyStore(CopyReader, Protocol):
    """Everything a store holds, out and in again."""

    def snapshot(self) -> AbstractAsyncContextManager[CopyReader]:
        """The store as it is at this moment, whatever is written meanwhile."""
        ...

    async def put(self, copies: Sequence[Copy]) -> list[Put]:
        """Store copies in order, in one transaction; messages and passages have their own stores.

        What is there already stays as it is. What cannot be stored is told of and passed over.
        """
        ...
