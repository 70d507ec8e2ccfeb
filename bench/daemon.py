"""Whether one daemon serves a store, whatever happens: thirty bridges at once, and kill -9.

Everything is bounded: so many rounds, so many kills, and a time after which a phase is given up.
"""

import argparse
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

from bench import load, ours
from bench.concurrency import WRITER_STRIDE, Outcome, Tally, compare, is_sound
from bench.contenders import Contender
from bench.corpus import Corpus, Passage
from bench.load import Session
from bench.ours import Daemon, MemoryMCP
from bench.report import Bar, Report, p50, print_table
from bench.stdio_client import CallRefused, ServerGone, StdioClient

#: How long a daemon serves before it is killed.
LIFE_S = (0.2, 1.5)
NEW_DAEMON_S = 60.0
LOOK_S = 0.01
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One bridge of a herd, after its first call."""

    client: StdioClient
    passage: Passage
    #: Since its spawn; None when it was refused.
    answered_ms: float | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """So many bridges started at once on a store without a daemon."""

    tally: Tally
    daemons: int
    answered_ms: Sequence[float]
    faults: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Herd:
    """All rounds, and what they left in the store."""

    rounds: Sequence[Round]
    outcome: Outcome
    faults: Sequence[str]

    @property
    def faults_count(self) -> int:
        return len(self.faults) + self.outcome.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What became of the calls of sessions whose daemon was killed, again and again."""

    kills: int
    daemons: int
    outcomes: Mapping[str, Outcome]
    #: What bridges answered themselves, and how often: no faults.
    unknown: Mapping[str, int]
    faults: Sequence[str]

    @property
    def faults_count(self) -> int:
        return len(self.faults) + sum(outcome.faults for outcome in self.outcomes.values())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=100, help="herds, one after the other")
    parser.add_argument("--bridges", type=int, default=30, help="started at once in each round")
    parser.add_argument("--kills", type=int, default=50, help="of the daemon")
    parser.add_argument("--sessions", type=int, default=8, help="at work while it is killed")
    parser.add_argument("--time-limit", type=float, default=600.0, help="of each phase, in seconds")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    server = ours.find(options.command)
    herd = start_herds(
        server, scratch / "herd.db", options.rounds, options.bridges, options.time_limit
    )
    herd_figures = _herd_figures(herd, options.bridges)
    _print_herd(herd, herd_figures)
    killed = kill_under_load(
        server, scratch / "kills.db", options.kills, options.sessions, options.time_limit
    )
    _print_killed(killed)
    bars = [
        Bar(
            what=f"{len(herd.rounds)} × {options.bridges} bridges at once, no daemon running",
            measured=herd.faults_count,
            limit=0,
            unit="faults",
        ),
        Bar(
            what=f"{killed.kills} × kill -9 of the daemon under {options.sessions} sessions",
            measured=killed.faults_count,
            limit=0,
            unit="faults",
        ),
    ]
    return Report(figures={"herd": herd_figures, "kills": asdict(killed)}, bars=bars)


def start_herds(
    server: MemoryMCP, database: Path, rounds: int, bridges: int, time_limit_s: float
) -> Herd:
    """Round by round on one store: no daemon, many bridges, a call of each, no daemon again."""
    contender, daemon = server.contender(database, in_process=False), server.daemon(database)
    corpus, total = Corpus(), Tally()
    deadline, started = monotonic() + time_limit_s, perf_counter()
    done: list[Round] = []
    while len(done) < rounds and monotonic() < deadline:
        passages = list(corpus.passages(len(done) * WRITER_STRIDE, bridges))
        done.append(start_together(contender, daemon, passages))
        total.add(done[-1].tally)
    faults = [f"round {place}: {fault}" for place, each in enumerate(done) for fault in each.faults]
    if len(done) < rounds:
        faults.append(f"only {len(done)} of {rounds} rounds in {time_limit_s:.0f} s")
    if not is_sound(database):
        faults.append("SQLite finds the file damaged")
    outcome = compare(total, contender.stored(), perf_counter() - started)
    return Herd(rounds=done, outcome=outcome, faults=faults)


def start_together(contender: Contender, daemon: Daemon, passages: Sequence[Passage]) -> Round:
    """Start a bridge for each passage, all at the same instant, and have each file its own."""
    before = len(daemon.processes())
    starting = threading.Barrier(len(passages))
    with ThreadPoolExecutor(len(passages)) as pool:
        members = list(pool.map(lambda each: _join(contender, each, starting), passages))
    status = daemon.status()  # while all are open
    for member in members:
        member.client.close()
    serving = daemon.processes()[before:]
    daemon.stop()
    tally = Tally(
        sent=[member.passage.content for member in members],
        acknowledged=[member.passage.content for member in members if not member.refusal],
        refusals=[member.refusal for member in members if member.refusal],
    )
    return Round(
        tally=tally,
        daemons=len(serving),
        answered_ms=[each.answered_ms for each in members if each.answered_ms is not None],
        faults=list(_round_faults(members, status, serving)),
    )


def kill_under_load(
    server: MemoryMCP, database: Path, kills: int, sessions: int, time_limit_s: float
) -> Killed:
    """Kill the daemon under working sessions, again and again; then hold the store against them."""
    contender = server.contender(database, in_process=False, settings=load.SETTINGS)
    killer = Killer(daemon=server.daemon(database), deadline=monotonic() + time_limit_s)
    started = perf_counter()
    with ExitStack() as stack:
        working = [Session(contender, number, sessions) for number in range(sessions)]
        for session in working:
            stack.callback(session.close)
            session.client.initialize()
        _work_and_kill(working, killer, kills)
        seen = [session.read_block() for session in working]
    seconds = perf_counter() - started
    processes = killer.daemon.processes()
    killer.daemon.stop()
    total = load.together(working)
    # A search leaves nothing behind: it counts as stored when it was answered.
    stored = load.stored(database) | {load.SEARCHES: total[load.SEARCHES].acknowledged}
    _print_refusals(refusal for tally in total.values() for refusal in tally.refusals)
    faults = [
        *killer.faults,
        *(fault for session in working for fault in session.faults),
        *_store_faults(database, seen),
    ]
    if len(processes) != killer.kills + 1:
        faults.append(f"{killer.kills} daemons were killed, and these served: {processes}")
    return Killed(
        kills=killer.kills,
        daemons=len(processes),
        outcomes={kind: compare(total[kind], stored[kind], seconds) for kind in load.KINDS},
        # Plain, because `asdict` cannot copy a Counter.
        unknown=dict(Counter(said for session in working for said in session.unknown)),
        faults=faults,
    )


@dataclass(slots=True, kw_only=True)
class Killer:
    """Kills whoever is the store's daemon, once it has served for a while."""

    daemon: Daemon
    deadline: float
    kills: int = 0
    faults: list[str] = field(default_factory=list)
    _when: random.Random = field(default_factory=lambda: random.Random(1))

    def kill(self, times: int) -> None:
        """Kill -9 so many daemons, one after the other, unless time runs out."""
        while self.kills < times:
            pid = self.next_daemon()
            if pid is None:
                self.faults.append(f"only {self.kills} of {times} daemons could be killed in time")
                return
            sleep(self._when.uniform(*LIFE_S))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                self.faults.append(f"daemon {pid} had ended by itself")
            self.kills += 1

    def next_daemon(self) -> int | None:
        """The daemon that came after the last one killed; None when none comes in time."""
        patience = min(self.deadline, monotonic() + NEW_DAEMON_S)
        while len(processes := self.daemon.processes()) <= self.kills:
            if monotonic() > patience:
                return None
            sleep(LOOK_S)
        return processes[-1]


def _join(contender: Contender, passage: Passage, starting: threading.Barrier) -> Member:
    starting.wait(NEW_DAEMON_S)
    spawned = perf_counter()
    client = contender.start()
    try:
        client.initialize()
        client.call(*contender.insert(passage))
    except (CallRefused, ServerGone) as trouble:
        return Member(client=client, passage=passage, refusal=str(trouble) or "no answer")
    answered_ms = (perf_counter() - spawned) * 1e3
    return Member(client=client, passage=passage, answered_ms=answered_ms)


def _round_faults(
    members: Sequence[Member], status: Mapping[str, Any], serving: Sequence[int]
) -> Iterator[str]:
    """What is wrong with a round besides the refusals in its tally."""
    if len(serving) != 1:
        yield f"{len(serving)} daemons served: {serving}"
    if not status["running"]:
        yield "no daemon runs although sessions are open"
    elif status["pid"] not in serving:
        yield f"process {status['pid']} answers, and these served: {serving}"
    elif (served := len(status["sessions"])) != len(members):
        yield f"the daemon serves {served} of {len(members)} sessions"
    for member in members:
        if ended := member.client.process.returncode:
            yield f"a bridge ended with {ended}"


def _work_and_kill(working: Sequence[Session], killer: Killer, kills: int) -> None:
    enough = threading.Event()
    with ThreadPoolExecutor(len(working)) as pool:
        work = [pool.submit(session.work, enough) for session in working]
        try:
            killer.kill(kills)
            killer.next_daemon()
            sleep(max(LIFE_S))  # The last daemon serves in peace.
        finally:
            enough.set()
    for each in work:
        each.result()


def _store_faults(database: Path, seen: Sequence[str | None]) -> Iterator[str]:
    """What is wrong with the store, besides single writes, after so many sessions have read it."""
    if not is_sound(database):
        yield "SQLite finds the file damaged"
    block = load.stored_block(database)
    if others := sum(each is not None and each != block for each in seen):
        yield f"{others} sessions read another block than the store holds"
    # A session's messages without a conversation's name go to its own, whichever daemon serves it.
    if (conversations := load.stored_conversations(database)) > len(seen):
        yield f"the messages of {len(seen)} sessions lie in {conversations} conversations"


def _herd_figures(herd: Herd, bridges: int) -> dict[str, Any]:
    daemons = [each.daemons for each in herd.rounds]
    answered_ms = [time for each in herd.rounds for time in each.answered_ms]
    slowest_ms = [max(each.answered_ms, default=0.0) for each in herd.rounds]
    return {
        "rounds": len(herd.rounds),
        "sessions": len(herd.rounds) * bridges,
        "sessions_that_worked": len(answered_ms),
        "daemons_a_round_min": min(daemons),
        "daemons_a_round_max": max(daemons),
        "first_answer_p50_ms": p50(answered_ms) if answered_ms else None,
        "slowest_of_a_round_p50_ms": p50(slowest_ms),
        "slowest_ms": max(slowest_ms),
        "outcome": asdict(herd.outcome),
        "faults": list(herd.faults),
    }


def _print_herd(herd: Herd, figures: Mapping[str, Any]) -> None:
    _print_refusals(refusal for each in herd.rounds for refusal in each.tally.refusals)
    _print_faults(herd.faults)
    heads = {
        "rounds": "rounds",
        "sessions": "sessions",
        "sessions_that_worked": "that worked",
        "daemons_a_round_min": "daemons a round, min",
        "daemons_a_round_max": "max",
        "first_answer_p50_ms": "first answer p50 ms",
        "slowest_of_a_round_p50_ms": "slowest of a round p50",
        "slowest_ms": "slowest",
    }
    row = [figures[name] for name in heads]
    print()
    print_table((*heads.values(), "faults"), [(*row, herd.faults_count)])


def _print_killed(killed: Killed) -> None:
    _print_faults(killed.faults)
    heads = ("sent", "acknowledged", "refused", "stored", "lost", "repeated", "mangled", "s")
    rows = [(kind, *asdict(outcome).values()) for kind, outcome in killed.outcomes.items()]
    print()
    print_table((f"{killed.kills} kills, {killed.daemons} daemons", *heads), rows)
    print(f"answered by a bridge itself, outcome unknown: {sum(killed.unknown.values())}")
    for said, times in killed.unknown.items():
        print(f"  {times} × {said}")
    print()


def _print_refusals(refusals: Iterator[str]) -> None:
    for refusal, times in Counter(refusals).most_common(SHOWN):
        print(f"refused {times} times: {refusal[:300]}")


def _print_faults(faults: Sequence[str]) -> None:
    for fault in faults[:SHOWN]:
        print(f"fault: {fault}")
    if len(faults) > SHOWN:
        print(f"… and {len(faults) - SHOWN} more")
