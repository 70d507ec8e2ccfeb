"""A store that is moved, deleted or replaced under the processes that serve it."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.processes import (
    CLIENT,
    LEGACY,
    HttpServer,
    Server,
    command,
    environment,
    http_server,
    run,
    text_of,
    wait_until,
)
from tests.acceptance.test_daemon import bridge, kill, log, status

from memory_mcp.rendezvous import Rendezvous
from memory_mcp.storage.sqlite.driver import sqlite_module

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files in use stay there")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A place for a store, whose daemon ends with the test."""
    path = tmp_path / "memory.db"
    yield path
    if path.parent.is_dir():
        Rendezvous(str(path)).end()


def kept(path: Path) -> str:
    """What another program finds in the block `human`."""
    connection = sqlite_module().connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT value FROM blocks WHERE label = 'human'").fetchone()[0]
    finally:
        connection.close()


def append(server: Server, line: str) -> tuple[bool, str]:
    """Whether a line was acknowledged, and the answer."""
    answer = server.call("core_memory_append", label="human", content=line)
    return not answer.get("isError", "error" in answer), text_of(answer)


def rename(path: Path) -> str:
    path.rename(path.with_name("elsewhere.db"))
    return f"was moved to {path.with_name('elsewhere.db')}"


def delete(path: Path) -> str:
    path.unlink()
    return "was deleted while it was open"


def replace(path: Path) -> str:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)
    return "another file was put in the place"


FORMS: list[Callable[[Path], Server]] = [Server, bridge]


@pytest.mark.parametrize("happen", [rename, delete, replace])
@pytest.mark.parametrize("start", FORMS, ids=["in-process", "daemon"])
def test_what_is_not_in_the_file_at_the_path_is_not_acknowledged(
    database: Path, start: Callable[[Path], Server], happen: Callable[[Path], str]
) -> None:
    with start(database) as server:
        server.greet()
        assert append(server, "Before.")[0]
        told = happen(database)
        acknowledged, text = append(server, "After.")
        assert not acknowledged
        assert told in text
        assert "Nothing was changed." in text
        lines = [f"Line {number}." for number in range(5)]
        stored = [line for line in lines if append(server, line)[0]]
    if database.exists():
        assert all(line in kept(database) for line in stored)
    else:
        assert not stored


@pytest.mark.parametrize("start", FORMS, ids=["in-process", "daemon"])
def test_a_store_that_is_put_back_goes_on_without_a_restart(
    database: Path, start: Callable[[Path], Server]
) -> None:
    with start(database) as server:
        server.greet()
        append(server, "Before.")
        rename(database)
        assert not append(server, "Meanwhile.")[0]
        assert kept(database.with_name("elsewhere.db")) == "Before."
        database.with_name("elsewhere.db").rename(database)
        assert append(server, "After.")[0]
    assert kept(database) == "Before.\nAfter."


@pytest.mark.parametrize("in_place", [True, False])
def test_sessions_go_on_with_a_backup_that_was_copied_over_the_store_and_are_told(
    database: Path, in_place: bool
) -> None:
    backup = database.with_name("backup.db")
    with bridge(database) as server:
        server.greet()
        append(server, "Early.")
        run("--database", database, "daemon", "stop", folder=database.parent)
        shutil.copy(database, backup)
        append(server, "Late.")
        server.call("archival_insert", content="tide " * 3_000)
        run("--database", database, "daemon", "stop", folder=database.parent)
        append(server, "Last.")
        first = status(database)["pid"]
        if in_place:
            shutil.copyfile(backup, database)
        else:
            backup.replace(database)
        acknowledged, text = append(server, "Refused.")
        assert not acknowledged
        assert "another file was put in the place" in text
        while not (answer := append(server, "After."))[0]:  # it ends at this moment
            assert "another file was put in the place" in answer[1]
        assert answer[1].endswith(
            "Note from the memory server: another file was put in the store's place: what was read "
            "before may be old."
        )
        assert status(database)["pid"] != first
        with bridge(database) as other:
            other.greet()
            assert append(other, "By another.")[0]
    Rendezvous(str(database)).end()
    assert kept(database) == "Early.\nAfter.\nBy another."


def test_no_empty_store_is_made_where_one_was_that_a_session_has_open(database: Path) -> None:
    hook = json.dumps({"hook_event_name": "UserPromptSubmit", "prompt": "Hi", "session_id": "x"})
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        told = rename(database)
        session = run("--database", database, folder=database.parent, stdin=b"{}\n")
        asked = run("--database", database, "stats", folder=database.parent)
        for ended in (session, asked):
            assert ended.returncode == 1
            assert told in ended.stderr
        hooked = run(
            "--database", database, "hook", "claude-code", folder=database.parent,
            stdin=hook.encode(),
        )  # fmt: skip
        assert told in hooked.stderr
        shown = run("--database", database, "daemon", "status", folder=database.parent)
        assert told in shown.stdout
        alone = run("--database", database, "--in-process", folder=database.parent)
        assert f"process {status(database)['pid']} still has it open" in alone.stderr
        kill(database)
        acknowledged, text = append(server, "After.")
        assert not acknowledged
        assert "is gone or empty, and this session had it open" in text
        assert not database.exists()
        database.with_name("elsewhere.db").rename(database)
        assert append(server, "Again.")[0]
        assert kept(database) == "Before.\nAgain."


def test_a_new_session_begins_with_an_empty_store_where_nobody_has_the_old_one(
    database: Path,
) -> None:
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
    wait_until(lambda: not status(database)["sessions"])
    database.unlink()
    with bridge(database) as server:
        server.greet()
        assert append(server, "Anew.")[0]
    assert kept(database) == "Anew."


def test_a_folder_that_was_renamed_is_not_made_again_by_a_session(tmp_path: Path) -> None:
    database = tmp_path / "store" / "memory.db"
    database.parent.mkdir()
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        database.parent.rename(tmp_path / "elsewhere")
        acknowledged, text = append(server, "After.")
        assert not acknowledged
        assert "elsewhere" in text
        assert not database.exists()
        (tmp_path / "elsewhere").rename(database.parent)
        wait_until(lambda: append(server, "Again.")[0])
    Rendezvous(str(database)).end()
    assert kept(database) == "Before.\nAgain."


def test_a_file_put_under_an_in_process_server_is_not_opened_with_the_old_ones_log(
    database: Path,
) -> None:
    with Server(database) as server:
        server.greet()
        append(server, "Before.")
        replace(database)
        refused = run("--database", database, "stats", folder=database.parent)
        assert refused.returncode == 1
        assert f"process {server.pid} still has the old one open" in refused.stderr
        server.kill()
    assert run("--database", database, "stats", folder=database.parent).returncode == 0


def posted(http: HttpServer, line: str) -> str:
    """A line appended over HTTP, in a session of its own."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": LEGACY,
    }

    def post(message: dict[str, object]) -> str:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        request = urllib.request.Request(f"{http.url}/mcp", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            if session := answer.headers.get("mcp-session-id"):
                headers["Mcp-Session-Id"] = session
            return answer.read().decode()

    greeting = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
    post({"id": 1, "method": "initialize", "params": greeting})
    post({"method": "notifications/initialized"})
    arguments = {"label": "human", "content": line}
    call = {"name": "core_memory_append", "arguments": arguments}
    return post({"id": 2, "method": "tools/call", "params": call})


def test_an_http_server_refuses_a_store_that_is_gone_and_serves_what_is_put_there(
    database: Path,
) -> None:
    with http_server(database) as http:
        assert "Before." in posted(http, "Before.")
        told = rename(database)
        assert told in posted(http, "Refused.")
        database.with_name("elsewhere.db").rename(database)
        assert "Again." in posted(http, "Again.")
        replace(database)
        assert "another file was put in the place" in posted(http, "Refused.")

        def serves_again() -> bool:
            try:
                return "After." in posted(http, "After.")
            except OSError:
                return False

        wait_until(serves_again)
        assert http.process.poll() is None
        http.process.send_signal(signal.SIGTERM)
        http.process.wait(30)
    # The copy was one of the file alone: what came last stood in the log yet.
    assert kept(database) == "Before.\nAfter."


def test_a_long_import_ends_with_an_error_when_its_store_is_moved(database: Path) -> None:
    lines = [b'{"content": "Passage %d about tides."}\n' % number for number in range(200)]
    with subprocess.Popen(
        command("--database", database, "import", "passages", "-"),
        cwd=database.parent,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as importing:
        assert importing.stdin
        importing.stdin.write(b"".join(lines[:100]))
        importing.stdin.flush()
        wait_until(lambda: Path(f"{database}-shm").exists())
        rename(database)
        _, errors = importing.communicate(b"".join(lines[100:]), timeout=60)
    assert importing.returncode == 1
    assert b"was moved to" in errors


def test_the_log_of_the_daemon_says_where_the_store_is(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        told = rename(database)
        wait_until(lambda: told in log(database))
        database.with_name("elsewhere.db").rename(database)
        wait_until(lambda: "the store is in its place again" in log(database))
        assert append(server, "After.")[0]
