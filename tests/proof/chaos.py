"""Every door writes at once while processes are killed: is each acknowledged write there, once?

Bridges, a server that has its process to itself, HTTP, hooks, the importer and commands write texts
that nobody else writes. Whatever was acknowledged must be in the store exactly once at the end;
whatever was not may be there once or not at all.
"""

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from tests.acceptance.processes import (
    CLIENT,
    MODERN,
    Answer,
    HttpServer,
    Server,
    command,
    environment,
    http_server,
    run,
    text_of,
)
from tests.proof.figure import Figure, Scale

from memory_mcp.rendezvous import Rendezvous
from memory_mcp.storage.sqlite.driver import sqlite_module

ROUND_SECONDS = (0.6, 2.5)
"""How long everybody writes before the next kill."""

IN_FLIGHT = 4
MARK = re.compile(r"\bproof[a-z]+\d+x\d+\b")
STAYS = {"MEMORY_MCP_DAEMON_IDLE_SECONDS": "30"}
ANSWER_SECONDS = 60
META: Answer = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(slots=True)
class Tally:
    """What one door was asked to write, and what it said was written."""

    sent: int = 0
    acknowledged: set[str] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)


class Door:
    """One way in, writing in a thread of its own until it is told to stop."""

    name = ""

    def __init__(self, database: Path, number: int) -> None:
        self.database = database
        self.tally = Tally()
        self.victim: int | None = None
        """The process that may be killed; `None` while there is none."""
        self._number = number
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write no more; what is in flight is waited for."""
        self._stop.set()

    def join(self) -> None:
        """Wait until it has stopped."""
        self._thread.join(3 * ANSWER_SECONDS)
        if self._thread.is_alive():
            self.failure = TimeoutError(f"{self.name} hangs")

    def text(self) -> str:
        """A text that nobody else writes."""
        self.tally.sent += 1
        return f"proof{self.name}{self._number}x{self.tally.sent}"

    def _guarded(self) -> None:
        try:
            while not self._stop.is_set():
                self.write()
        except BaseException as error:  # noqa: BLE001 - shown as the trial's, not the thread's
            self.failure = error

    def write(self) -> None:
        """Write for a while; returns when the process has gone, or after some writes."""
        raise NotImplementedError


class Session(Door):
    """A host's session, with several calls in flight; `own` has its process to itself."""

    name = "bridge"
    own = False

    def write(self) -> None:
        with Server(self.database, "--tools", "capture", more=STAYS, daemon=not self.own) as server:
            if self.own:
                self.victim = server.pid
            with suppress(AssertionError, BrokenPipeError):  # killed before it has answered
                self._write(server)
            self.victim = None

    def _write(self, server: Server) -> None:
        server.greet()
        waiting: dict[int, str] = {}
        for tool, arguments in self._calls():
            waiting[server.request("tools/call", {"name": tool, "arguments": arguments})] = (
                arguments["content"]
            )
            while len(waiting) >= IN_FLIGHT:
                self._take(server, waiting)
            if self._stop.is_set():
                break
        while waiting:
            self._take(server, waiting)

    def _calls(self) -> Iterator[tuple[str, Answer]]:
        while True:
            yield "archival_insert", {"content": self.text()}
            yield "conversation_append", {"role": "user", "content": self.text()}
            yield "core_memory_append", {"label": "project", "content": self.text()}

    def _take(self, server: Server, waiting: dict[int, str]) -> None:
        line = server.line(ANSWER_SECONDS)
        # The last line of a killed process may be half of one.
        assert line is not None, "the process has gone"
        assert line.endswith(b"\n"), "the process has gone"
        answer = json.loads(line)
        text = waiting.pop(answer.get("id"), None)
        if text is None:
            return
        result: Answer = answer.get("result", answer)
        if "error" in result or result.get("isError"):
            self.tally.refusals.append(text_of(result))
        else:
            self.tally.acknowledged.add(text)


class Alone(Session):
    """A server without a daemon."""

    name = "alone"
    own = True


class Http(Door):
    """`serve --http`, asked one call after the other."""

    name = "http"

    def write(self) -> None:
        folder = self.database.parent / f"http-{self.tally.sent}"
        folder.mkdir()
        with http_server(self.database, more=STAYS) as server, httpx2.Client() as client:
            self.victim = server.process.pid
            with suppress(httpx2.HTTPError):  # killed
                while not self._stop.is_set():
                    self._post(server, client)
            self.victim = None

    def _post(self, server: HttpServer, client: httpx2.Client) -> None:
        text = self.text()
        params = {"_meta": META, "name": "archival_insert", "arguments": {"content": text}}
        answer = client.post(
            f"{server.url}/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
            headers={
                "Accept": "application/json, text/event-stream",
                "MCP-Protocol-Version": MODERN,
                "Mcp-Method": "tools/call",
                "Mcp-Name": "archival_insert",
            },
            timeout=ANSWER_SECONDS,
        )
        body = answer.text
        payload = body if body.startswith("{") else body.partition("data: ")[2].partition("\n")[0]
        result: Answer = json.loads(payload).get("result", {})
        if answer.status_code == 200 and result and not result.get("isError"):
            self.tally.acknowledged.add(text)
        else:
            self.tally.refusals.append(body[:300])


class Program(Door):
    """A command that is started anew for every write; its exit code is the acknowledgement."""

    def once(self, stdin: bytes, *arguments: object) -> tuple[int, str]:
        """Run it; the exit code, negative if it was killed, and what it said of errors."""
        process = subprocess.Popen(
            command(*arguments),
            cwd=self.database.parent,
            env=environment(**STAYS),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.victim = process.pid
        try:
            _, errors = process.communicate(stdin, timeout=ANSWER_SECONDS)
        finally:
            self.victim = None
        return process.returncode, errors.decode("utf-8", "replace")

    def judge(self, ended: tuple[int, str], texts: list[str], *, quiet: bool = False) -> None:
        """Enter what it said; `quiet` where an error is told by words, not by the exit code."""
        code, errors = ended
        if code == 0 and not (quiet and errors):
            self.tally.acknowledged.update(texts)
        elif code > 0 or (code == 0 and quiet):
            self.tally.refusals.append(errors[-300:])


class Hook(Program):
    """Claude Code's hook at a prompt."""

    name = "hook"

    def write(self) -> None:
        text = self.text()
        event = {
            "hook_event_name": "UserPromptSubmit",
            "session_id": f"proof-{self._number}",
            "prompt_id": text,
            "prompt": text,
            "cwd": str(self.database.parent),
        }
        words = ("hook", "claude-code", "--database", self.database, "--agent", "default")
        self.judge(self.once(json.dumps(event).encode(), *words), [text], quiet=True)


class Importer(Program):
    """An import of two hundred passages."""

    name = "import"
    records = 200

    def write(self) -> None:
        texts = [self.text() for _ in range(self.records)]
        lines = "".join(json.dumps({"content": text}) + "\n" for text in texts)
        words = ("--database", self.database, "import", "passages", "-")
        self.judge(self.once(lines.encode(), *words), texts)


class Person(Program):
    """A person's command."""

    name = "person"

    def write(self) -> None:
        text = self.text()
        words = ("--database", self.database, "blocks", "create", text, "--value", text)
        self.judge(self.once(b"", *words), [text])


DOORS: tuple[Callable[[Path, int], Door], ...] = (
    Session,
    Session,
    Alone,
    Http,
    Hook,
    Importer,
    Person,
)


def trial(scale: Scale) -> list[Figure]:
    """Write through every door, kill somebody again and again, compare."""
    database = scale.folder / "memory.db"
    chance = random.Random(scale.seed)
    run("--database", database, "stats", folder=scale.folder)
    doors = [make(database, number) for number, make in enumerate(DOORS)]
    for door in doors:
        door.start()
    kills: Counter[str] = Counter()
    for _ in range(scale.of(15, 600)):
        time.sleep(chance.uniform(*ROUND_SECONDS))  # the load, not a wait for something
        kills[_kill_one(database, doors, chance)] += 1
    for door in doors:
        door.stop()
    for door in doors:
        door.join()
    _settle(database)
    return _compared(database, doors, kills)


def _kill_one(database: Path, doors: list[Door], chance: random.Random) -> str:
    """End somebody, every second time the daemon, at whatever instruction; who it was."""
    victims: deque[tuple[str, int]] = deque(
        (door.name, door.victim) for door in doors if door.victim is not None
    )
    if chance.random() < 0.5 or not victims:
        told = Rendezvous(str(database)).ask("status")
        victims = deque([("daemon", told["pid"])] if told else [])
    if not victims:
        return "nobody"
    name, pid = chance.choice(victims)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return name


def _settle(database: Path) -> None:
    """Let a last session take in what hooks left, and end the daemon."""
    with Server(database, more=STAYS, daemon=True) as server:
        server.greet()
        server.call("archival_search", query="proof")
    run("--database", database, "doctor", "--repair", folder=database.parent)
    Rendezvous(str(database)).end()


def _compared(database: Path, doors: list[Door], kills: Counter[str]) -> list[Figure]:
    stored = stored_marks(database)
    acknowledged = {text for door in doors for text in door.tally.acknowledged}
    lost = sorted(acknowledged - stored.keys())
    twice = sorted(text for text, times in stored.items() if times > 1)
    sent = sum(door.tally.sent for door in doors)
    killed = sum(times for name, times in kills.items() if name != "nobody")
    by_door = ", ".join(f"{door.name} {len(door.tally.acknowledged):,}" for door in doors)
    failures = [f"{door.name}: {door.failure!r}" for door in doors if door.failure]
    silent = [f"{door.name} wrote nothing" for door in doors if not door.tally.acknowledged]
    silent = [
        f"{told}: {door.tally.refusals[-1:]}" for told, door in zip(silent, doors, strict=False)
    ]
    what = (
        f"{len(acknowledged):,} acknowledged writes ({by_door})"
        f" under {killed} kills ({kills['daemon']} of the daemon)"
    )
    sound = _soundness(database)
    return [
        Figure(
            promise="D1",
            seen=f"{what}: {len(lost) or 'none'} lost",
            broken=[f"lost: {text}" for text in lost] + failures + silent,
        ),
        Figure(
            promise="D20",
            seen=f"{sent:,} writes sent, {len(twice) or 'none'} made twice",
            broken=[f"twice: {text}" for text in twice],
        ),
        Figure(
            promise="D2", seen="integrity_check: " + ("ok" if not sound else "damage"), broken=sound
        ),
    ]


def stored_marks(database: Path) -> Counter[str]:
    """How often each text stands in memory, wherever it was written to."""
    texts = (
        "SELECT content FROM passages",
        "SELECT content FROM messages",
        "SELECT value FROM blocks",
    )
    with closing(sqlite_module().connect(database)) as connection:
        return Counter(
            mark
            for sql in texts
            for (text,) in connection.execute(sql)
            for mark in MARK.findall(text or "")
        )


def _soundness(database: Path) -> list[str]:
    with closing(sqlite_module().connect(database)) as connection:
        rows: list[Any] = connection.execute("PRAGMA integrity_check").fetchall()
    return [] if rows == [("ok",)] else [str(row[0]) for row in rows]
