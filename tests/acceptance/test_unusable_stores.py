"""A store that cannot be used: one clear sentence, exit code 1, and the file as it was."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, command, environment, run

from memory_mcp.storage.sqlite.driver import sqlite_module

COMMANDS: list[tuple[str, ...]] = [
    (),  # the server, as hosts start it
    ("serve", "--http"),
    ("context",),
    ("stats",),
    ("search", "tides"),
    ("blocks",),
    ("import", "passages", "-"),
    ("doctor",),
]


def refused(ended: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal, perhaps after the notice that there can be no daemon."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stdout == ""
    *notices, line = ended.stderr.splitlines()
    assert all(notice.endswith(". Serving in this process instead.") for notice in notices)
    assert len(notices) <= 1
    assert line.startswith("memory-mcp: ")
    assert "Traceback" not in line
    return line.removeprefix("memory-mcp: ")


def in_the_list(ended: subprocess.CompletedProcess[str]) -> str:
    """What the doctor finds wrong; the rest it looks at all the same."""
    assert (ended.returncode, ended.stderr) == (1, "")
    failed = [line for line in ended.stdout.splitlines() if line.startswith("FAIL ")]
    return "\n".join(failed)


def not_a_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, today I wrote no SQLite.\n" * 100)


def of_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.execute("INSERT INTO recipes VALUES ('soup')")
    connection.commit()
    connection.close()


def of_another_program_in_wal(path: Path) -> None:
    connection = sqlite_module().connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    of_another_program(path)


@cache
def new_store() -> bytes:
    """A store as the program makes it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "memory.db"
        made = run("--database", path, "agents", "create", "work", folder=path.parent)
        assert made.returncode == 0, made.stderr
        return path.read_bytes()


def newer(path: Path) -> None:
    path.write_bytes(new_store())
    connection = sqlite_module().connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()


def newer_without_wal(path: Path) -> None:
    newer(path)
    connection = sqlite_module().connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


def cut_short(path: Path) -> None:
    path.write_bytes(new_store()[:5_000])


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no database": (not_a_database, "is not a SQLite database, or it is damaged"),
    "another program's": (of_another_program, "but not a memory-mcp store; it was left alone"),
    "another program's, in WAL": (of_another_program_in_wal, "but not a memory-mcp store"),
    "newer": (newer, "was made by a newer memory-mcp (schema 999; this one knows "),
    "newer, not in WAL": (newer_without_wal, "was made by a newer memory-mcp"),
    "cut short": (cut_short, "is not a SQLite database, or it is damaged"),
}


# Every kind meets the server and the doctor, every command the two kinds that people meet.
MEETINGS = [
    pytest.param(*UNUSABLE[kind], words, id=f"{kind} - {' '.join(words) or 'the server'}")
    for kind in UNUSABLE
    for words in COMMANDS
    if kind in ("no database", "newer") or words in ((), ("doctor",))
]


@pytest.mark.plain("test_encryption.py has those that meet a key")
@pytest.mark.parametrize(("make", "told", "arguments"), MEETINGS)
def test_a_file_that_is_no_store_of_ours_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], told: str, arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "memory.db"
    make(path)
    before = path.read_bytes()
    ended = run("--database", path, *arguments, folder=tmp_path)
    sentence = in_the_list(ended) if arguments == ("doctor",) else refused(ended)
    assert str(path) in sentence
    assert told in sentence
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["memory.db"]


def test_a_refusal_is_one_sentence_on_a_busy_machine_too(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    not_a_database(path)
    together = [
        subprocess.Popen(
            command("--database", path, "stats"),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(12)
    ]
    for process in together:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
        refused(subprocess.CompletedProcess(process.args, process.returncode, out, err))


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def under_a_file(path: Path) -> Path:
    path.write_text("a file")
    return path / "memory.db"


def in_a_closed_folder(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o500)
    if not os.access(path, os.W_OK):
        return path / "memory.db"
    if not sys.platform.startswith("linux"):
        pytest.skip("whoever runs this may write everywhere")
    return Path("/sys/memory-mcp-test.db")  # closed even to root


UNWRITABLE: dict[str, Callable[[Path], Path]] = {
    "a folder": a_folder,
    "under a file": under_a_file,
    "in a closed folder": in_a_closed_folder,
}


@pytest.mark.parametrize("make", UNWRITABLE.values(), ids=UNWRITABLE)
@pytest.mark.parametrize("arguments", [(), ("stats",)], ids=["serve", "stats"])
def test_a_place_that_cannot_be_written_is_refused_with_the_way_out(
    tmp_path: Path, make: Callable[[Path], Path], arguments: tuple[str, ...]
) -> None:
    path = make(tmp_path / "place")
    sentence = refused(run("--database", path, *arguments, folder=tmp_path))
    assert str(path) in sentence
    assert "--database or MEMORY_MCP_DATABASE" in sentence


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write read-only files"
)
def test_a_store_that_is_read_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    assert run("--database", path, "agents", "create", "work", folder=tmp_path).returncode == 0
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        sentence = refused(run("--database", path, "stats", folder=tmp_path))
    finally:
        tmp_path.chmod(0o700)
    assert "cannot be written" in sentence


def test_a_damaged_page_is_found_by_the_doctor_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    lines = b"".join(b'{"content": "Passage %d about tides."}\n' % n for n in range(500))
    imported = run("--database", path, "import", "passages", "-", folder=tmp_path, stdin=lines)
    assert imported.returncode == 0, imported.stderr
    whole = path.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:middle] + b"\xa5" * 8192 + whole[middle + 8192 :])
    ended = run("--database", path, "doctor", folder=tmp_path)
    assert ended.returncode == 1
    assert "FAIL" in ended.stdout or ended.stderr.startswith("memory-mcp: ")
    assert "Traceback" not in ended.stderr


def test_a_postgres_address_is_refused_as_not_yet_known(tmp_path: Path) -> None:
    more = {"MEMORY_MCP_DATABASE": "postgresql://localhost/memory"}
    assert "is a Postgres address" in refused(run("stats", folder=tmp_path, more=more))


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("MEMORY_MCP_EMBEDDER", "gpt", "MEMORY_MCP_EMBEDDER is 'gpt'; it may be static or none."),
        ("MEMORY_MCP_RESULT_TOKENS", "many", "MEMORY_MCP_RESULT_TOKENS is 'many'; it must be"),
        ("MEMORY_MCP_RESULT_TOKENS", "-5", "MEMORY_MCP_RESULT_TOKENS is '-5'; it must be"),
        ("MEMORY_MCP_TOOLS", "all", "there is no tool set 'all'; there are: core, capture."),
        ("MEMORY_MCP_AGENT", "a/b", "the agent's name 'a/b' may not hold"),
        ("MEMORY_MCP_HTTP_TOKENS", "short", "a token must have 16 characters or more"),
        ("MEMORY_MCP_LOG_LEVEL", "LOUD", "MEMORY_MCP_LOG_LEVEL is 'LOUD'"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(
    tmp_path: Path, setting: str, value: str, told: str
) -> None:
    # The server is slower to start, so it is asked only where it could have put the question off.
    words = () if setting == "MEMORY_MCP_AGENT" else ("stats",)
    more = {setting: value}
    assert told in refused(
        run("--database", tmp_path / "memory.db", *words, folder=tmp_path, more=more)
    )
