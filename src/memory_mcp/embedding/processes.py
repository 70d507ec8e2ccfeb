"""The default embedder in processes of its own: an import has hundreds of thousands of texts.

In threads it would gain nothing: Python runs one at a time.
"""

import logging
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

from anyio import BrokenWorkerProcess, to_process, to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from memory_mcp.domain.errors import EmbedderGone
from memory_mcp.domain.vectors import Packed, packed
from memory_mcp.embedding.static import StaticEmbedder

PROCESSES_MAX = 4
"""More would wait for the one that stores what they made."""
_SAFE_PATH = "PYTHONSAFEPATH"
NICENESS = 19
WORDS_CACHED = 2**13
"""10 MB in each process: of an import's words all but one in fifty are met again."""


class ProcessEmbedder:
    """The `BulkEmbedder` port."""

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.parallel = min(cores or 1, PROCESSES_MAX)
        self._portal: BlockingPortal | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Its processes start at the first call, and have ended afterwards.

        They belong to an event loop, so they have one of their own, in a thread.
        """
        # With its loop closed, asyncio cannot tell how a process of it ended, and warns of that.
        logging.getLogger("asyncio").addFilter(_is_of_no_child)
        safe = os.environ.get(_SAFE_PATH)
        # They are started as modules, and would look for those in the working folder first.
        os.environ[_SAFE_PATH] = "1"
        try:
            with start_blocking_portal() as self._portal:
                self._portal.call(_limit, self.parallel)
                yield
        finally:
            self._portal = None
            if safe is None:
                del os.environ[_SAFE_PATH]

    async def embed(self, texts: Sequence[str]) -> list[Packed]:
        """For each text its vector as the store keeps it; only while it is running.

        Raises:
            EmbedderError: the table is missing or damaged.
            EmbedderGone: a process was ended from outside.
        """
        assert self._portal is not None
        future = self._portal.start_task_soon(_elsewhere, list(texts))
        try:
            return await to_thread.run_sync(future.result, abandon_on_cancel=True)
        except (BrokenWorkerProcess, OSError) as error:  # OSError: it ended as it was started
            raise EmbedderGone("a process that makes vectors was ended or cannot start") from error


def _is_of_no_child(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Unknown child process pid")


async def _limit(parallel: int) -> None:
    to_process.current_default_process_limiter().total_tokens = parallel


async def _elsewhere(texts: list[str]) -> list[Packed]:
    return await to_process.run_sync(_embedded, texts, cancellable=True)


@lru_cache(1)
def _embedder() -> StaticEmbedder:
    if hasattr(os, "nice"):
        os.nice(NICENESS)  # nobody waits for a process that holds no lock
    return StaticEmbedder(words_cached=WORDS_CACHED)


def _embedded(texts: list[str]) -> list[Packed]:
    return packed(_embedder().embed(texts))
