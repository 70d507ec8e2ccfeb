"""`pytest --encrypted`: the same tests, with every store of theirs encrypted.

Stores that a test opens get a key where it gives none, so do the processes that it starts, and so
do its looks at a store behind the program's back.
"""

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from memory_mcp.keys import Key
from memory_mcp.storage.sqlite import driver
from memory_mcp.storage.sqlite.database import Database

KEY = "7e57" * 16
VARIABLE = "MEMORY_MCP_TEST_KEY"
"""Set where stores are encrypted: what tests start is told so."""


def encrypt_all() -> None:
    """From now on; before any test is imported."""
    pytest.importorskip("sqlcipher3", reason="needs the extra: encryption")
    opened = Database.open.__func__

    async def open_encrypted(
        cls: type[Database], path: Path, *, key: Key | None = None, **more: Any
    ) -> Database:
        return await opened(cls, path, key=key or Key(KEY, "the tests"), **more)

    os.environ[VARIABLE] = os.environ["MEMORY_MCP_KEY"] = KEY
    setattr(Database, "open", classmethod(open_encrypted))  # noqa: B010 - else a type error
    driver.sqlite_module = cache(_keyed_module)


def more_for_processes() -> dict[str, str]:
    """What the environment of a process needs besides."""
    return {"MEMORY_MCP_KEY": key} if (key := os.environ.get(VARIABLE)) else {}


def _keyed_module() -> ModuleType:
    """`sqlcipher3` that gives the key whenever it connects to a file."""
    sqlcipher = import_module("sqlcipher3.dbapi2")
    keyed = ModuleType("sqlcipher3.dbapi2")
    keyed.__dict__.update(vars(sqlcipher))

    def connect(path: Any, *arguments: Any, **options: Any) -> Any:
        connection = sqlcipher.connect(path, *arguments, **options)
        if path != ":memory:":
            connection.execute("PRAGMA cipher_log_level=NONE")
            connection.execute(f"PRAGMA key = \"x'{KEY}'\"")
        return connection

    keyed.__dict__["connect"] = connect
    return keyed
