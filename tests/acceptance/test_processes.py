"""Real processes: killed, many at once, started together, ended politely; what they print."""

import json
import re
import signal
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest
from tests.acceptance.processes import (
    CLIENT,
    DEADLINE_SECONDS,
    LEGACY,
    Answer,
    Server,
    command,
    environment,
    run,
    text_of,
)

from memory_mcp.storage.sqlite.driver import sqlite_module

ELSEWHERE = "Core memory was changed elsewhere since you last saw it."
PROMPTLY_SECONDS = 8
"""For an end that nothing has to be waited for."""

PIPE_BYTES = 65_536

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A place for a store."""
    return tmp_path / "memory.db"


def rows(database: Path, sql: str) -> list[Any]:
    """The first column of what a query finds, read past every server."""
    connection = sqlite_module().connect(database)
    try:
        return [row[0] for row in connection.execute(sql)]
    finally:
        connection.close()


def write_of(worker: str, number: int) -> tuple[str, Answer]:
    """The worker's next write: every kind in turn."""
    text = f"{worker}{number}"
    match number % 3:
        case 0:
            return "archival_insert", {"content": text, "tags": [worker]}
        case 1:
            return "conversation_append", {"role": "user", "content": text, "conversation": worker}
        case _:
            return "core_memory_append", {"label": "project", "content": text}


def stored_texts(database: Path) -> Counter[str]:
    """Every text there is, wherever it was written to."""
    texts = Counter(rows(database, "SELECT content FROM passages"))
    texts.update(rows(database, "SELECT content FROM messages"))
    for value in rows(database, "SELECT value FROM blocks"):
        texts.update(value.split("\n") if value else ())
    return texts


def test_every_write_acknowledged_before_a_kill_is_there_once_after_it(database: Path) -> None:
    sent: set[str] = set()
    acknowledged: set[str] = set()
    for life in range(3):
        with Server(database, "--tools", "capture") as server:
            server.greet()
            pending: dict[int, str] = {}
            for number in range(300):
                tool, arguments = write_of(f"life{life}-", number)
                pending[server.request("tools/call", {"name": tool, "arguments": arguments})] = (
                    arguments["content"]
                )
            sent |= set(pending.values())
            answers = [server.receive() for _ in range(40 + 50 * life)]
            server.kill()  # with most of what was asked for still to be done
            # What was written before the kill was acknowledged too; the last line may be half.
            rest = [line for line in iter(server.line, None) if line.endswith(b"\n")]
            answers += [json.loads(line) for line in rest]
            for answer in answers:
                assert not answer["result"]["isError"], text_of(answer["result"])
                acknowledged.add(pending.pop(answer["id"]))
            assert pending, "everything was done before the kill: it proves nothing"
    with Server(database) as server:
        server.greet()
        assert not server.call("archival_search", query="life0-0")["isError"]
    stored = stored_texts(database)
    assert acknowledged - stored.keys() == set()
    assert stored.keys() - sent == set(), "something is there that nobody wrote whole"
    assert max(stored.values()) == 1
    doctor = run(
        "--database",
        database,
        "doctor",
        folder=database.parent,
        more={"HOME": str(database.parent)},
    )
    assert doctor.returncode == 0, doctor.stdout


def test_two_processes_writing_at_once_lose_nothing_and_see_each_other(database: Path) -> None:
    with (
        Server(database, "--tools", "capture") as one,
        Server(database, "--tools", "capture") as other,
    ):
        servers = {"one": one, "other": other}
        for server in servers.values():
            server.greet()
        asked: dict[str, set[int]] = {"one": set(), "other": set()}
        for number in range(200):
            for worker, server in servers.items():
                tool, arguments = write_of(f"{worker}-", number)
                asked[worker].add(
                    server.request("tools/call", {"name": tool, "arguments": arguments})
                )
        for worker, server in servers.items():
            while asked[worker]:
                answer = server.receive()
                asked[worker].remove(answer["id"])
                assert not answer["result"]["isError"], text_of(answer["result"])
        for server in servers.values():  # each has now been told everything
            server.call("archival_search", query="x")
        for worker, reader in (("one", other), ("other", one)):
            news = f"News of {worker}."
            servers[worker].call("core_memory_append", label="human", content=news)
            told = text_of(reader.call("archival_search", query="x"))
            assert told.partition(ELSEWHERE)[2].endswith(f":\n + {news}")
    stored = stored_texts(database)
    wanted = [f"{worker}-{number}" for worker in servers for number in range(200)]
    assert {text: stored[text] for text in wanted} == dict.fromkeys(wanted, 1)


def test_eight_processes_started_at_once_make_one_store(database: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(database)) for _ in range(8)]
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        for server in servers:
            server.request("initialize", hello)
            server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            line = {"label": "human", "content": f"Line {id(server)}."}
            server.request("tools/call", {"name": "core_memory_append", "arguments": line})
        for server in servers:
            greeting, answer = server.receive(), server.receive()
            assert "result" in greeting
            assert not answer["result"]["isError"], text_of(answer["result"])
        lines = servers[0].read("memory://blocks/human").split("\n")
        agents = json.loads(servers[1].read("memory://agents"))
    assert sorted(lines) == sorted(f"Line {id(server)}." for server in servers)
    assert [agent["name"] for agent in agents] == ["default"]
    assert rows(database, "SELECT label FROM blocks ORDER BY seq") == [
        "persona",
        "human",
        "project",
    ]
    doctor = run(
        "--database",
        database,
        "doctor",
        folder=database.parent,
        more={"HOME": str(database.parent)},
    )
    assert doctor.returncode == 0, doctor.stdout
    left = {path.name for path in database.parent.glob("memory.db*")}
    assert left - {"memory.db.hooks.seal"} == {"memory.db"}  # that of an encrypted one


def test_what_was_asked_before_the_end_of_input_is_answered(database: Path) -> None:
    with Server(database) as server:
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        asked = [server.request("initialize", hello)]
        server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        for number in range(20):
            call = {"name": "archival_insert", "arguments": {"content": f"Passage {number}."}}
            asked.append(server.request("tools/call", call))
        server.close_input()
        answers = server.rest()
        assert server.wait() == 0
        assert server.errors() == ""
    assert sorted(answer["id"] for answer in answers) == asked
    assert all("result" in answer for answer in answers)
    assert len(rows(database, "SELECT seq FROM passages")) == 20


def test_the_end_of_input_ends_a_process_that_was_asked_nothing(database: Path) -> None:
    with Server(database) as server:
        server.close_input()
        assert server.rest() == []
        assert server.wait() == 0
        assert server.errors() == ""


def test_a_cancelled_request_does_not_hold_up_the_end(database: Path) -> None:
    with Server(database) as server:
        server.greet()
        asked = server.request(
            "tools/call", {"name": "archival_insert", "arguments": {"content": "tide " * 15_000}}
        )
        cancel = {"method": "notifications/cancelled", "params": {"requestId": asked}}
        server.send({"jsonrpc": "2.0", **cancel})
        server.close_input()
        assert server.wait(PROMPTLY_SECONDS) == 0


def test_an_open_subscription_does_not_hold_up_the_end(database: Path) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    with Server(database) as server:
        wanted = {"resourceSubscriptions": ["memory://context"]}
        server.request("subscriptions/listen", {"notifications": wanted, "_meta": meta})
        assert server.receive()["method"] == "notifications/subscriptions/acknowledged"
        server.close_input()
        assert server.wait(PROMPTLY_SECONDS) == 0


@unix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_process(database: Path, number: signal.Signals) -> None:
    with Server(database) as server:
        server.greet()
        server.call("archival_insert", content="A passage.")
        server.signal(number)
        assert server.wait(PROMPTLY_SECONDS) in (0, 128 + number)
        assert "Traceback" not in server.errors()
    assert rows(database, "SELECT content FROM passages") == ["A passage."]


@pytest.fixture
def unread(database: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose client has stopped reading: the pipe is full of answers."""
    process = subprocess.Popen(
        command("--database", database, "--structured"),
        cwd=database.parent,
        env=environment(MEMORY_MCP_DAEMON_IDLE_SECONDS="0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    assert process.stdout
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
    first = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
    process.stdin.write(json.dumps(first).encode() + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    # Its structured answer repeats the passage, which is more than a pipe holds.
    call = {"name": "archival_insert", "arguments": {"content": "tide " * 19_000}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    process.stdin.flush()
    try:
        wait_until_full(process.stdout)
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)
        process.stdin.close()
        process.stdout.close()


def wait_until_full(pipe: IO[bytes]) -> None:
    """Wait until a pipe takes nothing more, so that whoever writes to it is stuck."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    started = time.monotonic()
    waiting = array("i", [0])
    while waiting[0] < PIPE_BYTES:
        assert time.monotonic() - started < DEADLINE_SECONDS, f"{waiting[0]:,} bytes in the pipe"
        time.sleep(0.01)
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)


@unix_only
def test_a_signal_ends_a_process_whose_client_has_stopped_reading(
    unread: "subprocess.Popen[bytes]",
) -> None:
    unread.send_signal(signal.SIGTERM)
    assert unread.wait(PROMPTLY_SECONDS) in (0, 128 + signal.SIGTERM, -signal.SIGTERM)


def test_a_process_whose_client_is_gone_ends(unread: "subprocess.Popen[bytes]") -> None:
    assert unread.stdout
    assert unread.stdin
    unread.stdout.close()
    unread.stdin.close()
    assert unread.wait(PROMPTLY_SECONDS) == 0


MARK = "zebra-crossing-8841"
"""A memory; nothing else in the world holds these letters."""


def provoke(server: Server) -> None:
    """Every kind of success and failure there is, each with memory text in it."""
    server.greet()
    calls: list[tuple[str, Answer]] = [
        ("core_memory_append", {"label": "human", "content": f"Secret {MARK}"}),
        ("core_memory_append", {"label": "human", "content": f"{MARK} " * 400}),
        ("core_memory_append", {"label": f"{MARK}", "content": "x"}),
        ("core_memory_append", {"label": "human", "content": [MARK]}),
        ("core_memory_append", {"label": "human", "content": f"\0{MARK}"}),
        ("core_memory_append", {"label": "human", "content": f"\ud800{MARK}"}),
        ("core_memory_replace", {"label": "human", "new_content": "", "old_content": f"no {MARK}"}),
        ("archival_insert", {"content": f"Passage {MARK}", "tags": [MARK]}),
        ("archival_insert", {"content": MARK, "tags": MARK}),
        ("archival_insert", {"content": MARK, "occurred_at": MARK}),
        ("archival_search", {"query": MARK}),
        ("archival_search", {"query": MARK, "limit": 0}),
        ("archival_search", {"query": MARK, "cursor": MARK}),
        ("archival_search", {"query": MARK, MARK: 1}),
        ("conversation_append", {"role": "user", "content": MARK, "name": MARK}),
        ("conversation_append", {"role": MARK, "content": MARK}),
        ("conversation_search", {"query": MARK}),
        (MARK, {"content": MARK}),
    ]
    for tool, arguments in calls:
        server.call(tool, **arguments)
    for method, params in (
        ("resources/read", {"uri": "memory://context"}),
        ("resources/read", {"uri": f"memory://blocks/{MARK}"}),
        ("resources/read", {"uri": f"memory://passages/{MARK}"}),
        ("prompts/get", {"name": "memory", "arguments": {"topic": MARK}}),
        ("prompts/get", {"name": "memory", "arguments": {"topic": f"{MARK}\0"}}),
        ("prompts/get", {"name": "memory", "arguments": {"topc": MARK}}),
        ("prompts/get", {"name": "memory", "arguments": {"topic": [MARK]}}),
        ("completion/complete", {"ref": MARK, "argument": {"name": MARK, "value": MARK}}),
        ("tools/call", {"name": "archival_insert", "arguments": MARK}),
    ):
        server.ask(method, params)
    server.write(f'{{"jsonrpc": "2.0", "id": 1, "method": "{MARK}\n'.encode())
    server.receive()
    server.write(f'{{"jsonrpc": "2.0", "method": "notifications/{MARK}"}}\n'.encode())
    server.write(f'{{"jsonrpc": "2.0", "id": 99, "result": {{"text": "{MARK}"}}}}\n'.encode())
    server.close_input()


def test_at_info_no_memory_text_is_on_standard_error(database: Path) -> None:
    with Server(database, "--tools", "capture", more={"MEMORY_MCP_LOG_LEVEL": "INFO"}) as server:
        provoke(server)
        assert server.wait() == 0
        server.rest()
        told = server.errors()
    assert MARK not in told, "\n".join(re.findall(f".*{MARK}.*", told)[:5])
    assert "Traceback" not in told


def test_standard_output_carries_messages_only_however_much_is_logged(database: Path) -> None:
    with Server(database, "--tools", "capture", more={"MEMORY_MCP_LOG_LEVEL": "DEBUG"}) as server:
        provoke(server)  # reads every answer as JSON
        assert server.wait() == 0
        answers = server.rest()
        assert "DEBUG" in server.errors()
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
