"""A store that cannot be used: one clear sentence, exit code 1, and the file as it was."""

import os
import shutil
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


def without_rights(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody who may not write where it is forbidden, root included."""
    as_told = command(*words)
    if os.geteuid() == 0:
        rights = "-dac_override,-dac_read_search"
        as_told = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *as_told]
    return subprocess.run(
        as_told,
        cwd=folder.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )


needs_rights = pytest.mark.skipif(
    not hasattr(os, "geteuid") or (os.geteuid() == 0 and not shutil.which("setpriv")),
    reason="whoever runs this may write everywhere",
)


@pytest.fixture
def tides(tmp_path: Path) -> Path:
    """A store with a passage about tides."""
    path = tmp_path / "place" / "memory.db"
    line = b'{"content": "High tide is at noon."}\n'
    (tmp_path / "place").mkdir()
    made = run("--database", path, "import", "passages", "-", folder=tmp_path, stdin=line)
    assert made.returncode == 0, made.stderr
    return path


@needs_rights
@pytest.mark.parametrize("log", [False, True], ids=["at rest", "with a log that was left"])
def test_a_store_that_is_read_only_is_searched_exported_and_backed_up(
    tides: Path, tmp_path: Path, *, log: bool
) -> None:
    if log:  # as a process leaves it that was killed
        copy = tmp_path / "copy"
        connection = sqlite_module().connect(tides, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE agents SET description = 'in the log'")
        shutil.copytree(tides.parent, copy)
        connection.close()
        tides = copy / "memory.db"
        tides.with_name("memory.db-shm").unlink()
    before = {file.name: file.read_bytes() for file in tides.parent.iterdir()}
    for file in tides.parent.iterdir():
        file.chmod(0o400)
    tides.parent.chmod(0o500)
    try:
        found = without_rights("--database", tides, "search", "tide", folder=tides.parent)
        words = ("--database", tides, "export", "jsonl", "-", "--all")
        exported = without_rights(*words, folder=tides.parent)
        words = ("--database", tides, "backup", tmp_path / "b.db")
        backed_up = without_rights(*words, folder=tides.parent)
        words = ("--database", tides, "agents", "create", "new")
        written = without_rights(*words, folder=tides.parent)
    finally:
        tides.parent.chmod(0o700)
    assert "High tide is at noon." in found.stdout
    assert "nothing can be stored" in found.stderr
    assert "High tide is at noon." in exported.stdout
    assert ("in the log" in exported.stdout) is log
    assert backed_up.returncode == 0, backed_up.stderr
    assert written.returncode == 1
    assert "nothing was stored" in written.stderr
    assert {file.name: file.read_bytes() for file in tides.parent.iterdir()} == before


@pytest.mark.parametrize("places", [(18,), (19,), (18, 19), (63,)], ids=str)
def test_a_damaged_version_byte_is_told_and_the_store_stays_readable(
    tides: Path, tmp_path: Path, places: tuple[int, ...]
) -> None:
    data = bytearray(tides.read_bytes())
    for place in places:
        data[place] = 7 if place < 60 else 3
    tides.write_bytes(data)
    found = run("--database", tides, "search", "tide", folder=tmp_path)
    assert "High tide is at noon." in found.stdout
    assert str(tides) in found.stderr
    assert "nothing can be stored" in found.stderr
    assert tides.read_bytes() == data
    assert run("--database", tides, "doctor", folder=tmp_path).returncode == 1


def limited() -> None:
    import resource  # noqa: PLC0415 - does not exist on Windows

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_where_no_file_may_grow_what_is_stored_can_be_read(tides: Path, tmp_path: Path) -> None:
    words = command("--database", tides, "search", "tide")
    ended = subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
        timeout=2 * DEADLINE_SECONDS, preexec_fn=limited,
    )  # fmt: skip
    assert "High tide is at noon." in ended.stdout
    assert "a limit of file sizes" in ended.stderr


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
