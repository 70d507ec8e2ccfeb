"""The shadow agent's worker as the suites start it, what is entered for it, and what it left."""

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from anyio.from_thread import start_blocking_portal

from bench.contenders import environment
from bench.ours import MemoryMCP
from bench.processes import PROC
from bench.scripted_model import as_text
from bench.sqlite_driver import sqlite3
from memory_mcp.app import open_services
from memory_mcp.config import load_settings
from memory_mcp.domain.ids import AgentId
from memory_mcp.services import Services

AGENT = "bench"
LOOK_S = 0.02
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_BLOCK = """
SELECT b.value FROM agents a JOIN agent_blocks ab ON ab.agent_seq = a.seq
    JOIN blocks b ON b.seq = ab.block_seq
WHERE a.name = ? AND ab.label = ?
"""
_SAYS = re.compile(r"process (\d+) on \S+ (works|ends)\b")


# --- Its process ---


def log_of(database: Path) -> Path:
    """Where every worker of the store says that it works, and that it ends."""
    return database.with_name(f"{database.name}.shadow.log")


def start(
    server: MemoryMCP, database: Path, settings: Mapping[str, str], *words: str
) -> subprocess.Popen[bytes]:
    """Start a worker as a child of ours; it logs where a detached one would."""
    with log_of(database).open("ab") as log:
        return subprocess.Popen(
            server.on(database, "shadow", "work", "--attached", *words),
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def said(database: Path, after_bytes: int = 0) -> list[tuple[int, str]]:
    """Who said that it `works` or `ends`, in order."""
    if not log_of(database).exists():
        return []
    text = log_of(database).read_bytes()[after_bytes:].decode(errors="replace")
    return [(int(pid), what) for pid, what in _SAYS.findall(text)]


def at_once(told: Sequence[tuple[int, str]]) -> int:
    """How many workers had the lease at once at the most, if none of them was killed."""
    most, working = 0, set[int]()
    for pid, what in told:
        if what == "works":
            working.add(pid)
        else:
            working.discard(pid)
        most = max(most, len(working))
    return most


def cpu_s(pid: int) -> float:
    """What a process has had of the cores so far; 0 when it has ended."""
    fields = _stat(pid)
    return sum(map(int, fields[11:13])) / TICKS_A_SECOND if fields else 0.0


def stop(pid: int, database: Path | None = None) -> None:
    """Stop a process where it is, but not where it holds the store's lock."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        while (fields := _stat(pid)) and fields[0] not in "TtZ":
            sleep(0.001)
        if database is None or _is_free(database):
            return
        go_on(pid)
        sleep(0.002)


def go_on(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def tried(database: Path) -> set[int]:
    """The worker processes of this store that there are now, whether they have its lease or not."""
    found = set[int]()
    for file in PROC.glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue  # It ended meanwhile.
        if str(database).encode() in words and b"shadow" in words and b"work" in words:
            found.add(int(file.parent.name))
    return found


def wait_until(holds: Callable[[], object], deadline: float) -> bool:
    """Look again and again, until it is so or time is over; whether it is."""
    while not holds():
        if monotonic() > deadline:
            return False
        sleep(LOOK_S)
    return True


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_free(database: Path) -> bool:
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
    return True


# --- What is entered for it ---


class Requests:
    """The way for requests into the ledger: the services themselves, in a thread of their own."""

    def __init__(
        self, database: Path, call: Callable[..., Any], services: Services, agent_id: AgentId
    ) -> None:
        self.entered = 0
        self._database = database
        self._call = call
        self._services = services
        self._agent_id = agent_id

    def fill_up(self, ahead: int, text: Callable[[int], str], most: int | None = None) -> None:
        """Enter so many that `ahead` of them wait, but not more than `most` in all."""
        wanted = ahead - open_runs(self._database)
        if most is not None:
            wanted = min(wanted, most - self.entered)
        for _ in range(wanted):
            self._call(self._services.ledger.request, self._agent_id, text(self.entered))
            self.entered += 1


@contextmanager
def requests_to(database: Path, settings: Mapping[str, str]) -> Generator[Requests]:
    told = load_settings(database=str(database), agent=AGENT, environment=settings)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_services(told)) as services,
    ):
        agent = portal.call(services.agents.choose, told.agent)
        yield Requests(database, portal.call, services, agent.id)


# --- What it left, read behind its back ---


def runs_by_state(database: Path) -> dict[str, int]:
    return dict(Counter(state for (state,) in rows(database, "SELECT state FROM runs")))


def open_runs(database: Path) -> int:
    return rows(database, "SELECT count(*) FROM runs WHERE ended_at IS NULL")[0][0]


def block_lines(database: Path, label: str) -> list[str]:
    found = rows(database, _BLOCK, AGENT, label)
    return found[0][0].splitlines() if found else []


def calls_entered(database: Path) -> list[str]:
    """The messages of every call in the ledger, as `ScriptedModel.asked` gives them."""
    entered = rows(database, "SELECT request FROM run_calls")
    return [as_text(json.loads(request)["messages"]) for (request,) in entered]


def rows(database: Path, question: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(question, parameters).fetchall()
