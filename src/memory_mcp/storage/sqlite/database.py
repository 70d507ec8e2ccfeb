"""One file, one write door.

A write is one function, run from `BEGIN IMMEDIATE` to `COMMIT` in the writing connection's thread.
It is synchronous on purpose: nothing slow (an embedding, a model call) can be awaited inside, no
cancellation can stop it half-way, and a transaction costs one hop between threads instead of one a
statement. Readers have connections of their own; WAL lets them read while a writer writes.
"""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
from anyio import to_thread

from memory_mcp.domain.errors import StoreError, StoreFull, StoreGone, StoreUnusable
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.driver import (
    WAL_RESET_FIXED,
    driver_errors,
    sqlite_module,
    sqlite_version,
    vec_extension,
)
from memory_mcp.storage.sqlite.encryption import Access, access_to, is_unreadable, why_unreadable
from memory_mcp.storage.sqlite.errors import BUSY_TIMEOUT_MS, not_a_database, translated_errors
from memory_mcp.storage.sqlite.heads import head_of
from memory_mcp.storage.sqlite.history import prepare as prepare_history
from memory_mcp.storage.sqlite.migrations import (
    APPLICATION_ID,
    known_migrations,
    migrate,
    refuse_newer,
)
from memory_mcp.storage.sqlite.place import Place
from memory_mcp.storage.sqlite.reading import as_it_lies
from memory_mcp.storage.sqlite.session import Job, Result, Row, Session

logger = logging.getLogger(__name__)

LOG_LOST_TIMEOUT_MS = 2_000
"""How long a log that is no longer beside the store waits for readers before it goes into it."""
READERS_MAX = 4
IN_MEMORY_BYTES_MAX = 64 << 20
"""So large a file is written anew by way of memory; a larger one by way of the temporary folder."""
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
        place: Place,
        access: Access,
        writer: _Connection,
        *,
        has_vec: bool,
        bulk: bool = False,
        as_it_lies: "_AsItLies | None" = None,
    ) -> None:
        """`as_it_lies`: where it could only be opened to read it."""
        self.path = place.path
        self.has_vec = has_vec
        self._place = place
        self._access = access
        self._as_it_lies = as_it_lies
        self._bulk = bulk
        self._writer = writer
        self._is_open = True
        self._renewing = anyio.Lock()
        self._idle_readers: list[_Connection] = []
        self._reader_slots = anyio.Semaphore(READERS_MAX)
        self._pulse: _Connection | None = None
        self._pulse_lock = anyio.Lock()
        self._version: int | None = None
        self._committed: anyio.Event | None = None
        """There only while somebody waits for a commit."""
        self._lost: anyio.Event | None = None
        """There only while somebody waits for that."""
        self.after_commit: Callable[[], None] | None = None
        """Called in the writer's thread after each commit, before anybody learns of it."""
        self.fence: Job[None] | None = None
        """Runs first in each write's transaction; raises if this process may write no more."""

    @classmethod
    async def open(cls, path: Path, *, key: Key | None = None, bulk: bool = False) -> "Database":
        """Open the store at `path`, made with folder and tables if it isn't there.

        One that cannot be written is opened to be read, if it can be.

        `key`: the one that it is encrypted with, or is to be if it isn't there.
        `bulk`: its writer folds the log into the file less often.

        Raises:
            StoreUnusable: it is not a store, damaged, in a place where it can be neither written
                nor read, or not to be opened with this key.
            StoreTooNew: a newer memory-mcp made it.
            StoreBusy: another process held it locked too long.
            StoreGone: another process has a file open that was at this path before.
        """
        if sqlite_version() < WAL_RESET_FIXED:
            logger.warning(
                "SQLite %s is older than 3.51.3, which fixed a rare race between processes on one "
                "store. Run one process on it, or install pysqlite3.",
                sqlite_module().sqlite_version,
            )
        place = Place(path)
        while True:
            try:
                await to_thread.run_sync(place.prepare)
                access, writer = await _open_writer(place, key, bulk=bulk)
                break
            except _Replaced:  # another process makes or replaces it at this moment
                place.leave()
            except (StoreUnusable, StoreFull) as error:
                place.leave()
                return await cls._open_to_read(place, key, error)
            except BaseException:
                place.leave()
                raise
        has_vec = await writer.run(lambda session: bool(session.all(_HAS_VEC)))
        return cls(place, access, writer, has_vec=has_vec, bulk=bulk)

    @classmethod
    async def _open_to_read(cls, place: Place, key: Key | None, reason: StoreError) -> "Database":
        """A store that cannot be written, as it lies; where that is no use, `reason` is told."""
        files = ExitStack()
        try:
            access = await to_thread.run_sync(access_to, place.path, key)
            address = files.enter_context(as_it_lies(place.path, is_encrypted=access.is_encrypted))
            reader = await _connect(access, address, _require_newest)
        except (*driver_errors(), OSError, StoreUnusable):
            files.close()
            raise reason from None
        logger.warning("%s Until then it is read as it is, and nothing can be stored.", reason)
        has_vec = await reader.run(lambda session: bool(session.all(_HAS_VEC)))
        lies = _AsItLies(address, files, str(reason))
        return cls(place, access, reader, has_vec=has_vec, as_it_lies=lies)

    @property
    def key(self) -> Key | None:
        """The key that it is encrypted with; `None` where it is not."""
        return self._access.key

    @property
    def is_read_only(self) -> bool:
        """Whether the store could only be opened to read it."""
        return self._as_it_lies is not None

    def log_bytes(self) -> int:
        """How long the log is at the moment."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size
        except OSError:
            return 0

    async def close(self) -> None:
        """Close every connection. What was acknowledged is on the disk already."""
        with anyio.CancelScope(shield=True):
            if self._place.look() == "overwritten":
                await to_thread.run_sync(self._place.move_out)
            if self._is_open:
                await self._close_connections()
            self._place.leave()
            if self._as_it_lies is not None:
                self._as_it_lies.files.close()

    async def _close_connections(self) -> None:
        pulse = (self._pulse,) if self._pulse else ()
        for connection in (*self._idle_readers, *pulse, self._writer):
            await connection.close()
        self._idle_readers.clear()
        self._pulse = None

    async def write(self, job: Job[Result]) -> Result:
        """The write door: everything the job does is committed, or nothing is.

        A caller that is cancelled meanwhile does not learn the outcome, but it is one of the two.

        Raises:
            StoreBusy: other processes kept the lock; nothing was changed.
            StoreFull: no room on the disk; nothing was changed.
            StoreGone: the file at the path is not the one that is open; says what became of it.
            LeaseLost: this process may write no more; nothing was changed.
        """
        if self._as_it_lies is not None:
            raise StoreUnusable(f"nothing was stored: {self._as_it_lies.reason}")

        def guarded(session: Session) -> Result:
            self._require_place(_NOTHING_CHANGED)
            if self.fence is not None:
                self.fence(session)
            return job(session)

        def commit(session: Session) -> Result:
            try:
                result = session.in_transaction(guarded)
            except _LogLost:
                _fold(session, LOG_LOST_TIMEOUT_MS)
                raise
            except StoreGone:
                if self._place.look() != "overwritten":  # then the log is no part of it
                    _fold(session)
                raise
            if self.after_commit is not None:
                self.after_commit()
            self._require_kept(session)
            return result

        with self._errors():
            try:
                await self._until_open()
                result = await self._writer.run(commit)
            except _LogLost:
                await self._renew()
                result = await self._writer.run(commit)
        if self._committed is not None:
            self._committed.set()
            self._committed = None
        return result

    async def write_over(self, job: Job[Result]) -> Result:
        """As `write`; what the job deletes is overwritten with zeros where it stood.

        Raises:
            StoreBusy: other processes kept the lock; nothing was changed.
            StoreFull: no room on the disk; nothing was changed.
        """
        await self._writer.run(lambda session: session.run("PRAGMA secure_delete=ON"))
        try:
            return await self.write(job)
        finally:
            with anyio.CancelScope(shield=True):
                await self._writer.run(lambda session: session.run("PRAGMA secure_delete=OFF"))

    async def read(self, job: Job[Result]) -> Result:
        """Run a job that only reads; it sees what is committed, by whichever process.

        Raises:
            StoreGone: the file at the path is not the one that is open.
        """
        try:
            return await self._read(job)
        except _LogLost:
            await self._mend_log()
            return await self._read(job)

    async def _read(self, job: Job[Result]) -> Result:
        def look(session: Session) -> Result:
            result = job(session)
            self._require_place()
            return result

        async with self._reader_slots:
            with self._errors():
                reader = self._idle_readers.pop() if self._idle_readers else None
                reader = reader or await self._open_reader()
                try:
                    return await reader.run(look)
                finally:
                    self._idle_readers.append(reader)

    def lost(self) -> StoreGone | None:
        """Whether the file that is open lies elsewhere by now, or nowhere, and what to do."""
        fault = self._place.look()
        return None if fault in (None, "log") else self._place.error(fault)

    async def until_lost(self) -> None:
        """Returns when a read or a write was refused because the file is lost."""
        self._lost = self._lost or anyio.Event()
        await self._lost.wait()

    def _require_place(self, outcome: str = "") -> None:
        if (fault := self._place.look()) == "log":
            raise _LogLost
        if fault is not None:
            raise self._place.error(fault, outcome)

    def _require_kept(self, session: Session) -> None:
        """After a commit: that it stands in the file at the path, or is put there now."""
        if (fault := self._place.look()) is None:
            return
        # Where the file is gone, what stands in the log goes with it; and a file that is put in its
        # place must not find that log.
        # A stranger's pages must not have it laid over them.
        wait_ms = LOG_LOST_TIMEOUT_MS if fault == "log" else 0
        whole = fault != "overwritten" and _fold(session, wait_ms)
        if fault != "log" or not whole:
            raise self._place.error(fault, _NOT_IN_THE_STORE)

    @contextmanager
    def _errors(self) -> Generator[None]:
        """SQLite's errors as ours; first of all that its file is not there any more."""
        try:
            with translated_errors(self.path):
                yield
        except StoreGone:
            self._tell_lost()
            raise
        except StoreError as error:
            fault = self._place.look() if error.__cause__ is not None else None
            if fault is None or fault == "log":
                raise
            self._tell_lost()
            raise self._place.error(fault, _NOTHING_CHANGED) from error

    def _tell_lost(self) -> None:
        if self._lost is not None:
            self._lost.set()
            self._lost = None

    async def _until_open(self) -> None:
        if self._renewing.locked() or not self._is_open:
            await self._renew()

    async def _renew(self) -> None:
        """Open the files again: the log that is open is not the one beside the store."""
        with anyio.CancelScope(shield=True):
            async with self._renewing, self._pulse_lock:
                if self._is_open and self._place.look() != "log":
                    return
                logger.warning("the log of %s was deleted or replaced; it is made anew", self.path)
                for _ in range(READERS_MAX):
                    await self._reader_slots.acquire()
                try:
                    if self._is_open:
                        self._is_open = False
                        await self._close_connections()
                    try:
                        self._access, self._writer = await _open_writer(
                            self._place, self.key, bulk=self._bulk
                        )
                    except _Replaced:
                        raise self._place.error("replaced", _NOTHING_CHANGED) from None
                    self._is_open = True
                finally:
                    for _ in range(READERS_MAX):
                        self._reader_slots.release()

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator["Snapshot"]:
        """The store as it is at this moment, on a connection of its own.

        Nobody waits for it, but what is written meanwhile stays in the log until it is over.
        """
        if self._place.look() == "log":
            await self._mend_log()
        with self._errors():
            reader = await self._open_reader()
            try:
                await reader.run(_begin_reading)
                yield Snapshot(reader, self._place)
            finally:
                with anyio.CancelScope(shield=True):
                    await reader.close()

    async def committed(self) -> None:
        """Returns when this process has committed something."""
        self._committed = self._committed or anyio.Event()
        await self._committed.wait()

    async def pulse(self) -> int:
        """`PRAGMA data_version` of a connection nobody else uses: it moves when others commit."""
        if self._place.look() == "log":
            await self._mend_log()
        with self._errors():
            async with self._pulse_lock:
                pulse = self._pulse = self._pulse or await self._open_reader()
                return await pulse.run(lambda session: session.value("PRAGMA data_version"))

    async def others_committed(self) -> bool:
        """Whether another process has committed since the last call; the first call says no.

        `PRAGMA data_version` does not move with what its own connection commits.
        """
        with self._errors():
            last = self._version
            self._version = await self._writer.run(
                lambda session: session.value("PRAGMA data_version")
            )
        return last is not None and self._version != last

    async def fold_log(self) -> None:
        """Put what stands in the log into the file, as closing does; not if somebody is reading."""
        if self._as_it_lies is not None:
            return
        with self._errors():
            await self._until_open()
            if self._place.look() != "overwritten":
                await self._writer.run(_fold)
        self._place.look()  # the file has changed by our hand: a stranger's comes after that

    async def _mend_log(self) -> None:
        """Put the log that is open into the file, and open the one beside it."""
        await self.write(lambda _: None)

    async def rewrite_file(self) -> bool:
        """Write the file anew from what it holds, and cut the log off; whether both were done.

        They are not, where somebody is still reading what stood there before. Who writes waits
        meanwhile.

        Raises:
            StoreFull: no room on the disk for the file to be written anew.
        """

        def rewrite(session: Session) -> bool:
            # It is put together in memory, as everything temporary, if it is not too large, or
            # encrypted: a temporary file would not be.
            large = self.path.stat().st_size > IN_MEMORY_BYTES_MAX and self.key is None
            session.run("PRAGMA secure_delete=ON")
            try:
                if large:
                    session.run("PRAGMA temp_store=FILE")
                session.run("VACUUM")
            finally:
                session.run("PRAGMA secure_delete=OFF")
                session.run("PRAGMA temp_store=MEMORY")
            busy, *_ = session.all("PRAGMA wal_checkpoint(TRUNCATE)")[0]
            return not busy

        with self._errors():
            await self._until_open()
            if self._place.look() is not None:  # what would be written is no part of the store
                return False
            is_done = await self._writer.run(rewrite)
        self._place.look()  # as in fold_log
        return is_done

    async def _open_reader(self) -> _Connection:
        self._require_place()
        # Shielded: a connection that nobody holds yet would not be closed.
        with anyio.CancelScope(shield=True):
            address = self._as_it_lies.address if self._as_it_lies else _address(self.path)
            reader = await _connect(self._access, address, _read_only)
            try:
                self._require_place()
            except BaseException:  # it may be another file
                await reader.close()
                raise
            return reader
        raise AssertionError("a shielded scope is never left by cancellation")


class Snapshot:
    """The store as it was at one moment."""

    def __init__(self, reader: _Connection, place: Place) -> None:
        self._reader = reader
        self._place = place

    async def read(self, job: Job[Result]) -> Result:
        """Run a job that only reads.

        Raises:
            StoreGone: the file at the path is not the one that is open.
        """
        with translated_errors(self._place.path):
            result = await self._reader.run(job)
        if (fault := self._place.look()) not in (None, "log"):
            raise self._place.error(fault)
        return result


_HAS_VEC = "SELECT 1 FROM pragma_function_list WHERE name = 'vec_version'"


@dataclass(frozen=True, slots=True)
class _AsItLies:
    """A store that can be read only: where, what makes it readable, why it cannot be written."""

    address: str
    files: ExitStack
    reason: str


class _Replaced(Exception):
    """Another file lies at the path than the one that was looked at before it was opened."""


class _LogLost(Exception):
    """The log that is open is not the one beside the store, whose file is in its place."""


_NOTHING_CHANGED = "Nothing was changed."
_NOT_IN_THE_STORE = "The change that was under way went into that file: it is not in the store."


def _fold(session: Session, busy_ms: int = 0) -> bool:
    """Put what stands in the log into the file; whether all of it is there now."""
    session.run(f"PRAGMA busy_timeout={busy_ms}")
    try:
        return not session.all("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
    except driver_errors() as error:  # a full disk, most likely
        logger.warning("the log cannot be put into the store's file: %s", error)
        return False
    finally:
        session.run(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


async def _open_writer(place: Place, key: Key | None, *, bulk: bool) -> tuple[Access, _Connection]:
    """The writer's connection, to a store that is set up, and how others are made.

    Raises:
        _Replaced: another process makes or replaces the store at this moment.
    """
    path = place.path
    with translated_errors(path):
        access = await to_thread.run_sync(access_to, path, key)
        try:
            if not access.is_encrypted:
                await to_thread.run_sync(_refuse_damaged_head, path)
            set_up = partial(_set_up, path=path, access=access)
            writer = await _connect(access, _address(path), set_up)
        except driver_errors() as error:
            if not is_unreadable(error):
                raise
            # Whether it is encrypted, and with which salt, was found out before it was locked.
            if await to_thread.run_sync(access_to, path, key) != access:
                raise _Replaced from None
            if access.is_encrypted:
                raise StoreUnusable(why_unreadable(path, access)) from None
            raise
        try:
            place.settle()
            if bulk:
                await writer.run(_prepare_for_much)
        except BaseException:
            await writer.close()
            raise
    return access, writer


def _address(path: Path) -> str:
    # Not made by SQLite: a store that is gone must not come back as an empty one.
    return f"{path.absolute().as_uri()}?mode=rw"


def _refuse_damaged_head(path: Path) -> None:
    """SQLite would only read a file whose bytes say that a later version may write it."""
    try:
        head, _ = head_of(path, 20)
    except IsADirectoryError as error:
        raise StoreUnusable(_NO_FILE.format(path=path)) from error
    if len(head) == 20 and not set(head[18:]) <= {1, 2}:
        reason = "its first bytes say that no SQLite of today may write it"
        raise StoreUnusable(not_a_database(path, reason))


_NO_FILE = (
    "{path} cannot be written (unable to open a folder). Give yourself the right to write it, or "
    "choose another place with --database or MEMORY_MCP_DATABASE."
)


async def _connect(access: Access, address: str, prepare: Callable[[Session], None]) -> _Connection:
    def connect() -> Any:
        connection = access.connect(address, uri=True, cached_statements=256)
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
        except driver_errors("OperationalError") as error:
            if "locked" not in str(error) or attempt == 49:
                raise
        time.sleep(0.02 * (attempt + 1))
    raise StoreUnusable("this file system cannot keep a write-ahead log; use a local disk.")
