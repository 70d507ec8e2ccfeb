"""Numbered migrations, forward only.

One file is one step of the schema: `NNNN_what.sql`, applied together with the record that it was
(`PRAGMA user_version`) in one transaction. It may call our functions that are listed below. Before
the first step on a store that holds something, the store is copied beside itself. A store with a
higher number than we know is refused.
"""

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from memory_mcp.domain.errors import StoreTooNew
from memory_mcp.domain.messages import checksum
from memory_mcp.domain.names import name_key
from memory_mcp.domain.passages import forgotten_digest, identity, text_digest
from memory_mcp.storage.sqlite.session import Session

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x4D4D4350
"""`MMCP`: marks a SQLite file as ours (`PRAGMA application_id`)."""


def _passage_identity(content: str, occurred_at: str | None, source: str | None) -> str:
    return identity(text_digest(content), occurred_at, source)


def _forgotten_digest(content: str, occurred_at: str | None) -> str:
    return forgotten_digest(text_digest(content), occurred_at)


_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "passage_identity": (3, _passage_identity),
    "forgotten_digest": (2, _forgotten_digest),
    "name_key": (1, name_key),
    "checksum_of": (1, checksum),
}
"""What statements may call: name, number of arguments, function."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: the schema version it leads to, and its statements."""

    version: int
    statements: Sequence[str]


@cache
def known_migrations() -> tuple[Migration, ...]:
    """The migrations this program carries, in order."""
    files = sorted(Path(__file__).parent.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return tuple(
        Migration(int(file.name[:4]), split_statements(file.read_text("utf-8"))) for file in files
    )


def split_statements(script: str) -> list[str]:
    """The statements of a script; SQLite itself says where one ends, so triggers stay whole.

    `executescript` would do, but it commits an open transaction first, silently.
    """
    statements: list[str] = []
    pending = ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    return statements


def migrate(session: Session, path: Path, migrations: Sequence[Migration] | None = None) -> None:
    """Bring the store to the newest schema.

    Raises:
        StoreTooNew: a newer memory-mcp made it; it was left alone.
    """
    steps = known_migrations() if migrations is None else migrations
    newest = steps[-1].version
    version: int = session.value("PRAGMA user_version")
    refuse_newer(session, path, newest)
    if version == newest:
        return
    for name, (arguments, function) in _FUNCTIONS.items():
        session.define(name, arguments, function)
    if not version:
        # At once: a process that starts meanwhile must not take a store in the making for an old
        # one, and copy it.
        session.in_transaction(lambda session: [_run(session, step) for step in steps])
        return
    _back_up(session, path, version)
    for step in steps:
        session.in_transaction(lambda session, step=step: _run(session, step))


def refuse_newer(session: Session, path: Path, newest: int | None = None) -> None:
    """Leave the store of a newer memory-mcp as it is.

    Raises:
        StoreTooNew: it is one.
    """
    known = known_migrations()[-1].version if newest is None else newest
    version: int = session.value("PRAGMA user_version")
    if version > known:
        raise StoreTooNew(
            f"{path} was made by a newer memory-mcp (schema {version}; this one knows {known}). "
            "Upgrade memory-mcp, or choose another store with --database."
        )


def _run(session: Session, step: Migration) -> None:
    # Read inside the lock: another process may have applied it while we waited.
    if session.value("PRAGMA user_version") < step.version:
        for statement in step.statements:
            session.run(statement)
        session.run(f"PRAGMA application_id={APPLICATION_ID}")
        session.run(f"PRAGMA user_version={step.version}")


def _back_up(session: Session, path: Path, version: int) -> None:
    backup = path.with_name(f"{path.name}.before-schema-{version + 1}")
    if backup.exists():
        return
    # Written under another name (0600) and linked when whole: a killed process leaves no half
    # backup that counts as one, and two that start together don't meet.
    handle, part = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        session.run("VACUUM INTO ?", (part,))
        with suppress(FileExistsError):
            os.link(part, backup)
            logger.info("the store was copied to %s before its schema was changed", backup)
    finally:
        os.unlink(part)
