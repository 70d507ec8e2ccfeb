"""Who holds a store's lock: which process, whether it was stopped, and its end.

Standard library only: a bridge may need this. A process number alone says little, as another
process gets it when the first is gone; with the moment of its start it is one process for good.
"""

from __future__ import annotations

import json
import os
import select
import sys

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from typing import Any

BYTES_MAX = 4_096
END_SECONDS = 5.0
"""How long a process that was killed may take; one that waits for a disk may not end at all."""
NOT_THROUGH_LINKS = getattr(os, "O_NOFOLLOW", 0)


class Holder:
    """A process that has written its name into the lock that it holds."""

    def __init__(self, told: dict[str, Any], number: tuple[int, int]) -> None:
        self.pid: int = told["pid"]
        self.version = str(told.get("version") or "?")
        self.number = number
        """Which file the lock is: device and inode."""
        self._born = str(told.get("born") or "")
        self._where = str(told.get("where") or "")

    @property
    def name(self) -> str:
        """`process 4711`, and where that is, if not here."""
        return f"process {self.pid}" + ("" if self.is_here else f" on {self._where or '?'}")

    @property
    def is_here(self) -> bool:
        """Whether its number means what it means here: it may run on another machine."""
        return self._where == _where()

    @property
    def is_verified(self) -> bool:
        """Whether the process of that number is the one that wrote it, and can be ended."""
        if sys.platform == "win32" or not self.is_here or self.pid <= 1 or self.pid == os.getpid():
            return False
        return bool(self._born) and self._born == _born(self.pid) and self._has_lock_open()

    def is_stopped(self) -> bool:
        """Whether it was stopped by a signal, or by a debugger: it will answer nothing."""
        if not self.is_here or sys.platform == "win32":
            return False
        return _state(self.pid)[:1] in ("T", "t") and self._born == _born(self.pid)

    def is_running(self) -> bool:
        """Whether it uses a processor at this moment, or waits for one."""
        return self.is_here and sys.platform != "win32" and _state(self.pid)[:1] == "R"

    def kill(self) -> bool:
        """End it, at whatever instruction it is; whether it is gone.

        A stopped process ends as well. None is ended that is not the one that took the lock.
        """
        import signal  # noqa: PLC0415 - seldom needed

        handle = None
        try:
            # Once it is held, its number is nobody else's.
            handle = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
            if not self.is_verified:
                return False
            if handle is None:
                os.kill(self.pid, signal.SIGKILL)
                return _is_gone(self.pid, self._born)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return bool(select.select([handle], [], [], END_SECONDS)[0])
        except ProcessLookupError:
            return True
        except OSError:
            return False
        finally:
            if handle is not None:
                os.close(handle)

    def _has_lock_open(self) -> bool:
        """Whether it has the lock's file open; where that cannot be seen, its start must do."""
        folder = f"/proc/{self.pid}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            return not sys.platform.startswith("linux")
        for name in names:
            try:
                told = os.stat(f"{folder}/{name}")
            except OSError:  # closed meanwhile
                continue
            if (told.st_dev, told.st_ino) == self.number:
                return True
        return False


def locked(descriptor: int) -> bool:
    """Lock a file, if nobody has; whether it is ours now."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sign(lock: int, version: str) -> None:
    """Write this process's name into the lock that it holds."""
    told = {"pid": os.getpid(), "born": _born(os.getpid()), "where": _where(), "version": version}
    # The first byte is the one that is locked on Windows, where nobody could read it.
    line = f" {json.dumps(told)}\n".encode()
    try:
        os.lseek(lock, 0, os.SEEK_SET)
        os.write(lock, line)
        os.ftruncate(lock, len(line))
        os.lseek(lock, 0, os.SEEK_SET)
    except OSError:  # a full disk: it is a lock all the same, of nobody's name
        pass


def holder_of(path: str) -> Holder | None:
    """Who has written its name into a lock last, if this user's processes alone can have done so.

    Whether that process still holds it is not said by that.
    """
    try:
        lock = os.open(path, os.O_RDONLY | NOT_THROUGH_LINKS)
    except OSError:
        return None
    try:
        told = os.fstat(lock)
        if sys.platform != "win32" and (told.st_uid != os.geteuid() or told.st_mode & 0o022):
            return None
        os.lseek(lock, 1, os.SEEK_SET)
        found: dict[str, Any] = json.loads(os.read(lock, BYTES_MAX))
        return Holder({**found, "pid": int(found["pid"])}, (told.st_dev, told.st_ino))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    finally:
        os.close(lock)


def _where() -> str:
    """Where process numbers mean what they mean here: containers may have their host's name."""
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "")
    name = os.uname().nodename
    try:
        return f"{name}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return name


def _born(pid: int) -> str:
    """The moment a process started; empty where none has that number, or nobody tells."""
    if sys.platform.startswith("linux"):
        fields = _fields(pid)
        return fields[19] if len(fields) > 19 else ""
    return _told_by_ps(pid, "lstart=")


def _state(pid: int) -> str:
    """`R` runs, `S` sleeps, `T` was stopped; empty where nobody tells."""
    if sys.platform.startswith("linux"):
        fields = _fields(pid)
        return fields[0] if fields else ""
    return _told_by_ps(pid, "state=")


def _fields(pid: int) -> list[str]:
    """What Linux says of a process, from its state on; its name may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii", "replace").split()
    except OSError:
        return []


def _told_by_ps(pid: int, what: str) -> str:
    import subprocess  # noqa: PLC0415 - where there is no /proc, and slow to import

    if sys.platform == "win32":
        return ""
    try:
        told = subprocess.run(
            ["/bin/ps", "-o", what, "-p", str(pid)], capture_output=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.decode("ascii", "replace").strip()


def _is_gone(pid: int, born: str) -> bool:
    import time  # noqa: PLC0415 - seldom needed

    until = time.monotonic() + END_SECONDS
    while _born(pid) == born and _state(pid)[:1] != "Z":
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
