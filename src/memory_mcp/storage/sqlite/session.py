"""What a job is given: a connection, in its thread, for as long as the job runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]
Result = TypeVar("Result")

VARIABLES_MAX = 30_000
"""Parameters in one statement; SQLite takes 32,766."""


def as_key(told: str) -> str:
    """An id or name from outside as a parameter; what cannot be stored cannot be found."""
    return told.encode("utf-8", "backslashreplace").decode()


class Session:
    """A connection, for the time one job has it. Lives in the connection's thread."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and fetch every row."""
        return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row, if there is one."""
        rows = self.all(sql, parameters)
        return rows[0] if rows else None

    def value(self, sql: str, parameters: Parameters = ()) -> Any:
        """The first value of the first row, `None` without one."""
        row = self.one(sql, parameters)
        return row[0] if row else None

    def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one statement."""
        self._connection.execute(sql, parameters)

    def run_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run one statement once for each row of parameters."""
        self._connection.executemany(sql, rows)

    def insert(self, into: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, all by few statements; `into` is what stands before `VALUES`.

        A thread gives way to others at each statement and then waits for its turn, so a statement
        for each row costs an import, which reads in another thread, most of its time.
        """
        start = 0
        while start < len(rows):
            # Powers of two: a statement is kept with what was last bound to it, so few may differ.
            most = min(len(rows) - start, VARIABLES_MAX // len(rows[0]))
            part = rows[start : start + (1 << most.bit_length() - 1)]
            row = f"({', '.join('?' * len(rows[0]))})"
            sql = f"{into} VALUES {', '.join([row] * len(part))}"
            self._connection.execute(sql, list(chain.from_iterable(part)))
            start += len(part)

    def changes(self) -> int:
        """How many rows this connection has changed so far."""
        return self._connection.total_changes

    def define(self, name: str, arguments: int, function: Callable[..., Any]) -> None:
        """Let statements on this connection call a function: the same told gives the same."""
        self._connection.create_function(name, arguments, function, deterministic=True)

    def in_transaction(self, job: "Job[Result]") -> Result:
        """Run a job whose changes are committed at its end, or not made at all."""
        self.run("BEGIN IMMEDIATE")
        try:
            result = job(self)
            self.run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self.run("ROLLBACK")
            raise
        return result


Job = Callable[[Session], Result]
"""What to do with a connection; runs in its thread, whole."""
