"""What many sessions at once weigh, and what a call costs, through the daemon and without it.

The groups that are weighed are open one after the other: processes of two groups at once would
share pages, and each group would seem lighter than it is.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from bench import ours
from bench.contenders import Contender, ToolCall
from bench.corpus import Corpus
from bench.ours import Daemon
from bench.processes import tree_memory
from bench.report import Bar, Report, p50, p99, print_table
from bench.stdio_client import StdioClient

PASSAGES = 10_000
WARM_UP_TURNS = 20
BRIDGES = "bridges and daemon"
IN_PROCESS = "in-process"
#: Ours, not the design's. The daemon is one share of the whole, so it means many sessions.
PSS_BAR = 0.25
PSS_BAR_SESSIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What some open sessions take together, in MB (10⁶ bytes)."""

    sessions: int
    #: Of the processes that hosts started.
    own_pss_mb: float
    #: Of the daemon's processes; None without it.
    daemon_pss_mb: float | None = None

    @property
    def pss_mb(self) -> float:
        return self.own_pss_mb + (self.daemon_pss_mb or 0)


Request = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Times of one kind of request, in milliseconds, taken in turns."""

    bridge: list[float] = field(default_factory=list)
    in_process: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sessions", type=int, default=20, help="how many are open at once")
    parser.add_argument("--calls", type=int, default=300, help="of each kind, each way")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    server, corpus = ours.find(options.command), Corpus()
    print(f"importing {PASSAGES:,} passages, twice")
    databases = scratch / "bridge.db", scratch / "in-process.db"
    for database in databases:
        server.import_passages(corpus.passages(0, PASSAGES), database)
    bridge = server.contender(databases[0], in_process=False)
    in_process = server.contender(databases[1])
    daemon = server.daemon(databases[0])
    weights = {
        f"1 session, {IN_PROCESS}": weigh(in_process, 1, corpus),
        f"{options.sessions} sessions, {IN_PROCESS}": weigh(in_process, options.sessions, corpus),
        f"{options.sessions} sessions, {BRIDGES}": weigh(bridge, options.sessions, corpus, daemon),
    }
    calls = time_calls(bridge, in_process, corpus, options.calls)
    _print_weights(weights)
    _print_calls(calls)
    figures = {
        "sessions": options.sessions,
        "calls": options.calls,
        "weights": {name: asdict(each) for name, each in weights.items()},
        "requests": {name: _summary(each) for name, each in calls.items()},
    }
    return Report(figures=figures, bars=list(bars(*weights.values())))


def weigh(
    contender: Contender, sessions: int, corpus: Corpus, daemon: Daemon | None = None
) -> Weight:
    """Open so many sessions, search once in each, weigh everything that serves them, end it."""
    with ExitStack() as stack:
        # All are started before any is asked: starting is most of the work, and can overlap.
        clients = [stack.enter_context(contender.start(timeout_s=120)) for _ in range(sessions)]
        for place, client in enumerate(clients):
            client.initialize()
            client.call(*contender.search(corpus.query(place * 7919 % PASSAGES)))
        daemon_pid = _pid_of(daemon, sessions) if daemon else None
        weight = Weight(
            sessions=sessions,
            own_pss_mb=sum(_pss_mb(client.process.pid) for client in clients),
            daemon_pss_mb=_pss_mb(daemon_pid) if daemon_pid else None,
        )
    if daemon:
        daemon.stop()
    return weight


def time_calls(
    bridge: Contender, in_process: Contender, corpus: Corpus, calls: int
) -> dict[str, Samples]:
    """Ask both the same, in turns; who comes first changes with each turn."""
    samples: dict[str, Samples] = {}
    with bridge.start() as through, in_process.start() as direct:
        through.initialize()
        direct.initialize()
        for turn in range(-WARM_UP_TURNS, calls):
            for name, request in _requests(bridge, corpus, turn).items():
                kept = samples.setdefault(name, Samples())
                pairs = [(through, kept.bridge), (direct, kept.in_process)]
                for client, times in pairs if turn % 2 else reversed(pairs):
                    took_ms = _timed(client, *request)
                    if turn >= 0:
                        times.append(took_ms)
    return samples


def bars(one: Weight, many: Weight, bridges: Weight) -> Iterator[Bar]:
    """Ours: the design promises nothing here."""
    if bridges.sessions >= PSS_BAR_SESSIONS:
        yield Bar(
            what=f"PSS of {bridges.sessions} sessions, {BRIDGES} (a bar of this suite's own)",
            measured=bridges.pss_mb / many.pss_mb,
            limit=PSS_BAR,
            unit=f"× {many.sessions} in-process",
        )


def _requests(contender: Contender, corpus: Corpus, turn: int) -> dict[str, Request]:
    """What is asked in one turn: the smallest requests first, which show the bridge's own cost."""
    passage = corpus.passage(PASSAGES * 1_000 + turn)
    query = corpus.query(turn * 7919 % PASSAGES)
    return {
        "resources/read of a block": ("resources/read", {"uri": "memory://blocks/project"}),
        "tools/list": ("tools/list", {}),
        "archival_search": _tool_call(contender.search(query)),
        "archival_insert": _tool_call(contender.insert(passage)),
    }


def _tool_call(call: ToolCall) -> Request:
    tool, arguments = call
    return "tools/call", {"name": tool, "arguments": arguments}


def _timed(client: StdioClient, method: str, params: Mapping[str, Any]) -> float:
    """Ask; return how long the answer took, in milliseconds."""
    started = perf_counter()
    client.request(method, params)
    return (perf_counter() - started) * 1e3


def _pid_of(daemon: Daemon, sessions: int) -> int:
    """The daemon's process, which has to serve all of the sessions.

    Raises:
        RuntimeError: it does not, so some of them are weighed as what they are not.
    """
    status = daemon.status()
    if not status["running"] or len(status["sessions"]) != sessions:
        raise RuntimeError(f"the daemon does not serve {sessions} sessions: {status}")
    return status["pid"]


def _pss_mb(pid: int) -> float:
    """The PSS of a process and all below it.

    Raises:
        RuntimeError: this system does not tell.
    """
    memory = tree_memory(pid)
    if memory is None:
        raise RuntimeError(f"nothing in /proc tells what process {pid} weighs")
    return memory.pss


def _summary(samples: Samples) -> dict[str, float]:
    return {
        "bridge_p50_ms": p50(samples.bridge),
        "bridge_p99_ms": p99(samples.bridge),
        "in_process_p50_ms": p50(samples.in_process),
        "in_process_p99_ms": p99(samples.in_process),
    }


def _print_weights(weights: Mapping[str, Weight]) -> None:
    one, many, _ = weights.values()
    rows = [
        (
            name,
            each.own_pss_mb / each.sessions,
            each.daemon_pss_mb,
            each.pss_mb,
            each.pss_mb / many.pss_mb,
            each.pss_mb / one.pss_mb,
        )
        for name, each in weights.items()
    ]
    heads = ("PSS MB", "each session", "daemon", "all", f"× {many.sessions} in-process", "× one")
    print()
    print_table(heads, rows)


def _print_calls(calls: Mapping[str, Samples]) -> None:
    rows = [
        (name, *_beside(p50, each), p50(each.bridge) - p50(each.in_process), *_beside(p99, each))
        for name, each in calls.items()
    ]
    heads = ("ms", "p50 bridge", "in-process", "ratio", "more", "p99 bridge", "in-process", "ratio")
    print_table(heads, rows)


def _beside(figure: Any, samples: Samples) -> Sequence[float]:
    """One figure of both ways, and their ratio."""
    through, direct = figure(samples.bridge), figure(samples.in_process)
    return through, direct, through / direct
