"""Opening a store to read it, also where nothing can be written.

A store in WAL mode wants two files beside it even to be read. Where they cannot be made, SQLite
reads the file alone (`immutable`), as long as no log lies beside it; a log that somebody left is
read in a copy.
"""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from memory_mcp.domain.errors import StoreUnusable
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.driver import driver_errors
from memory_mcp.storage.sqlite.encryption import Access, access_to, is_unreadable, why_unreadable

BUSY_SECONDS = 15


@contextmanager
def open_to_read(path: Path, key: Key | None = None) -> Generator[Any]:
    """A connection that only reads; `key` is that of an encrypted file.

    Raises:
        StoreUnusable: it cannot be opened with this key.
        DatabaseError (SQLite's): it cannot be read; `errors.translated_errors` says why.
    """
    access = access_to(path, key)
    try:
        connection = _try_to_read(access, path)
    except driver_errors() as error:
        if access.is_encrypted and is_unreadable(error):
            raise StoreUnusable(why_unreadable(path, access)) from None
        raise
    if connection is not None:
        try:
            yield connection
        finally:
            connection.close()
        return
    with as_it_lies(path, is_encrypted=access.is_encrypted) as place:
        connection = access.connect(place, uri=True)
        try:
            connection.execute("PRAGMA query_only=ON")
            yield connection
        finally:
            connection.close()


def _try_to_read(access: Access, path: Path) -> Any | None:
    """A connection on a store that others may be writing; `None` where SQLite cannot have one."""
    connection = access.connect(path, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except driver_errors("OperationalError") as error:
        connection.close()
        if _is_closed(str(error)):
            return None
        raise
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def as_it_lies(path: Path, *, is_encrypted: bool = False) -> Generator[str]:
    """The address of a store that nobody can write, as it lies there: its log is read, too.

    So is one whose two bytes that tell how it is to be read and written are damaged.
    """
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    with path.open("rb") as file:
        head = file.read(20)
    is_told = is_encrypted or len(head) < 20 or set(head[18:20]) <= {1, 2}
    if is_told and not has_log:
        yield f"{_address(path)}?mode=ro&immutable=1"
        return
    with tempfile.TemporaryDirectory(prefix="memory-mcp-") as folder:
        copy = Path(folder, "memory.db")
        shutil.copyfile(path, copy)
        if has_log:
            shutil.copyfile(log, copy.with_name(f"{copy.name}-wal"))
        if not is_told:
            with copy.open("r+b") as file:
                file.seek(18)
                file.write(b"\2\2")
        yield _address(copy)


def _is_closed(told: str) -> bool:
    return "readonly" in told or "read-only" in told or "unable to open" in told


def _address(path: Path) -> str:
    return f"file:{quote(str(path.absolute()))}"
