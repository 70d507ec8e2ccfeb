"""Leases in SQLite: who may be the store's worker.

The row says until when, so that the dead lose it. Where the holder is a process of this machine,
its death is seen at once, and nobody waits.
"""

import os
import socket
import sys
from datetime import timedelta
from pathlib import Path

from memory_mcp.domain.errors import LeaseLost
from memory_mcp.domain.runs import Lease
from memory_mcp.domain.times import to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.session import Session

LONGEST_SECONDS = 600.0
"""One that goes on for longer was taken before the clock was set back."""

_LOOK = "SELECT holder, token, expires_at FROM leases WHERE name = ?"
_TAKE = """
INSERT INTO leases VALUES (?1, ?2, 1, ?3)
ON CONFLICT DO UPDATE SET holder = ?2, token = token + 1, expires_at = ?3
RETURNING token
"""
_RENEW = "UPDATE leases SET expires_at = ? WHERE name = ? AND token = ? RETURNING token"
_GIVE_BACK = "UPDATE leases SET expires_at = '', holder = '' WHERE name = ? AND token = ?"


class SqliteLeases:
    """The `LeaseStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, name: str, holder: str, seconds: float) -> Lease | None:
        """The lease, if nobody alive has it."""

        def take(session: Session) -> Lease | None:
            if self._holder(session, name) is not None:
                return None
            token = session.value(_TAKE, (name, holder, self._until(seconds)))
            return Lease(name=name, holder=holder, token=token)

        return await self._database.write(take)

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Keep it for so long from now.

        Raises:
            LeaseLost: somebody else has it.
        """

        def renew(session: Session) -> None:
            require_lease(session, lease)
            session.run(_RENEW, (self._until(seconds), lease.name, lease.token))

        await self._database.write(renew)

    async def give_back(self, lease: Lease) -> None:
        """Let the next one have it at once."""
        await self._database.write(
            lambda session: session.run(_GIVE_BACK, (lease.name, lease.token))
        )

    async def holder(self, name: str) -> str | None:
        """Who has it, if anybody alive does."""
        return await self._database.read(lambda session: self._holder(session, name))

    def _holder(self, session: Session, name: str) -> str | None:
        row = session.one(_LOOK, (name,))
        if row is None or not self._now() < row[2] < self._until(LONGEST_SECONDS):
            return None
        return None if _is_dead(row[0]) else row[0]

    def _now(self) -> str:
        return to_iso(self._clock.now())

    def _until(self, seconds: float) -> str:
        return to_iso(self._clock.now() + timedelta(seconds=seconds))


def require_lease(session: Session, lease: Lease) -> None:
    """Inside a worker's transaction: that nobody has taken over since.

    Raises:
        LeaseLost: somebody has.
    """
    row = session.one(_LOOK, (lease.name,))
    if row is None or row[1] != lease.token or row[0] != lease.holder:
        raise LeaseLost(
            f"another worker ({row[0] if row and row[0] else 'nobody'}) has taken over from "
            f"{lease.holder}; nothing was changed."
        )


def this_holder() -> str:
    """This process, as a holder: `process 4711 on host`, on Linux `… on host/4026531836`."""
    return f"process {os.getpid()} on {_machine()}"


def _machine() -> str:
    """Where process numbers mean what they mean here: containers may have their host's name."""
    try:
        numbers = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{numbers}"


def _is_dead(holder: str) -> bool:
    """Whether the holder is a process of this machine that is gone.

    A number that another process has since got only means that the lease is waited for.
    """
    if sys.platform == "win32":  # there a signal of 0 is not a question
        return False
    process, _, host = holder.removeprefix("process ").partition(" on ")
    if host != _machine() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
