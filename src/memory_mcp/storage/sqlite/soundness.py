"""Is the store sound: what SQLite and FTS5 themselves can tell."""

from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.indexes import NOUNS, TEXTS


async def problems(database: Database) -> list[str]:
    """What is wrong with the file or its indexes, in words; empty when nothing is."""
    found: list[str] = []
    async with database.reader() as session:
        checked = [row[0] for row in await session.all("PRAGMA integrity_check(5)")]
        found += [f"SQLite: {line}" for line in checked if line != "ok"]
        broken = await session.all("PRAGMA foreign_key_check")
        if broken:
            found.append(f"{len(broken):,} rows point to rows that are not there")
        for index in NOUNS:
            lost = await session.value(
                f"SELECT count(*) FROM {index.vectors} v "
                f"WHERE NOT EXISTS (SELECT 1 FROM {index.table} row WHERE row.seq = v.seq)"
            )
            if lost:
                found.append(f"{lost:,} vectors belong to no {index.noun}")
    for index in TEXTS:
        try:
            async with database.transaction() as session:
                await session.run(f"INSERT INTO {index.fts} ({index.fts}) VALUES ('integrity-check')")
        except sqlite_module().DatabaseError as error:
            found.append(f"the index {index.fts} is damaged ({error}); doctor --rebuild mends it")
    return found
