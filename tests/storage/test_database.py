"""The store's file and its one write door."""

import gc
import os
import stat
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

from memory_mcp.domain.errors import (
    InvalidInput,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreTooNew,
    StoreUnusable,
)
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.session import Session


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path)
    try:
        yield database
    finally:
        await database.close()


def put(name: str) -> Callable[[Session], None]:
    """A job that notes a name; the settings table is as good as any."""
    return lambda session: session.run("INSERT INTO settings VALUES (?, '')", (name,))


async def names(database: Database) -> set[str]:
    rows = await database.read(lambda session: session.all("SELECT name FROM settings"))
    return {name for (name,) in rows}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_nobody_else_may_read_the_folder_and_the_files(path: Path) -> None:
    before = os.umask(0)
    try:
        async with opened(path) as database:
            await database.write(put("a"))
            modes = {file.name: mode(file) for file in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert mode(path.parent) == 0o700
    assert modes == {"memory.db": 0o600, "memory.db-wal": 0o600, "memory.db-shm": 0o600}


async def test_every_connection_writes_ahead_and_syncs_fully(database: Database) -> None:
    def settings(session: Session) -> tuple[Any, ...]:
        wanted = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(session.value(f"PRAGMA {name}") for name in wanted)

    assert await database.write(settings) == ("wal", 2, 1)
    assert await database.read(settings) == ("wal", 2, 1)


async def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    async with opened(path) as database:
        await database.write(put("a"))

    async with opened(path) as database:
        assert await names(database) == {"a"}


async def test_two_open_stores_on_one_file_see_each_others_commits(path: Path) -> None:
    async with opened(path) as ours, opened(path) as theirs:
        await ours.write(put("a"))
        assert await names(theirs) == {"a"}

        await theirs.write(put("b"))
        assert await names(ours) == {"a", "b"}


async def test_a_write_that_fails_leaves_nothing_and_the_next_one_works(
    database: Database,
) -> None:
    def fails(session: Session) -> None:
        put("a")(session)
        raise InvalidInput("changed my mind")

    with pytest.raises(InvalidInput, match="changed my mind"):
        await database.write(fails)
    await database.write(put("b"))

    assert await names(database) == {"b"}


async def test_a_change_that_the_schema_refuses_is_an_error_of_the_store(
    database: Database,
) -> None:
    await database.write(put("a"))

    with pytest.raises(StoreError, match="refused the change: UNIQUE constraint failed"):
        await database.write(put("a"))


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnusable):
        await database.read(put("a"))

    assert await names(database) == set()


async def test_a_read_sees_what_was_committed_while_another_writes(database: Database) -> None:
    await database.write(put("a"))
    written, go = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        put("b")(session)
        written.set()
        go.wait(5)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, slow)
        await to_thread.run_sync(written.wait, 5)
        assert await names(database) == {"a"}
        go.set()

    assert await names(database) == {"a", "b"}


async def test_twenty_writers_at_once_lose_nothing(path: Path) -> None:
    def count_up(session: Session) -> None:
        count = session.value("SELECT value FROM settings WHERE name = 'count'")
        session.run("REPLACE INTO settings VALUES ('count', ?)", (str(int(count or 0) + 1),))

    async with opened(path) as ours, opened(path) as theirs:
        async with anyio.create_task_group() as writers:
            for number in range(20):
                writers.start_soon((ours, theirs)[number % 2].write, count_up)

        count = await ours.read(lambda session: session.value("SELECT value FROM settings"))
    assert count == "20"


async def test_a_caller_cancelled_in_the_middle_of_a_write_leaves_all_of_it_or_nothing(
    database: Database,
) -> None:
    half_done, go = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        put("a")(session)
        half_done.set()
        go.wait(5)
        put("b")(session)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, slow)
        await to_thread.run_sync(half_done.wait, 5)
        tasks.cancel_scope.cancel()
    go.set()
    await database.write(put("next"))

    assert await names(database) in ({"next"}, {"a", "b", "next"})


async def test_a_caller_cancelled_at_any_moment_leaves_all_of_its_write_or_nothing(
    database: Database,
) -> None:
    def both(session: Session, number: int) -> None:
        put(f"{number} a")(session)
        put(f"{number} b")(session)

    async def cancel_after(turns: int, scope: anyio.CancelScope) -> None:
        for _ in range(turns):
            await checkpoint()
        scope.cancel()

    for number in range(12):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.write, partial(both, number=number))
            tasks.start_soon(cancel_after, number, tasks.cancel_scope)

    found = await names(database)
    assert {name[:-2] for name in found} == {name[:-2] for name in found if name.endswith("b")}
    await database.write(put("next"))


async def test_cancelled_reads_keep_no_reader_from_the_others(database: Database) -> None:
    for _ in range(10):
        started, go = threading.Event(), threading.Event()

        def slow(_: Session, started: threading.Event = started, go: Any = go) -> None:
            started.set()
            go.wait(5)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.read, slow)
            await to_thread.run_sync(started.wait, 5)
            tasks.cancel_scope.cancel()
        go.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as readers:
            for _ in range(10):
                readers.start_soon(names, database)


@pytest.mark.parametrize("first", ["reads", "pulses", "cancelled reads"])
async def test_closing_leaves_no_connection_open_and_no_thread_behind(
    path: Path, first: str
) -> None:
    before = set(threading.enumerate())
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        async with opened(path) as database, anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(database.pulse if first == "pulses" else partial(names, database))
            if first == "cancelled reads":
                await checkpoint()
                tasks.cancel_scope.cancel()
        gc.collect()  # a connection that nobody closed complains when it goes
        for thread in set(threading.enumerate()) - before:
            if "connection" in thread.name:
                thread.join(5)
                assert not thread.is_alive()

    assert [str(complaint.message) for complaint in complaints] == []


async def test_the_pulse_moves_with_each_commit_by_whomever_and_only_then(path: Path) -> None:
    async with opened(path) as ours, opened(path) as theirs:
        first = await ours.pulse()
        await names(ours)
        assert await ours.pulse() == first

        await theirs.write(put("a"))
        second = await ours.pulse()
        assert second != first

        await ours.write(put("b"))
        assert await ours.pulse() != second


async def test_a_store_locked_too_long_is_busy_and_unchanged(
    path: Path, database: Database
) -> None:
    # The real patience is 15 seconds.
    await database.write(lambda session: session.run("PRAGMA busy_timeout=1"))
    other = sqlite_module().connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusy, match=r"stayed locked by another process.*nothing was changed"):
        await database.write(put("a"))

    other.execute("ROLLBACK")
    other.close()
    assert await names(database) == set()
    await database.write(put("b"))


async def test_a_full_disk_leaves_the_store_as_it_was(database: Database) -> None:
    await database.write(put("a"))
    pages = await database.read(lambda session: session.value("PRAGMA page_count"))
    await database.write(lambda session: session.value(f"PRAGMA max_page_count={pages + 2}"))

    def large(session: Session) -> None:
        put("b")(session)
        put("c" * 100_000)(session)

    with pytest.raises(StoreFull, match=r"memory\.db is full; nothing was changed"):
        await database.write(large)

    await database.write(put("small"))
    assert await names(database) == {"a", "small"}


async def refused(path: Path, error: type[StoreError], reason: str) -> None:
    """The store at `path` is refused, and nothing there was touched."""
    folder = path.parent
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    with pytest.raises(error, match=reason) as caught:
        await Database.open(path)

    assert str(path) in str(caught.value)
    after = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    assert after == before


async def test_a_store_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    async with opened(path) as database:
        await database.write(put("a"))
    connection = sqlite_module().connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()

    await refused(path, StoreTooNew, r"made by a newer memory-mcp \(schema 999; .* Upgrade")


@pytest.mark.parametrize(
    "content",
    [
        b"no",
        b"Dear diary,\n" * 1_000,
        pytest.param(
            b"SQLite format 3\0" + b"\xff" * 4_080,
            marks=pytest.mark.plain("with a key its first bytes are told to be encrypted"),
        ),
    ],
)
async def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "diary.txt").write_bytes(content)

    await refused(tmp_path / "diary.txt", StoreUnusable, "not a SQLite database, or it is damaged")


@pytest.mark.parametrize("journal", ["delete", "wal"])
async def test_the_database_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, journal: str
) -> None:
    connection = sqlite_module().connect(tmp_path / "photos.db")
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()

    await refused(tmp_path / "photos.db", StoreUnusable, "not a memory-mcp store.*left alone")


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "memory.db").mkdir()

    await refused(tmp_path / "memory.db", StoreUnusable, "unable to open.*choose another place")


@pytest.mark.parametrize("below", ["memory.db", "deep/down/memory.db"])
async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnusable, match=r"cannot be made: .*Choose a place that can be"):
        await Database.open(tmp_path / "file" / below)


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "memory.db").touch()

    async with opened(tmp_path / "memory.db") as database:
        await database.write(put("a"))
        assert await names(database) == {"a"}


async def test_a_store_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    async with opened(tmp_path / "50% näive? #1" / "my memory.db") as database:
        await database.write(put("a"))

    assert [file.name for file in (tmp_path / "50% näive? #1").iterdir()] == ["my memory.db"]
