"""Agents that write to each other: what sending costs, how soon others hear, and no line lost."""

import argparse
import random
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from bench import ours
from bench.contenders import Contender, environment
from bench.report import Bar, Report, p50, p95, p99, print_table
from bench.sqlite_driver import sqlite3

WARM_UP_ROUNDS = 20
SEND_BAR = 2.0
ANNOUNCED_BAR_MS = 1_000.0
POLL_MS = 250
"""Rounds begin at any moment between two looks of the listener."""
LABEL = "log"
LIMIT_CHARS = 500_000
LISTENED = f"memory://blocks/{LABEL}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=300, help="sends, and appends beside them")
    parser.add_argument("--announcements", type=int, default=200)
    parser.add_argument("--processes", type=int, default=8, help="that append to one block at once")
    parser.add_argument("--appends", type=int, default=250, help="of each process")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    server = ours.find(options.command)
    database = scratch / "mail.db"
    names = [f"worker-{number}" for number in range(max(2, options.processes))]
    for name in names:
        _command(server, database, "agents", "create", name, "--tag", "crew")
    _command(
        server, database, "blocks", "create", LABEL, "--group", "crew", "--limit", str(LIMIT_CHARS)
    )
    workers = [server.contender(database, agent=name) for name in names]
    send_ms, append_ms = time_sending(workers[0], workers[1], names[1], options.rounds)
    announced_ms = time_announcements(workers[0], workers[1], options.announcements)
    lost, repeated, seconds = append_together(
        workers[: options.processes], options.appends, database
    )
    rows = [
        (what, len(times), p50(times), p95(times), p99(times))
        for what, times in (
            ("core_memory_append", append_ms),
            ("send_to_agent, async", send_ms),
            ("announced in another process", announced_ms),
        )
    ]
    print_table(("", "calls", "p50 ms", "p95 ms", "p99 ms"), rows)
    lines = options.processes * options.appends
    print(f"{options.processes} processes x {options.appends} appends in {seconds:.0f} s: "
          f"{lines} sent, {lost} lost, {repeated} repeated\n")  # fmt: skip
    figures: dict[str, Any] = {
        "append_ms": {"p50": p50(append_ms), "p95": p95(append_ms)},
        "send_ms": {"p50": p50(send_ms), "p95": p95(send_ms)},
        "announced_ms": {"p50": p50(announced_ms), "p99": p99(announced_ms)},
        "appends": {"sent": lines, "lost": lost, "repeated": repeated, "seconds": seconds},
    }
    bars = [
        Bar(
            what="send_to_agent p50, not waiting",
            measured=p50(send_ms) / p50(append_ms),
            limit=SEND_BAR,
            unit="× core_memory_append",
        ),
        Bar(
            what="a change announced in another process, p99",
            measured=p99(announced_ms),
            limit=ANNOUNCED_BAR_MS,
            unit="ms",
        ),
        Bar(
            what=f"{options.processes} processes appending to one block",
            measured=lost + repeated,
            limit=0,
            unit="lines lost or repeated",
        ),
    ]
    return Report(figures=figures, bars=bars)


def time_sending(
    sender: Contender, reader: Contender, to: str, rounds: int
) -> tuple[list[float], list[float]]:
    """Send and append in turns; the recipient reads now and then, so that its mailbox has room."""
    send_ms: list[float] = []
    append_ms: list[float] = []
    with sender.start() as client, reader.start() as other:
        client.initialize()
        other.initialize()
        for turn in range(-WARM_UP_ROUNDS, rounds):
            text = f"Turn {turn}: the tide tables of Porto are in the second drawer."
            began = perf_counter()
            client.call("core_memory_append", {"label": "project", "content": text})
            appended = perf_counter()
            client.call("send_to_agent", {"message": text, "to": to})
            sent = perf_counter()
            if turn >= 0:
                append_ms.append((appended - began) * 1e3)
                send_ms.append((sent - appended) * 1e3)
            if turn % 5 == 0:
                other.call("archival_search", {"query": "tides"})
    return send_ms, append_ms


def time_announcements(writer: Contender, listener: Contender, rounds: int) -> list[float]:
    """From the call that changes a block until another process's client hears of it."""
    times: list[float] = []
    when = random.Random(1)
    with writer.start() as client, listener.start() as other:
        client.initialize()
        other.initialize()
        other.request("resources/subscribe", {"uri": LISTENED})
        for turn in range(rounds):
            sleep(when.uniform(0, POLL_MS / 1e3))
            began = perf_counter()
            client.call("core_memory_append", {"label": LABEL, "content": f"announced {turn}"})
            while other.notification().get("params", {}).get("uri") != LISTENED:
                pass
            times.append((perf_counter() - began) * 1e3)
    return times


def append_together(
    workers: list[Contender], appends: int, database: Path
) -> tuple[int, int, float]:
    """Let all append to one shared block at once: how many lines are lost, and how many twice."""
    together = threading.Barrier(len(workers))

    def append(worker: int) -> list[str]:
        lines = [f"line {worker}-{number}" for number in range(appends)]
        with workers[worker].start(timeout_s=300) as client:
            client.initialize()
            together.wait(300)
            for line in lines:
                client.call("core_memory_append", {"label": LABEL, "content": line})
        return lines

    began = perf_counter()
    with ThreadPoolExecutor(len(workers)) as pool:
        sent = [line for lines in pool.map(append, range(len(workers))) for line in lines]
    seconds = perf_counter() - began
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        sql = "SELECT value FROM blocks WHERE label = ?"
        ((value,),) = connection.execute(sql, (LABEL,)).fetchall()
    there = Counter(value.split("\n"))
    return (
        sum(line not in there for line in sent),
        sum(there[line] > 1 for line in sent),
        seconds,
    )


def _command(server: ours.MemoryMCP, database: Path, *words: str) -> None:
    command = (*server.command, "--database", str(database), *words)
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"`{' '.join(words)}` ended with {done.returncode}:\n{done.stderr}")
