"""The default embedder in processes of its own: an import has hundreds of thousands of texts.

In threads it would gain nothing: Python runs one at a time.
"""

import os
from collections.abc import Sequence
from functools import lru_cache

from anyio import CapacityLimiter, to_process

from memory_mcp.domain.vectors import Packed, packed
from memory_mcp.embedding.static import StaticEmbedder

PROCESSES_MAX = 4
"""More would wait for the one that stores what they made."""
WORDS_CACHED = 2**13
"""10 MB in each process: of an import's words all but one in fifty are met again."""


class ProcessEmbedder:
    """The `BulkEmbedder` port. Processes start at the first call, and end with the event loop."""

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.parallel = min(cores or 1, PROCESSES_MAX)
        self._limiter = CapacityLimiter(self.parallel)

    async def embed(self, texts: Sequence[str]) -> list[Packed]:
        """For each text its vector as the store keeps it.

        Raises:
            EmbedderError: the table is missing or damaged.
        """
        return await to_process.run_sync(
            _embedded, list(texts), cancellable=True, limiter=self._limiter
        )


@lru_cache(1)
def _embedder() -> StaticEmbedder:
    return StaticEmbedder(words_cached=WORDS_CACHED)


def _embedded(texts: list[str]) -> list[Packed]:
    return packed(_embedder().embed(texts))
