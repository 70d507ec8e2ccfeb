"""Is the store sound: what SQLite and FTS5 themselves can tell."""

import json
from datetime import datetime, timedelta
from functools import partial

from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import driver_errors
from memory_mcp.storage.sqlite.flips import EVERY_ROW, SHARE, Part, flipped
from memory_mcp.storage.sqlite.indexes import VECTORS
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import TEXTS, TextIndex

EVERY = timedelta(days=1)
_KNOWN = "SELECT value FROM settings WHERE name = 'soundness'"
_SET = """
INSERT INTO settings VALUES ('soundness', ?) ON CONFLICT DO UPDATE SET value = excluded.value
"""


async def problems(database: Database, part: Part = EVERY_ROW) -> list[str]:
    """What is wrong with the file, its texts or its indexes, in words; empty when nothing is.

    Of the texts those of a `part` are compared with what was stored.
    """
    found = await database.read(_in_rows)
    if not found:
        found += await flipped(database, part)
    for index in (
        TEXTS if not database.is_read_only else ()
    ):  # a write each, so that other writers get their turn
        found += await database.write(partial(_in_texts, index=index))
    return found


async def daily_problems(database: Database, now: datetime) -> list[str] | None:
    """The same, if no process has looked for a day; `None` if one has. What is found is kept."""

    def is_due(session: Session) -> bool:
        told = session.value(_KNOWN)
        return told is None or from_iso(json.loads(told)["checked_at"]) + EVERY <= now

    def claim(session: Session) -> bool:
        if not is_due(session):
            return False
        _note(session, now, known_problems(session))
        return True

    if not (await database.read(is_due) and await database.write(claim)):
        return None
    found = await problems(database, Part(SHARE, now.toordinal() % SHARE))
    await database.write(lambda session: _note(session, now, found))
    return found


def known_problems(session: Session) -> list[str]:
    """What the last daily look found."""
    told = session.value(_KNOWN)
    return json.loads(told)["problems"] if told else []


def _note(session: Session, now: datetime, found: list[str]) -> None:
    told = json.dumps({"checked_at": to_iso(now), "problems": found})
    session.run(_SET, (told,))


def _in_rows(session: Session) -> list[str]:
    for index in TEXTS:
        # SQLite 3.53 checks a word index by what this connection remembers of it, and reports
        # damage where another one has written since. A look into it brings that up to date.
        session.all(f"SELECT rowid FROM {index.fts} LIMIT 1")
    checked = [row[0] for row in session.all("PRAGMA integrity_check(5)")]
    found = [f"SQLite: {line}" for line in checked if line != "ok"]
    if broken := session.all("PRAGMA foreign_key_check"):
        found.append(f"{len(broken):,} rows point to rows that are not there")
    for index in VECTORS:
        lost = session.value(
            f"SELECT count(*) FROM {index.vectors} v "
            f"WHERE NOT EXISTS (SELECT 1 FROM {index.table} row WHERE row.seq = v.seq)"
        )
        if lost:
            found.append(f"{lost:,} vectors belong to no {index.noun}")
    return found


def _in_texts(session: Session, index: TextIndex) -> list[str]:
    """FTS5 checks an index when it is told to by an insert."""
    try:
        session.run(f"INSERT INTO {index.fts} ({index.fts}) VALUES ('integrity-check')")
    except driver_errors() as error:
        return [f"the index {index.fts} is damaged ({error}); doctor --rebuild mends it"]
    return []
