"""Fakes for tests: an embedder without a model, a clock that is set by hand, a store of one's own.

SQLite is not among them: it is quick enough to be real. Models that follow a script stand in
`memory_mcp.testing.chat`, in memory, and `memory_mcp.testing.model_server`, over HTTP.
"""

import math
from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from memory_mcp.app import open_services
from memory_mcp.config import Settings
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import EmbedderError
from memory_mcp.ports import Clock, Embedder, Vector
from memory_mcp.services import Services


class ManualClock:
    """The `Clock` port, standing still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        """The moment it is set to."""
        return self._now

    def advance(self, span: timedelta) -> datetime:
        """Move it by `span`, and tell the new moment."""
        self._now += span
        return self._now


class HashEmbedder:
    """The `Embedder` port: texts are near when they share runs of three letters.

    The same in every process, and forgiving of spelling, so that a test can tell what was found by
    vector from what was found by word. `broken` may be set at any time.
    """

    def __init__(self, name: str = "hash-64", dims: int = 64, *, inline: bool = True) -> None:
        self.name = name
        self.dims = dims
        self.inline = inline
        self.broken = False

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One unit vector for each text; zeros for a text without a letter.

        Raises:
            EmbedderError: it was told to be broken.
        """
        if self.broken:
            raise EmbedderError(f"{self.name} was told to be broken.")
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> Vector:
        sums = [0.0] * self.dims
        for word in "".join(char if char.isalnum() else " " for char in text.lower()).split():
            for start in range(len(word) + 1):
                run = f" {word} "[start : start + 3]
                digest = int.from_bytes(blake2b(run.encode("utf-8", "replace")).digest()[:8])
                sums[digest % self.dims] += 1 if digest >> 63 else -1
        length = math.hypot(*sums) or 1.0
        return array("f", [number / length for number in sums])


_HASHED = HashEmbedder()


@asynccontextmanager
async def open_memory(
    path: Path,
    *,
    clock: Clock | None = None,
    embedder: Embedder | None = _HASHED,
    **settings: Any,
) -> AsyncGenerator[Services]:
    """Services on the store at `path`, made if it isn't there; `settings` as in `Settings`.

    With `embedder=None` search is lexical, unless the setting `embedder` names a real one.
    """
    told: dict[str, Any] = {"agent": AgentChoice(), "embedder": "none", **settings}
    opened = open_services(
        Settings(database=path, **told), clock=clock or ManualClock(), embedder=embedder
    )
    async with opened as services:
        yield services
