"""A backup: the whole store of one moment in one file that says what is in it.

SQLite's own backup copies the pages while others write; what was committed meanwhile is not in it.
Each table's rows are hashed in the store, at that moment, and again in the copy.
"""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from memory_mcp import __version__
from memory_mcp.domain.backups import Manifest
from memory_mcp.domain.errors import StoreUnusable
from memory_mcp.domain.times import to_iso
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.driver import driver_errors
from memory_mcp.storage.sqlite.encryption import access_to
from memory_mcp.storage.sqlite.errors import translated_errors
from memory_mcp.storage.sqlite.migrations import APPLICATION_ID, refuse_newer
from memory_mcp.storage.sqlite.reading import open_to_read
from memory_mcp.storage.sqlite.session import Session

PAGES_AT_ONCE = 1_024
ROWS_AT_ONCE = 2_000
NAME = "backup"
"""Under which a backup's manifest stands among its settings."""

Progress = Callable[[int, int], None]
"""Told how many pages were copied, of how many."""

_NOUNS = {
    "agents": "SELECT count(*) FROM agents WHERE deleted_at IS NULL",
    "blocks": "SELECT count(*) FROM blocks",
    "block_versions": "SELECT count(*) FROM block_history",
    "conversations": "SELECT count(*) FROM conversations",
    "messages": "SELECT count(*) FROM messages",
    "summaries": "SELECT count(*) FROM summaries",
    "passages": "SELECT count(*) FROM passages",
    "mail": "SELECT count(*) FROM mail",
    "runs": "SELECT count(*) FROM runs",
    "model_calls": "SELECT count(*) FROM run_calls",
}
_TO_GO = {
    "forgotten": "SELECT count(*) FROM removed WHERE superseded_by IS NULL",
    "superseded": "SELECT count(*) FROM removed WHERE superseded_by IS NOT NULL",
    "deleted_agents": "SELECT count(*) FROM agents WHERE deleted_at IS NOT NULL",
}
_TABLES = """
SELECT name, wr FROM pragma_table_list
WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name
"""
_KEYS = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
_STORE_ID = {"store": "SELECT id FROM store"}
_MANIFEST = f"SELECT value FROM settings WHERE name = '{NAME}'"
_PUT_MANIFEST = f"REPLACE INTO settings VALUES ('{NAME}', ?)"
_DROP_MANIFEST = f"DELETE FROM settings WHERE name = '{NAME}'"


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that was looked at before it is put in a store's place."""

    schema: int
    manifest: Manifest | None
    """`None` for a copy that something else made."""
    counts: Mapping[str, int]
    to_go: Mapping[str, int]
    problems: list[str]
    """What is wrong with it, in words."""


def write_backup(
    store: Path, part: Path, now: datetime, progress: Progress, key: Key | None = None
) -> Manifest:
    """Copy the store at `store` into the empty file `part`, and compare.

    The copy of an encrypted store is encrypted with the same `key`.

    Raises:
        StoreError: the store cannot be read, or the copy is not the same; `part` is of no use.
    """
    with translated_errors(store), open_to_read(store, key) as source:
        require_store(Session(source), store)
        source.execute("BEGIN")  # from here on it sees one moment
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()
        with translated_errors(part), _written(part, key) as copy:
            _copy_pages(source, copy, progress)
        manifest = _manifest(source, store, now)
        source.execute("ROLLBACK")
    with translated_errors(part):
        _finish(part, manifest, key)
        examined = examine(part, key)
    if examined.problems:
        raise StoreUnusable(
            f"the copy of {store} is not sound: {'; '.join(examined.problems)}. Nothing was kept "
            "of it. `memory-mcp doctor` looks at the store itself."
        )
    return manifest


def examine(path: Path, key: Key | None = None) -> Examined:
    """Look at a backup: is it ours, whole, and what its manifest says?

    Raises:
        StoreUnusable: it is no store, or cannot be read.
        StoreTooNew: a newer memory-mcp made it.
    """
    with translated_errors(path), open_to_read(path, key) as connection:
        session = Session(connection)
        require_store(session, path)
        manifest = manifest_of(session)
        problems = [
            f"SQLite: {line}"
            for (line,) in session.all("PRAGMA integrity_check(5)")
            if line != "ok"
        ]
        if broken := session.all("PRAGMA foreign_key_check"):
            problems.append(f"{len(broken):,} rows point to rows that are not there")
        counts = _asked(session, _NOUNS)
        if manifest is not None and not problems:
            problems = _differences(connection, manifest, counts)
        schema: int = session.value("PRAGMA user_version")
        return Examined(schema, manifest, counts, _asked(session, _TO_GO), problems)


def manifest_of(session: Session) -> Manifest | None:
    """What a backup says of itself; `None` in a store."""
    told = session.value(_MANIFEST)
    return Manifest.from_json(told) if told else None


def require_store(session: Session, path: Path) -> None:
    """See that a file is a store, and not a newer one.

    Raises:
        StoreUnusable, StoreTooNew: it isn't; the text says so.
    """
    if session.value("PRAGMA application_id") != APPLICATION_ID:
        raise StoreUnusable(
            f"{path} is a SQLite database, but not a memory-mcp store; it was left alone."
        )
    refuse_newer(session, path)


def copy_for_restoring(
    backup: Path, part: Path, progress: Progress, key: Key | None = None
) -> None:
    """Copy a backup into the empty file `part`, as a store that is one no longer."""
    with translated_errors(backup), open_to_read(backup, key) as source:
        with translated_errors(part), _written(part, key) as copy:
            _copy_pages(source, copy, progress)
    with translated_errors(part):
        _finish(part, None, key)


def forgotten_since(old: Path, new: Path, key: Key | None = None) -> dict[str, int]:
    """What one store has forgotten for good or for now that stands in another, by noun."""
    with translated_errors(old), open_to_read(old, key) as theirs:
        gone = dict(Session(theirs).all("SELECT id, noun FROM forgotten"))
    with translated_errors(new), open_to_read(new, key) as ours:
        known = {row[0] for row in ours.execute("SELECT id FROM forgotten")}
        there: dict[str, int] = {}
        for noun in ("agent", "mail", "message", "passage"):
            ids = [row_id for row_id, kind in gone.items() if kind == noun and row_id not in known]
            table = noun if noun == "mail" else f"{noun}s"
            back = sum(
                ours.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row_id,)).fetchone()
                is not None
                for row_id in ids
            )
            if back:
                there[noun] = back
        lines = sum(kind == "line" and row_id not in known for row_id, kind in gone.items())
    return {**there, **({"line": lines} if lines else {})}


def _copy_pages(source: Any, copy: Any, progress: Progress) -> None:
    def copied(_: int, left: int, total: int) -> None:
        progress(total - left, total)

    source.backup(copy, pages=PAGES_AT_ONCE, progress=copied)


def _finish(part: Path, manifest: Manifest | None, key: Key | None) -> None:
    """One file that needs none beside it, with its manifest in it, on the disk."""
    with _written(part, key) as copy:
        copy.execute("PRAGMA journal_mode=DELETE").fetchone()
        copy.execute("PRAGMA synchronous=FULL")
        if manifest is None:
            copy.execute(_DROP_MANIFEST)
        else:
            copy.execute(_PUT_MANIFEST, (manifest.to_json(),))
    with part.open("rb") as file:
        os.fsync(file.fileno())


def _manifest(connection: Any, store: Path, now: datetime) -> Manifest:
    session = Session(connection)
    tables = dict(_digests(connection))
    return Manifest(
        program=__version__,
        schema=session.value("PRAGMA user_version"),
        made_at=to_iso(now),
        store=_asked(session, _STORE_ID).get("store"),
        path=str(store),
        counts=_asked(session, _NOUNS),
        to_go=_asked(session, _TO_GO),
        tables=tables,
        digest=_digest_of_all(tables),
    )


def _asked(session: Session, statements: Mapping[str, str]) -> dict[str, Any]:
    """What these say, as far as this schema has it."""
    found: dict[str, Any] = {}
    for noun, statement in statements.items():
        try:
            found[noun] = session.value(statement)
        except driver_errors("OperationalError"):  # an older schema
            continue
    return found


def _differences(connection: Any, manifest: Manifest, counts: Mapping[str, int]) -> list[str]:
    told = [
        f"{manifest.counts[noun]:,} {noun} were backed up, and {number:,} are there"
        for noun, number in counts.items()
        if manifest.counts.get(noun, number) != number
    ]
    found = dict(_digests(connection))
    told += [
        f"table {name} is not as it was backed up"
        for name in sorted(found.keys() | manifest.tables.keys())
        if found.get(name) != manifest.tables.get(name)
    ]
    if _digest_of_all(manifest.tables) != manifest.digest:
        told.append("its manifest was changed")
    return told


def _digests(connection: Any) -> Iterator[tuple[str, str]]:
    """Each table with a digest of its rows; what is derived by FTS5 is SQLite's to check."""
    session = Session(connection)
    tables = session.all(_TABLES)
    orders = {
        name: ", ".join(f'"{key}"' for (key,) in session.all(_KEYS, (name,)))
        if without_rowid
        else "rowid"
        for name, without_rowid in tables
    }
    told_as = connection.text_factory
    connection.text_factory = bytes  # as it is stored, also where it is no text any more
    try:
        for name, order in orders.items():
            digest = hashlib.sha256()
            # What marks a backup as one is no part of what was backed up.
            where = f"WHERE name <> '{NAME}'" if name == "settings" else ""
            rows = connection.execute(f'SELECT * FROM "{name}" {where} ORDER BY {order}')
            while some := rows.fetchmany(ROWS_AT_ONCE):
                digest.update(ascii(some).encode())
            yield name, digest.hexdigest()
    finally:
        connection.text_factory = told_as


def _digest_of_all(tables: Mapping[str, str]) -> str:
    told = "".join(f"{name} {digest}\n" for name, digest in sorted(tables.items()))
    return hashlib.sha256(told.encode()).hexdigest()


@contextmanager
def _written(part: Path, key: Key | None) -> Generator[Any]:
    connection = access_to(part, key).connect(part)
    try:
        yield connection
    finally:
        connection.close()
