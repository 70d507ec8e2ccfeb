"""A store written anew under another key, or none, and put in the old one's place at once.

The new file is written whole beside the old one, compared with it row by row, and renamed over it:
whoever is killed at any instruction leaves the old store or the new one. Meanwhile the old one is
locked for every process. What it was is then overwritten, and cannot be opened any more by who
waited for it.
"""

import os
import sys
import tempfile
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from memory_mcp.domain.errors import StoreBusy, StoreError, StoreFull, StoreUnusable
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.driver import cipher_module, driver_errors
from memory_mcp.storage.sqlite.encryption import (
    INSTALL,
    SALT_BYTES,
    Access,
    access_to,
    is_unreadable,
    keyed,
    why_unreadable,
)
from memory_mcp.storage.sqlite.migrations import APPLICATION_ID

BUSY_SECONDS = 15
PART = ".rekey.part"
_CHUNK_BYTES = 1 << 20
_TABLES = """
SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL %'
AND name NOT LIKE 'sqlite_stat%' ORDER BY name
"""
_SCHEMA = "SELECT type, name, tbl_name, sql FROM {}.sqlite_schema ORDER BY type, name"


def remove_parts(path: Path) -> None:
    """Remove what a killed run left."""
    for part in path.parent.glob(f"{path.name}*{PART}*"):
        part.unlink()


def rewrite(path: Path, old: Key | None, new: Key | None, *, keep: Path | None = None) -> None:
    """Have the store at `path`, which `old` opens, be one that `new` opens; `None` is no key.

    `keep`: where a copy of the old file is to lie.

    Raises:
        StoreBusy: another process has it open.
        StoreFull: there is no room for a second one.
        StoreError: it cannot be read or written; it is as it was.
    """
    module = cipher_module()
    if module is None:
        raise StoreUnusable(f"encrypted stores need an extra that is not installed: {INSTALL}")
    # SQLCipher reads plain files too, and one process must not hold a file by two libraries.
    before = replace(access_to(path, old), module=module)
    # Closed last: closing any descriptor of a file gives up the process's locks on it.
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        _rewrite(path, before, new, descriptor, keep)
    except driver_errors() as error:
        raise _told(error, path, before) from error
    except OSError as error:
        raise StoreError(f"{path} stays as it is: {error.strerror or error}.") from error
    finally:
        os.close(descriptor)


def _rewrite(path: Path, before: Access, new: Key | None, old: int, keep: Path | None) -> None:
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=PART, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        connection = before.connect(path, timeout=BUSY_SECONDS)
        try:
            _lock(connection, path)
            _copy(connection, part, new)
            _sync(part)
            if keep is not None:
                _keep(old, keep)
            if sys.platform == "win32":  # an open file cannot be replaced there
                connection.close()
            os.replace(part, path)
            _sync(path.parent)
            _overwrite(old)
        finally:
            connection.close()
    finally:
        for left in (part, Path(f"{part}-journal"), Path(f"{part}-wal"), Path(f"{part}-shm")):
            left.unlink(missing_ok=True)


def _lock(connection: Any, path: Path) -> None:
    """Lock out everybody, until the connection is closed, and have all in one file."""
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")  # waits for who writes
    connection.execute("COMMIT")
    if connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
        raise _open_elsewhere(path)
    connection.execute("PRAGMA journal_mode=MEMORY")
    # Locked so, SQLite keeps the file of its last transaction, with pages as they were.
    Path(f"{path}-journal").unlink(missing_ok=True)


def _copy(connection: Any, part: Path, new: Key | None) -> None:
    raw = "" if new is None else keyed(new, os.urandom(SALT_BYTES)).raw
    connection.execute("ATTACH DATABASE ? AS copy KEY ?", (str(part), raw))
    connection.execute("PRAGMA copy.journal_mode=OFF")
    connection.execute("PRAGMA copy.synchronous=OFF")  # `_sync` waits for the disk, once
    connection.execute("SELECT sqlcipher_export('copy')").fetchall()
    for pragma in ("user_version", "application_id"):  # which it leaves out
        value = connection.execute(f"PRAGMA main.{pragma}").fetchone()[0]
        connection.execute(f"PRAGMA copy.{pragma}={value}")
    _compare(connection)
    connection.execute("DETACH DATABASE copy")


def _compare(connection: Any) -> None:
    """Let nothing be lost on the way.

    Raises:
        StoreError: the copy is another.
    """

    def rows(sql: str) -> list[Any]:
        return connection.execute(sql).fetchall()

    if rows("PRAGMA main.application_id") != [(APPLICATION_ID,)]:
        raise StoreUnusable("it is a SQLite database, but not a memory-mcp store.")
    same = rows(_SCHEMA.format("main")) == rows(_SCHEMA.format("copy"))
    for (table,) in rows(_TABLES) if same else ():
        ours = connection.execute(f'SELECT * FROM main."{table}"')
        theirs = connection.execute(f'SELECT * FROM copy."{table}"')
        same = same and all(one == other for one, other in zip_longest(ours, theirs))
    if not same or rows("PRAGMA copy.integrity_check") != [("ok",)]:
        raise StoreError(
            "the copy is not the same as the store, which was left as it is; memory-mcp doctor "
            "says whether the store is sound."
        )


def _keep(old: int, keep: Path) -> None:
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(keep, how, 0o600), "wb") as file:
        os.lseek(old, 0, os.SEEK_SET)
        while piece := os.read(old, _CHUNK_BYTES):  # no descriptor of its own: see `rewrite`
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _overwrite(old: int) -> None:
    """Leave nothing of the old file's text, as far as the disk lets us.

    Not cut short: an empty file would be a new store to who waited for it.
    """
    if sys.platform == "win32":  # there it is the new one's by now
        return
    left = os.lseek(old, 0, os.SEEK_END)
    os.lseek(old, 0, os.SEEK_SET)
    zeros = bytes(_CHUNK_BYTES)
    while left > 0:
        left -= os.write(old, zeros[: min(left, _CHUNK_BYTES)])
    os.fsync(old)


def _sync(path: Path) -> None:
    if path.is_dir() and sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_elsewhere(path: Path) -> StoreBusy:
    return StoreBusy(
        f"another process has {path} open (a server with --in-process, an import, the shadow "
        "agent's worker); nothing was changed. End it, then try again."
    )


def _told(error: Exception, path: Path, before: Access) -> StoreError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return _open_elsewhere(path)
    if "is full" in text:
        return StoreFull(f"there is no room beside {path} for a second one; nothing was changed.")
    if is_unreadable(error) and before.is_encrypted:
        return StoreUnusable(why_unreadable(path, before))
    return StoreUnusable(f"{path} cannot be read ({text}); it was left alone.")
