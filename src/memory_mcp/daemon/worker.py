"""The worker's starter: a serving process starts one when there is work for a model.

The worker is nobody's child: it goes on when its starter's host is closed. That at most one works
is for the store's lease to see to; one that doesn't get it ends at once.
"""

import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
from anyio import to_thread

from memory_mcp.domain.errors import StoreError
from memory_mcp.services import Services

logger = logging.getLogger(__name__)

GAP_SECONDS = 0.5
"""How often it is asked at the most whether there is work."""
LOOK_SECONDS = 10.0
"""How often at the least: some work is due by the clock, or left by another process."""
START_SECONDS = 15.0
AGAIN_SECONDS = 20.0
"""One that is gone so soon, with work left, was killed or has died of it."""
RETRY_SECONDS = (1.0, 1.0, 10.0, 60.0, 600.0)


class WorkerStarter:
    """Starts the store's worker whenever there is work and no worker."""

    def __init__(self, services: Services, database: Path) -> None:
        self._services = services
        self._database = database
        self._failures = 0
        self._started_at = -AGAIN_SECONDS

    async def keep_up(self) -> None:
        """Look after it for as long as the process serves."""
        if self._services.ledger.policy is None:
            return
        while True:
            try:
                await self._look()
            except StoreError as error:
                logger.warning("the shadow agent is looked after later: %s", error)
            with anyio.move_on_after(LOOK_SECONDS):
                await self._services.outbox.committed()
            await anyio.sleep(GAP_SECONDS)

    async def _look(self) -> None:
        ledger = self._services.ledger
        if await ledger.has_worker():
            if anyio.current_time() - self._started_at > AGAIN_SECONDS:
                self._failures = 0
            return
        if not await ledger.has_work():  # the last one did what there was
            self._failures, self._started_at = 0, -AGAIN_SECONDS
            return
        if (now := anyio.current_time()) - self._started_at < AGAIN_SECONDS:
            await self._back_off("ended with work left")
        self._started_at = now
        await to_thread.run_sync(start_worker, self._database)
        with anyio.move_on_after(START_SECONDS):
            while not await ledger.has_worker():
                if not await ledger.has_work():  # it was quicker than we looked
                    break
                await anyio.sleep(0.2)
            return
        await self._back_off("does not start")

    async def _back_off(self, why: str) -> None:
        wait = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        logger.warning("the worker %s (see its log); tried again in %d s", why, wait)
        await anyio.sleep(wait)


def worker_log(database: Path) -> Path:
    """Where a worker says what it does."""
    return database.with_name(f"{database.name}.shadow.log")


def start_worker(database: Path) -> None:
    """Start a worker of the store, detached; it says in its log what becomes of it."""
    command = [sys.executable, "-P", "-m", "memory_mcp", "--database", str(database)]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
    with suppress(OSError), Path(os.devnull).open("r+b") as nothing:
        process = subprocess.Popen(
            [*command, "shadow", "work"],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            cwd=database.parent,
            creationflags=flags,
            start_new_session=True,
        )
        if sys.platform != "win32":
            process.wait()  # the one that detached it
