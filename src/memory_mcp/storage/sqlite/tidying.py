"""What only grows, kept within bounds: small steps, at rest, each a transaction of its own."""

from collections.abc import Callable
from datetime import datetime, timedelta

from memory_mcp.domain.times import to_iso
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.history import PACKED_LEAST, WHOLE, pack_some
from memory_mcp.storage.sqlite.session import Session

CHANGES_LEAST = 1_000
"""So many lines of the outbox stay, however old they are."""
CHANGES_MOST = 100_000
CHANGES_KEPT = timedelta(days=30)
KEYS_KEPT = timedelta(days=7)
"""A caller that lost its answer asks again within minutes."""
ROWS_AT_ONCE = 5_000
FREE_SHARE = 0.1
"""So much of the file may be free pages; they are what the next rows take."""
FREE_LEAST = 2_048
PAGES_AT_ONCE = 2_048
LOG_BYTES = 5 << 20
"""A log that is longer is folded into the file as soon as nobody reads an older moment."""

_OLD_CHANGES = """
SELECT seq FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?1
    AND (at < ?2 OR seq <= (SELECT max(seq) FROM changes) - ?3) ORDER BY seq LIMIT ?4
"""
_OLD_KEYS = """
SELECT block_seq, version FROM block_history WHERE key IS NOT NULL AND changed_at < ? LIMIT ?
"""
_MANY_WHOLE = """
SELECT 1 FROM block_history WHERE pack IS NULL GROUP BY block_seq HAVING count(*) >= ? LIMIT 1
"""


async def tidy(database: Database, now: datetime) -> bool:
    """One step of each kind that is due; whether there may be more to do."""
    more = False
    for is_due, step in _steps(now):
        # A look costs no write: nobody else is woken, no answer that was kept goes stale.
        if await database.read(is_due):
            more = bool(await database.write(step)) or more
    more = await _give_back(database) or more
    if database.log_bytes() > LOG_BYTES:
        await database.fold_log()
    return more


def _steps(
    now: datetime,
) -> list[tuple[Callable[[Session], bool], Callable[[Session], int]]]:
    changes = (CHANGES_LEAST, to_iso(now - CHANGES_KEPT), CHANGES_MOST)
    keys = to_iso(now - KEYS_KEPT)

    def prune_changes(session: Session) -> int:
        rows = session.all(_OLD_CHANGES, (*changes, ROWS_AT_ONCE))
        session.run_many("DELETE FROM changes WHERE seq = ?", rows)
        return len(rows)

    def prune_keys(session: Session) -> int:
        rows = session.all(_OLD_KEYS, (keys, ROWS_AT_ONCE))
        forget = "UPDATE block_history SET key = NULL WHERE block_seq = ? AND version = ?"
        session.run_many(forget, rows)
        return len(rows)

    return [
        (lambda session: bool(session.all(_OLD_CHANGES, (*changes, 1))), prune_changes),
        (lambda session: bool(session.all(_OLD_KEYS, (keys, 1))), prune_keys),
        (lambda session: bool(session.all(_MANY_WHOLE, (PACKED_LEAST + WHOLE,))), pack_some),
    ]


async def _give_back(database: Database) -> bool:
    """Give the disk free pages back, some at a time; only stores that were made so can."""

    def free(session: Session) -> int:
        if session.value("PRAGMA auto_vacuum") != 2:
            return 0
        pages: int = session.value("PRAGMA page_count")
        left: int = session.value("PRAGMA freelist_count")
        return max(0, left - int(pages * FREE_SHARE)) if left > FREE_LEAST else 0

    too_many = await database.read(free)
    if too_many:
        pages = min(too_many, PAGES_AT_ONCE)
        await database.write(lambda session: session.all(f"PRAGMA incremental_vacuum({pages})"))
    return too_many > PAGES_AT_ONCE
