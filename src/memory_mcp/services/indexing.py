"""Vectors: made before a write when the embedder is quick, caught up with afterwards when not.

Text is searchable lexically in the transaction that stores it. A missing vector only means that
its row is not yet found by meaning.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio import to_thread

from memory_mcp.domain.errors import EmbedderError, EmbedderGone, StoreError
from memory_mcp.domain.vectors import Packed, packed
from memory_mcp.ports import BulkEmbedder, Embedder, IndexStore, Unembedded, Vector
from memory_mcp.services.pace import Pace

logger = logging.getLogger(__name__)

BATCH_ROWS = 200
BULK_ROWS = 1_000
"""Past so many, other processes are worth starting. Each batch waits for the disk once."""


class Indexing:
    """Runs the embedder off the event loop; without one, search is lexical."""

    def __init__(
        self, store: IndexStore, embedder: Embedder | None, bulk: BulkEmbedder | None = None
    ) -> None:
        """`bulk` makes vectors where very many are wanted; without it `embedder` makes all."""
        self._store = store
        self._embedder = embedder
        self._bulk = bulk
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

    async def catch_up(
        self, pace: Pace | None = None, told: Callable[[int], None] = lambda _: None
    ) -> int:
        """Give every row without a vector its vector; how many were made.

        `told` is called after each batch, with the number of vectors so far.
        """
        if self._embedder is None:
            return 0
        batches = _Batches(self._store, pace, told)
        rows = await batches.take(BATCH_ROWS)
        while rows and (vectors := await self._packed(rows)) is not None:
            await batches.store(rows, vectors)
            if self._bulk is not None and batches.made >= BULK_ROWS:
                await self._catch_up_everywhere(self._bulk, batches)
            rows = await batches.take(BATCH_ROWS)
        return batches.made

    async def _catch_up_everywhere(self, bulk: BulkEmbedder, batches: "_Batches") -> None:
        """Have all further rows embedded in other processes, several batches at once."""
        failed: list[StoreError] = []

        async def work() -> None:
            try:
                while rows := await batches.take(BULK_ROWS):
                    async with batches.turn():
                        vectors = await bulk.embed([row.text for row in rows])
                    await batches.store(rows, vectors)
            except EmbedderError as error:
                self._without_embedder(error)
            except EmbedderGone as error:
                logger.warning("%s: this one makes the rest", error)
                self._bulk = None
                batches.again()
                tasks.cancel_scope.cancel()
            except StoreError as error:  # raised below, not in a group of one
                failed.append(error)
                tasks.cancel_scope.cancel()

        async with bulk.running(), anyio.create_task_group() as tasks:
            # One more than there are processes: while it stores, all of them have work.
            for _ in range(bulk.parallel + 1):
                tasks.start_soon(work)
        if failed:
            raise failed[0]

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

    async def _packed(self, rows: Sequence[Unembedded]) -> list[Packed] | None:
        vectors = await self._embed([row.text for row in rows])
        return None if vectors is None else await to_thread.run_sync(packed, vectors)

    async def _embed(self, texts: Sequence[str]) -> list[Vector] | None:
        if self._embedder is None:
            return None
        try:
            return await to_thread.run_sync(self._embedder.embed, texts)
        except EmbedderError as error:
            self._without_embedder(error)
            return None

    def _without_embedder(self, error: EmbedderError) -> None:
        logger.error("search is by words only: %s", error)
        self.problem = f"search is by words only: {error}"
        self._embedder = None


class _Batches:
    """The rows without a vector, handed out batch by batch to whoever has time."""

    def __init__(self, store: IndexStore, pace: Pace | None, told: Callable[[int], None]) -> None:
        self.made = 0
        self._store = store
        self._pace = pace
        self._told = told
        self._last: Unembedded | None = None
        self._lock = anyio.Lock()
        self._writing = anyio.Lock()
        self._alone = anyio.Lock()

    async def take(self, most: int) -> list[Unembedded]:
        """The next rows; none at the end."""
        async with self._lock:
            rows = await self._store.unembedded(most, self._last)
            if rows:
                self._last = rows[-1]
            return rows

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Where others use the store, they get the cores but one."""
        if self._pace is None or not self._pace.is_shared:
            yield
        else:
            async with self._alone:
                yield

    def again(self) -> None:
        """Begin anew with those that have none yet."""
        self._last = None

    async def store(self, rows: Sequence[Unembedded], vectors: Sequence[Packed]) -> None:
        """Give rows their vectors."""
        if self._pace is None:
            await self._store.add_vectors(rows, vectors)
        else:
            async with self._writing:  # one at a time, or rests would be no rests
                for piece in self._pace.pieces(list(zip(rows, vectors, strict=True))):
                    await self._store.add_vectors([row for row, _ in piece], [v for _, v in piece])
                    await self._pace.rest()
        self.made += len(rows)
        self._told(self.made)
