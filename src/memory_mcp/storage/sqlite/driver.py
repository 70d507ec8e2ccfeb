"""Which SQLite we run on.

Python builds differ: many standard `sqlite3` modules cannot load extensions, and SQLite before
3.51.3 can corrupt a WAL that several processes reset at once. `pysqlite3` carries a current SQLite
with extensions on; where it has no wheel the standard module serves, without vec0 if need be.
`sqlcipher3`, of the same make, is for encrypted stores alone, and an extra.
"""

import logging
import sqlite3
import sys
from functools import cache
from types import ModuleType

logger = logging.getLogger(__name__)

WAL_RESET_FIXED = (3, 51, 3)
"""The first SQLite without the WAL-reset race between processes (sqlite.org/wal.html)."""


@cache
def sqlite_module() -> ModuleType:
    """`pysqlite3` where it is installed, else the standard module."""
    try:
        from pysqlite3 import dbapi2  # pyright: ignore[reportMissingTypeStubs]  # noqa: PLC0415
    except ImportError:
        return sqlite3
    return dbapi2


@cache
def cipher_module() -> ModuleType | None:
    """`sqlcipher3`, which reads and writes encrypted files, where it is installed."""
    try:
        from sqlcipher3 import (  # pyright: ignore[reportMissingTypeStubs]
            dbapi2,
        )
    except ImportError:
        return None
    return dbapi2


def driver_errors(kind: str = "DatabaseError") -> tuple[type[Exception], ...]:
    """What `except` takes to catch an error of this kind from any of the modules.

    A module counts once it was loaded: until then nobody raises its errors.
    """
    others = (sys.modules.get(f"{name}.dbapi2") for name in ("pysqlite3", "sqlcipher3"))
    return tuple(getattr(module, kind) for module in (sqlite3, *others) if module is not None)


def sqlite_version() -> tuple[int, int, int]:
    """The SQLite underneath."""
    return sqlite_module().sqlite_version_info


@cache
def can_load_extensions() -> bool:
    """Whether this SQLite was built to load extensions."""
    return hasattr(sqlite_module().Connection, "enable_load_extension")


@cache
def vec_extension() -> str | None:
    """Path of the sqlite-vec extension, or `None` where it is not installed or cannot be loaded.

    The path is found without importing `sqlite_vec`, which pulls in numpy where it is installed.
    """
    from importlib.util import find_spec  # noqa: PLC0415 - only needed once a store is opened

    spec = find_spec("sqlite_vec") if can_load_extensions() else None
    if spec is None or not spec.submodule_search_locations:
        return None
    return f"{spec.submodule_search_locations[0]}/vec0"
