"""Erasing: no byte is left in the store's file of what is gone.

SQLite marks what is deleted as free and leaves it where it is: in freed pages, in the gaps of pages
that are in use, in the log. The word indexes keep a deleted word in their older segments until
these are merged. So small indexes are made anew, of larger ones the segments are merged, a few
pages a transaction; and then the file is written anew from what it holds, and the log folded into
it and cut off.

SQLite 3.53 keeps the markers of what was deleted, words and all, in a merge of segments that are
all of one level, as those of a small index always are, unless no higher level was ever used. A row
that comes and goes puts segments on another level, of all but the smallest indexes: then the next
merge is that of the oldest, and drops them.
"""

from datetime import timedelta

from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.receipts import note_erased
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import TEXTS, TextIndex, make_texts

EVERY = timedelta(days=1)
"""How often the file is written anew at most, where nobody waits for it."""
PAGES = 200
"""So many pages of an index are merged in one transaction: writers wait for each."""
ROWS_MADE_ANEW = 10_000
"""Up to so many rows the word indexes are made anew, which takes less than a second."""
_DUE, _LAST = "erase_due", "erased"
_GET = "SELECT value FROM settings WHERE name = ?"
_SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_UNSET = "DELETE FROM settings WHERE name = ?"


def let_erase(session: Session, now: str) -> None:
    """Note, in the transaction that lets something go for good, that bytes of it are left."""
    session.run(_SET, (_DUE, now))


async def erase(database: Database, clock: Clock, *, at_once: bool) -> bool:
    """Overwrite what is left of what is gone; whether nothing of it is left.

    `at_once`: somebody waits. Else it is done once a day at the most.

    Raises:
        StoreFull: there is no room for the file to be written anew.
    """

    def is_due(session: Session) -> bool | None:
        if session.value(_GET, (_DUE,)) is None:
            return None
        last = session.value(_GET, (_LAST,))
        return at_once or last is None or from_iso(last) + EVERY <= clock.now()

    if not (due := await database.read(is_due)):
        return due is None
    if await database.read(_rows) <= ROWS_MADE_ANEW:
        await database.write(make_texts)
    else:
        for index in TEXTS:
            await _merge(database, index)
            await _stir(database, index)
            await _merge(database, index)
    if not await database.rewrite_file():
        return False  # somebody is reading what was; it is done later

    def note(session: Session) -> None:
        now = to_iso(clock.now())
        session.run(_UNSET, (_DUE,))
        session.run(_SET, (_LAST, now))
        note_erased(session, now)

    await database.write(note)
    return True


def _rows(session: Session) -> int:
    return session.value("SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM passages)")


async def _stir(database: Database, index: TextIndex) -> None:
    """Let a row come and go, so that not all segments are of one level."""
    columns = ", ".join(index.columns)
    texts = ", ".join("'x'" for _ in index.columns)
    put = f"INSERT INTO {index.fts} (rowid, {columns}) VALUES (0, {texts})"
    take = f"INSERT INTO {index.fts} ({index.fts}, rowid, {columns}) VALUES ('delete', 0, {texts})"
    for sql in (put, take):  # a transaction each: it is written then
        await database.write(lambda session, sql=sql: session.run(sql))


async def _merge(database: Database, index: TextIndex) -> None:
    """Merge an index into one segment: only then do deleted words go from it."""
    pages = -PAGES  # the first time: all segments take part, however few there are

    def merge(session: Session) -> int:
        before = session.changes()
        session.run(f"INSERT INTO {index.fts} ({index.fts}, rank) VALUES ('merge', {pages})")
        return session.changes() - before

    while await database.write(merge) > 1:
        pages = PAGES
