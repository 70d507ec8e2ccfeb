"""One file, one write door.

A write is one function, run from `BEGIN IMMEDIATE` to `COMMIT` in the writing connection's thread.
It is synchronous on purpose: nothing slow (an embedding, a model call) can be awaited inside, no
cancellation can stop it half-way, and a transaction costs one hop between threads instead of one a
statement. Readers have connections of their own; WAL lets them read while a writer writes.
"""

import errno
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
from anyio import to_thread

from memory_mcp.domain.errors import StoreBusy, StoreError, StoreFull, StoreUnusable
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.driver import (
    WAL_RESET_FIXED,
    driver_errors,
    sqlite_module,
    sqlite_version,
    vec_extension,
)
from memory_mcp.storage.sqlite.encryption import (
    NO_DATABASE,
    Access,
    access_to,
    is_unreadable,
    why_unreadable,
)
from memory_mcp.storage.sqlite.migrations import APPLICATION_ID, migrate, refuse_newer
from memory_mcp.storage.sqlite.session import Job, Result, Session

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


_BULK_PRAGMAS = ("wal_autocheckpoint=12000",)
"""For a writer that fills a store: the log is folded at 48 MB instead of 4."""


class _Connection(aiosqlite.Connection):
    """An aiosqlite connection that takes whole jobs."""

    async def open(self) -> None:
        """Connect. When that fails the thread is waited for: it still has a word for the loop."""
        try:
            await self
        except BaseException:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._thread.join)
            raise

    async def run(self, job: Job[Result]) -> Result:
        # Protected, but the only door to a whole job in the connection's thread (aiosqlite 0.22).
        return await self._execute(job, Session(self._conn))  # pyright: ignore[reportUnknownMemberType]


class Database:
    """The store's file. Open it with `Database.open`, close it with `close`."""

    def __init__(self, path: Path, access: Access, writer: _Connection, *, has_vec: bool) -> None:
        self.path = path
        self._access = access
        self.has_vec = has_vec
        self._writer = writer
        self._idle_readers: list[_Connection] = []
        self._reader_slots = anyio.Semaphore(READERS_MAX)
        self._pulse: _Connection | None = None
        self._pulse_lock = anyio.Lock()
        self._version: int | None = None
        self._committed: anyio.Event | None = None
        """There only while somebody waits for a commit."""
        self.after_commit: Callable[[], None] | None = None
        """Called in the writer's thread after each commit, before anybody learns of it."""

    @classmethod
    async def open(cls, path: Path, *, key: Key | None = None, bulk: bool = False) -> "Database":
        """Open the store at `path`, made with folder and tables if it isn't there.

        `key`: the one that it is encrypted with, or is to be if it isn't there.
        `bulk`: its writer folds the log into the file less often.

        Raises:
            StoreUnusable: it is not a store, damaged, in a place that cannot be written, or not to
                be opened with this key.
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
            access, writer = await _connect_first(path, key)
            if bulk:
                await writer.run(_prepare_for_much)
        has_vec = await writer.run(lambda session: bool(session.all(_HAS_VEC)))
        return cls(path, access, writer, has_vec=has_vec)

    @property
    def key(self) -> Key | None:
        """The key that it is encrypted with; `None` where it is not."""
        return self._access.key

    async def close(self) -> None:
        """Close every connection. What was acknowledged is on the disk already."""
        with anyio.CancelScope(shield=True):
            pulse = (self._pulse,) if self._pulse else ()
            for connection in (*self._idle_readers, *pulse, self._writer):
                await connection.close()
            self._idle_readers.clear()

    async def write(self, job: Job[Result]) -> Result:
        """The write door: everything the job does is committed, or nothing is.

        A caller that is cancelled meanwhile does not learn the outcome, but it is one of the two.

        Raises:
            StoreBusy: other processes kept the lock; nothing was changed.
            StoreFull: no room on the disk; nothing was changed.
        """

        def commit(session: Session) -> Result:
            result = session.in_transaction(job)
            if self.after_commit is not None:
                self.after_commit()
            return result

        with translated_errors(self.path):
            result = await self._writer.run(commit)
        if self._committed is not None:
            self._committed.set()
            self._committed = None
        return result

    async def read(self, job: Job[Result]) -> Result:
        """Run a job that only reads; it sees what is committed, by whichever process."""
        async with self._reader_slots:
            with translated_errors(self.path):
                reader = self._idle_readers.pop() if self._idle_readers else None
                reader = reader or await self._open_reader()
                try:
                    return await reader.run(job)
                finally:
                    self._idle_readers.append(reader)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator["Snapshot"]:
        """The store as it is at this moment, on a connection of its own.

        Nobody waits for it, but what is written meanwhile stays in the log until it is over.
        """
        with translated_errors(self.path):
            reader = await self._open_reader()
            try:
                await reader.run(_begin_reading)
                yield Snapshot(reader, self.path)
            finally:
                with anyio.CancelScope(shield=True):
                    await reader.close()

    async def committed(self) -> None:
        """Returns when this process has committed something."""
        self._committed = self._committed or anyio.Event()
        await self._committed.wait()

    async def pulse(self) -> int:
        """`PRAGMA data_version` of a connection nobody else uses: it moves when others commit."""
        with translated_errors(self.path):
            async with self._pulse_lock:
                pulse = self._pulse = self._pulse or await self._open_reader()
            return await pulse.run(lambda session: session.value("PRAGMA data_version"))

    async def others_committed(self) -> bool:
        """Whether another process has committed since the last call; the first call says no.

        `PRAGMA data_version` does not move with what its own connection commits.
        """
        with translated_errors(self.path):
            last = self._version
            self._version = await self._writer.run(
                lambda session: session.value("PRAGMA data_version")
            )
        return last is not None and self._version != last

    async def fold_log(self) -> None:
        """Put what stands in the log into the file, as closing does; not if somebody is reading."""

        def fold(session: Session) -> None:
            session.run("PRAGMA busy_timeout=0")
            try:
                session.all("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                session.run(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

        with translated_errors(self.path):
            await self._writer.run(fold)

    async def _open_reader(self) -> _Connection:
        # Shielded: a connection that nobody holds yet would not be closed.
        scope = anyio.CancelScope(shield=True)
        with scope:
            return await _connect(self._access, self.path, _read_only)
        raise AssertionError("a shielded scope is never left by cancellation")


class Snapshot:
    """The store as it was at one moment."""

    def __init__(self, reader: _Connection, path: Path) -> None:
        self._reader = reader
        self._path = path

    async def read(self, job: Job[Result]) -> Result:
        """Run a job that only reads."""
        with translated_errors(self._path):
            return await self._reader.run(job)


_HAS_VEC = "SELECT 1 FROM pragma_function_list WHERE name = 'vec_version'"


def _prepare_file(path: Path) -> None:
    """Make the folder (0700) and the file (0600), so that nobody else can read memory."""
    try:
        if not path.parent.is_dir():
            if path.parent.exists():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            path.parent.mkdir(mode=0o700, parents=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnusable(
            f"the store {path} cannot be made: {error.strerror or error}. "
            "Choose a place that can be written, with --database or MEMORY_MCP_DATABASE."
        ) from error


async def _connect_first(path: Path, key: Key | None) -> tuple[Access, _Connection]:
    """The writer's connection, to a store that is set up.

    Whether the file is encrypted, and with which salt, is known before it is locked; where another
    process makes or replaces the store at this moment, it is looked at anew.
    """
    access = await to_thread.run_sync(access_to, path, key)
    while True:
        try:
            return access, await _connect(access, path, partial(_set_up, path=path, access=access))
        except (_Replaced, *driver_errors()) as error:
            if not isinstance(error, _Replaced) and not is_unreadable(error):
                raise
            now = await to_thread.run_sync(access_to, path, key)
            if now == access:
                if access.is_encrypted:
                    raise StoreUnusable(why_unreadable(path, access)) from None
                raise
            access = now


class _Replaced(Exception):
    """Another file lies at the path than the one that was opened."""


async def _connect(access: Access, path: Path, prepare: Callable[[Session], None]) -> _Connection:
    def connect() -> Any:
        connection = access.connect(path, cached_statements=256)
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            _load_vec(connection)
            prepare(Session(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    connection = _Connection(connect, iter_chunk_size=256)
    await connection.open()
    return connection


def _read_only(session: Session) -> None:
    session.run("PRAGMA query_only=ON")


def _prepare_for_much(session: Session) -> None:
    for pragma in _BULK_PRAGMAS:
        session.all(f"PRAGMA {pragma}")


def _begin_reading(session: Session) -> None:
    session.run("BEGIN")
    session.all("SELECT 1 FROM sqlite_schema")  # only now does it see the store at one moment


def _load_vec(connection: Any) -> None:
    if (extension := vec_extension()) is None:
        return
    try:
        connection.enable_load_extension(True)
        try:
            connection.load_extension(extension)
        finally:
            connection.enable_load_extension(False)
    except driver_errors("OperationalError") as error:
        logger.warning("sqlite-vec cannot be loaded (%s): vectors are scanned instead", error)


def _set_up(session: Session, path: Path, access: Access) -> None:
    application_id = session.value("PRAGMA application_id")
    if not access.is_current(path):  # rekey had it locked, and put another in its place
        raise _Replaced
    if application_id != APPLICATION_ID and session.value("SELECT 1 FROM sqlite_schema"):
        # Another process may be making it at this moment: it holds the lock until it is whole.
        application_id = session.in_transaction(
            lambda session: session.value("PRAGMA application_id")
        )
        if application_id != APPLICATION_ID:
            raise StoreUnusable(
                f"{path} is a SQLite database, but not a memory-mcp store; it was left alone. "
                "Choose another file, with --database or MEMORY_MCP_DATABASE."
            )
    refuse_newer(session, path)
    _switch_to_wal(session)
    migrate(session, path)


def _switch_to_wal(session: Session) -> None:
    """WAL is a property of the file; switching needs the file alone, so two starters may meet."""
    for attempt in range(50):
        try:
            if session.value("PRAGMA journal_mode=WAL") == "wal":
                return
        except driver_errors("OperationalError") as error:
            if "locked" not in str(error) or attempt == 49:
                raise
        time.sleep(0.02 * (attempt + 1))
    raise StoreUnusable("this file system cannot keep a write-ahead log; use a local disk.")


@contextmanager
def translated_errors(path: Path) -> Generator[None]:
    """SQLite's errors as ours, in one place."""
    try:
        yield
    except driver_errors() as error:
        raise _translated(error, path) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(_FULL.format(path=path)) from error
        raise


_FULL = "the disk that holds {path} is full; nothing was changed. Free some space, then try again."


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
        return StoreUnusable(NO_DATABASE.format(path=path, reason=text))
    if "readonly" in text or "unable to open" in text or "disk I/O" in text:
        return StoreUnusable(
            f"{path} cannot be written ({text}). Give yourself the right to write it, or choose "
            "another place with --database or MEMORY_MCP_DATABASE."
        )
    if isinstance(error, driver_errors("IntegrityError")):
        return StoreError(f"the store refused the change: {text}. Nothing was changed.")
    # Anything else (a wrong statement) is a bug of ours and should look like one.
    return error
