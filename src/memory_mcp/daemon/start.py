"""A daemon's start: alone, detached from whoever started it, and said to be ready when it is."""

import logging
import os
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import anyio

from memory_mcp import __version__
from memory_mcp.app import open_services
from memory_mcp.config import Settings
from memory_mcp.daemon.hello import Hello
from memory_mcp.daemon.life import Command, Daemon
from memory_mcp.daemon.snapshots import SnapshotMaker
from memory_mcp.domain.errors import StoreGone
from memory_mcp.holder import sign
from memory_mcp.rendezvous import IS_GONE, Rendezvous, is_gone
from memory_mcp.snapshots import Snapshots

logger = logging.getLogger(__name__)

Besides = Callable[[Daemon], Awaitable[None]]
"""What is served besides sessions, until the daemon ends; if it returns before, that ends it."""


def detach() -> None:
    """Leave whoever started this process: as nobody's child it is not killed with its host.

    Hosts end a server by ending the whole tree of processes below it.
    """
    if hasattr(os, "fork"):
        if os.fork():
            os._exit(0)
        with suppress(OSError):  # it has one of its own already, mostly
            os.setsid()


@contextmanager
def alone(rendezvous: Rendezvous, passed: int | None = None) -> Generator[int | None]:
    """The store's lock, if it is ours for the time being; `passed` is its descriptor, if it is."""
    lock = rendezvous.try_lock() if passed is None else passed
    if lock is None:
        yield None
        return
    os.set_inheritable(lock, False)
    sign(lock, __version__)
    try:
        yield lock
    finally:
        rendezvous.let_go(lock)


async def serve_store(
    settings: Settings,
    rendezvous: Rendezvous,
    lock: int,
    command: Command,
    *,
    after: str = "",
    address: str | None = None,
    ready: Callable[[], None],
    besides: Besides | None = None,
    expected: Hello | str = "",
) -> bool:
    """Serve the store's sessions until told to end; `ready` is called once they may come.

    `lock` is the store's lock, which is ours; `expected` the hello of the session that had this
    process started; `after` what became of the daemon before, if it fell silent.

    Returns whether another file was put in the store's place, which is to be served now.

    Raises:
        MemoryMCPError: the store or the door cannot be opened.
    """
    guest = expected if isinstance(expected, Hello) and expected.role == "session" else None
    if guest is not None and guest.had_store and is_gone(str(settings.database)):
        raise StoreGone(IS_GONE.format(path=settings.database))
    is_alone = partial(rendezvous.has_lock, lock)
    opened = open_services(settings, is_alone=is_alone, takes_over=bool(after))
    async with opened as services:
        daemon = Daemon(
            services, settings, rendezvous, command, is_alone, after=after, address=address
        )
        with daemon.open() as listening:
            ready()
            if guest is not None:
                daemon.snapshots.came(guest)
            logger.info("process %d serves %s", os.getpid(), settings.database)
            async with anyio.create_task_group() as tasks:
                if besides is not None:
                    tasks.start_soon(_besides, besides, daemon)
                await daemon.serve(listening)
        taken = await daemon.snapshots.take_last()
    if taken is not None:  # the store is closed: it is as it was when they were taken, or was not
        daemon.snapshots.write(taken)
    return daemon.is_replaced


async def make_first_snapshots(settings: Settings, hellos: Sequence[Mapping[str, Any]]) -> None:
    """Make the store, if it is not there, and what answers the first session's first questions.

    `hellos` are how the sessions to come will want to be served. Where a daemon runs, that is for
    it to know: see `Rendezvous.join_running`.

    Raises:
        MemoryMCPError: the store cannot be opened.
    """
    snapshots = Snapshots(str(settings.database))
    async with open_services(settings) as services:
        maker = SnapshotMaker(services, settings, snapshots)
        for told in hellos:
            maker.came(Hello.model_validate(told))
        taken = await maker.take_last()
    if taken is not None:
        maker.write(taken)


async def _besides(besides: Besides, daemon: Daemon) -> None:
    await besides(daemon)
    daemon.end("its other door was closed")


class Ready:
    """The one line for whoever waits for the start, on the standard output it gave us.

    `ready`; `taken`, there is another; `refused …`, nobody can serve this store; `failed …`, no
    daemon can.
    """

    def __init__(self) -> None:
        self._pipe = os.dup(1)
        self._said = False

    def say(self, word: str) -> None:
        """Tell, once; nobody may be listening any more."""
        if self._said:
            return
        self._said = True
        with suppress(OSError):
            os.write(self._pipe, word.replace("\n", " ").encode("utf-8", "replace") + b"\n")
        os.close(self._pipe)
