"""A store's files that are moved, deleted or replaced while they are open."""

import os
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from tests.storage.test_database import names, opened, put

from memory_mcp.beside import FilesBeside
from memory_mcp.domain.errors import StoreGone, StoreUnusable
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.encryption import kind_of
from memory_mcp.storage.sqlite.session import Session

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody move an open file")


def stored(path: Path) -> set[str]:
    """What another program finds in a file."""
    connection = sqlite_module().connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM settings")}
    finally:
        connection.close()


def delete(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def rename_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replace(path: Path) -> None:
    other = path.with_name("other.db")
    shutil.copy(path, other)
    other.replace(path)


def delete_and_copy(path: Path) -> None:
    other = path.with_name("other.db")
    shutil.copy(path, other)
    path.unlink()
    shutil.copy(other, path)


def retarget(path: Path) -> None:
    """Let a link point to another store."""
    other = path.with_name("other.db")
    shutil.copy(path, other)
    path.unlink()
    path.symlink_to(other)


def delete_one_of_two_names(path: Path) -> None:
    os.link(path, path.with_name("other.db"))
    path.unlink()


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HAPPENINGS: list[tuple[Callable[[Path], None], str]] = [
    (delete, "was deleted while it was open"),
    (rename, "was moved to .*elsewhere.db while it was open"),
    (rename_folder, "was moved to .*elsewhere/memory.db while it was open"),
    (replace, "another file was put in the place"),
    (delete_and_copy, "another file was put in the place"),
    (retarget, "another file was put in the place"),
    (delete_one_of_two_names, "still has another name somewhere"),
    (make_a_folder, "another file was put in the place"),
]
happenings = pytest.mark.parametrize(
    ("happen", "told"), HAPPENINGS, ids=[happen.__name__ for happen, _ in HAPPENINGS]
)


@happenings
async def test_nothing_is_acknowledged_that_is_not_in_the_file_at_the_path(
    path: Path, happen: Callable[[Path], None], told: str
) -> None:
    async with opened(path) as database:
        await database.write(put("before"))
        happen(path)
        for _ in range(2):
            with pytest.raises(StoreGone, match=f"(?s){told}.*Nothing was changed"):
                await database.write(put("after"))
            with pytest.raises(StoreGone, match=told):
                await names(database)


@happenings
async def test_a_write_under_way_meanwhile_is_refused_and_told_where_it_went(
    path: Path, happen: Callable[[Path], None], told: str
) -> None:
    def under_way(session: Session) -> None:
        put("under way")(session)
        happen(path)

    async with opened(path) as database:
        await database.write(put("before"))
        with pytest.raises(StoreGone, match=f"(?s){told}.*under way went into that file"):
            await database.write(under_way)


async def test_what_was_acknowledged_lies_whole_in_the_file_that_was_moved(path: Path) -> None:
    elsewhere = path.with_name("elsewhere.db")
    async with opened(path) as database:
        await database.write(put("before"))
        path.rename(elsewhere)
        with pytest.raises(StoreGone, match=str(elsewhere)):
            await database.write(put("after"))
        assert Path(f"{path}-wal").stat().st_size == 0
        assert stored(elsewhere) == {"before"}


@pytest.mark.parametrize("used_meanwhile", [True, False])
async def test_a_store_that_is_put_back_goes_on(path: Path, used_meanwhile: bool) -> None:
    elsewhere = path.with_name("elsewhere.db")
    async with opened(path) as database:
        await database.write(put("before"))
        path.rename(elsewhere)
        if used_meanwhile:
            with pytest.raises(StoreGone):
                await database.write(put("refused"))
        elsewhere.rename(path)
        await database.write(put("after"))
        assert await names(database) == {"before", "after"}
    assert stored(path) == {"before", "after"}


async def test_a_file_put_in_a_stores_place_is_not_touched_by_what_was_open(path: Path) -> None:
    backup = path.with_name("backup.db")
    async with opened(path) as database:
        await database.write(put("early"))
        await database.fold_log()
        shutil.copy(path, backup)
        await database.write(put("late"))
        whole = backup.read_bytes()
        backup.replace(path)
        with pytest.raises(StoreGone):
            await database.write(put("after"))
        with pytest.raises(StoreGone):
            await names(database)
        assert path.read_bytes() == whole
    assert path.read_bytes() == whole
    async with opened(path) as database:
        assert await names(database) == {"early"}


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("replaced", [True, False])
async def test_a_log_that_is_deleted_or_replaced_loses_nothing(
    path: Path, ending: str, replaced: bool
) -> None:
    beside = Path(f"{path}{ending}")
    async with opened(path) as database:
        await database.write(put("before"))
        assert await names(database) == {"before"}
        beside.unlink()
        if replaced:
            beside.write_bytes(b"")
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(database.write, put(f"after {number}"))
                tasks.start_soon(names, database)
        wanted = {"before", *(f"after {number}" for number in range(20))}
        assert await names(database) == wanted
        async with opened(path) as other:
            assert await names(other) == wanted
            await other.write(put("by another"))
        assert "by another" in await names(database)
    assert stored(path) == {*wanted, "by another"}


async def test_a_log_lost_under_a_write_loses_nothing(path: Path) -> None:
    def under_way(session: Session) -> None:
        put("under way")(session)
        Path(f"{path}-wal").unlink()

    async with opened(path) as database:
        await database.write(put("before"))
        await database.write(under_way)
        assert stored(path) == {"before", "under way"}
        await database.write(put("after"))
        assert await database.pulse() >= 0
        async with database.snapshot() as snapshot:
            found = await snapshot.read(lambda session: session.all("SELECT name FROM settings"))
        assert len(found) == 3
    assert stored(path) == {"before", "under way", "after"}


async def test_a_log_is_noticed_by_who_only_reads(path: Path) -> None:
    async with opened(path) as reader:
        assert await names(reader) == set()
        Path(f"{path}-wal").unlink()
        await names(reader)
        async with opened(path) as writer:
            await writer.write(put("a"))
            assert await names(reader) == {"a"}


async def test_no_empty_store_is_made_beside_the_log_of_one_that_is_gone(path: Path) -> None:
    async with opened(path) as database:
        await database.write(put("before"))
        log = Path(f"{path}-wal")
        kept = log.read_bytes()
        path.rename(path.with_name("elsewhere.db"))
    # As a process leaves it that is killed at this moment.
    log.write_bytes(kept)
    with pytest.raises(StoreGone, match=r"its log .* is still there"):
        await Database.open(path)
    assert not path.exists()
    assert log.read_bytes() == kept
    log.unlink()
    async with opened(path) as database:
        assert await names(database) == set()


async def test_a_snapshot_of_a_store_that_is_gone_is_none(path: Path) -> None:
    async with opened(path) as database, database.snapshot() as snapshot:
        path.unlink()
        with pytest.raises(StoreGone):
            await snapshot.read(lambda session: session.all("SELECT name FROM settings"))


async def test_many_stores_on_one_file_close_it_after_the_last(path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(opened(path))
        for _ in range(3):
            async with opened(path) as other:
                await other.write(put(str(_)))
        # SQLite deletes the log when it believes that nobody else has the store open.
        assert Path(f"{path}-wal").exists()
        await first.write(put("first"))
    assert stored(path) == {"0", "1", "2", "first"}


async def test_a_folder_in_a_stores_place_is_refused_as_before(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreUnusable):
        await Database.open(path)


# Written over where it lies.


async def backed_up(database: Database, path: Path) -> Path:
    """A backup by `cp`, older than the last checkpoint."""
    backup = path.with_name("backup.db")
    await database.write(put("early"))
    await database.fold_log()
    shutil.copy(path, backup)
    await database.write(
        lambda session: session.run_many(
            "INSERT INTO settings VALUES (?, ?)", [(f"late {n}", "x" * 500) for n in range(200)]
        )
    )
    return backup


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("reads", [True, False])
async def test_a_backup_copied_over_an_open_store_is_found_whole(
    path: Path, folded: bool, reads: bool
) -> None:
    async with opened(path) as database, opened(path) as other:
        backup = await backed_up(database, path)
        await database.fold_log()
        await database.write(put("last"))
        if folded:
            await database.fold_log()
        assert other.lost() is None  # as a process sees that looks now and then
        shutil.copyfile(backup, path)
        for each in (database, other):
            with pytest.raises(StoreGone, match="another file was put in the place"):
                await (names(each) if reads else each.write(put("after")))
    async with opened(path) as database:
        assert await names(database) == {"early"}
        assert await database.read(lambda session: session.value("PRAGMA integrity_check")) == "ok"


async def test_a_write_under_a_copy_is_refused(path: Path) -> None:
    async with opened(path) as database:
        backup = await backed_up(database, path)
        await database.fold_log()

        def under_way(session: Session) -> None:
            put("under way")(session)
            shutil.copyfile(backup, path)

        with pytest.raises(StoreGone, match="under way went into that file"):
            await database.write(under_way)
    assert stored(path) == {"early"}


async def test_a_store_whose_time_is_set_goes_on(path: Path) -> None:
    async with opened(path) as database:
        await database.write(put("before"))
        path.touch()
        await database.write(put("after"))
        os.utime(path, (1, 1))
        assert await names(database) == {"before", "after"}
    assert stored(path) == {"before", "after"}


async def test_a_store_that_was_emptied_or_filled_with_something_else_is_refused(
    path: Path,
) -> None:
    async with opened(path) as database:
        await database.write(put("before"))
        for text in (b"", b"Dear diary. " * 1_000):
            path.write_bytes(text)
            with pytest.raises(StoreGone, match=r"written over .* by something that is no store"):
                await database.write(put("after"))
            with pytest.raises(StoreGone, match="written over"):
                await names(database)


async def test_checkpoints_of_many_connections_are_no_strangers(path: Path) -> None:
    async with opened(path) as one, opened(path) as other:
        async with anyio.create_task_group() as tasks:
            for each in (one, other):

                async def work(each: Database = each) -> None:
                    for number in range(60):
                        await each.write(put(f"{id(each)} {number}"))
                        await names(each)
                        if number % 3 == 0:
                            await each.fold_log()

                tasks.start_soon(work)
    assert len(stored(path)) == 120


def locks_on(path: Path) -> list[str]:
    """The kernel's word for the locks on a file, without their numbers."""
    inode = str(path.stat().st_ino)
    told = [line.split() for line in Path("/proc/locks").read_text("utf-8").splitlines()]
    return sorted(" ".join(words[1:]) for words in told if words[5].rpartition(":")[2] == inode)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="Linux tells of locks")
async def test_who_looks_at_a_store_that_is_open_here_leaves_it_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    async with opened(path):
        before = locks_on(path)
        assert before

        assert kind_of(path) in ("plain", "encrypted")
        async with opened(path):
            pass
        assert FilesBeside(path).traces("nowhere") == []

        assert locks_on(path) == before
