"""How soon a host has its memory, and what it weighs then."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from bench import ours, peers
from bench.contenders import Contender, empty_server, environment
from bench.corpus import Corpus
from bench.ours import Daemon, MemoryMCP
from bench.processes import tree_memory
from bench.report import Bar, Report, p50, print_table

PASSAGES = 10_000
_ENVELOPE = "io.modelcontextprotocol/"
MODERN = {
    "_meta": {
        f"{_ENVELOPE}protocolVersion": "2026-07-28",
        f"{_ENVELOPE}clientInfo": {"name": "memory-mcp-bench", "version": "1"},
        f"{_ENVELOPE}clientCapabilities": {},
    }
}
PYTHON = "python -c pass"
EMPTY = "empty MCPServer"
NEW_STORE = "memory-mcp, new store"
FULL_STORE = "memory-mcp, 10,000 passages"
BRIDGE = "memory-mcp, bridge to a running daemon"
NO_DAEMON = "memory-mcp, no daemon running"
NO_DAEMON_2026 = "memory-mcp, no daemon running, 2026-07-28"
NO_SNAPSHOT = "memory-mcp, no daemon running and no snapshot"
BEFORE = "the build before, no daemon running"
BRIDGES = (BRIDGE, NO_DAEMON, NO_DAEMON_2026, NO_SNAPSHOT, BEFORE)
NODE = "server-memory, 10,000 entities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of one contender. Times are since the spawn; None where there is no such moment."""

    #: Until `initialize`, or `server/discover`, was answered; for `python -c pass`, until it ended.
    initialize_ms: float
    tools_list_ms: float | None = None
    first_answer_ms: float | None = None
    rss_mb: float | None = None
    pss_mb: float | None = None


Starter = Callable[[], Start]
Medians = dict[str, Start]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=20, help="starts of each contender")
    parser.add_argument(
        "--bridge",
        action="store_true",
        help="also without --in-process: with the daemon running, and with none",
    )
    parser.add_argument(
        "--before",
        metavar="COMMAND",
        help="with --bridge: another build, started with no daemon running in the same rounds",
    )


def run(options: argparse.Namespace, scratch: Path) -> Report:
    starters = _starters(options, scratch)
    starts: dict[str, list[Start]] = {name: [] for name in starters}
    for start in starters.values():
        start()  # Not counted: it fills the page cache and starts the daemon.
    for _ in range(options.runs):
        for name, start in starters.items():
            starts[name].append(start())
    medians = {name: median_start(each) for name, each in starts.items()}
    _print(medians)
    figures = {name: asdict(start) for name, start in medians.items()}
    return Report(figures={"runs": options.runs, "medians": figures}, bars=list(bars(medians)))


def start_once(contender: Contender, *, modern: bool = False) -> Start:
    """Start it, greet it, list its tools, search once, weigh it, end it."""
    query = Corpus().query(PASSAGES // 2)
    more = MODERN if modern else {}
    spawned = perf_counter()
    with contender.start() as client:
        if modern:
            client.request("server/discover", more)
        else:
            client.initialize()
        initialized = perf_counter()
        client.request("tools/list", more)
        listed = perf_counter()
        tool, arguments = contender.search(query)
        client.request("tools/call", {"name": tool, "arguments": arguments, **more})
        answered = perf_counter()
        memory = tree_memory(client.process.pid)
    return Start(
        initialize_ms=(initialized - spawned) * 1e3,
        tools_list_ms=(listed - spawned) * 1e3,
        first_answer_ms=(answered - spawned) * 1e3,
        rss_mb=memory.rss if memory else None,
        pss_mb=memory.pss if memory else None,
    )


def start_without_daemon(
    contender: Contender, daemon: Daemon, *, modern: bool = False, snapshots: Path | None = None
) -> Start:
    """Start a bridge that finds no daemon; the one it starts is ended before anyone else starts.

    What lies in `snapshots` is removed before.
    """
    if daemon.status()["running"]:
        sys.exit("a daemon runs already on the store that is to have none")
    if snapshots is not None:
        shutil.rmtree(snapshots, ignore_errors=True)
    try:
        return start_once(contender, modern=modern)
    finally:
        daemon.stop()


def start_python() -> Start:
    """Start the interpreter for nothing."""
    spawned = perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], env=environment(), check=True)
    return Start(initialize_ms=(perf_counter() - spawned) * 1e3)


def median_start(starts: Sequence[Start]) -> Start:
    """The median of each figure by itself."""

    def median(values: list[float | None]) -> float | None:
        present = [value for value in values if value is not None]
        return p50(present) if present else None

    return Start(
        initialize_ms=p50([start.initialize_ms for start in starts]),
        tools_list_ms=median([start.tools_list_ms for start in starts]),
        first_answer_ms=median([start.first_answer_ms for start in starts]),
        rss_mb=median([start.rss_mb for start in starts]),
        pss_mb=median([start.pss_mb for start in starts]),
    )


def bars(medians: Medians) -> Iterator[Bar]:
    """The promises, those whose contenders took part."""
    full, empty = medians[FULL_STORE], medians[EMPTY]
    yield _times("initialize, in-process", full.initialize_ms, empty.initialize_ms, 1.25, EMPTY)
    if full.first_answer_ms and empty.first_answer_ms:
        what = "first search at 10,000 passages, in-process"
        yield _times(what, full.first_answer_ms, empty.first_answer_ms, 1.5, f"{EMPTY}'s first")
    if full.rss_mb and empty.rss_mb:
        yield _times("memory after that", full.rss_mb, empty.rss_mb, 1.5, EMPTY)
    if bridge := medians.get(BRIDGE):
        floor = medians[PYTHON].initialize_ms
        yield _times("initialize, bridge", bridge.initialize_ms, floor, 4, PYTHON)
        if node := medians.get(NODE):
            yield _times("initialize, bridge", bridge.initialize_ms, node.initialize_ms, 1, NODE)
    yield from _cold_bars(medians)


def _cold_bars(medians: Medians) -> Iterator[Bar]:
    """What holds where no daemon runs."""
    floor = medians[PYTHON].initialize_ms
    for name, what in ((NO_DAEMON, "initialize"), (NO_DAEMON_2026, "server/discover")):
        if (start := medians.get(name)) is None or start.tools_list_ms is None:
            continue
        yield _times(f"{what}, no daemon running", start.initialize_ms, floor, 5, PYTHON)
        yield _times("tools/list after it", start.tools_list_ms, floor, 5, PYTHON)
        if (node := medians.get(NODE)) and node.tools_list_ms:
            yield _times(
                f"{what}, no daemon running", start.initialize_ms, node.initialize_ms, 0.5, NODE
            )
            yield _times("tools/list after it", start.tools_list_ms, node.tools_list_ms, 0.5, NODE)
    before = medians.get(BEFORE)
    for name, limit in ((NO_DAEMON, 1), (NO_SNAPSHOT, 1.1)):
        start = medians.get(name)
        if before and start and before.first_answer_ms and start.first_answer_ms:
            what = f"first answer: {name}"
            yield _times(what, start.first_answer_ms, before.first_answer_ms, limit, BEFORE)


def _starters(options: argparse.Namespace, scratch: Path) -> dict[str, Starter]:
    """What is started, in the order in which each round starts it."""
    server = ours.find(options.command)
    contenders = {
        EMPTY: empty_server(),
        FULL_STORE: _filled(server, scratch / "full.db"),
        NEW_STORE: server.contender(scratch / "new.db"),
    }
    if options.bridge:
        contenders[BRIDGE] = server.contender(scratch / "full.db", in_process=False)
    if peer := peers.server_memory(options.peers_dir):
        database = scratch / "server-memory.jsonl"
        peer.fill(Corpus().passages(0, PASSAGES), database)
        contenders[NODE] = peer.contender(database)
    starters = {PYTHON: start_python} | {
        name: _starter(contender) for name, contender in contenders.items()
    }
    if options.bridge:
        starters |= _without_daemon(server, scratch)
        if options.before:
            database = scratch / "before.db"
            before = ours.find(options.before)
            _filled(before, database)
            old, daemon = before.contender(database, in_process=False), before.daemon(database)
            starters[BEFORE] = lambda: start_without_daemon(old, daemon)
    return starters


def _without_daemon(server: MemoryMCP, scratch: Path) -> dict[str, Starter]:
    """Starts on stores of their own: ending their daemon must not end the one that is to run."""
    starters: dict[str, Starter] = {}
    for number, (name, modern, snapshot) in enumerate(
        ((NO_DAEMON, False, True), (NO_DAEMON_2026, True, True), (NO_SNAPSHOT, False, False))
    ):
        database = scratch / f"alone{number}.db"
        _filled(server, database)
        starters[name] = partial(
            start_without_daemon,
            server.contender(database, in_process=False),
            server.daemon(database),
            modern=modern,
            snapshots=None if snapshot else Path(f"{database}.snapshots"),
        )
    return starters


def _starter(contender: Contender) -> Starter:
    return lambda: start_once(contender)


def _filled(server: MemoryMCP, database: Path) -> Contender:
    print(f"importing {PASSAGES:,} passages")
    server.import_passages(Corpus().passages(0, PASSAGES), database)
    return server.contender(database)


def _times(what: str, measured: float, floor: float, limit: float, floor_name: str) -> Bar:
    return Bar(what=what, measured=measured / floor, limit=limit, unit=f"× {floor_name}")


def _print(medians: Medians) -> None:
    heads = ("medians", "initialize ms", "× empty", "× python", "tools/list ms", "× python")
    empty, python = medians[EMPTY], medians[PYTHON]
    rows = [
        (
            name,
            start.initialize_ms,
            start.initialize_ms / empty.initialize_ms,
            start.initialize_ms / python.initialize_ms,
            start.tools_list_ms,
            _ratio(start.tools_list_ms, python.initialize_ms),
            start.first_answer_ms,
            _ratio(start.first_answer_ms, empty.first_answer_ms),
            start.rss_mb,
            start.pss_mb,
        )
        for name, start in medians.items()
    ]
    print()
    print_table((*heads, "first answer ms", "× empty", "RSS MB", "PSS MB"), rows)
    if medians.keys() & set(BRIDGES):
        print(
            "RSS and PSS of a bridge are its own alone; `bench sessions` weighs the daemon too.\n"
        )


def _ratio(measured: float | None, floor: float | None) -> float | None:
    return measured / floor if measured and floor else None
