"""The first session of the day: no daemon runs, and yet the host is answered at once, or waits."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import (
    CLIENT,
    LEGACY,
    MODERN,
    Answer,
    Server,
    environment,
    run,
    text_of,
    wait_until,
)
from tests.acceptance.test_processes import ELSEWHERE, rows

from memory_mcp import snapshots
from memory_mcp.rendezvous import Rendezvous, hello
from memory_mcp.snapshots import Snapshot, Snapshots
from memory_mcp.storage.sqlite.driver import sqlite_module

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there every first session waits")

GREETING = {"protocolVersion": LEGACY, "capabilities": {"roots": {}}, "clientInfo": CLIENT}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
pytestmark = pytest.mark.plain("of an encrypted one there are no snapshots")

LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LINE = {"name": "core_memory_append", "arguments": {"label": "human", "content": "Likes tea."}}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A store that was used yesterday: its daemon has ended."""
    path = tmp_path / "store" / "memory.db"
    path.parent.mkdir()
    with Server(path, daemon=True) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Name: Ana.")
    no_daemon(path)
    assert found(path), "there is no snapshot"
    yield path
    if path.parent.is_dir():
        Rendezvous(str(path)).end()


def no_daemon(database: Path) -> None:
    """Wait until none runs."""
    wait_until(lambda: not Rendezvous(str(database)).is_held())


def found(database: Path, **said: Any) -> Snapshot | None:
    """What a bridge finds that is started in the store's folder, with nothing set."""
    told = hello("session", agent=None, tools=None)
    told |= {"environment": {}, "folder": str(database.parent)}
    return Snapshots(str(database)).find(told | said)


@contextmanager
def none_can_start(database: Path) -> Iterator[None]:
    """No daemon can start meanwhile: whatever is answered, a snapshot has answered."""
    rendezvous = Rendezvous(str(database))
    lock = rendezvous.try_lock()
    assert lock is not None, "a daemon runs"
    try:
        yield
    finally:
        rendezvous.let_go(lock)


def first_answers(server: Server, era: str) -> list[Answer]:
    """What hosts ask before they call a tool."""
    if era == MODERN:
        return [server.ask(method, {"_meta": META}) for method in ("server/discover", *LISTS)]
    greeting = server.ask("initialize", GREETING | {"protocolVersion": era})
    server.send(INITIALIZED)
    return [greeting, *(server.ask(method) for method in (*LISTS, "ping"))]


# It is answered.


@pytest.mark.parametrize("era", ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY, MODERN])
def test_a_host_is_answered_before_there_is_a_daemon_as_by_one(database: Path, era: str) -> None:
    with none_can_start(database), Server(database, daemon=True) as server:
        before = first_answers(server, era)
    with Server(database) as alone:
        assert before == first_answers(alone, era)
    assert "Name: Ana." in before[0]["result"]["instructions"]


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_the_first_tool_call_waits_for_the_daemon(database: Path, era: str) -> None:
    meta = {"_meta": META} if era == MODERN else {}
    with Server(database, daemon=True) as server:
        with none_can_start(database):
            first_answers(server, era)
            asked = server.request("tools/call", LINE | meta)
        answer = server.receive()
        assert server.ask("tools/list", meta)["result"]["tools"]
        assert server.errors() == ""
    assert answer["id"] == asked
    assert text_of(answer["result"]).endswith("Name: Ana.\n Likes tea.")


@pytest.mark.parametrize("stored", [False, True], ids=["as they are", "with shared memory"])
def test_a_project_without_an_agent_is_answered_as_it_will_be(database: Path, stored: bool) -> None:
    if stored:
        lines = [json.dumps({"content": f"Passage {n}.", "tags": ["tides"]}) for n in range(3)]
        file = database.with_name("passages.jsonl")
        file.write_text("\n".join(lines))
        run("--database", database, "import", "passages", file, folder=database.parent)
        with Server(database, daemon=True) as server:
            server.greet()
            server.call("core_memory_append", label="project", content="Of no other project.")
            server.call("core_memory_append", label="persona", content="Speaks plainly.")
        no_daemon(database)
    for folder in ("garden", "kitchen"):
        (database.parent / folder / ".git").mkdir(parents=True)
    garden, kitchen = (str(database.parent / name) for name in ("garden", "kitchen"))
    with Server(database, more={"CLAUDE_PROJECT_DIR": garden}, daemon=True) as server:
        with none_can_start(database):
            before = first_answers(server, LEGACY)
        server.call("core_memory_append", label="project", content="Beans.")
    no_daemon(database)
    with Server(database, more={"CLAUDE_PROJECT_DIR": kitchen}) as alone:
        assert before == first_answers(alone, LEGACY)
    assert "Name: Ana." in before[0]["result"]["instructions"]
    assert "Of no other project." not in before[0]["result"]["instructions"]
    assert rows(database, "SELECT name FROM agents ORDER BY seq") == ["default", "garden"]


def test_what_a_host_sends_all_at_once_is_answered_as_in_one_process(database: Path) -> None:
    asked = [
        {"jsonrpc": "2.0", "id": "eins", "method": "initialize", "params": GREETING},
        INITIALIZED,
        {"jsonrpc": "2.0", "id": "é", "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": LINE},
        {"jsonrpc": "2.0", "id": 4, "method": "logging/setLevel", "params": {"level": "info"}},
        {"jsonrpc": "2.0", "id": 5, "method": "nonsense"},
        {"jsonrpc": "2.0", "id": 6, "method": "tools/list", "params": {"cursor": 1}},
        {"jsonrpc": "2.0", "id": 7, "method": "prompts/list"},
        {"jsonrpc": "2.0", "id": 8, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
    ]
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in asked)
    lines += b'no json\nno json\n{"id": "\\ud800", "method": "ping"}\n[1]\n{"id": true}\n'
    answers: list[list[Answer]] = []
    for form in ("serve", "--in-process"):
        copy = database.parent / form
        copy.mkdir()
        shutil.copy(database, copy / "memory.db")
        with Server(copy / "memory.db", daemon=True) as server:
            server.greet()
        no_daemon(copy / "memory.db")
        assert found(copy / "memory.db")
        ended = run(
            "--database",
            copy / "memory.db",
            form,
            folder=copy,
            stdin=lines,
            more={"MEMORY_MCP_DAEMON_IDLE_SECONDS": "0"},
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        answers.append([json.loads(line) for line in ended.stdout.splitlines()])
        no_daemon(copy / "memory.db")
    assert answers[0][0]["id"] == "eins"
    for told in answers:
        told.sort(key=str)
    assert answers[0] == answers[1]
    assert len(answers[0]) == 13


def test_an_id_may_mean_something_else_once_it_was_answered(database: Path) -> None:
    with Server(database, daemon=True) as server:
        with none_can_start(database):
            for method, params in (("initialize", GREETING), ("tools/list", {})):
                server.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
                assert server.receive()["id"] == 1
            server.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": LINE})
        assert text_of(server.receive()["result"]).endswith("Likes tea.")
        server.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert server.receive() == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_a_call_that_is_taken_back_before_there_is_a_daemon_is_not_made(database: Path) -> None:
    with Server(database, daemon=True) as server:
        with none_can_start(database):
            server.greet()
            asked = server.request("tools/call", LINE)
            taken_back = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
            server.send(taken_back | {"params": {"requestId": asked}})
        server.call("core_memory_append", label="project", content="Afterwards.")
    assert rows(database, "SELECT value FROM blocks WHERE label = 'human'") == ["Name: Ana."]


def test_what_changed_since_the_greeting_is_told_by_the_first_answer(database: Path) -> None:
    with Server(database, daemon=True) as server:
        with none_can_start(database):
            server.greet()
            with Server(database) as elsewhere:
                elsewhere.greet()
                elsewhere.call("core_memory_append", label="human", content="Likes tea.")
        told = text_of(server.call("archival_search", query="x"))
        again = text_of(server.call("archival_search", query="x"))
    assert told.partition(ELSEWHERE)[2].endswith(":\n + Likes tea.")
    assert ELSEWHERE not in again


def test_a_host_that_only_says_hello_needs_no_daemon(database: Path) -> None:
    line = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": GREETING}
    with none_can_start(database):
        ended = run(
            "--database",
            database,
            folder=database.parent,
            stdin=json.dumps(line).encode() + b"\n",
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Name: Ana." in json.loads(ended.stdout)["result"]["instructions"]


def test_a_host_that_leaves_before_there_is_a_daemon_is_answered_at_once_the_next_time(
    database: Path,
) -> None:
    assert found(database, tools="capture") is None
    rendezvous = Rendezvous(str(database))
    lock = rendezvous.try_lock()
    assert lock is not None
    told = hello("session", agent=None, tools="capture")
    rendezvous.start(lock, told | {"environment": {}, "folder": str(database.parent)})
    rendezvous.end()  # and no session ever came
    assert found(database, tools="capture")


# There is no daemon to be had.


def test_where_no_daemon_can_start_a_process_of_its_own_serves_what_was_asked(
    database: Path,
) -> None:
    Path(Rendezvous(str(database)).socket).mkdir()
    with Server(database, daemon=True) as server:
        server.greet()
        assert text_of(server.call(LINE["name"], **LINE["arguments"])).endswith("Likes tea.")
        assert "Serving in a process of its own instead." in server.errors()
        server.close_input()
        assert server.wait() == 0
    Path(Rendezvous(str(database)).socket).rmdir()


def test_where_nobody_can_serve_any_more_a_call_gets_an_error_under_its_id(database: Path) -> None:
    with Server(database, daemon=True) as server:
        with none_can_start(database):
            server.greet()
            asked = server.request("tools/call", LINE)
            whole = database.read_bytes()
            database.write_bytes(b"no database at all")
        answer = server.receive()
        database.write_bytes(whole)
        again = server.call(LINE["name"], **LINE["arguments"])
    assert answer["id"] == asked
    assert "is not a SQLite database" in text_of(answer["result"])
    assert text_of(again).endswith("Likes tea.")


def test_a_host_learns_when_the_daemon_has_other_tools_than_its_snapshot(database: Path) -> None:
    snapshot = found(database)
    assert snapshot is not None
    told = snapshot.told
    told["texts"] = [text.replace("Add lines to", "Put lines in") for text in told["texts"]]
    Snapshots(str(database)).write(told["key"], told, told["store"])
    with Server(database, daemon=True) as server:
        with none_can_start(database):
            server.greet()
            assert "Put lines in" in json.dumps(server.ask("tools/list"))
        assert server.receive() == {
            "jsonrpc": "2.0",
            "method": "notifications/tools/list_changed",
        }
        assert "Add lines to" in json.dumps(server.ask("tools/list"))
        assert "answers tools/list otherwise than its snapshot did" in server.errors()


# It is stale.


def by_another_process(database: Path) -> None:
    with Server(database) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Likes tea.")


def by_a_command(database: Path) -> None:
    words = ("blocks", "set", "human", "--value", "Name: Ana.\nLikes tea.")
    ended = run("--database", database, *words, folder=database.parent)
    assert ended.returncode == 0, ended.stderr


def by_hand(database: Path) -> None:
    with closing(sqlite_module().connect(database)) as connection:
        connection.execute("UPDATE blocks SET value = value || char(10) || 'Likes tea.'")
        connection.commit()


def by_hand_into_the_log(database: Path) -> None:
    program = (
        "import os, sys\n"
        "from memory_mcp.storage.sqlite.driver import sqlite_module\n"
        "connection = sqlite_module().connect(sys.argv[1])\n"
        """connection.execute("UPDATE blocks SET value = value || char(10) || 'Likes tea.'")\n"""
        "connection.commit()\n"
        "os._exit(9)\n"
    )
    os.spawnve(
        os.P_WAIT, sys.executable, [sys.executable, "-c", program, str(database)], environment()
    )
    assert database.with_name("memory.db-wal").stat().st_size


def by_putting_another_in_its_place(database: Path) -> None:
    copy = database.with_name("copy.db")
    shutil.copy2(database, copy)
    by_hand(copy)
    copy.replace(database)


def by_restoring_bytes_and_times(database: Path) -> None:
    old = database.stat()
    whole = database.read_bytes()
    by_hand(database)
    changed = database.read_bytes()
    assert len(changed) == len(whole)
    database.write_bytes(changed)
    os.utime(database, ns=(old.st_atime_ns, old.st_mtime_ns))


COMMITS = [
    by_another_process,
    by_a_command,
    by_hand,
    by_hand_into_the_log,
    by_putting_another_in_its_place,
    by_restoring_bytes_and_times,
]


@pytest.mark.parametrize("commit", COMMITS, ids=lambda commit: commit.__name__)
def test_after_any_commit_a_host_waits_for_the_daemon(
    database: Path, commit: Callable[[Path], None]
) -> None:
    commit(database)
    assert found(database) is None
    with Server(database, daemon=True) as server:
        assert "Likes tea." in server.greet()["instructions"]


def test_reading_leaves_a_snapshot_as_good_as_it_was(database: Path) -> None:
    for words in (("stats",), ("search", "tea"), ("blocks",), ("context",)):
        assert run("--database", database, *words, folder=database.parent).returncode == 0
    assert found(database)


def test_a_store_that_moved_keeps_its_snapshots_and_a_new_one_gets_none(database: Path) -> None:
    moved = database.parent.with_name("moved")
    database.parent.rename(moved)
    assert found(moved / "memory.db", folder=str(database.parent))
    (moved / "memory.db").unlink()
    assert found(moved / "memory.db") is None
    assert run("--database", moved / "memory.db", "stats", folder=moved).returncode == 0
    assert found(moved / "memory.db") is None


@pytest.mark.parametrize(
    "said",
    [
        {"agent": "work"},
        {"tools": "capture"},
        {"environment": {"MEMORY_MCP_AGENT": "work"}},
        {"environment": {"MEMORY_MCP_TOOLS": "capture"}},
        {"environment": {"MEMORY_MCP_RESULT_TOKENS": "300"}},
        {"environment": {"MEMORY_MCP_EMBEDDER": "none"}},
        {"environment": {"MEMORY_MCP_MODEL": "m"}},
    ],
    ids=str,
)
def test_who_wants_to_be_served_in_another_way_waits(database: Path, said: Answer) -> None:
    assert found(database, **said) is None


def test_another_version_or_other_code_makes_no_use_of_it(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "__version__", "99.0.0")
        assert found(database) is None
    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "program", lambda: [[1, 1]])
        assert found(database) is None
    assert found(database)


def cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def with_another_byte(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"Ana", b"Eve"))


def of_zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def huge(file: Path) -> None:
    os.truncate(file, 1 << 30)


def writable_by_others(file: Path) -> None:
    file.chmod(0o666)


def in_a_folder_of_everybody(file: Path) -> None:
    file.parent.chmod(0o777)


def a_link(file: Path) -> None:
    file.rename(file.with_suffix(".elsewhere"))
    file.symlink_to(file.with_suffix(".elsewhere"))


def in_a_linked_folder(file: Path) -> None:
    if not file.parent.is_symlink():
        elsewhere = file.parent.with_name("elsewhere")
        file.parent.rename(elsewhere)
        file.parent.symlink_to(elsewhere)


def of_somebody_else(file: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(file, 12_345, 12_345)


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


DAMAGES = [
    cut_in_half,
    with_another_byte,
    of_zeros,
    huge,
    writable_by_others,
    in_a_folder_of_everybody,
    a_link,
    in_a_linked_folder,
    of_somebody_else,
    a_pipe,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_snapshot_that_others_or_a_crash_may_have_written_is_passed_over(
    database: Path, damage: Callable[[Path], None]
) -> None:
    for file in (database.parent / "memory.db.snapshots").iterdir():
        damage(file)
    assert found(database) is None


def test_where_none_can_be_kept_sessions_are_served_all_the_same(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    database.with_name("memory.db.snapshots").write_text("a file")
    for _ in range(2):
        with Server(database, daemon=True) as server:
            server.greet()
            assert not server.call("archival_search", query="x")["isError"]
            assert server.errors() == ""
        no_daemon(database)


# The daemon is killed.


def test_a_killed_daemon_leaves_a_snapshot_of_its_last_rest_or_none(database: Path) -> None:
    more = {"MEMORY_MCP_DAEMON_IDLE_SECONDS": "60"}
    for number in range(4):
        with Server(database, more=more, daemon=True) as server:
            server.greet()
            server.call("core_memory_append", label="human", content=f"Line {number}.")
            if number % 2:  # a snapshot is there again, and whoever comes next gets it
                wait_until(lambda: found(database))
            else:
                assert found(database) is None
            told = Rendezvous(str(database)).ask("status")
            assert told is not None
            # The daemon first: that a session has ended is something it commits.
            os.kill(told["pid"], signal.SIGKILL)
            server.kill()
        no_daemon(database)
        assert bool(found(database)) == bool(number % 2)
        with Server(database, daemon=True) as server:
            assert f"Line {number}." in server.greet()["instructions"]
            server.kill()
        Rendezvous(str(database)).end()


def test_what_was_taken_out_of_memory_stands_in_no_snapshot_once_that_is_acknowledged(
    database: Path,
) -> None:
    folder = database.parent / "memory.db.snapshots"

    def told() -> bool:
        return any(b"Ana" in file.read_bytes() for file in folder.iterdir())

    assert told()
    with Server(database) as server:
        server.greet()
        server.call("core_memory_replace", label="human", old_content="Name: Ana.", new_content="")
        server.kill()
    assert not told()


def test_a_snapshot_that_no_longer_holds_is_removed_by_whoever_opens_the_store(
    database: Path,
) -> None:
    by_hand(database)
    assert run("--database", database, "stats", folder=database.parent).returncode == 0
    names = {file.name for file in (database.parent / "memory.db.snapshots").iterdir()}
    assert names == {"sessions"}


def test_snapshots_are_for_their_owner_alone_and_bounded_in_number(database: Path) -> None:
    folder = database.parent / "memory.db.snapshots"
    known = [{"agent": f"agent {n}"} for n in range(3 * snapshots.SESSIONS_MAX)]
    Snapshots(str(database)).remember(known)
    with Server(database, daemon=True) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Likes tea.")
    no_daemon(database)
    assert len(Snapshots(str(database)).sessions()) == snapshots.SESSIONS_MAX
    assert len(list(folder.iterdir())) <= 2 * snapshots.SESSIONS_MAX + 1
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    # Of an agent that never came none was made.
    assert rows(database, "SELECT name FROM agents") == ["default"]
