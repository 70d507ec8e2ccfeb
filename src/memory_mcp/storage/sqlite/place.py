"""The store's files where they were opened, and whether they still lie there.

Who has a file open can go on writing to it when it was deleted, moved or replaced, and SQLite does:
all of that would be in nobody's store. Its log is found by name as well, so a file that is put in
another one's place meets a log that is not its own. Numbers say which file is which: device and
inode, which nobody else gets for as long as somebody has the file open.

A descriptor of our own witnesses the file: how many names it has, and where it lies now. SQLite's
locks on a file end when its process closes any descriptor of it, so the witness is shared by all
that have the file open here, and closed after the last of them.

A file may also be written over where it lies (`cp backup memory.db`): the number stays, and the log
of what was there before would be laid over the new pages. The file's time tells, as beside a log
only a checkpoint writes to it, which the log's index counts. What was written over it then gets a
file of its own, so that it is a replacement like any other.
"""

import errno
import logging
import os
import shutil
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from memory_mcp.domain.errors import StoreGone, StoreUnusable
from memory_mcp.storage.sqlite import heads
from memory_mcp.storage.sqlite.encryption import kind_of
from memory_mcp.storage.sqlite.errors import not_a_database

logger = logging.getLogger(__name__)

Fault = Literal["gone", "replaced", "overwritten", "log"]
"""No file is at the path, another one is, it is being written over by somebody else, or the log
beside it is not the one that is open."""
Number = tuple[int, int]

WAIT_SECONDS = 4.0
"""How long an opener waits for those who have another file open that was at the path; a daemon
notices within a second or two, and ends."""
_CHECKED = sys.platform != "win32"
"""Windows lets nobody move or delete a file that SQLite has open."""
STEADY_SECONDS = 0.3
"""How long a file that somebody writes over must stay as it is before it counts as written."""
_FORMAT = b"SQLite format 3\0"
_HEADER_BYTES = 100
# Where SQLite locks: a store in use has the first kind on its file, and the second on its `-shm`
# for as long as that is open (os_unix.c: SHARED_FIRST, UNIX_SHM_DMS).
_IN_USE = (0x40000002, 510)
_LOG_IN_USE = (128, 1)
_MOVED = (
    "the store {path} was moved to {where} while it was open here. {outcome}Move it back, and "
    "everything goes on; what was stored before is in {where}."
)
_LINKED = (
    "the store {path} is gone from its place; its file still has another name somewhere. "
    "{outcome}Put it back, and everything goes on."
)
_DELETED = (
    "the store {path} was deleted while it was open here. {outcome}Put a backup there; or end "
    "every session on it (memory-mcp daemon stop), and the next one begins with an empty store."
)
_REPLACED = (
    "another file was put in the place of the store {path} while it was open here. {outcome}{old}"
    "Try again: sessions go on with the new file; one with --in-process must be started anew."
)


_OVERWRITTEN = (
    "the store {path} was written over while it was open here, by something that is no store. "
    "{outcome}Put a backup there; or end every session on it (memory-mcp daemon stop) and remove "
    "it, and the next one begins with an empty store."
)


class Place:
    """One store's path, and the files that are open from there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = os.path.abspath(path)
        beside = os.path.realpath(path)  # SQLite follows links, and has its log beside the file
        self._log, self._index = f"{beside}-wal", f"{beside}-shm"
        self._witness: _Witness | None = None
        self._log_numbers: tuple[Number | None, Number | None] = (None, None)
        self._state = (0, 0)
        """Size and time of the file after the last checkpoint."""
        self._mark: bytes | None = None
        self._header = b""

    def prepare(self) -> None:
        """Make the folder (0700) and the file (0600), so that nobody else can read memory.

        Raises:
            StoreUnusable: it cannot be made, or is no SQLite database.
            StoreGone: another process has a file open that was here before.
        """
        try:
            self._make_folder()
            if not self.path.exists():
                self._refuse_beside_the_living()
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            if self.path.is_file():
                self._witness = _witness_of(self._name)
        except OSError as error:
            raise StoreUnusable(
                f"the store {self.path} cannot be made: {error.strerror or error}. "
                "Choose a place that can be written, with --database or MEMORY_MCP_DATABASE."
            ) from error
        if self._witness is None:
            return
        try:
            # SQLite itself takes a very short file for an empty database, and would write over it.
            if kind_of(self.path) == "foreign":
                raise StoreUnusable(not_a_database(self.path, "wrong first bytes"))
            self._refuse_another_log()
        except BaseException:
            self.leave()
            raise

    def settle(self) -> None:
        """The files are open now: these are the ones.

        Raises:
            StoreGone: what was opened is not what was prepared.
        """
        if not _CHECKED or self._witness is None:
            return
        self._log_numbers = (_number(self._log), _number(self._index))
        self._witness.open_index(self._index)
        self._note_state()
        if (fault := self.look()) is not None:
            raise self.error(fault)

    def look(self) -> Fault | None:
        """What is wrong with the place; some microseconds."""
        if not _CHECKED or self._witness is None:
            return None
        mark = self._witness.checkpoints()  # first: one that is made from now on moves it again
        try:
            told = os.stat(self._name)
        except OSError:
            return "gone"
        if (told.st_dev, told.st_ino) != self._witness.number:
            return "replaced"
        if (told.st_size, told.st_mtime_ns) == self._state:
            self._mark = mark or self._mark
        elif self._is_written_over(mark) and (fault := self._give_way()) is not None:
            return fault
        if (_number(self._log), _number(self._index)) != self._log_numbers:
            return "log"
        return None

    def error(self, fault: Fault, outcome: str = "") -> StoreGone:
        """What happened, what became of a call, where the data is, what to do."""
        outcome = f"{outcome} " if outcome else ""
        where = self._witness.where() if self._witness else None
        if fault == "replaced":
            old = f"The old one, with what was stored before, lies at {where}. " if where else ""
            text = _REPLACED.format(path=self.path, outcome=outcome, old=old)
            return StoreGone(text, is_replaced=True)
        if fault == "overwritten":
            return StoreGone(_OVERWRITTEN.format(path=self.path, outcome=outcome))
        if fault == "log":
            return StoreGone(
                f"the log {self._log} was deleted or replaced while the store was open here. "
                f"{outcome}Start this process again."
            )
        if where is not None:
            return StoreGone(_MOVED.format(path=self.path, outcome=outcome, where=where))
        linked = self._witness is not None and self._witness.names() > 0
        return StoreGone((_LINKED if linked else _DELETED).format(path=self.path, outcome=outcome))

    def leave(self) -> None:
        """SQLite has closed the files."""
        if self._witness is not None:
            self._witness.close()
            self._witness = None

    # Written over where it lies.

    def _note_state(self) -> None:
        """How the file is after the last checkpoint: who changes it without one is not SQLite."""
        assert self._witness is not None
        told, self._mark = os.fstat(self._witness.descriptor), self._witness.checkpoints()
        self._state = told.st_size, told.st_mtime_ns
        self._header = self._witness.head(_HEADER_BYTES)

    def _is_written_over(self, mark: bytes | None) -> bool:
        """Whether the file has changed and there was no checkpoint."""
        assert self._witness is not None
        if mark is None:  # there is one at this moment, or one was cut off
            return False
        if mark != self._mark:
            self._note_state()
            return False
        return self._mark == self._witness.checkpoints()

    def _give_way(self) -> Fault | None:
        """What somebody wrote over the store gets a file of its own, once it is whole.

        Who only set the file's time has changed nothing.
        """
        assert self._witness is not None
        with _OPEN_LOCK:
            steady = _steady_state(self._name)
            if _number(self._name) != self._witness.number:
                return "replaced"
            header = self._witness.head(_HEADER_BYTES)
            if steady is not None and (header, steady[0]) == (self._header, self._state[0]):
                self._note_state()
                return None
            if steady is None or kind_of(self.path) not in ("plain", "encrypted"):
                return "overwritten"
            return "replaced" if self.move_out() else "overwritten"

    def move_out(self) -> bool:
        """Leave the path to what was written there; SQLite lays no log over a file that has moved.

        Whether that could be done.
        """
        part = f"{self._name}.{os.getpid()}.part"
        try:
            shutil.copyfile(self._name, part)
            os.chmod(part, 0o600)
            # It belongs to what was written over; laid over the new pages it would damage them.
            with suppress(FileNotFoundError):
                os.replace(self._log, f"{self._log}.set-aside")
            os.replace(part, os.path.realpath(self._name))
        except OSError as error:
            logger.warning("what was written over %s cannot be kept apart: %s", self.path, error)
            return False
        return True

    # Before they are opened.

    def _make_folder(self) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            if folder.exists():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            folder.mkdir(mode=0o700, parents=True)

    def _refuse_beside_the_living(self) -> None:
        """Make no empty store where one is missing: SQLite would throw the log beside it away."""
        if not _CHECKED:
            return
        until = time.monotonic() + WAIT_SECONDS
        while (living := _user_of(self._index, _LOG_IN_USE)) is not None:
            if self.path.exists():
                return
            if time.monotonic() > until:
                raise StoreGone(
                    f"the store {self.path} is gone, and {living.name} still has it open. Put it "
                    "back; or end that process, and an empty store is made."
                )
            time.sleep(0.05)
        if _size(self._log):
            raise StoreGone(
                f"the store {self.path} is gone, and its log {self._log} is still there, with what "
                "was stored last. Put the store back beside it; or remove the log, and an empty "
                "store is made."
            )

    def _refuse_another_log(self) -> None:
        """Take no log that belongs to another file: one that was here, and that somebody has open.

        Whoever uses the log of a store has a lock on the log's index and one on the store's file.
        """
        if not _CHECKED or self._witness is None or self._witness.is_shared:
            return
        until = time.monotonic() + WAIT_SECONDS
        while (living := _user_of(self._index, _LOG_IN_USE)) is not None:
            if _lock_on(self._witness.descriptor, _IN_USE) is not None:
                return
            if time.monotonic() > until:
                raise StoreGone(
                    f"another file was put in the place of the store {self.path}, and "
                    f"{living.name} still has the old one open. End that process first, or the new "
                    "file is damaged by the log of the old one."
                )
            time.sleep(0.05)


class _Witness:
    """A descriptor of a store's file, for all in this process that have it open."""

    def __init__(self, descriptor: int, number: Number) -> None:
        self.descriptor = descriptor
        self.number = number
        self.users = 0
        self._indexes: list[int] = []

    @property
    def is_shared(self) -> bool:
        """Whether others here have it open as well: our locks are no others' then."""
        return self.users > 1

    def head(self, size: int = len(_FORMAT)) -> bytes:
        """The first bytes."""
        if sys.platform == "win32":
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            return os.read(self.descriptor, size)
        return os.pread(self.descriptor, size, 0)

    def open_index(self, path: str) -> None:
        """Have the log's index at hand; one that was opened before stays open, for its locks."""
        with suppress(OSError):
            self._indexes.append(os.open(path, os.O_RDONLY))

    def checkpoints(self) -> bytes | None:
        """What moves with each checkpoint (wal.c: aSalt, nBackfill); `None` while one is made."""
        if not self._indexes:
            return None
        told = os.pread(self._indexes[-1], 132, 0)
        salts, done, begun = told[32:40], told[96:100], told[128:132]
        return salts + done if len(told) == 132 and done == begun else None

    def names(self) -> int:
        """How many names it has."""
        return os.fstat(self.descriptor).st_nlink

    def where(self) -> str | None:
        """Where it lies now; `None` where that cannot be told."""
        try:
            if sys.platform == "darwin":
                import fcntl  # noqa: PLC0415 - does not exist on Windows

                told = fcntl.fcntl(self.descriptor, fcntl.F_GETPATH, bytes(1024))
                found = os.fsdecode(told.rstrip(b"\0"))
            else:
                found = os.readlink(f"/proc/self/fd/{self.descriptor}")
        except OSError:
            return None
        return found if _number(found) == self.number else None

    def close(self) -> None:
        with _OPEN_LOCK:
            self.users -= 1
            if not self.users:
                del _OPEN[self.number]
                del heads.OPEN[self.number]
                for descriptor in (*self._indexes, self.descriptor):
                    os.close(descriptor)


_OPEN: dict[Number, _Witness] = {}
_OPEN_LOCK = threading.Lock()


def _witness_of(path: str) -> _Witness:
    with _OPEN_LOCK:
        told = os.stat(path)
        witness = _OPEN.get((told.st_dev, told.st_ino))
        if witness is None:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            told = os.fstat(descriptor)
            number = (told.st_dev, told.st_ino)
            witness = _OPEN.setdefault(number, _Witness(descriptor, number))
            heads.OPEN[number] = witness.descriptor
        witness.users += 1
        return witness


@dataclass(frozen=True, slots=True)
class _Living:
    """A process that has a lock."""

    pid: int

    @property
    def name(self) -> str:
        return f"process {self.pid}" if self.pid > 0 else "another process"


def _user_of(path: str, range_: tuple[int, int]) -> _Living | None:
    """Who has a lock on part of a file that this process does not have open."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return _lock_on(descriptor, range_)
    finally:
        os.close(descriptor)


def _lock_on(descriptor: int, range_: tuple[int, int]) -> _Living | None:
    """The lock of another process on part of a file; `None` where there is none or none is told."""
    import fcntl  # noqa: PLC0415 - does not exist on Windows

    start, length = range_
    try:
        if sys.platform == "darwin":
            asked = struct.pack("@qqihh", start, length, 0, fcntl.F_WRLCK, os.SEEK_SET)
            told = fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
            _, _, pid, kind, _ = struct.unpack("@qqihh", told)
        elif sys.platform == "linux" and sys.maxsize > 2**32:
            asked = struct.pack("@hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
            told = fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
            kind, _, _, _, pid = struct.unpack("@hhqqi", told)
        else:
            return None
    except OSError:  # a file system without locks
        return None
    return None if kind == fcntl.F_UNLCK else _Living(pid)


def _steady_state(path: str) -> tuple[int, int] | None:
    """Size and time of a file that nobody is writing; `None` where somebody goes on for long."""
    until = time.monotonic() + WAIT_SECONDS
    before = None
    while time.monotonic() < until:
        try:
            told = os.stat(path)
        except OSError:
            return None
        if before == (now := (told.st_size, told.st_mtime_ns)):
            return now
        before = now
        time.sleep(STEADY_SECONDS)
    return None


def _number(path: str) -> Number | None:
    try:
        told = os.stat(path)
    except OSError:
        return None
    return told.st_dev, told.st_ino


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
