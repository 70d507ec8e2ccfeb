"""One file, one write door.

Writers take `transaction()`: a process-wide lock, then `BEGIN IMMEDIATE`, then commit or rollback,
both shielded from cancellation. Nothing slow (an embedding, a model call) may be awaited inside.
Readers have connections of their own; WAL lets them read while a writer writes.
"""

import errno
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import anyio

from memory_mcp.domain.errors import StoreBusy, StoreError, StoreFull, StoreUnusable
from memory_mcp.storage.sqlite.driver import (
    WAL_RESET_FIXED,
    sqlite_module,
    sqlite_version,
    vec_extension,
)
from memory_mcp.storage.sqlite.migrations import APPLICATION_ID, migrate

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 15_000
READERS_MAX = 4

_PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "foreign_keys=ON",
    "synchronous=FULL",
    "temp_store=MEMORY",
    "trusted_schema=OFF",
    "cache_size=-8000",
)

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]


class Session:
    """A connection, for the time a reader or a writer holds it."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and fetch every row."""
        return list(await self._connection.execute_fetchall(sql, parameters))  # type: ignore[arg-type]

    async def one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row, if there is one."""
        rows = await self.all(sql, parameters)
        return rows[0] if rows else None

    async def value(self, sql: str, parameters: Parameters = ()) -> Any:
        """The first value of the first row, `None` without one."""
        row = await self.one(sql, parameters)
        return row[0] if row else None

    async def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one statement."""
        await self._connection.execute_fetchall(sql, parameters)  # type: ignore[arg-type]

    async def run_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run one statement once for each row of parameters."""
        cursor = await self._connection.executemany(sql, rows)  # type: ignore[arg-type]
        await cursor.close()


class Database:
    """The store's file. Open it with `Database.open`, close it with `close`."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, *, has_vec: bool) -> None:
        self.path = path
        self.has_vec = has_vec
        self._writer = writer
        self._write_lock = anyio.Lock()
        self._idle_readers: list[aiosqlite.Connection] = []
        self._reader_slots = anyio.Semaphore(READERS_MAX)
        self._pulse: aiosqlite.Connection | None = None
        self._pulse_lock = anyio.Lock()

    @classmethod
    async def open(cls, path: Path) -> "Database":
        """Open the store at `path`, made with folder and tables if it isn't there.

        Raises:
            StoreUnusable: it is not a store, damaged, or in a place that cannot be written.
            StoreTooNew: a newer memory-mcp made it.
            StoreBusy: another process held it locked too long.
        """
        if sqlite_version() < WAL_RESET_FIXED:
            logger.warning(
                "SQLite %s is older than 3.51.3, which fixed a rare race between processes on one "
                "store. Run one process on it, or install pysqlite3.",
                sqlite_module().sqlite_version,
            )
        _prepare_file(path)
        with translated_errors(path):
            writer = await _connect(path)
            try:
                await _set_up(writer, path)
                has_vec = await _load_vec(writer)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await writer.close()
                raise
        return cls(path, writer, has_vec=has_vec)

    async def close(self) -> None:
        """Close every connection. What was acknowledged is on the disk already."""
        with anyio.CancelScope(shield=True):
            pulse = (self._pulse,) if self._pulse else ()
            for connection in (*self._idle_readers, *pulse, self._writer):
                await connection.close()
            self._idle_readers.clear()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """The write door: everything inside is committed at its end, or nothing is.

        Raises:
            StoreBusy: other processes kept the lock; nothing was changed.
            StoreFull: no room on the disk; nothing was changed.
        """
        async with self._write_lock:
            with translated_errors(self.path):
                await self._begin()
                try:
                    yield Session(self._writer)
                    with anyio.CancelScope(shield=True):
                        await self._writer.execute_fetchall("COMMIT")
                except BaseException:
                    with anyio.CancelScope(shield=True):
                        await self._roll_back()
                    raise

    async def _begin(self) -> None:
        # Cancelling an awaited statement does not stop it, so a cancelled BEGIN may still open a
        # transaction on the shared connection: shielded, it ends (within the busy timeout).
        with anyio.CancelScope(shield=True):
            await self._writer.execute_fetchall("BEGIN IMMEDIATE")

    async def _roll_back(self) -> None:
        if self._writer.in_transaction:
            await self._writer.execute_fetchall("ROLLBACK")

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Session]:
        """A connection to read with; what is committed is seen, by whichever process."""
        async with self._reader_slots:
            with translated_errors(self.path):
                connection = (
                    self._idle_readers.pop() if self._idle_readers else await self._open_reader()
                )
                try:
                    yield Session(connection)
                finally:
                    self._idle_readers.append(connection)

    @asynccontextmanager
    async def pulse_reader(self) -> AsyncIterator[Session]:
        """One connection that nobody else uses, so that its `data_version` can be compared."""
        async with self._pulse_lock:
            with translated_errors(self.path):
                if self._pulse is None:
                    self._pulse = await self._open_reader()
                yield Session(self._pulse)

    async def _open_reader(self) -> aiosqlite.Connection:
        with anyio.CancelScope(shield=True):
            connection = await _connect(self.path, read_only=True)
            await _load_vec(connection)
        return connection


def _prepare_file(path: Path) -> None:
    """Make the folder (0700) and the file (0600), so that nobody else can read memory."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnusable(
            f"the store {path} cannot be made: {error.strerror or error}. "
            "Choose a place that can be written, with --database or MEMORY_MCP_DATABASE."
        ) from error


async def _connect(path: Path, *, read_only: bool = False) -> aiosqlite.Connection:
    sqlite = sqlite_module()

    def connector() -> Any:
        connection = sqlite.connect(path, isolation_level=None, cached_statements=256)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        return connection

    return await aiosqlite.Connection(connector, iter_chunk_size=256)


async def _set_up(writer: aiosqlite.Connection, path: Path) -> None:
    session = Session(writer)
    application_id = await session.value("PRAGMA application_id")
    if application_id != APPLICATION_ID and await session.value("SELECT 1 FROM sqlite_schema"):
        # Another process may be making it at this moment: it holds the lock until it is whole.
        await writer.execute_fetchall("BEGIN IMMEDIATE")
        application_id = await session.value("PRAGMA application_id")
        await writer.execute_fetchall("ROLLBACK")
        if application_id != APPLICATION_ID:
            raise StoreUnusable(
                f"{path} is a SQLite database, but not a memory-mcp store; it was left alone. "
                "Choose another file, with --database or MEMORY_MCP_DATABASE."
            )
    await _switch_to_wal(session)
    await migrate(session, path)


async def _switch_to_wal(session: Session) -> None:
    """WAL is a property of the file; switching needs the file alone, so two starters may meet."""
    for attempt in range(50):
        try:
            if await session.value("PRAGMA journal_mode=WAL") == "wal":
                return
        except sqlite_module().OperationalError as error:
            if "locked" not in str(error) or attempt == 49:
                raise
        await anyio.sleep(0.02 * (attempt + 1))
    raise StoreUnusable("this file system cannot keep a write-ahead log; use a local disk.")


async def _load_vec(connection: aiosqlite.Connection) -> bool:
    extension = vec_extension()
    if extension is None:
        return False
    try:
        await connection.enable_load_extension(True)
        await connection.load_extension(extension)
        await connection.enable_load_extension(False)
    except sqlite_module().OperationalError as error:
        logger.warning("sqlite-vec cannot be loaded (%s): vectors are scanned instead", error)
        return False
    return True


@contextmanager
def translated_errors(path: Path) -> "Iterable[None]":  # type: ignore[misc]
    """SQLite's errors as ours, in one place."""
    sqlite = sqlite_module()
    try:
        yield
    except (sqlite.DatabaseError, sqlite3.DatabaseError) as error:
        raise _translated(error, path) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(_FULL.format(path=path)) from error
        raise


_FULL = (
    "the disk that holds {path} is full; nothing was changed. Free some space, then try again."
)


def _translated(error: Exception, path: Path) -> Exception:
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreBusy(
            f"the store stayed locked by another process for {BUSY_TIMEOUT_MS // 1000} s; nothing "
            "was changed. Try again; if it goes on, look for a stuck memory-mcp process."
        )
    if "is full" in text:
        return StoreFull(_FULL.format(path=path))
    if "not a database" in text or "malformed" in text:
        return StoreUnusable(
            f"{path} is not a SQLite database, or it is damaged ({text}); it was left alone. "
            "Restore a backup, or choose another file with --database or MEMORY_MCP_DATABASE."
        )
    if "readonly" in text or "unable to open" in text or "disk I/O" in text:
        return StoreUnusable(
            f"{path} cannot be written ({text}). Give yourself the right to write it, or choose "
            "another place with --database or MEMORY_MCP_DATABASE."
        )
    if isinstance(error, (sqlite3.IntegrityError, sqlite_module().IntegrityError)):
        return StoreError(f"the store refused the change: {text}. Nothing was changed.")
    # Anything else (a wrong statement) is a bug of ours and should look like one.
    return error
