"""Backups: made while others write, whole or not there; put back without losing what was there."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import Server, environment, http_server, run, text_of

from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.migrations import known_migrations, migrate
from memory_mcp.storage.sqlite.session import Session

# Ends the process, as `kill -9` does, when it touches files for the n-th time.
DIES = """
import os, sys
left = int(sys.argv.pop(1))
def touched(event, arguments):
    global left
    if event in ("open", "os.link", "os.remove", "os.rename", "os.chmod", "sqlite3.connect"):
        if event != "open" or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
from memory_mcp.__main__ import main
from memory_mcp.app import backups
import memory_mcp.cli.backup, memory_mcp.cli.restore, rich.progress
sys.addaudithook(touched)
sys.exit(main())
"""


def remember(store: Path, *texts: str) -> None:
    lines = b"".join(json.dumps({"content": text}).encode() + b"\n" for text in texts)
    ended = run("--database", store, "import", "passages", "-", folder=store.parent, stdin=lines)
    assert ended.returncode == 0, ended.stderr


def passages(store: Path) -> set[str]:
    connection = sqlite_module().connect(store)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {text for (text,) in connection.execute("SELECT content FROM passages")}
    finally:
        connection.close()


def done(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def refused(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store that holds one passage."""
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "memory.db"
    remember(path, "the first")
    yield path
    run("--database", path, "daemon", "stop", folder=tmp_path)


@pytest.fixture
def backup(store: Path, tmp_path: Path) -> Path:
    """A backup of that; the store has moved on since."""
    path = tmp_path / "first.db"
    assert run("--database", store, "backup", path, folder=tmp_path).returncode == 0
    remember(store, "the second")
    return path


def test_a_backup_that_is_made_while_others_write_is_one_moment_of_the_store(
    store: Path, tmp_path: Path
) -> None:
    with Server(store) as one, Server(store) as other:
        for server in (one, other):
            server.greet()
        for number in range(20):
            for name, server in (("one", one), ("other", other)):
                told = {"content": f"{name} {number}"}
                server.request("tools/call", {"name": "archival_insert", "arguments": told})
        path = tmp_path / "copy.db"
        told = done(run("--database", store, "backup", path, "--json", folder=tmp_path))
        there = passages(path)
        for server in (one, other):
            server.close_input()
            server.wait()
    assert told["manifest"]["counts"]["passages"] == len(there)
    for name in ("one", "other"):  # each wrote in order, so none is there before an earlier one
        numbers = sorted(int(text.split()[1]) for text in there if text.startswith(f"{name} "))
        assert numbers == list(range(len(numbers)))
    shown = done(run("backup", "--show", path, "--json", folder=tmp_path))
    assert shown["ok"] is True
    assert shown["manifest"]["digest"] == told["manifest"]["digest"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name for file in tmp_path.iterdir()} == {"there", "copy.db"}


def test_a_folder_gets_a_dated_backup(store: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    told = done(run("--database", store, "backup", tmp_path / "backups", "--json", folder=tmp_path))
    assert [str(file) for file in (tmp_path / "backups").iterdir()] == [told["file"]]
    assert passages(Path(told["file"])) == {"the first"}


def linked(store: Path, folder: Path) -> Path:
    os.link(store, folder / "hard.db")
    return folder / "hard.db"


def pointed(store: Path, folder: Path) -> Path:
    (folder / "soft.db").symlink_to(store)
    return folder / "soft.db"


def another_store(_: Path, folder: Path) -> Path:
    (folder / "other").mkdir()
    remember(folder / "other" / "memory.db", "somebody else's")
    return folder / "other" / "memory.db"


def a_folder_that_is_not_there(_: Path, folder: Path) -> Path:
    return folder / "nowhere" / "copy.db"


def its_log(store: Path, _: Path) -> Path:
    return store.with_name("memory.db-wal")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (lambda store, _: store, "is the store itself"),
        (linked, "is the store itself"),
        (pointed, "is the store itself"),
        (its_log, "belongs to the store"),
        (another_store, "is a store that somebody may be using"),
        (a_folder_that_is_not_there, "nothing can be written in"),
    ],
    ids=["itself", "hard link", "symlink", "log", "another store", "no folder"],
)
def test_no_backup_is_written_over_a_store(
    store: Path, tmp_path: Path, target: Callable[[Path, Path], Path], told: str
) -> None:
    path = target(store, tmp_path)
    before = path.read_bytes() if path.exists() else None
    assert told in refused(run("--database", store, "backup", path, "--force", folder=tmp_path))
    assert (path.read_bytes() if path.exists() else None) == before


def test_an_older_backup_is_replaced_only_if_that_is_asked_for(
    store: Path, backup: Path, tmp_path: Path
) -> None:
    assert "With --force" in refused(run("--database", store, "backup", backup, folder=tmp_path))
    assert passages(backup) == {"the first"}
    done(run("--database", store, "backup", backup, "--force", "--json", folder=tmp_path))
    assert passages(backup) == {"the first", "the second"}


def test_a_restore_keeps_the_store_that_was_there(
    store: Path, backup: Path, tmp_path: Path
) -> None:
    asked = refused(run("--database", store, "restore", backup, folder=tmp_path))
    assert "With --yes" in asked
    assert passages(store) == {"the first", "the second"}
    told = done(run("--database", store, "restore", backup, "--yes", "--json", folder=tmp_path))
    assert passages(store) == {"the first"}
    assert passages(Path(told["kept"])) == {"the first", "the second"}
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    again = done(
        run("--database", store, "restore", told["kept"], "--yes", "--json", folder=tmp_path)
    )
    assert passages(store) == {"the first", "the second"}
    assert again["kept"] != told["kept"]


def test_where_there_is_no_store_a_restore_makes_one(backup: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "place" / "memory.db"
    told = done(run("--database", path, "restore", backup, "--json", folder=tmp_path))
    assert told["kept"] is None
    assert passages(path) == {"the first"}


def test_a_session_goes_on_after_a_restore_with_what_was_restored(
    store: Path, backup: Path, tmp_path: Path
) -> None:
    with Server(store, daemon=True) as session:
        session.greet()
        assert "the second" in text_of(session.call("archival_search", query="second"))
        told = done(run("--database", store, "restore", backup, "--yes", "--json", folder=tmp_path))
        assert told["daemon_ended"] is not None
        assert "the second" not in text_of(session.call("archival_search", query="second"))
        assert "the first" in text_of(session.call("archival_search", query="first"))
        session.call("archival_insert", content="the third")
    assert passages(store) == {"the first", "the third"}
    assert passages(Path(told["kept"])) == {"the first", "the second"}


def test_a_store_that_another_process_has_open_is_not_replaced(
    store: Path, backup: Path, tmp_path: Path
) -> None:
    with Server(store) as server:
        server.greet()
        server.call("archival_search", query="first")
        ended = run("--database", store, "restore", backup, "--yes", folder=tmp_path)
        assert "another process has" in refused(ended)
        server.call("archival_insert", content="the third")
    assert passages(store) == {"the first", "the second", "the third"}
    with http_server(store):
        assert refused(run("--database", store, "restore", backup, "--yes", folder=tmp_path))


def a_flipped_byte(path: Path) -> str:
    data = bytearray(path.read_bytes())
    data[data.index(b"the first")] ^= 1
    path.write_bytes(data)
    return "is not as it was backed up"


def half_of_it(path: Path) -> str:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "damaged"


def another_programs(path: Path) -> str:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    return "not a memory-mcp store"


def a_diary(path: Path) -> str:
    path.write_bytes(b"Dear diary\n" * 1000)
    return "not a SQLite database"


def a_newer_ones(path: Path) -> str:
    connection = sqlite_module().connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()
    return "made by a newer memory-mcp"


def an_empty_file(path: Path) -> str:
    path.write_bytes(b"")
    return "not a memory-mcp store"


DAMAGES = [a_flipped_byte, half_of_it, another_programs, a_diary, a_newer_ones, an_empty_file]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_no_whole_backup_of_ours_is_not_restored(
    store: Path, backup: Path, tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    told = damage(backup)
    assert told in refused(run("--database", store, "restore", backup, "--yes", folder=tmp_path))
    shown = run("backup", "--show", backup, folder=tmp_path)
    assert shown.returncode == 1
    assert told in shown.stdout + shown.stderr
    assert passages(store) == {"the first", "the second"}
    assert not list(store.parent.glob("*before-restore*"))


def test_a_damaged_store_gives_way_to_its_backup_and_is_kept(
    store: Path, backup: Path, tmp_path: Path
) -> None:
    store.write_bytes(store.read_bytes()[:5_000])
    told = done(run("--database", store, "restore", backup, "--yes", "--json", folder=tmp_path))
    assert passages(store) == {"the first"}
    assert Path(told["kept"]).stat().st_size == 5_000


def test_a_backup_of_an_earlier_schema_is_restored_and_brought_up_to_date(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    connection = sqlite_module().connect(old, isolation_level=None)
    migrate(Session(connection), old, known_migrations()[:10])
    row = ("agent-1", "old", "2026-11-01T08:00:00.000Z")
    connection.execute("INSERT INTO agents (id, name, created_at) VALUES (?, ?, ?)", row)
    connection.close()
    path = tmp_path / "there" / "memory.db"
    done(run("--database", path, "restore", old, "--json", folder=tmp_path))
    assert "old" in run("--database", path, "agents", folder=tmp_path).stdout
    done(run("--database", path, "backup", tmp_path / "new.db", "--json", folder=tmp_path))
    shown = done(run("backup", "--show", tmp_path / "new.db", "--json", folder=tmp_path))
    assert shown["schema"] == known_migrations()[-1].version


def test_a_restore_says_what_comes_back_that_was_forgotten(
    store: Path, backup: Path, tmp_path: Path
) -> None:
    asked = run("--database", store, "shadow", "ask", 'forget "the first"', folder=tmp_path).stdout
    code = next(
        word for word in asked.replace("`", " ").split() if word.isupper() and len(word) == 4
    )
    run("--database", store, "shadow", "ask", f"confirm {code}", folder=tmp_path)
    assert "the first" not in passages(store)
    told = run("--database", store, "restore", backup, "--yes", folder=tmp_path).stdout
    assert "Forgotten since the backup, and back now: 1 passage" in told
    assert passages(store) == {"the first"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
@pytest.mark.parametrize("what", ["backup", "restore"])
def test_killed_at_any_step_it_leaves_what_was_there_or_all_of_the_new(
    store: Path, backup: Path, tmp_path: Path, what: str
) -> None:
    kept = tmp_path / "kept.db"
    shutil.copyfile(store, kept)
    (tmp_path / "out").mkdir()
    outcomes: list[bool] = []
    for step in range(1, 200):
        shutil.copyfile(kept, store)
        target = tmp_path / "out" / "copy.db" if what == "backup" else backup
        target.unlink(missing_ok=True) if what == "backup" else None
        words = ("--database", str(store), what, str(target), *(("--yes",) * (what == "restore")))
        ended = subprocess.run(
            [sys.executable, "-P", "-c", DIES, str(step), *words],
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
        if what == "backup":
            assert passages(store) == {"the first", "the second"}
            if target.exists():
                assert passages(target) == {"the first", "the second"}
                assert run("backup", "--show", target, folder=tmp_path).returncode == 0
            outcomes.append(target.exists())
        else:
            there = passages(store)
            assert there in ({"the first"}, {"the first", "the second"})
            if there == {"the first"}:
                copies = store.parent.glob("*.before-restore-*")
                assert any(passages(copy) == {"the first", "the second"} for copy in copies)
            outcomes.append(there == {"the first"})
            for copy in store.parent.glob("*.before-restore-*"):
                copy.unlink()
        if ended.returncode == 0:
            break
    assert outcomes[0] is False
    assert outcomes[-1] is True
    assert len(outcomes) > 4
