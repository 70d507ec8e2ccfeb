"""The first bytes of a store's file, read in a way that leaves SQLite its locks.

A process that closes any descriptor of a file loses all of its locks on it (POSIX), SQLite's too.
So a file that is open here is read by a descriptor that stays open as long as SQLite has it
(place.py).
"""

import os
import sys
from pathlib import Path

OPEN: dict[tuple[int, int], int] = {}
"""Descriptors of the stores that are open in this process, by device and inode."""


def head_of(path: Path, size: int) -> tuple[bytes, int]:
    """The first bytes of a file, at most `size`, and how long it is.

    Raises:
        OSError: it cannot be read.
    """
    told = os.stat(path)
    descriptor = OPEN.get((told.st_dev, told.st_ino))
    if descriptor is not None and sys.platform != "win32":
        return os.pread(descriptor, size, 0), told.st_size
    with path.open("rb") as file:
        return file.read(size), os.fstat(file.fileno()).st_size
