"""A daemon that was stopped, or hangs: everybody goes on without it, and it writes no more."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.processes import Server, environment, run, text_of, wait_until
from tests.acceptance.test_daemon import Peer, bridge, has_ended, log, status
from tests.acceptance.test_processes import stored_texts, write_of

from memory_mcp.holder import holder_of
from memory_mcp.rendezvous import Rendezvous, hello
from memory_mcp.storage.sqlite.driver import sqlite_module

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux says of a process that it was stopped"
)

PROMPT = {"hook_event_name": "UserPromptSubmit", "prompt": "High tide?", "session_id": "one"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A place for a store, whose daemon ends with the test, and so do those that were stopped."""
    path = tmp_path / "memory.db"
    yield path
    Rendezvous(str(path)).end()


@pytest.fixture
def stopped(database: Path) -> Iterator[list[int]]:
    """The daemons that `stop` has stopped."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def stop(database: Path, stopped: list[int]) -> int:
    """Stop the daemon, as `kill -STOP` does."""
    pid = status(database)["pid"]
    os.kill(pid, signal.SIGSTOP)
    stopped.append(pid)
    return pid


def is_there(pid: int) -> bool:
    """Whether a process lives."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def append(server: Server, line: str) -> str:
    return text_of(server.call("core_memory_append", label="human", content=line))


def test_a_session_goes_on_with_another_daemon_and_is_told(
    database: Path, stopped: list[int]
) -> None:
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        pid = stop(database, stopped)
        told = append(server, "After.")
        assert "Before.\n After." in told
        assert "Note from the memory server: the memory daemon had hung and was replaced" in told
        assert f"memory-mcp: process {pid} was stopped and answers nothing" in server.errors()
        assert not is_there(pid)
        assert f"process {pid} was stopped" in status(database)["after"]
        assert f"process {pid} was stopped" in log(database)
        doctor = run("--database", database, "doctor", folder=database.parent)
        assert f"before it, process {pid} was stopped" in doctor.stdout
        assert "Note" not in append(server, "On.")


def test_calls_under_way_when_the_daemon_is_stopped_are_made_once(
    database: Path, stopped: list[int]
) -> None:
    with bridge(database, "--tools", "capture") as server:
        server.greet()
        for life in range(2):
            for number in range(60):
                tool, arguments = write_of(f"life{life}-", number)
                server.request("tools/call", {"name": tool, "arguments": arguments})
            first = server.receive()
            stop(database, stopped)
            for answer in [first, *(server.receive() for _ in range(59))]:
                assert not answer["result"]["isError"], text_of(answer["result"])
    stored = stored_texts(database)
    wanted = [f"life{life}-{number}" for life in range(2) for number in range(60)]
    assert {text: stored[text] for text in wanted} == dict.fromkeys(wanted, 1)


def test_a_new_session_a_command_and_a_prompt_go_on_as_well(
    database: Path, stopped: list[int]
) -> None:
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        stop(database, stopped)
        with bridge(database) as other:
            other.greet()
            append(other, "By another.")
        first = stop(database, stopped)
        asked = run("--database", database, "blocks", "show", "human", folder=database.parent)
        assert "By another." in asked.stdout
        assert f"process {first} was stopped" in asked.stderr
        append(server, "After.")
        second = stop(database, stopped)
        hooked = run(
            "--database", database, "hook", "claude-code", folder=database.parent,
            stdin=json.dumps(PROMPT).encode(),
        )  # fmt: skip
        assert "By another.\\nAfter." in hooked.stdout
        assert f"process {second} was stopped" in hooked.stderr


def test_a_hook_that_says_nothing_leaves_what_it_was_told_and_goes(
    database: Path, stopped: list[int]
) -> None:
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        pid = stop(database, stopped)
        began = time.monotonic()
        told = {"hook_event_name": "SessionEnd", "session_id": "one"}
        hooked = run(
            "--database", database, "hook", "claude-code", folder=database.parent,
            stdin=json.dumps(told).encode(),
        )  # fmt: skip
        assert time.monotonic() - began < 4  # five seconds is what it waits for a store
        assert hooked.returncode == 0
        assert f"process {pid}" in hooked.stderr
        assert len(os.listdir(Rendezvous(str(database)).spool)) == 1
        append(server, "After.")
        wait_until(lambda: not os.listdir(Rendezvous(str(database)).spool))


@pytest.mark.parametrize("what", ["stop", "restart"])
def test_a_person_sees_the_process_and_ends_it(
    database: Path, stopped: list[int], what: str
) -> None:
    with bridge(database) as server:
        server.greet()
        pid = stop(database, stopped)
        shown = run("--database", database, "daemon", "status", folder=database.parent)
        assert shown.returncode == 1
        assert f"process {pid}" in shown.stdout
        assert "does not answer" in shown.stdout
        told = run("--database", database, "daemon", "status", "--json", folder=database.parent)
        assert json.loads(told.stdout) | {"why": ""} == {
            "running": True, "answers": False, "pid": pid, "store": str(database), "why": "",
        }  # fmt: skip
        doctor = run("--database", database, "doctor", folder=database.parent)
        assert f"process {pid}" in doctor.stdout
        assert "→ memory-mcp daemon restart" in doctor.stdout
        ended = run("--database", database, "daemon", what, folder=database.parent)
        assert ended.returncode == 0, ended.stderr
        assert f"Process {pid} was stopped" in ended.stdout
        assert not is_there(pid)
        assert "After." in append(server, "After.")


def test_a_daemon_that_cannot_be_ended_writes_nothing_when_it_wakes_up(
    database: Path, stopped: list[int]
) -> None:
    rendezvous = Rendezvous(str(database))
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        old = Peer(database, session="old")
        old.greet()
        pid = stop(database, stopped)
        # As if it ran in another container: nobody here may end a process of that number.
        lock = Path(rendezvous.lock)
        told = json.loads(lock.read_text())
        lock.write_text(f" {json.dumps(told | {'where': 'elsewhere'})}\n")
        append(server, "After.")
        second = status(database)["pid"]
        assert second != pid
        assert is_there(pid)
        assert "and may write no more" in server.errors()
        for number in range(20):
            old.call(number, "core_memory_append", label="human", content=f"Forged {number}.")
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not is_there(pid))
        for answer in old.rest():
            assert "another one has taken over; nothing was changed" in json.dumps(answer)
        old.close()
        assert append(server, "On.").endswith("Before.\n After.\n On.")
        assert status(database)["pid"] == second


def test_no_process_is_ended_that_is_not_the_daemon(database: Path, stopped: list[int]) -> None:
    rendezvous = Rendezvous(str(database))
    with bridge(database) as server:
        server.greet()
        pid = stop(database, stopped)
        bystander = os.posix_spawn("/bin/sleep", ["sleep", "60"], environment())
        try:
            lock = Path(rendezvous.lock)
            told = json.loads(lock.read_text())
            lock.write_text(f" {json.dumps(told | {'pid': bystander})}\n")
            run("--database", database, "daemon", "stop", folder=database.parent)
            assert is_there(bystander)
            holder = holder_of(rendezvous.lock)
            assert holder is None or not holder.kill()
            assert is_there(bystander)
        finally:
            os.kill(bystander, signal.SIGKILL)
            os.waitpid(bystander, 0)
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: has_ended(database, pid))


def test_a_daemon_that_hangs_in_its_event_loop_is_taken_over_from(database: Path) -> None:
    rendezvous = Rendezvous(str(database))
    read, write = os.pipe()
    lock = rendezvous.try_lock()
    assert lock is not None
    os.set_inheritable(lock, True)
    hangs = (
        "import os, socket, sys, time\n"
        "from memory_mcp.holder import sign\n"
        "sign(int(sys.argv[2]), '0.1.0')\n"
        "door = socket.socket(socket.AF_UNIX)\n"
        "door.bind(sys.argv[1]); door.listen(64)\n"
        "os.write(int(sys.argv[3]), b'.')\n"
        "time.sleep(600)\n"
    )
    os.set_inheritable(write, True)
    words = [sys.executable, "-c", hangs, rendezvous.socket, str(lock), str(write)]
    pid = os.posix_spawn(sys.executable, words, environment())
    os.close(lock)
    try:
        assert os.read(read, 1) == b"."
        began = time.monotonic()
        with bridge(database) as server:
            server.greet()
            assert "has answered nothing for 1" in server.errors()
            assert 9 < time.monotonic() - began < 25
            assert not is_there(pid)
            assert "Line." in append(server, "Line.")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_long_job_is_not_taken_for_a_silent_daemon(database: Path) -> None:
    with bridge(database) as server:
        server.greet()
        append(server, "Before.")
        pid = status(database)["pid"]
        blocker = sqlite_module().connect(database, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        asked = server.request(
            "tools/call",
            {"name": "core_memory_append", "arguments": {"label": "human", "content": "After."}},
        )
        assert Rendezvous(str(database)).answers(5)
        with pytest.raises(TimeoutError):
            server.line(11)
        blocker.execute("ROLLBACK")
        blocker.close()
        answer = server.receive()
        assert answer["id"] == asked
        assert not answer["result"]["isError"]
        assert status(database)["pid"] == pid


def test_a_bridge_whose_host_has_left_does_not_wait_for_a_stopped_daemon(
    database: Path, stopped: list[int]
) -> None:
    with bridge(database) as server:
        server.greet()
        stop(database, stopped)
        server.close_input()
        assert server.wait(15) == 0


def test_a_process_that_stopped_before_its_daemon_began_is_taken_over_from(
    database: Path,
) -> None:
    rendezvous = Rendezvous(str(database))
    lock = rendezvous.try_lock()
    assert lock is not None
    os.set_inheritable(lock, True)
    code = (
        "import os, signal, sys\n"
        "from memory_mcp.holder import sign\n"
        "sign(int(sys.argv[1]), '0.1.0')\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code, str(lock)], environment())
    os.close(lock)
    try:
        holder = rendezvous.holder
        wait_until(lambda: (found := holder()) is not None and found.is_stopped())
        with bridge(database) as server:
            server.greet()
            assert "Line." in append(server, "Line.")
            assert f"process {pid} was stopped" in server.errors()
    finally:
        os.waitpid(pid, 0)


def test_a_lock_that_says_nothing_of_its_process_is_left_alone(tmp_path: Path) -> None:
    for told in (b"", b"\n", b" {}", b" []", b' {"pid": "x"}', b"\xff\xfe", b' {"pid": 1}'):
        path = tmp_path / "lock"
        path.write_bytes(told)
        path.chmod(0o600)
        holder = holder_of(str(path))
        assert holder is None or not holder.kill()
    path.write_bytes(json.dumps({"pid": os.getpid()}).encode())
    path.chmod(0o666)
    assert holder_of(str(path)) is None
    assert hello("status")["pid"] == os.getpid()
