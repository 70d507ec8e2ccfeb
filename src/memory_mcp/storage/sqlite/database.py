"""One file, one write door.

A write is one function, run from `BEGIN IMMEDIATE` to `COMMIT` in the writing connection's thread.
It is synchronous on purpose: nothing slow (an embedding, a model call) can be awaited inside, no
cancellation can stop it half-way, and a transaction costs one hop between threads instead of one a
statement. Readers have connections of their own; WAL lets them read while a writer writes.
"""

import errno
import logging
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
from anyio import to_thread

from memory_mcp.domain.errors import StoreBusy, StoreError, StoreFull, StoreUnusable
from memory_mcp.storage.sqlite.driver import (
    WAL_RESET_FIXED,
    sqlite_module,
    sqlite_version,
    vec_extension,
)
from memory_mcp.storage.sqlite.history import prepare as prepare_history
from memory_mcp.storage.sqlite.migrations import (
    APPLICATION_ID,
    known_migrations,
    migrate,
    refuse_newer,
)
from memory_mcp.storage.sqlite.reading import as_it_lies
from memory_mcp.storage.sqlite.session import Job, Result, Row, Session

logger = logging.getLogger(__name__)

DATABASE_ERRORS = (sqlite3.DatabaseError, sqlite_module().DatabaseError)
BUSY_TIMEOUT_MS = 15_000
READERS_MAX = 4

LOG_BYTES_KEPT = 8 << 20
"""A log that grew longer, behind a reader of an old moment, is cut to this when it begins anew."""

_PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "foreign_keys=ON",
    "synchronous=FULL",
    "temp_store=MEMORY",
    "trusted_schema=OFF",
    "cache_size=-8000",
    f"journal_size_limit={LOG_BYTES_KEPT}",
)


_BULK_PRAGMAS = ("wal_autocheckpoint=12000", f"journal_size_limit={64 << 20}")
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

    def __init__(
        self,
        path: Path,
        writer: _Connection,
        *,
        has_vec: bool,
        read_only: tuple[str, ExitStack, str] | None = None,
    ) -> None:
        """`read_only`: its address, what makes it readable, and why it cannot be written."""
        self.path = path
        self._read_only = read_only
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
    async def open(cls, path: Path, *, bulk: bool = False) -> "Database":
        """Open the store at `path`, made with folder and tables if it isn't there.

        `bulk`: its writer folds the log into the file less often.

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
        try:
            with translated_errors(path):
                _refuse_damaged_head(path)
                writer = await _connect(path, partial(_set_up, path=path))
                if bulk:
                    await writer.run(_prepare_for_much)
        except IsADirectoryError as error:
            raise StoreUnusable(_NO_FILE.format(path=path)) from error
        except (StoreUnusable, StoreFull) as error:
            return await cls._open_to_read(path, error)
        has_vec = await writer.run(lambda session: bool(session.all(_HAS_VEC)))
        return cls(path, writer, has_vec=has_vec)

    @classmethod
    async def _open_to_read(cls, path: Path, reason: StoreError) -> "Database":
        """A store that cannot be written, as it lies; where that is no use, `reason` is told."""
        place = ExitStack()
        try:
            address = place.enter_context(as_it_lies(path))
            reader = await _connect(address, _require_newest)
        except (*DATABASE_ERRORS, OSError):
            place.close()
            raise reason from None
        logger.warning("%s Until then it is read as it is, and nothing can be stored.", reason)
        has_vec = await reader.run(lambda session: bool(session.all(_HAS_VEC)))
        return cls(path, reader, has_vec=has_vec, read_only=(address, place, str(reason)))

    async def close(self) -> None:
        """Close every connection. What was acknowledged is on the disk already."""
        with anyio.CancelScope(shield=True):
            pulse = (self._pulse,) if self._pulse else ()
            for connection in (*self._idle_readers, *pulse, self._writer):
                await connection.close()
            self._idle_readers.clear()
            if self._read_only is not None:
                self._read_only[1].close()

    async def write(self, job: Job[Result]) -> Result:
        """The write door: everything the job does is committed, or nothing is.

        A caller that is cancelled meanwhile does not learn the outcome, but it is one of the two.

        Raises:
            StoreBusy: other processes kept the lock; nothing was changed.
            StoreFull: no room on the disk; nothing was changed.
        """
        if self._read_only is not None:
            raise StoreUnusable(f"nothing was stored: {self._read_only[2]}")

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

    @property
    def is_read_only(self) -> bool:
        """Whether the store could only be opened to read it."""
        return self._read_only is not None

    def log_bytes(self) -> int:
        """How long the log is at the moment."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size
        except OSError:
            return 0

    async def fold_log(self) -> None:
        """Put what stands in the log into the file, as closing does; not if somebody is reading."""

        def fold(session: Session) -> None:
            session.run("PRAGMA busy_timeout=0")
            try:
                session.all("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                session.run(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

        if self._read_only is None:
            with translated_errors(self.path):
                await self._writer.run(fold)

    async def _open_reader(self) -> _Connection:
        # Shielded: a connection that nobody holds yet would not be closed.
        scope = anyio.CancelScope(shield=True)
        with scope:
            place = self._read_only[0] if self._read_only else self.path
            return await _connect(place, _read_only)
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
        elif path.is_file() and not _looks_like_sqlite(path):
            raise StoreUnusable(_NO_DATABASE.format(path=path, reason="wrong first bytes"))
    except OSError as error:
        raise StoreUnusable(
            f"the store {path} cannot be made: {error.strerror or error}. "
            "Choose a place that can be written, with --database or MEMORY_MCP_DATABASE."
        ) from error


def _looks_like_sqlite(path: Path) -> bool:
    """SQLite itself takes a very short file for an empty database, and would write over it."""
    with path.open("rb") as file:
        head = file.read(16)
    return head in (b"", b"SQLite format 3\0")


def _refuse_damaged_head(path: Path) -> None:
    """SQLite would only read a file whose bytes say that a later version may write it."""
    with path.open("rb") as file:
        head = file.read(20)
    if len(head) == 20 and not set(head[18:]) <= {1, 2}:
        reason = "its first bytes say that no SQLite of today may write it"
        raise StoreUnusable(_NO_DATABASE.format(path=path, reason=reason))


async def _connect(path: Path | str, prepare: Callable[[Session], None]) -> _Connection:
    sqlite = sqlite_module()

    def connect() -> Any:
        connection = sqlite.connect(
            path, isolation_level=None, cached_statements=256, uri=isinstance(path, str)
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            _load_vec(connection)
            prepare_history(Session(connection))
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


def _require_newest(session: Session) -> None:
    """Whether it is a store of this schema: what cannot be written cannot be brought up to date.

    Raises:
        OperationalError (SQLite's): it isn't.
    """
    _read_only(session)
    told = (session.value("PRAGMA application_id"), session.value("PRAGMA user_version"))
    if told == (APPLICATION_ID, known_migrations()[-1].version):
        session.all("SELECT 1 FROM sqlite_schema")
    elif told[0] != APPLICATION_ID or not _tables_of_newest() <= set(session.all(_TABLES)):
        raise sqlite_module().OperationalError("of another schema")


_TABLES = "SELECT name, sql FROM sqlite_schema WHERE type = 'table'"


def _tables_of_newest() -> set[Row]:
    """The tables of this schema, whatever number a damaged store says it has."""
    connection = sqlite_module().connect(":memory:", isolation_level=None)
    try:
        session = Session(connection)
        migrate(session, Path(":memory:"))
        return set(session.all(_TABLES))
    finally:
        connection.close()


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
    except sqlite_module().OperationalError as error:
        logger.warning("sqlite-vec cannot be loaded (%s): vectors are scanned instead", error)


def _set_up(session: Session, path: Path) -> None:
    application_id = session.value("PRAGMA application_id")
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
    if not session.value("PRAGMA page_count"):
        session.run("PRAGMA auto_vacuum=INCREMENTAL")  # only possible before anything is there
    _switch_to_wal(session)
    migrate(session, path)


def _switch_to_wal(session: Session) -> None:
    """WAL is a property of the file; switching needs the file alone, so two starters may meet."""
    for attempt in range(50):
        try:
            if session.value("PRAGMA journal_mode=WAL") == "wal":
                return
        except sqlite_module().OperationalError as error:
            if "locked" not in str(error) or attempt == 49:
                raise
        time.sleep(0.02 * (attempt + 1))
    raise StoreUnusable("this file system cannot keep a write-ahead log; use a local disk.")


@contextmanager
def translated_errors(path: Path) -> Generator[None]:
    """SQLite's errors as ours, in one place."""
    try:
        yield
    except (sqlite_module().DatabaseError, sqlite3.DatabaseError) as error:
        raise _translated(error, path) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(_FULL.format(path=path)) from error
        raise


_NO_DATABASE = (
    "{path} is not a SQLite database, or it is damaged ({reason}); it was left alone. "
    "Restore a backup, or choose another file with --database or MEMORY_MCP_DATABASE."
)
_NO_FILE = (
    "{path} cannot be written (unable to open a folder). Give yourself the right to write it, or "
    "choose another place with --database or MEMORY_MCP_DATABASE."
)
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
        return StoreUnusable(_NO_DATABASE.format(path=path, reason=text))
    if "disk I/O" in text:
        return StoreUnusable(
            f"{path} could not be read or written ({text}); nothing was changed. The disk is full "
            "or failing, or a limit of file sizes (`ulimit -f`) or a quota is reached. Free some "
            "space or lift the limit, then try again."
        )
    if "already exists" in text or "duplicate column" in text:
        return StoreUnusable(
            f"{path} says that it is of an older schema than its tables are ({text}): the number "
            "in its first bytes is damaged. It was left alone. Restore a backup."
        )
    if "readonly" in text or "unable to open" in text:
        return StoreUnusable(
            f"{path} cannot be written ({text}). Give yourself the right to write it, or choose "
            "another place with --database or MEMORY_MCP_DATABASE."
        )
    if isinstance(error, (sqlite3.IntegrityError, sqlite_module().IntegrityError)):
        return StoreError(f"the store refused the change: {text}. Nothing was changed.")
    # Anything else (a wrong statement) is a bug of ours and should look like one.
    return error
