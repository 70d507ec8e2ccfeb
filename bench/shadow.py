"""Whether the shadow agent can be felt, broken or doubled.

Its worker runs flat out beside tool calls; it is killed with -9 again and again; and many processes
see at once that there is work for it. Everything is bounded: so many calls, kills and processes,
and a time after which a phase is given up.
"""

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

from bench import ours, worker
from bench.concurrency import Outcome, Tally, compare, is_sound
from bench.contenders import Contender, environment
from bench.corpus import EPOCH, Corpus
from bench.daemon import SHOWN
from bench.ours import MemoryMCP
from bench.report import Bar, Report, p50, p95, p99, print_table
from bench.scripted_model import TOKENS, ScriptedModel, rule
from bench.stdio_client import CallRefused, ServerGone, StdioClient
from bench.worker import Requests, requests_to, rows, runs_by_state, wait_until

FORMS = ("daemon", "in-process")

# Tools beside the worker.

PASSAGES, MESSAGES = 10_000, 3_000
APPEND, SEARCH = "core_memory_append", "archival_search"
TOOLS = (APPEND, SEARCH)
STOPPED, WORKING, BURNING = "worker stopped", "worker at work", "CPU burner instead"
SIDES = (STOPPED, WORKING, BURNING)
#: Of each tool; then the next side has its turn, long before a stopped worker's lease is over.
CALLS_A_TURN = 50
WARM_UP_CALLS = 5
#: The lease lives for 30 s, and is renewed every 8.
STOPPED_S_MAX = 10.0
QUEUE = 200
MATERIAL_PASSAGES = 20
P95_BAR = 1.3
BURNER = "import os; os.nice(10)\nwhile True: pass"
"""As nice as the worker, and wants nothing but a core."""
APPENDED, INSERTED = "human", "project"
STARTED_S = 180.0
LOG_SHOWN = 2_000

# Kill -9.

LIFE_S = (0.1, 6.0)
#: Every other worker is killed so long after its first call: the rest may die while it loads.
WORKING_LIFE_S = (0.0, 2.0)
FIRST_CALL_S = 60.0
TICK = "tick"
#: The block holds 5,000 characters, and each run adds a line of five.
RUNS_MAX = 950
#: More than a worker gets done in its life.
RUNS_AHEAD = 80
CALLS_A_RUN = 2
APPEND_EVERY_S = 0.01
DRAINED_S = 180.0

# Many processes.

TURNS = 5
#: Once all is done: longer than anybody takes to look again.
QUIET_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Times of single calls by tool, in milliseconds, and what the worker did meanwhile."""

    times: dict[str, list[float]] = field(default_factory=lambda: {tool: [] for tool in TOOLS})
    seconds: list[float] = field(default_factory=list)
    worker_cpu_s: list[float] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One session's calls, with the worker at work and without."""

    sides: Mapping[str, Side]
    faults: Sequence[str]

    def ratio(self, side: str, tool: str, quantile: Callable[[Sequence[float]], float]) -> float:
        return quantile(self.sides[side].times[tool]) / quantile(self.sides[STOPPED].times[tool])


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What became of runs whose workers were killed, and of messages recorded meanwhile."""

    kills: int
    #: How many of them had the lease by then, and how many had a call of the model under way.
    at_work: int
    in_a_call: int
    runs: Mapping[str, int]
    takeovers: int
    ticks: int
    calls_received: int
    calls_entered: int
    #: Entered beyond what the runs needed: answers that a killed worker didn't keep.
    calls_again: int
    messages: Outcome
    faults: Sequence[str]

    @property
    def faults_count(self) -> int:
        return len(self.faults) + self.messages.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """What many processes made of the same work."""

    processes: int
    #: How many workers were started between them, as far as we saw them.
    tried: int
    worked: int
    runs: Mapping[str, int]
    calls_received: int
    done_s: float | None
    faults: Sequence[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calls", type=int, default=1_500, help="of each tool, on each side")
    parser.add_argument("--kills", type=int, default=50, help="of the worker")
    parser.add_argument("--processes", type=int, default=20, help="that see the same work")
    parser.add_argument("--time-limit", type=float, default=600.0, help="of each phase, in seconds")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    server, limit_s = ours.find(options.command), options.time_limit
    beside = call_beside(server, scratch / "beside.db", options.calls, limit_s)
    _print_beside(beside)
    killed = kill_at_work(server, scratch / "kills.db", options.kills, limit_s)
    _print_killed(killed)
    many = {
        form: start_many(server, scratch / f"{form}.db", options.processes, form, limit_s)
        for form in FORMS
    }
    _print_many(many)
    figures = {
        "beside": {form: _beside_figures(each) for form, each in beside.items()},
        "kills": asdict(killed),
        "many": {form: asdict(each) for form, each in many.items()},
    }
    return Report(figures=figures, bars=list(bars(beside, killed, many)))


def bars(beside: Mapping[str, Beside], killed: Killed, many: Mapping[str, Many]) -> Iterator[Bar]:
    for form, each in beside.items():
        for tool in TOOLS:
            flaw = f" ({each.faults[0]})" if each.faults else ""
            yield Bar(
                what=f"{tool} p95, {form}, the worker at work{flaw}",
                measured=each.ratio(WORKING, tool, p95),
                limit=P95_BAR,
                unit="× the worker stopped",
            )
    yield Bar(
        what=f"{killed.kills} × kill -9 of the worker",
        measured=killed.faults_count,
        limit=0,
        unit="faults",
    )
    for form, each in many.items():
        yield Bar(
            what=f"{each.processes} processes ({form}) with the same work",
            measured=len(each.faults),
            limit=0,
            unit="faults",
        )


# --- Tools beside the worker ---


def call_beside(
    server: MemoryMCP, database: Path, calls: int, time_limit_s: float
) -> dict[str, Beside]:
    """Time calls through the daemon and in-process, each with a worker to be stopped and let go."""
    corpus = Corpus()
    print(f"importing {PASSAGES:,} passages and {MESSAGES:,} messages")
    server.import_passages(corpus.passages(0, PASSAGES), database)
    server.import_lines("jsonl", _messages(corpus, MESSAGES), database, agent=worker.AGENT)
    inserted = "Looked at what was said of the cellar, and found it in order."
    rules = [
        rule("archival_search", said="<request>", query="who was asked to paint it?", limit=10),
        rule("memory_insert", said=" of [0-9,]+ passages?", label=INSERTED, new_string=inserted),
        rule("memory_finish_edits", report="Noted."),
    ]
    beside: dict[str, Beside] = {}
    with ScriptedModel(rules, database.with_suffix(".model.json")) as model:
        for form in FORMS:
            contender = server.contender(
                database, in_process=form == "in-process", settings=model.settings()
            )
            beside[form] = _beside(server, contender, database, model, corpus, calls, time_limit_s)
            if form == "daemon":
                server.daemon(database).stop()
    return beside


def _beside(
    server: MemoryMCP,
    contender: Contender,
    database: Path,
    model: ScriptedModel,
    corpus: Corpus,
    calls: int,
    time_limit_s: float,
) -> Beside:
    deadline = monotonic() + time_limit_s
    with ExitStack() as stack:
        requests = stack.enter_context(requests_to(database, model.settings()))
        requests.fill_up(QUEUE, lambda number: _material(corpus, number))
        working = worker.start(server, database, model.settings())
        stack.callback(_end, working)
        burning = subprocess.Popen([sys.executable, "-c", BURNER], env=environment())
        stack.callback(_end, burning)
        worker.stop(burning.pid)
        client = stack.enter_context(contender.start())
        client.initialize()
        done = runs_by_state(database).get("done", 0)
        started = monotonic() + STARTED_S
        if not wait_until(lambda: runs_by_state(database).get("done", 0) > done, started):
            said = worker.log_of(database).read_text(errors="replace")[-LOG_SHOWN:]
            raise RuntimeError(f"the worker does no run: {runs_by_state(database)}\n{said}")
        return _Timing(client, contender, corpus, database, working, burning, requests).time(
            calls, deadline
        )


class _Timing:
    """Turns of calls, one side after the other."""

    def __init__(
        self,
        client: StdioClient,
        contender: Contender,
        corpus: Corpus,
        database: Path,
        working: subprocess.Popen[bytes],
        burning: subprocess.Popen[bytes],
        requests: Requests,
    ) -> None:
        self._client = client
        self._contender = contender
        self._corpus = corpus
        self._database = database
        self._working = working
        self._burning = burning
        self._requests = requests
        self._sides = {name: Side() for name in SIDES}
        self._faults: list[str] = []
        self._asked = 0

    def time(self, calls: int, deadline: float) -> Beside:
        """Take turns until each side has its calls, in each order equally often."""
        pid = self._working.pid
        worker.stop(pid, self._database)
        stopped_at = monotonic()
        for name in itertools.chain.from_iterable(itertools.cycle(itertools.permutations(SIDES))):
            if min(len(side.times[APPEND]) for side in self._sides.values()) >= calls:
                break
            if monotonic() > deadline:
                self._faults.append("not all calls were made in time")
                break
            if name == WORKING:
                self._empty_block()
                self._requests.fill_up(QUEUE, lambda number: _material(self._corpus, number))
                if monotonic() - stopped_at > STOPPED_S_MAX:
                    self._faults.append("the worker was stopped for longer than its lease bears")
                worker.go_on(pid)
                self._turn(self._sides[name])
                worker.stop(pid, self._database)
                stopped_at = monotonic()
            elif name == BURNING:
                worker.go_on(self._burning.pid)
                self._turn(self._sides[name])
                worker.stop(self._burning.pid)
            else:
                self._turn(self._sides[name])
        if self._working.poll() is not None:
            self._faults.append(f"the worker ended by itself with {self._working.returncode}")
        return Beside(sides=self._sides, faults=self._faults)

    def _turn(self, side: Side) -> None:
        lines: list[str] = []
        cpu_s, done = worker.cpu_s(self._working.pid), runs_by_state(self._database)
        started = perf_counter()
        for place in range(-WARM_UP_CALLS, CALLS_A_TURN):
            self._asked += 1
            lines.append(f"- {self._asked:06} agreed with the neighbours")
            query = self._corpus.query(self._asked * 7919 % PASSAGES)
            calls = {
                APPEND: (APPEND, {"label": APPENDED, "content": lines[-1]}),
                SEARCH: self._contender.search(query),
            }
            for tool, call in calls.items():
                took_ms = _timed(self._client, *call)
                if place >= 0:
                    side.times[tool].append(took_ms)
        side.seconds.append(perf_counter() - started)
        side.worker_cpu_s.append(worker.cpu_s(self._working.pid) - cpu_s)
        now = runs_by_state(self._database)
        side.runs.append(now.get("done", 0) - done.get("done", 0))
        # So that it is never full, and costs as much in each turn.
        gone = {"label": APPENDED, "old_content": "\n".join(lines), "new_content": ""}
        self._client.call("core_memory_replace", gone)

    def _empty_block(self) -> None:
        """Make room for what the next runs insert."""
        gone = {"label": INSERTED, "new_content": ""}
        try:
            self._client.call("core_memory_replace", gone)
        except CallRefused:  # This session has not seen what the runs wrote; now it has.
            self._client.call("core_memory_replace", gone)


def _timed(client: StdioClient, tool: str, arguments: Mapping[str, Any]) -> float:
    """Call; return how long the answer took, in milliseconds."""
    started = perf_counter()
    client.call(tool, arguments)
    return (perf_counter() - started) * 1e3


def _material(corpus: Corpus, number: int) -> str:
    """A request with much to read."""
    passages = corpus.passages(20_000_000 + number * MATERIAL_PASSAGES, MATERIAL_PASSAGES)
    return "Look whether this is filed:\n" + "\n".join(each.content for each in passages)


def _messages(corpus: Corpus, count: int, role: str = "user") -> Iterator[Mapping[str, Any]]:
    for number in range(count):
        yield {
            "role": role,
            "content": corpus.passage(30_000_000 + number).content,
            "created_at": (EPOCH + timedelta(minutes=number)).isoformat(timespec="milliseconds"),
            "conversation": f"conversation-{number // 50}",
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


# --- Kill -9 ---


def kill_at_work(server: MemoryMCP, database: Path, kills: int, time_limit_s: float) -> Killed:
    """Kill worker after worker, let the last one finish, then hold the store against the model."""
    rules = [
        rule("memory_finish_edits", said=f"^Block {INSERTED}", report="Ticked."),
        rule("memory_insert", label=INSERTED, new_string=TICK),
    ]
    deadline, started = monotonic() + time_limit_s, perf_counter()
    # Only the bench starts workers: who records the messages has no model.
    quiet = {"MEMORY_MCP_TOOLS": "core,capture", "MEMORY_MCP_CONTEXT_TOKENS": "100000000"}
    with ExitStack() as stack:
        model = stack.enter_context(ScriptedModel(rules, database.with_suffix(".model.json")))
        settings = model.settings(**quiet)
        requests = stack.enter_context(requests_to(database, settings))
        recorder = Recorder(server.contender(database, settings=quiet))
        stack.callback(recorder.close)
        killer = Killer(server, database, settings)
        while killer.kills < kills and monotonic() < deadline:
            requests.fill_up(RUNS_AHEAD, lambda number: f"Tick {number}.", RUNS_MAX)
            killer.kill_next()
        killer.drain()
        recorder.close()
        received = model.asked()
    entered = worker.calls_entered(database)
    runs = runs_by_state(database)
    faults = [*killer.faults, *recorder.faults]
    if killer.kills < kills:
        faults.append(f"only {killer.kills} of {kills} kills in {time_limit_s:.0f} s")
    again = len(entered) - CALLS_A_RUN * runs.get("done", 0) - rows(database, _KEPT)[0][0]
    if again > killer.kills:
        faults.append(f"{again} calls entered beyond those needed, after {killer.kills} kills")
    faults += _ledger_faults(database, runs, received, entered)
    stored = [text for (text,) in rows(database, "SELECT content FROM messages")]
    return Killed(
        kills=killer.kills,
        at_work=killer.at_work,
        in_a_call=rows(database, _UNANSWERED)[0][0],
        runs=runs,
        takeovers=rows(database, "SELECT coalesce(sum(takeovers), 0) FROM runs")[0][0],
        ticks=len(worker.block_lines(database, INSERTED)),
        calls_received=len(received),
        calls_entered=len(entered),
        calls_again=again,
        messages=compare(recorder.tally, stored, perf_counter() - started),
        faults=faults,
    )


class Killer:
    """Starts workers, two at a time as a test of their lease, and kills them."""

    def __init__(self, server: MemoryMCP, database: Path, settings: Mapping[str, str]) -> None:
        self.kills = 0
        self.at_work = 0
        self.faults: list[str] = []
        self._server = server
        self._database = database
        self._settings = settings
        self._when = random.Random(1)

    def kill_next(self) -> None:
        """Start a worker and its rival, and kill them at some moment."""
        before = self._log_bytes()
        pair = [worker.start(self._server, self._database, self._settings) for _ in range(2)]
        if self.kills % 2:
            calls = self._calls()
            wait_until(lambda: self._calls() > calls, monotonic() + FIRST_CALL_S)
            sleep(self._when.uniform(*WORKING_LIFE_S))
        else:
            sleep(self._when.uniform(*LIFE_S))
        for process in pair:
            process.send_signal(signal.SIGKILL)
        ends = [process.wait() for process in pair]
        self.kills += 1
        told = worker.said(self._database, before)
        self.at_work += any(what == "works" for _, what in told)
        if worker.at_once(told) > 1:
            self.faults.append(f"kill {self.kills}: two workers at once: {told}")
        # One that doesn't get the lease ends with 1.
        if -signal.SIGKILL not in ends or any(end not in (1, -signal.SIGKILL) for end in ends):
            self.faults.append(f"kill {self.kills}: workers had ended with {ends}")

    def drain(self) -> None:
        """Let one more worker do all that is left."""
        last = worker.start(self._server, self._database, self._settings, "--idle", "2")
        try:
            if end := last.wait(DRAINED_S):
                self.faults.append(f"the last worker ended with {end}")
        except subprocess.TimeoutExpired:
            self.faults.append(f"the last worker did not finish in {DRAINED_S:.0f} s")
            _end(last)

    def _calls(self) -> int:
        return rows(self._database, "SELECT count(*) FROM run_calls")[0][0]

    def _log_bytes(self) -> int:
        log = worker.log_of(self._database)
        return log.stat().st_size if log.exists() else 0


class Recorder:
    """A session that records messages all the while, and remembers which were acknowledged."""

    def __init__(self, contender: Contender) -> None:
        self.tally = Tally()
        self.faults: list[str] = []
        self._client = contender.start()
        self._client.initialize()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._record)
        self._thread.start()

    def close(self) -> None:
        """Take the last answer and end."""
        if self._enough.is_set():
            return
        self._enough.set()
        self._thread.join()
        self._client.close()
        if ended := self._client.process.returncode:
            self.faults.append(f"the recording session ended with {ended}")

    def _record(self) -> None:
        for number in itertools.count():
            if self._enough.wait(APPEND_EVERY_S):
                return
            # Not the user's: those would be reflected on.
            text = f"Message {number} was recorded while workers died."
            self.tally.sent.append(text)
            try:
                said = {"role": "assistant", "content": text}
                self._client.call("conversation_append", said)
            except CallRefused as refusal:
                self.tally.refusals.append(str(refusal))
            except ServerGone as gone:
                self.faults.append(f"the recording session no longer answers: {gone}")
                return
            else:
                self.tally.acknowledged.append(text)


def _ledger_faults(
    database: Path, runs: Mapping[str, int], received: Sequence[str], entered: Sequence[str]
) -> Iterator[str]:
    """What is wrong with the runs and with what they are said to have cost."""
    if others := {state: count for state, count in runs.items() if state not in _ENDS}:
        yield f"runs that are neither done nor given up: {others}"
    changed = "SELECT count(*) FROM runs r WHERE state {} 'done' AND EXISTS (SELECT 1 FROM "
    changed += "run_changes c WHERE c.run_seq = r.seq)"
    (((done,),), ((others,),)) = (rows(database, changed.format(each)) for each in ("=", "<>"))
    lines = Counter(worker.block_lines(database, INSERTED))
    if lines[TICK] != done:
        yield f"{lines[TICK]} ticks stand in the block, and {done} runs put one there"
    if done != runs.get("done", 0):
        yield f"{runs.get('done', 0) - done} runs are done without a change"
    if others:
        yield f"{others} runs changed something without being done"
    if len(lines) > 1:
        yield f"the block holds what no run wrote: {list(lines)[:SHOWN]}"
    if missing := (Counter(received) - Counter(entered)).total():
        yield f"{missing} calls reached the model that the ledger has not entered"
    tokens = rows(database, "SELECT coalesce(sum(tokens_in + tokens_out), 0) FROM run_calls")[0][0]
    if tokens < (cost := sum(TOKENS) * len(received)):
        yield f"the ledger has {tokens:,} tokens where the model counted {cost:,}"
    if not is_sound(database):
        yield "SQLite finds the file damaged"


_UNANSWERED = "SELECT count(*) FROM run_calls WHERE answered_at IS NULL"
#: A run that was given up has kept one answer at the most: the second one ends it.
_KEPT = """
SELECT count(DISTINCT run_seq) FROM run_calls c JOIN runs r ON r.seq = c.run_seq
WHERE r.state = 'abandoned' AND c.answered_at IS NOT NULL
"""
#: A run over which four workers died is given up by design, and changes nothing.
_ENDS = ("done", "abandoned")


# --- Many processes ---


def start_many(
    server: MemoryMCP, database: Path, processes: int, form: str, time_limit_s: float
) -> Many:
    """Start so many sessions on a store with work waiting, and see who does it."""
    server.import_lines("jsonl", _messages(Corpus(), TURNS), database, agent=worker.AGENT)
    rules = [
        rule("memory_finish_edits", said=f"^Block {INSERTED}", report="Ticked."),
        rule("memory_insert", label=INSERTED, new_string=TICK),
    ]
    deadline, started = monotonic() + time_limit_s, perf_counter()
    seen: set[int] = set()
    done_s: float | None = None
    faults: list[str] = []

    def is_done() -> bool:
        seen.update(worker.tried(database))
        return runs_by_state(database).get("done", 0) > 0

    def is_quiet() -> bool:
        """Whether nobody but the one who works is left."""
        there = worker.tried(database)
        seen.update(there)
        return len(there) <= 1

    with ExitStack() as stack:
        model = stack.enter_context(ScriptedModel(rules, database.with_suffix(".model.json")))
        contender = server.contender(
            database, in_process=form == "in-process", settings=model.settings()
        )
        stack.callback(_end_workers, database)
        clients = [stack.enter_context(contender.start(timeout_s=120)) for _ in range(processes)]
        for client in clients:
            client.initialize()
        if wait_until(is_done, deadline):
            done_s = perf_counter() - started
            quiet_until = monotonic() + QUIET_S
            wait_until(lambda: (is_quiet(), monotonic() > quiet_until)[1], deadline)
            if not wait_until(is_quiet, deadline):
                faults.append("several worker processes stay")
        else:
            faults.append(f"the work was not done in {time_limit_s:.0f} s")
        ends = [client.process.poll() for client in clients]
        faults += [f"a session ended with {end}" for end in ends if end is not None]
        received = len(model.asked())
    if form == "daemon":
        server.daemon(database).stop()
    told, runs = worker.said(database), runs_by_state(database)
    worked = {pid for pid, what in told if what == "works"}
    if len(worked) != 1:
        faults.append(f"{len(worked)} workers worked: {told}")
    if runs != {"done": 1}:
        faults.append(f"the same messages made these runs: {runs}")
    if received != CALLS_A_RUN:
        faults.append(f"the model was asked {received} times, not {CALLS_A_RUN}")
    if worker.block_lines(database, INSERTED) != [TICK]:
        faults.append(f"the block reads {worker.block_lines(database, INSERTED)[:SHOWN]}")
    if not is_sound(database):
        faults.append("SQLite finds the file damaged")
    return Many(
        processes=processes,
        tried=len(seen | worked),
        worked=len(worked),
        runs=runs,
        calls_received=received,
        done_s=done_s,
        faults=faults,
    )


def _end_workers(database: Path) -> None:
    """They are nobody's children, and would wait for more work for a minute."""
    for pid in worker.tried(database):
        os.kill(pid, signal.SIGKILL)


# --- Figures ---


def _beside_figures(beside: Beside) -> dict[str, Any]:
    sides = {name: _side_figures(side) for name, side in beside.sides.items()}
    ratios = {
        f"{tool}, {side}": {
            "p50_ratio": beside.ratio(side, tool, p50),
            "p95_ratio": beside.ratio(side, tool, p95),
            "p99_ratio": beside.ratio(side, tool, p99),
        }
        for tool in TOOLS
        for side in (WORKING, BURNING)
    }
    return {"sides": sides, "ratios": ratios, "faults": list(beside.faults)}


def _side_figures(side: Side) -> dict[str, Any]:
    times = {
        tool: {"calls": len(each), "p50_ms": p50(each), "p95_ms": p95(each), "p99_ms": p99(each)}
        for tool, each in side.times.items()
    }
    return {
        **times,
        "seconds": sum(side.seconds),
        "worker_cpu_s": sum(side.worker_cpu_s),
        "runs_done": sum(side.runs),
    }


def _print_beside(beside: Mapping[str, Beside]) -> None:
    heads = ("", "calls", "p50 ms", "p95", "p99", "p50 ×", "p95 ×", "p99 ×", "runs", "worker CPU")
    for form, each in beside.items():
        _print_faults(each.faults)
        table: list[Sequence[object]] = []
        for tool, (name, side) in itertools.product(TOOLS, each.sides.items()):
            times = [quantile(side.times[tool]) for quantile in (p50, p95, p99)]
            ratios = [each.ratio(name, tool, quantile) for quantile in (p50, p95, p99)]
            share = sum(side.worker_cpu_s) / sum(side.seconds)
            row = (f"{tool}, {name}", len(side.times[tool]), *times, *ratios)
            table.append((*row, sum(side.runs), f"{share:.0%}"))
        print()
        print_table((form, *heads[1:]), table)


def _print_killed(killed: Killed) -> None:
    _print_faults(killed.faults)
    heads = ("messages", "sent", "acknowledged", "refused", "stored", "lost", "repeated", "mangled")
    print()
    print_table((*heads, "s"), [("recorded meanwhile", *asdict(killed.messages).values())])
    row = {
        "at work when killed": killed.at_work,
        "in a call": killed.in_a_call,
        **{f"runs {state}": count for state, count in sorted(killed.runs.items())},
        "takeovers": killed.takeovers,
        "ticks": killed.ticks,
        "calls received": killed.calls_received,
        "entered": killed.calls_entered,
        "again": killed.calls_again,
    }
    print_table((f"{killed.kills} kills", *row), [("", *row.values())])


def _print_many(many: Mapping[str, Many]) -> None:
    heads = ("", "processes", "workers seen", "worked", "runs", "calls", "done after s", "faults")
    for each in many.values():
        _print_faults(each.faults)
    table = [
        (
            form,
            each.processes,
            each.tried,
            each.worked,
            sum(each.runs.values()),
            each.calls_received,
            each.done_s,
            len(each.faults),
        )
        for form, each in many.items()
    ]
    print()
    print_table(heads, table)


def _print_faults(faults: Sequence[str]) -> None:
    for fault in faults[:SHOWN]:
        print(f"fault: {fault[:500]}")
    if len(faults) > SHOWN:
        print(f"… and {len(faults) - SHOWN} more")
