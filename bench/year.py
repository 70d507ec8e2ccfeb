"""A year of heavy use in minutes: how large a store's files are, quarter by quarter.

Each simulated day makes so many calls of each kind, by the services behind the tools, with a clock
that is moved on; then the upkeep and the housekeeping of a night run. Now and then a reader of an
old moment stays open for a day. Written down are the bytes of the file and its log, and of what
each table holds.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.report import Bar, Report, print_table

WORKER = Path(__file__).with_name("year_worker.py")
ROWS = ("changes", "block_history", "block_packs", "visits", "presence", "removed", "forgotten")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=364)
    parser.add_argument("--calls", type=int, default=60, help="a day, of each kind")
    parser.add_argument(
        "--before", type=Path, help="the Python of another build, measured the same way"
    )


def run(options: argparse.Namespace, scratch: Path) -> Report:
    builds = {"now": Path(sys.executable)}
    if options.before:
        builds["before"] = options.before.absolute()
    told: dict[str, list[dict[str, Any]]] = {}
    for build, python in builds.items():
        store = scratch / f"{build}.db"
        words = [python, "-P", WORKER, store, str(options.days), str(options.calls)]
        ended = subprocess.run(words, capture_output=True, text=True, check=True)
        told[build] = [json.loads(line) for line in ended.stdout.splitlines()]
        print(build)
        print_table(
            ("after days", "file MB", "log MB", *(f"{name} kB" for name in ROWS)),
            [
                (
                    quarter["day"],
                    quarter["file"] / 1e6,
                    quarter["log"] / 1e6,
                    *(quarter["tables"].get(name, 0) / 1e3 for name in ROWS),
                )
                for quarter in told[build]
            ],
        )
    first, last = told["now"][0]["tables"], told["now"][-1]["tables"]
    bars = [
        Bar(
            what="the outbox at the year's end, to that of the first quarter's",
            measured=last["changes"] / max(1, first["changes"]),
            limit=1.25,
            unit="x",
        ),
        Bar(
            what="the log at the year's end",
            measured=told["now"][-1]["log"],
            limit=8 << 20,
            unit="B",
        ),
    ]
    if "before" in told:
        history = ("block_history", "block_packs")
        now = sum(last.get(name, 0) for name in history)
        before = sum(told["before"][-1]["tables"].get(name, 0) for name in history)
        bars.append(
            Bar(what="blocks' history, to before", measured=now / before, limit=0.2, unit="x")
        )
    return Report(figures=told, bars=bars)
