"""Is the store sound: what SQLite and FTS5 themselves can tell."""

from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.indexes import VECTORS
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import TEXTS


async def problems(database: Database) -> list[str]:
    """What is wrong with the file or its indexes, in words; empty when nothing is."""
    return [*await database.read(_in_rows), *await database.write(_in_texts)]


def _in_rows(session: Session) -> list[str]:
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


def _in_texts(session: Session) -> list[str]:
    """FTS5 checks an index when it is told to by an insert."""
    found: list[str] = []
    for index in TEXTS:
        try:
            session.run(f"INSERT INTO {index.fts} ({index.fts}) VALUES ('integrity-check')")
        except sqlite_module().DatabaseError as error:
            found.append(f"the index {index.fts} is damaged ({error}); doctor --rebuild mends it")
    return found
