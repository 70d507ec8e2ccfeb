"""How fast an import writes: as fast as it can, or so that a session beside it notices nothing."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

import anyio

from memory_mcp.ports import Outbox

ROWS_SHARED = 100
"""Rows in one transaction while others write: some milliseconds, in which they wait."""
REST = 15.0
"""How long the store is left to others after each, as a multiple of how long it took: of twenty
calls of theirs about one has to wait."""
SHARED_SECONDS = 2.0
"""How long after another's write the store counts as shared."""

Row = TypeVar("Row")


class Pace:
    """The pace of one import."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._shared_until = 0.0
        self._began = 0.0

    @property
    def is_shared(self) -> bool:
        """Whether another process has written lately."""
        return time.monotonic() < self._shared_until

    def pieces(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """What is to be written, in pieces that are a transaction each; `rest` follows on each."""
        start = 0
        while start < len(rows):
            end = start + ROWS_SHARED if self.is_shared else len(rows)
            self._began = time.monotonic()
            yield rows[start:end]
            start = end

    async def rest(self) -> None:
        """Leave the store to others for a while, if there are any."""
        took = time.monotonic() - self._began
        if await self._outbox.others_committed():
            self._shared_until = time.monotonic() + SHARED_SECONDS
        if self.is_shared:
            await anyio.sleep(REST * took)
