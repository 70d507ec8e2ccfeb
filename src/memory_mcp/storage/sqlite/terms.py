"""A daemon's term: what keeps one that was taken over from writing when it wakes up.

The row is read first in each of its writes' transactions. Who takes over from a silent daemon
raises the row's token, in a transaction of its own: SQLite orders the two, so no write of the old
one comes after that, however it was stopped and whenever it goes on. A daemon that ended by itself,
or died, needs no such thing, as the kernel has let go of its lock by then; so the token stays as it
is, and nothing is written.
"""

from collections.abc import Callable

from memory_mcp.domain.errors import LeaseLost
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.leases import this_holder
from memory_mcp.storage.sqlite.session import Session

_TOKEN = "SELECT token FROM leases WHERE name = 'daemon'"
_RAISE = """
INSERT INTO leases VALUES ('daemon', ?1, 1, '')
ON CONFLICT DO UPDATE SET holder = ?1, token = token + 1
"""


async def begin_term(database: Database, is_alone: Callable[[], bool], *, takes_over: bool) -> None:
    """From now on the store is written by this daemon, for as long as nobody takes over.

    `is_alone` says whether the daemon's lock is still the one that newcomers find.

    Raises:
        StoreError: the store cannot be written.
    """

    def begin(session: Session) -> int:
        if takes_over:
            session.run(_RAISE, (this_holder(),))
        return session.value(_TOKEN) or 0

    token = await (database.write(begin) if takes_over else database.read(begin))

    def require_term(session: Session) -> None:
        if not is_alone() or (session.value(_TOKEN) or 0) != token:
            raise LeaseLost(
                "this daemon was silent for too long, and another one has taken over; nothing was "
                "changed."
            )

    database.fence = require_term
