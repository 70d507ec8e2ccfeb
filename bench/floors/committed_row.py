"""One text committed to SQLite as durably as we promise to: the floor under every write."""

from pathlib import Path
from time import perf_counter

from bench.sqlite_driver import sqlite3


class CommittedRow:
    """A table that takes one text a commit (WAL, `synchronous=FULL`)."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE floor (id INTEGER PRIMARY KEY, content TEXT)")

    def insert(self, content: str) -> float:
        """Commit one row; return how long it took, in seconds."""
        started = perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO floor (content) VALUES (?)", (content,))
        self._connection.execute("COMMIT")
        return perf_counter() - started

    def close(self) -> None:
        self._connection.close()
