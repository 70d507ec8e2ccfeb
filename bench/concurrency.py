"""Whether every acknowledged write is there, once and whole: many writers at once, and kill -9.

Everything is bounded: so many writes, so many kills, and a time after which a phase is given up.
"""

import argparse
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic, perf_counter

from bench import ours, peers
from bench.contenders import Contender
from bench.corpus import Corpus, Passage
from bench.report import Bar, Report, print_table
from bench.sqlite_driver import sqlite3
from bench.stdio_client import CallRefused, ServerGone, StdioClient, result_of

IN_FLIGHT = 8
MOST_WRITES_BETWEEN_KILLS = 5_000
KILL_AFTER_S = (0.05, 1.0)
#: Apart from each other, so that no two writers ever send the same text.
WRITER_STRIDE = 1_000_000


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one writer, or all of them, sent and what they were told."""

    sent: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.sent += other.sent
        self.acknowledged += other.acknowledged
        self.refusals += other.refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The writers' tally held against the store."""

    sent: int
    acknowledged: int
    refused: int
    stored: int
    #: Acknowledged and not there.
    lost: int
    #: There more than once, acknowledged or not.
    repeated: int
    #: There, but never sent like that: half a text.
    mangled: int
    seconds: float

    @property
    def faults(self) -> int:
        return self.refused + self.lost + self.repeated + self.mangled


Phase = Callable[[Contender], Outcome]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--processes", default="2,8", help="how many write at once, each in turn")
    parser.add_argument("--writes", type=int, default=500, help="of each process")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--bridge", action="store_true", help="start ours without --in-process")
    parser.add_argument("--time-limit", type=float, default=300.0, help="of each phase, in seconds")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    outcomes: dict[str, Outcome] = {}
    sound: dict[str, bool] = {}
    server = ours.find(options.command)
    peer = peers.server_memory(options.peers_dir)
    for name, phase in _phases(options).items():
        database = scratch / f"{len(outcomes)}.db"
        contender = server.contender(database, in_process=not options.bridge)
        outcomes[name] = phase(contender)
        sound[name] = is_sound(database)
        if peer:
            beside = peer.contender(scratch / f"{len(outcomes)}.jsonl")
            outcomes[f"{beside.name}, {name}"] = phase(beside)
    _print(outcomes)
    figures = {name: asdict(outcome) for name, outcome in outcomes.items()}
    bars = [_bar(name, outcomes[name], intact) for name, intact in sound.items()]
    return Report(figures=figures, bars=bars)


def write_together(
    contender: Contender, processes: int, writes: int, time_limit_s: float
) -> Outcome:
    """Start them all, then let each write its own texts one after the other."""
    corpus = Corpus()
    deadline = monotonic() + time_limit_s
    started_together = threading.Barrier(processes)

    def write(writer: int) -> Tally:
        passages = corpus.passages(writer * WRITER_STRIDE, writes)
        with contender.start() as client:
            client.initialize()
            started_together.wait(time_limit_s)
            return _write_all(client, contender, passages, deadline)

    started = perf_counter()
    total = Tally()
    with ThreadPoolExecutor(processes) as pool:
        for tally in pool.map(write, range(processes)):
            total.add(tally)
    return _outcome(total, contender, perf_counter() - started)


def write_and_kill(contender: Contender, kills: int, time_limit_s: float) -> Outcome:
    """Kill -9 the server while it writes, again and again; at last see that it still works."""
    corpus, when = Corpus(), random.Random(1)
    deadline = monotonic() + time_limit_s
    started = perf_counter()
    total = Tally()
    for kill in range(kills):
        if monotonic() > deadline:
            break
        passages = corpus.passages(kill * WRITER_STRIDE, MOST_WRITES_BETWEEN_KILLS)
        total.add(_write_until_killed(contender, passages, when.uniform(*KILL_AFTER_S)))
    total.add(_write_after_the_last_kill(contender, corpus.passage(kills * WRITER_STRIDE)))
    return _outcome(total, contender, perf_counter() - started)


def is_sound(database: Path) -> bool:
    """Whether SQLite finds its own file intact."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def compare(tally: Tally, stored: Sequence[str], seconds: float) -> Outcome:
    """Hold what was acknowledged against what is there."""
    there = Counter(stored)
    return Outcome(
        sent=len(tally.sent),
        acknowledged=len(tally.acknowledged),
        refused=len(tally.refusals),
        stored=len(stored),
        lost=len(set(tally.acknowledged) - there.keys()),
        repeated=sum(1 for times in there.values() if times > 1),
        mangled=len(there.keys() - set(tally.sent)),
        seconds=seconds,
    )


def _phases(options: argparse.Namespace) -> dict[str, Phase]:
    """What is done to each contender, each time on a store of its own."""

    def together(processes: int) -> Phase:
        return lambda contender: write_together(
            contender, processes, options.writes, options.time_limit
        )

    counts = [int(count) for count in options.processes.split(",")]
    phases = {
        f"{count} processes, {options.writes} writes each": together(count) for count in counts
    }
    phases[f"{options.kills} × kill -9, {IN_FLIGHT} writes in flight"] = lambda contender: (
        write_and_kill(contender, options.kills, options.time_limit)
    )
    return phases


def _write_all(
    client: StdioClient, contender: Contender, passages: Iterator[Passage], deadline: float
) -> Tally:
    tally = Tally()
    for passage in passages:
        if monotonic() > deadline:
            break
        tally.sent.append(passage.content)
        try:
            client.call(*contender.insert(passage))
        except CallRefused as refusal:
            tally.refusals.append(str(refusal))
        except ServerGone as gone:
            tally.refusals.append(str(gone))
            break
        else:
            tally.acknowledged.append(passage.content)
    return tally


def _write_until_killed(
    contender: Contender, passages: Iterator[Passage], kill_after_s: float
) -> Tally:
    """Keep several writes in flight; count what was answered up to the last byte in the pipe."""
    tally = Tally()
    waiting: dict[int, str] = {}
    with contender.start() as client:
        client.initialize()
        killer = threading.Timer(kill_after_s, client.process.kill)
        killer.start()
        with suppress(ServerGone):
            for passage in passages:
                _send(client, contender, passage, tally, waiting)
                if len(waiting) == IN_FLIGHT:
                    _take_answer(client, tally, waiting)
        with suppress(ServerGone):
            while waiting:
                _take_answer(client, tally, waiting)
        killer.join()
    return tally


def _send(
    client: StdioClient,
    contender: Contender,
    passage: Passage,
    tally: Tally,
    waiting: dict[int, str],
) -> None:
    tool, arguments = contender.insert(passage)
    tally.sent.append(passage.content)
    waiting[client.send("tools/call", {"name": tool, "arguments": arguments})] = passage.content


def _take_answer(client: StdioClient, tally: Tally, waiting: dict[int, str]) -> None:
    answer = client.receive()
    content = waiting.pop(answer["id"])
    try:
        result_of(answer)
    except CallRefused as refusal:
        tally.refusals.append(str(refusal))
    else:
        tally.acknowledged.append(content)


def _write_after_the_last_kill(contender: Contender, passage: Passage) -> Tally:
    with contender.start() as client:
        client.initialize()
        return _write_all(client, contender, iter([passage]), monotonic() + 60)


def _outcome(tally: Tally, contender: Contender, seconds: float) -> Outcome:
    for refusal, times in Counter(tally.refusals).most_common(3):
        print(f"{contender.name} refused {times} times: {refusal[:300]}")
    return compare(tally, contender.stored(), seconds)


def _bar(name: str, outcome: Outcome, intact: bool) -> Bar:
    return Bar(
        what=f"{name}" + ("" if intact else " (SQLite finds the file damaged)"),
        measured=outcome.faults + (not intact),
        limit=0,
        unit="writes refused, lost, repeated or mangled",
    )


def _print(outcomes: dict[str, Outcome]) -> None:
    heads = ("", "sent", "acknowledged", "refused", "stored", "lost", "repeated", "mangled", "s")
    rows = [(name, *asdict(outcome).values()) for name, outcome in outcomes.items()]
    print()
    print_table(heads, rows)
