"""Vectors: made before a write when the embedder is quick, caught up with afterwards when not.

Text is searchable lexically in the transaction that stores it. A missing vector only means that
its row is not yet found by meaning.
"""

import logging
from collections.abc import Sequence

import anyio
from anyio import to_thread

from memory_mcp.domain.errors import EmbedderError, StoreError
from memory_mcp.ports import Embedder, IndexStore, Vector

logger = logging.getLogger(__name__)

BATCH_ROWS = 200


class Indexing:
    """Runs the embedder off the event loop; without one, search is lexical."""

    def __init__(self, store: IndexStore, embedder: Embedder | None) -> None:
        self._store = store
        self._embedder = embedder
        self._wake = anyio.Event()
        self.problem: str | None = None
        """Why the embedder cannot run, once it could not."""

    async def for_write(self, texts: Sequence[str]) -> Sequence[Vector | None]:
        """Vectors to store with these texts; `None` where they follow later."""
        if self._embedder is None or not self._embedder.inline:
            return [None] * len(texts)
        return await self._embed(texts) or [None] * len(texts)

    def stored(self, vectors: Sequence[Vector | None], *, again: bool = False) -> None:
        """Rows were committed with these vectors; those without get theirs soon.

        `again`: some were there already, and may wait for another vector.
        """
        if again or None in vectors:
            self._wake.set()

    async def for_question(self, text: str) -> Vector | None:
        """The question's vector; `None` when search goes on lexically."""
        vectors = await self._embed([text]) if text else None
        return vectors[0] if vectors and any(vectors[0]) else None

    async def catch_up(self) -> int:
        """Give every row without a vector its vector; how many were made."""
        made = 0
        while self._embedder is not None:
            rows = await self._store.unembedded(BATCH_ROWS)
            if not rows:
                break
            vectors = await self._embed([row.text for row in rows])
            if vectors is None:
                break
            await self._store.add_vectors(rows, vectors)
            made += len(rows)
        return made

    async def rebuild(self) -> int:
        """Make every index anew; how many vectors were made."""
        await self._store.rebuild()
        return await self.catch_up()

    async def keep_up(self) -> None:
        """Catch up whenever there may be something to do, for as long as the process serves."""
        while True:
            self._wake = anyio.Event()
            try:
                if made := await self.catch_up():
                    logger.info("%d vectors were made", made)
            except StoreError as error:  # a full or busy disk must not end the server
                logger.warning("vectors will be made later: %s", error)
            with anyio.move_on_after(300):
                await self._wake.wait()

    async def _embed(self, texts: Sequence[str]) -> list[Vector] | None:
        if self._embedder is None:
            return None
        try:
            return await to_thread.run_sync(self._embedder.embed, texts)
        except EmbedderError as error:
            logger.error("search is by words only: %s", error)
            self.problem = f"search is by words only: {error}"
            self._embedder = None
            return None
