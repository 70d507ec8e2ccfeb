"""The daemon and its bridges as real processes: started at once, killed, stopped, renewed."""

import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from tests.acceptance.processes import (
    CLIENT,
    LEGACY,
    Answer,
    Server,
    command,
    environment,
    http_server,
    run,
    text_of,
    wait_until,
)
from tests.acceptance.test_processes import ELSEWHERE, rows, stored_texts, write_of
from tests.server.connecting import MODES, WAIT_SECONDS, Updates, read, tell, told_of

import memory_mcp
from memory_mcp.rendezvous import PROTOCOL, Rendezvous, hello
from memory_mcp.storage.sqlite.driver import sqlite_module

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals and Unix sockets")

GREETING = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
STAYS = {"MEMORY_MCP_DAEMON_IDLE_SECONDS": "60"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A place for a store, whose daemon ends with the test."""
    path = tmp_path / "memory.db"
    yield path
    if path.parent.is_dir():
        Rendezvous(str(path)).end()


def bridge(database: Path, *arguments: object, **more: str) -> Server:
    """A server as hosts start it. Its daemon stays a while after the last session."""
    return Server(database, *arguments, more=STAYS | more, daemon=True)


def status(database: Path) -> dict[str, Any]:
    """What the running daemon says of itself."""
    told = Rendezvous(str(database)).ask("status")
    assert told is not None, "no daemon runs"
    return told


def log(database: Path) -> str:
    """What the daemons of this store have logged."""
    return Path(Rendezvous(str(database)).log).read_text("utf-8")


def kill(database: Path) -> None:
    """End the daemon at whatever instruction it is, and wait until it is gone."""
    pid = status(database)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(database, pid))


def has_ended(database: Path, pid: int) -> bool:
    """Whether that daemon serves no more; a session may have started another already."""
    told = Rendezvous(str(database)).ask("status")
    return told is None or told["pid"] != pid


class Peer:
    """The daemon's other side in this test's own hands, where a bridge would be."""

    def __init__(self, database: Path, **said: Any) -> None:
        told = {"session": "one", "agent": None, "tools": "capture", "memo": None} | said
        self._connection, self.answer = Rendezvous(str(database)).join(hello("session", **told))
        self._connection.settimeout(WAIT_SECONDS)
        self._lines = self._connection.makefile("rb")

    def send(self, *messages: Any) -> None:
        """Messages, as lines of JSON."""
        self._connection.sendall(b"".join(json.dumps(each).encode() + b"\n" for each in messages))

    def greet(self) -> None:
        """The handshake, up to its answer."""
        self.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": GREETING})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.receive()

    def call(self, number: int, tool: str, **arguments: Any) -> None:
        """Call a tool, without a look at the answer."""
        self.send(call(number, tool, arguments))

    def receive(self) -> Answer:
        """The next message; the daemon's lines for a bridge are passed over."""
        while (line := self._lines.readline()) and not line.startswith(b"{"):
            pass
        return json.loads(line)

    def rest(self) -> list[Answer]:
        """Every message up to the daemon's end; its lines for a bridge are passed over."""
        return [json.loads(line) for line in self._lines if line.startswith(b"{")]

    def hurry(self, seconds: float) -> None:
        """Wait for the daemon no longer than that."""
        self._connection.settimeout(seconds)

    def close(self) -> None:
        """Leave."""
        self._lines.close()
        self._connection.close()


def call(number: int, tool: str, arguments: Answer) -> Answer:
    """A tool call."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


# One daemon, many sessions.


def test_bridges_that_start_at_the_same_instant_share_one_daemon(database: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(bridge(database)) for _ in range(12)]
        for number, server in enumerate(servers):
            server.request("initialize", GREETING)
            server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            line = {"label": "human", "content": f"Line {number}."}
            server.request("tools/call", {"name": "core_memory_append", "arguments": line})
        for server in servers:
            assert "result" in server.receive()
            answer = server.receive()
            assert not answer["result"]["isError"], text_of(answer["result"])
            assert server.errors() == ""
        told = status(database)
    assert len(told["sessions"]) == 12
    assert log(database).count(" serves ") == 1
    (value,) = rows(database, "SELECT value FROM blocks WHERE label = 'human'")
    assert sorted(value.split("\n")) == sorted(f"Line {number}." for number in range(12))


def test_each_session_has_its_own_agent_and_tools(database: Path) -> None:
    with (
        bridge(database, "--agent", "work", "--tools", "capture") as one,
        bridge(database, MEMORY_MCP_AGENT="home", MEMORY_MCP_RESULT_TOKENS="200") as other,
    ):
        for server in (one, other):
            server.greet()
        one.call("archival_insert", content="Only work knows this.")
        assert json.loads(other.read("memory://stats"))["passages"] == 0
        tools = [
            {tool["name"] for tool in server.ask("tools/list")["result"]["tools"]}
            for server in (one, other)
        ]
        agents = {session["agent"]: session["host"] for session in status(database)["sessions"]}
    assert tools[0] - tools[1] == {"conversation_append"}
    assert agents == {"work": "line-client", "home": "line-client"}


def test_a_project_is_the_sessions_and_not_that_of_who_started_the_daemon(database: Path) -> None:
    garden, kitchen = (database.parent / name for name in ("garden", "kitchen"))
    for project in (garden, kitchen):
        (project / ".git").mkdir(parents=True)
    with (
        bridge(database, CLAUDE_PROJECT_DIR=str(garden)) as one,
        bridge(database, CLAUDE_PROJECT_DIR=str(kitchen)) as other,
    ):
        for server in (one, other):
            server.greet()
        names = {session["agent"] for session in status(database)["sessions"]}
    assert names == {"garden", "kitchen"}


def test_a_setting_that_cannot_be_meant_is_refused_as_without_a_daemon(database: Path) -> None:
    with bridge(database) as running:
        running.greet()
        through = run(
            "--database", database, folder=database.parent, more={"MEMORY_MCP_TOOLS": "x"}
        )
    alone = run(
        "--database",
        database,
        "--in-process",
        folder=database.parent,
        more={"MEMORY_MCP_TOOLS": "x"},
    )
    assert (through.returncode, through.stderr) == (1, alone.stderr)


def test_no_byte_of_an_answer_is_changed(tmp_path: Path) -> None:
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": GREETING},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "zwei", "method": "tools/list"},
        call(3, "core_memory_append", {"label": "human", "content": "Größe: 1,80 m 🌊\nzweite"}),
        call(4, "core_memory_append", {"label": "human", "content": "half a \ud800"}),
        call(5, "core_memory_append", {"label": "humans", "content": "x"}),
    ]
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in asked)
    # None of these is a request, and the first two are told so under no id.
    lines += b'no json\n{"id": "\\ud800", "method": "ping"}\n{"id": true, "method": "ping"}\n'
    lines += b'{"jsonrpc": "2.0", "id": 9}\n{"jsonrpc": "2.0", "id": 10, "result": {}}\n'
    answers: list[list[str]] = []
    for form in ("--in-process", "serve"):
        database = tmp_path / form / "memory.db"
        database.parent.mkdir()
        more = {"MEMORY_MCP_DAEMON_IDLE_SECONDS": "0"}
        ended = run("--database", database, form, folder=tmp_path, stdin=lines, more=more)
        assert (ended.returncode, ended.stderr) == (0, "")
        answers.append(sorted(ended.stdout.splitlines()))
        Rendezvous(str(database)).end()
    assert len(answers[0]) == 9
    assert answers[0] == answers[1]


# The daemon dies.


def test_a_session_outlives_its_daemon(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        before = server.call("core_memory_append", label="human", content="Before.")
        kill(database)
        after = server.call("core_memory_append", label="human", content="After.")
        assert text_of(before).endswith("\n Before.")
        assert text_of(after).endswith("\n Before.\n After.")
        assert server.errors() == ""


def test_calls_under_way_when_the_daemon_dies_are_made_once(database: Path) -> None:
    with bridge(database, "--tools", "capture") as server:
        server.greet()
        for life in range(3):
            asked = {
                server.request("tools/call", {"name": tool, "arguments": arguments})
                for tool, arguments in (write_of(f"life{life}-", number) for number in range(60))
            }
            first = server.receive()
            kill(database)
            answers = [first, *(server.receive() for _ in range(59))]
            assert {answer["id"] for answer in answers} == asked
            for answer in answers:
                assert not answer["result"]["isError"], text_of(answer["result"])
    stored = stored_texts(database)
    wanted = [f"life{life}-{number}" for life in range(3) for number in range(60)]
    assert {text: stored[text] for text in wanted} == dict.fromkeys(wanted, 1)


@pytest.mark.parametrize(
    ("tool", "arguments", "where"),
    [
        (
            "core_memory_append",
            {"label": "human", "content": "Once only."},
            "SELECT value FROM blocks WHERE label = 'human'",
        ),
        (
            "core_memory_replace",
            {"label": "persona", "new_content": "Once only."},
            "SELECT value FROM blocks WHERE label = 'persona'",
        ),
        (
            "conversation_append",
            {"role": "user", "content": "Once only.", "conversation": "chat"},
            "SELECT content FROM messages",
        ),
        ("archival_insert", {"content": "Once only."}, "SELECT content FROM passages"),
    ],
    ids=lambda part: part if isinstance(part, str) and "_" in part else "",
)
def test_a_write_that_was_committed_but_not_answered_is_recognised_when_it_comes_again(
    database: Path, tool: str, arguments: Answer, where: str
) -> None:
    with bridge(database) as starter:
        starter.greet()
        with closing(Peer(database)) as before:
            before.greet()
            before.call(7, tool, **arguments)
            wait_until(lambda: rows(database, where)[-1:] == ["Once only."])
            kill(database)  # its answer is lost, for all a bridge can tell
        with closing(Peer(database)) as after:
            after.greet()
            after.call(7, tool, **arguments)
            again = after.receive()["result"]
    assert not again["isError"], text_of(again)
    assert rows(database, where)[-1:] == ["Once only."]
    assert stored_texts(database)["Once only."] == 1


def test_the_answer_to_a_repeated_edit_is_the_one_that_was_lost(database: Path) -> None:
    answers: list[str] = []
    with bridge(database) as other:
        other.greet()
        for _ in range(2):
            with closing(Peer(database)) as peer:
                peer.greet()
                peer.call(7, "core_memory_append", label="human", content="Mine.")
                answers.append(text_of(peer.receive()["result"]))
            other.call("core_memory_append", label="human", content="Somebody else's.")
    lost, again = answers
    assert lost == "Block 'human' (version 2, 5 of 5,000 characters) now reads:\n Mine."
    assert again.startswith(lost)


def test_the_same_words_in_another_call_or_session_are_another_write(database: Path) -> None:
    with closing(Peer(database)) as one, closing(Peer(database, session="two")) as two:
        for peer, number in ((one, 1), (one, 2), (two, 1)):
            if number == 1:
                peer.greet()
            peer.call(number, "conversation_append", role="user", content="Again.")
            assert not peer.receive()["result"]["isError"]
    assert rows(database, "SELECT content FROM messages") == ["Again."] * 3


def test_what_changed_while_no_daemon_ran_is_told_once(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Name: Ana.")
        kill(database)
        with Server(database) as elsewhere:
            elsewhere.greet()
            elsewhere.call("core_memory_append", label="human", content="Likes tea.")
        told = text_of(server.call("archival_search", query="x"))
        again = text_of(server.call("archival_search", query="x"))
    assert told.partition(ELSEWHERE)[2].endswith(":\n + Likes tea.")
    assert ELSEWHERE not in again


def test_a_recorded_conversation_goes_on_after_the_daemon_died(database: Path) -> None:
    with bridge(database, "--tools", "capture") as server:
        server.greet()
        for content in ("First.", "Second."):
            assert not server.call("conversation_append", role="user", content=content)["isError"]
            kill(database)
    assert rows(database, "SELECT count(*) FROM conversations") == [1]


@pytest.mark.parametrize("era", MODES)
async def test_a_subscription_outlives_its_daemon(database: Path, era: str) -> None:
    updates = Updates()
    parameters = StdioServerParameters(
        command=sys.executable,
        args=command("--database", database)[1:],
        env=environment(**STAYS),
        cwd=database.parent,
    )
    client = Client(parameters, mode=MODES[era], message_handler=updates.handle, cache=None)
    with anyio.fail_after(2 * WAIT_SECONDS):
        async with client, told_of(client, updates, ["memory://blocks/project"]):
            await anyio.to_thread.run_sync(kill, database)
            # Anything that is answered: the bridge has come back by then.
            await read(client, "memory://stats")
            with Server(database) as elsewhere:
                elsewhere.greet()
                elsewhere.call("core_memory_append", label="project", content="News.")
                await updates.until("memory://blocks/project")
            await tell(client, "archival_search", query="x")


def test_a_daemon_told_to_end_first_answers_what_it_was_asked(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        asked = {
            server.request(
                "tools/call",
                {"name": "core_memory_append", "arguments": {"label": "human", "content": f"{n}"}},
            )
            for n in range(40)
        }
        answers = [server.receive()]
        os.kill(status(database)["pid"], signal.SIGTERM)
        answers += [server.receive() for _ in range(39)]
    assert {answer["id"] for answer in answers} == asked
    (value,) = rows(database, "SELECT value FROM blocks WHERE label = 'human'")
    assert Counter(value.split("\n")) == Counter(str(n) for n in range(40))


def test_a_call_the_ending_daemon_cannot_finish_is_made_once_by_the_next_one(
    database: Path,
) -> None:
    with bridge(database) as server:
        server.greet()
        pid = status(database)["pid"]
        with closing(sqlite_module().connect(database, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            line = {"label": "human", "content": "Once only."}
            server.request("tools/call", {"name": "core_memory_append", "arguments": line})
            wait_until(lambda: status(database)["sessions"][0]["in_flight"] == 1)
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: "ending: signal SIGTERM" in log(database))
            os.kill(pid, signal.SIGKILL)  # its ten seconds of patience are over, say
            holder.execute("ROLLBACK")
        answer = server.receive()["result"]
    assert text_of(answer).endswith("Once only.")
    assert rows(database, "SELECT value FROM blocks WHERE label = 'human'") == ["Once only."]


def test_what_waits_when_the_daemon_ends_is_not_answered_for_it(database: Path) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    with bridge(database) as server:
        wanted = {"resourceSubscriptions": ["memory://blocks/human"]}
        server.request("subscriptions/listen", {"notifications": wanted, "_meta": meta})
        assert server.receive()["method"] == "notifications/subscriptions/acknowledged"
        run("--database", database, "daemon", "restart", folder=database.parent, more=STAYS)
        wait_until(lambda: status(database)["sessions"])  # nobody had to say anything
        assert server.receive()["method"] == "notifications/subscriptions/acknowledged"
        with Server(database) as elsewhere:
            elsewhere.greet()
            elsewhere.call("core_memory_append", label="human", content="News.")
            assert server.receive()["method"] == "notifications/resources/updated"


def test_a_busy_session_is_in_nobodys_way_who_wants_to_stop_or_renew_the_daemon(
    database: Path,
) -> None:
    with bridge(database) as server:
        server.greet()
        done = threading.Event()

        def keep_calling() -> None:
            while not done.is_set():
                assert not server.call("archival_search", query="x")["isError"]

        busy = threading.Thread(target=keep_calling)
        busy.start()
        try:
            for what in ("stop", "restart"):
                first = status(database)["pid"]
                ended = run("--database", database, "daemon", what, folder=database.parent)
                assert (ended.returncode, ended.stderr) == (0, "")
                assert f"Process {first} has ended" in ended.stdout
                wait_until(lambda: Rendezvous(str(database)).ask("status"))
            with http_server(database) as http:
                wait_until(lambda: (Rendezvous(str(database)).ask("status") or {}).get("http"))
                assert status(database)["pid"] == http.process.pid
        finally:
            done.set()
            busy.join(WAIT_SECONDS)
    assert not busy.is_alive()


def test_a_first_message_recorded_just_before_the_daemon_died_is_recorded_once(
    database: Path,
) -> None:
    for life in range(2):
        with closing(Peer(database)) as peer:
            peer.greet()
            peer.call(1, "conversation_append", role="user", content="First words.")
            assert not peer.receive()["result"]["isError"]
        if life == 0:
            kill(database)
    assert rows(database, "SELECT content FROM messages") == ["First words."]


def test_an_id_that_a_client_uses_again_means_another_call(database: Path) -> None:
    with closing(Peer(database)) as peer:
        peer.greet()
        for tool, more in (
            ("core_memory_append", {"content": "X"}),
            ("core_memory_replace", {"old_content": "X", "new_content": ""}),
            ("core_memory_append", {"content": "X"}),
        ):
            peer.call(1, tool, label="human", **more)
            assert not peer.receive()["result"]["isError"]
    assert rows(database, "SELECT value FROM blocks WHERE label = 'human'") == ["X"]


def test_where_no_daemon_can_be_had_any_more_a_call_gets_an_error_and_the_next_one_tries_again(
    database: Path,
) -> None:
    with bridge(database) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Kept.")
        kill(database)
        for suffix in ("-wal", "-shm"):
            database.with_name(f"memory.db{suffix}").unlink(missing_ok=True)
        whole = database.read_bytes()
        database.write_bytes(b"no database at all")
        failed = server.call("archival_search", query="x")
        error = server.ask("resources/read", {"uri": "memory://stats"})["error"]
        database.write_bytes(whole)
        again = server.call("core_memory_append", label="project", content="Works.")
    assert failed["isError"]
    assert "Memory is not to be had" in text_of(failed)
    assert "is not a SQLite database" in text_of(failed)
    assert "This call was not carried out." in error["message"]
    assert not again["isError"], text_of(again)


def test_a_request_that_ends_every_daemon_is_given_up(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    with fake_daemon(database, ends_sessions=True) as visits:
        with bridge(database) as server:
            server.request("tools/call", {"name": "archival_search", "arguments": {"query": "x"}})
            answer = server.receive()["result"]
    assert answer["isError"]
    assert "ended 3 times over this request" in text_of(answer)
    assert visits.count("session") == 3


# Its life.


@pytest.mark.plain("lists the files beside it; of an encrypted one there are no snapshots")
def test_it_ends_by_itself_after_its_last_session(database: Path) -> None:
    with bridge(database, MEMORY_MCP_DAEMON_IDLE_SECONDS="0") as server:
        server.greet()
        server.close_input()
        assert server.rest() == []
        assert server.wait() == 0
    rendezvous = Rendezvous(str(database))
    wait_until(lambda: not rendezvous.is_held())
    assert sorted(path.name for path in database.parent.glob("memory.db*")) == [
        "memory.db",
        "memory.db.daemon.log",
        "memory.db.snapshots",
    ]
    assert "ending: idle" in log(database)


def test_stop_ends_it_until_a_session_calls_again(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        first = status(database)["pid"]
        stopped = run("--database", database, "daemon", "stop", folder=database.parent)
        idle = run("--database", database, "daemon", "status", "--json", folder=database.parent)
        server.call("archival_search", query="x")
        second = status(database)["pid"]
    assert (
        stopped.stdout == f"Process {first} has ended; the next call of a session starts another.\n"
    )
    assert (idle.returncode, json.loads(idle.stdout)["running"]) == (1, False)
    assert second != first


def test_restart_renews_it_under_the_sessions(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        first = status(database)["pid"]
        ended = run("--database", database, "daemon", "restart", folder=database.parent, more=STAYS)
        second = status(database)["pid"]
        assert not server.call("archival_search", query="x")["isError"]
        assert [session["bridge"] for session in status(database)["sessions"]] == [server.pid]
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        f"Process {first} has ended.",
        f"Process {second} serves now (version {memory_mcp.__version__}).",
    ]


def test_status_and_logs_show_people_what_runs(database: Path) -> None:
    nothing = run("--database", database, "daemon", "status", folder=database.parent)
    no_log = run("--database", database, "daemon", "logs", folder=database.parent)
    with bridge(database, "--agent", "work") as server:
        server.greet()
        shown = run("--database", database, "daemon", "status", folder=database.parent)
        logged = run("--database", database, "daemon", "logs", folder=database.parent)
        doctor = run("--database", database, "doctor", folder=database.parent)
    assert f"process {server.pid}" not in doctor.stdout
    assert "serves 1 session\n" in doctor.stdout
    assert (nothing.returncode, no_log.returncode) == (1, 1)
    assert nothing.stdout.startswith("No daemon runs for ")
    assert no_log.stderr.startswith("memory-mcp: there is no log yet at ")
    assert shown.returncode == 0
    assert f"memory-mcp {memory_mcp.__version__}, process " in shown.stdout
    assert "1 session" in shown.stdout
    assert "line-client" in shown.stdout
    assert "work" in shown.stdout
    assert " serves " in logged.stdout


def test_a_persons_commands_are_answered_by_the_daemon_as_without_one(database: Path) -> None:
    questions = [
        ("context",),
        ("blocks", "--json"),
        ("search", "tides", "--json"),
        ("stats",),
        ("blocks", "show", "humans"),
        ("mail",),
        ("search", "tides", "--limit", "0"),
    ]
    with Server(database) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Größe: 1,80 m.")
        server.call("archival_insert", content="The tides of Porto.", tags=["tides"])

    def ask(words: tuple[str, ...]) -> tuple[int, str, str]:
        ended = run("--database", database, *words, folder=database.parent)
        # How large the file and its log are depends on what was folded when.
        return ended.returncode, re.sub(r"\d+\.\d MB", "… MB", ended.stdout), ended.stderr

    alone = [ask(words) for words in questions]
    with bridge(database) as server:
        server.greet()
        through = [ask(words) for words in questions]
    assert alone == through
    assert log(database).count("asks") == len(questions)


def test_a_daemon_whose_store_was_removed_ends(tmp_path: Path) -> None:
    database = tmp_path / "store" / "memory.db"
    run("--database", database, "daemon", "restart", folder=tmp_path, more=STAYS)
    met = Rendezvous(str(database)).connect(hello("session"))
    assert met is not None
    with met[0] as session:
        shutil.rmtree(database.parent)
        session.settimeout(WAIT_SECONDS)
        said = b"".join(iter(lambda: session.recv(65_536), b""))
    assert said == b"bye\n"


# Versions.


def test_a_newer_bridge_takes_over_from_an_older_daemon_and_older_sessions_come_along(
    database: Path, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(Path(memory_mcp.__file__).parent, newer / "memory_mcp")
    (newer / "memory_mcp" / "__init__.py").write_text('__version__ = "99.0.0"\n')
    with bridge(database) as old:
        old.greet()
        old.call("core_memory_append", label="human", content="Old.")
        assert status(database)["version"] == memory_mcp.__version__
        with bridge(database, PYTHONPATH=str(newer)) as new:
            new.greet()
            assert status(database)["version"] == "99.0.0"
            told = old.call("core_memory_append", label="human", content="Still old.")
            assert text_of(told).endswith("Old.\n Still old.")
            assert status(database)["version"] == "99.0.0"
            assert len(status(database)["sessions"]) == 2
            assert (old.errors(), new.errors()) == ("", "")


def test_a_bridge_of_another_language_is_told_what_to_do(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        met = Rendezvous(str(database)).connect(
            hello("session") | {"protocol": PROTOCOL - 1, "version": "0.0.1"}
        )
        assert met is not None
        met[0].close()
    assert met[1]["refused"] == (
        f"this memory-mcp is version 0.0.1 and the daemon {memory_mcp.__version__}; they don't "
        "understand each other. Upgrade it, or serve with --in-process"
    )


def test_a_session_with_another_embedder_is_told_that_it_gets_the_daemons(database: Path) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(bridge(database))
        first.greet()
        second = stack.enter_context(bridge(database, MEMORY_MCP_EMBEDDER="none"))
        second.greet()
        assert "the daemon runs with MEMORY_MCP_EMBEDDER=static" in second.errors()
        assert first.errors() == ""


# Over HTTP.


def test_serving_over_http_takes_the_daemons_place_and_its_sessions(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        server.call("core_memory_append", label="human", content="Before.")
        first = status(database)["pid"]
        with http_server(database) as http:
            wait_until(lambda: has_ended(database, first) and Rendezvous(str(database)).is_held())
            wait_until(lambda: Rendezvous(str(database)).ask("status"))
            told = status(database)
            assert told["http"] == f"{http.url}/mcp"
            assert told["pid"] == http.process.pid != first
            after = server.call("core_memory_append", label="human", content="After.")
            assert text_of(after).endswith("Before.\n After.")
            assert [session["bridge"] for session in status(database)["sessions"]] == [server.pid]
            second = run("--database", database, "serve", "--http", "0", folder=database.parent)
            http.process.send_signal(signal.SIGTERM)
            assert http.process.wait(10) == 0
        assert text_of(server.call("core_memory_append", label="human", content="On.")).endswith(
            "On."
        )
    assert second.returncode == 1


def test_a_second_http_server_on_a_store_is_refused_with_the_way_out(database: Path) -> None:
    with http_server(database) as http:
        wait_until(lambda: Rendezvous(str(database)).ask("status"))
        other = run("--database", database, "serve", "--http", ":18765", folder=database.parent)
    assert other.returncode == 1
    assert f"serves this store at {http.url}/mcp already" in other.stderr
    assert "--in-process" in other.stderr


def test_a_subscriber_that_stops_reading_keeps_the_news_from_nobody_else(database: Path) -> None:
    with closing(Peer(database)) as deaf, bridge(database) as server:
        deaf.greet()
        subscribe = {"method": "resources/subscribe", "params": {"uri": "memory://blocks/human"}}
        deaf.send({"jsonrpc": "2.0", "id": 1, **subscribe})
        server.greet()
        server.ask("resources/subscribe", subscribe["params"])
        server.call("archival_insert", content="tide " * 10_000)
        deaf.hurry(1)
        with pytest.raises(TimeoutError):
            deaf.send(*(call(n, "archival_search", {"query": "tide"}) for n in range(9_999)))
        with Server(database) as elsewhere:
            elsewhere.greet()
            elsewhere.call("core_memory_append", label="human", content="News.")
            assert server.receive()["method"] == "notifications/resources/updated"


# By the loopback, where there are no sockets.


@pytest.fixture
def loopback(database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The setting, here and for bridges."""
    monkeypatch.setenv("MEMORY_MCP_SOCKET", "loopback")
    yield {"MEMORY_MCP_SOCKET": "loopback"}
    Rendezvous(str(database)).end()


def test_by_the_loopback_a_session_outlives_its_daemon_too(
    database: Path, loopback: dict[str, str]
) -> None:
    with bridge(database, **loopback) as server, bridge(database, **loopback) as other:
        for each in (server, other):
            each.greet()
        server.call("core_memory_append", label="human", content="Before.")
        address = Path(Rendezvous(str(database)).address)
        assert address.stat().st_mode & 0o777 == 0o600
        kill(database)
        told = other.call("core_memory_append", label="human", content="After.")
        assert "now reads:\n Before.\n After." in text_of(told)
        assert not Path(Rendezvous(str(database)).socket).exists()
        assert (server.errors(), other.errors()) == ("", "")


def test_by_the_loopback_nobody_comes_in_without_the_token(
    database: Path, loopback: dict[str, str]
) -> None:
    with bridge(database, **loopback) as server:
        server.greet()
        told = json.loads(Path(Rendezvous(str(database)).address).read_text())
        for token in (None, "", told["token"][:-1], told["token"] + "0"):
            with socket.create_connection(("127.0.0.1", told["port"]), WAIT_SECONDS) as stranger:
                stranger.sendall(json.dumps(hello("status", token=token)).encode() + b"\n")
                answer = json.loads(stranger.makefile("rb").readline())
            assert answer["refused"] == "the token is wrong"
            assert "sessions" not in answer


def test_by_the_loopback_a_dead_daemons_port_is_not_spoken_to(
    database: Path, loopback: dict[str, str]
) -> None:
    with bridge(database, **loopback) as server:
        server.greet()
        kill(database)
        address = Path(Rendezvous(str(database)).address)
        with socket.create_server(("127.0.0.1", 0)) as somebody:
            told = {"port": somebody.getsockname()[1], "token": "x"}
            address.write_text(json.dumps(told))
            server.call("core_memory_append", label="human", content="Secret.")
            somebody.setblocking(False)
            with pytest.raises(BlockingIOError):
                somebody.accept()
        assert json.loads(address.read_text()) != told


# Bad input.


def test_a_dead_daemons_lock_and_socket_are_in_nobodys_way(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        kill(database)
    rendezvous = Rendezvous(str(database))
    assert Path(rendezvous.lock).exists()
    assert Path(rendezvous.socket).is_socket()
    with bridge(database) as server:
        server.greet()
        assert not server.call("archival_search", query="x")["isError"]
        assert server.errors() == ""


def test_a_file_where_the_socket_should_be_is_in_nobodys_way(database: Path) -> None:
    Path(Rendezvous(str(database)).socket).write_text("not a socket")
    with bridge(database) as server:
        server.greet()
        assert server.errors() == ""


def test_where_no_door_can_be_opened_the_bridge_serves_by_itself(database: Path) -> None:
    door = Path(Rendezvous(str(database)).socket)
    door.mkdir()
    with bridge(database) as server:
        server.greet()
        assert not server.call("archival_insert", content="Kept.")["isError"]
        told = server.errors()
    door.rmdir()
    assert told.startswith(f"memory-mcp: no daemon can be met at {door}: ")
    assert told.endswith(". Serving in this process instead.\n")
    assert told.count("\n") == 1


def test_a_store_deep_in_folders_has_a_daemon_too(tmp_path: Path) -> None:
    database = tmp_path / ("deep-" * 20) / ("deeper-" * 20) / "memory.db"
    assert len(str(database)) > 200
    try:
        with bridge_in(tmp_path, database) as server, bridge_in(tmp_path, database) as other:
            server.greet()
            other.greet()
            assert len(status(database)["sessions"]) == 2
            assert (server.errors(), other.errors()) == ("", "")
    finally:
        Rendezvous(str(database)).end()


def bridge_in(_: Path, database: Path) -> Server:
    """A bridge whose working folder is the store's, made first."""
    database.parent.mkdir(parents=True, exist_ok=True)
    return bridge(database)


def test_a_store_with_a_very_long_name_has_a_daemon_too(tmp_path: Path) -> None:
    database = tmp_path / f"{'memory' * 30}.db"
    try:
        with bridge(database) as server:
            server.greet()
            assert len(status(database)["sessions"]) == 1
    finally:
        Rendezvous(str(database)).end()


def test_one_store_under_two_names_has_one_daemon(tmp_path: Path) -> None:
    database = tmp_path / "real" / "memory.db"
    database.parent.mkdir()
    (tmp_path / "link").symlink_to(database.parent)
    linked = tmp_path / "link" / "memory.db"
    try:
        with bridge(database) as one, bridge(linked) as other:
            one.greet()
            other.greet()
            assert len(status(database)["sessions"]) == 2
    finally:
        Rendezvous(str(database)).end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_daemon_is_left_alone(database: Path) -> None:
    with bridge(database) as first:
        first.greet()
        os.chown(Rendezvous(str(database)).socket, 12_345, -1)
        with bridge(database) as second:
            second.greet()
            second.call("core_memory_append", label="human", content="Mine.")
            told = second.errors()
        os.chown(Rendezvous(str(database)).socket, os.geteuid(), -1)
        assert len(status(database)["sessions"]) == 1
    assert "belongs to another user (number 12345). Serving in this process instead." in told
    assert rows(database, "SELECT value FROM blocks WHERE label = 'human'") == ["Mine."]


GARBAGE = {
    "nothing": b"",
    "no line": b"x" * 1_000,
    "no JSON": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes": bytes(range(256)) * 10 + b"\n",
    "no object": b"[1, 2, 3]\n",
    "no hello": b'{"jsonrpc": "2.0", "id": 1, "method": "initialize"}\n',
    "wrong types": b'{"protocol": "1", "version": 1, "role": ["session"], "pid": null}\n',
    "unknown role": json.dumps(hello("dance")).encode() + b"\n",
    "unknown command": json.dumps(hello("command", command="demo")).encode() + b"\n",
    "no memo": json.dumps(hello("session", session="s", memo="[1")).encode() + b"\n{}\n",
    "NUL": b'{"protocol": 1, "version": "\\u0000", "role": "session", "pid": 1}\n\0\n',
    "endless": b"x" * 3_000_000,
}


def test_garbage_at_the_door_harms_nobody(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        for said in GARBAGE.values():
            with closing(socket.socket(socket.AF_UNIX)) as stranger:
                stranger.settimeout(WAIT_SECONDS)
                stranger.connect(Rendezvous(str(database)).socket)
                try:
                    stranger.sendall(said)
                    stranger.shutdown(socket.SHUT_WR)
                    answered = b"".join(iter(lambda: stranger.recv(65_536), b""))
                except (BrokenPipeError, ConnectionResetError):
                    answered = b""
            assert all(isinstance(json.loads(line), dict) for line in answered.splitlines())
        assert not server.call("archival_search", query="x")["isError"]
        wait_until(lambda: len(status(database)["sessions"]) == 1)
    assert "Traceback" not in log(database)


def test_a_bridge_that_stops_reading_holds_up_nobody_else(database: Path) -> None:
    with bridge(database) as server, closing(Peer(database)) as deaf:
        server.greet()
        deaf.greet()
        server.call("archival_insert", content="tide " * 10_000)
        deaf.hurry(1)
        with pytest.raises(TimeoutError):
            deaf.send(*(call(n, "archival_search", {"query": "tide " * 100}) for n in range(9_999)))
        in_flight = [one["in_flight"] for one in status(database)["sessions"]]
        assert max(in_flight) <= 256
        assert not server.call("archival_search", query="tide")["isError"]


def test_a_daemon_that_does_not_answer_is_done_without(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    with fake_daemon(database, refuses="I would rather not"):
        with bridge(database) as server:
            server.greet()
            told = server.errors()
    assert told == "memory-mcp: I would rather not. Serving in this process instead.\n"


@contextmanager
def fake_daemon(
    database: Path, *, ends_sessions: bool = False, refuses: str | None = None
) -> Iterator[list[str]]:
    """Another program in the daemon's place; yields the roles that came to it."""
    rendezvous = Rendezvous(str(database))
    lock = rendezvous.try_lock()
    assert lock is not None
    visits: list[str] = []
    listening = socket.socket(socket.AF_UNIX)
    rendezvous.at_socket(listening.bind)
    listening.listen()
    answer: dict[str, Any] = {
        "protocol": PROTOCOL,
        "version": memory_mcp.__version__,
        "refused": refuses,
    }

    def serve() -> None:
        while True:
            try:
                guest, _ = listening.accept()
            except OSError:
                return
            with guest, suppress(OSError), guest.makefile("rwb") as lines:
                visits.append(json.loads(lines.readline())["role"])
                lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()
                if ends_sessions:
                    lines.readline()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield visits
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(WAIT_SECONDS)
        os.close(lock)
