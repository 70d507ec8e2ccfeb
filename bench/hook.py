"""What a host waits for when it calls a hook, with a store that has been in use for long."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from bench import ours
from bench.contenders import environment
from bench.corpus import Corpus
from bench.report import Bar, Report, p50, print_table

PYTHON = "python -c pass"
HOST = "claude-code"
LIMIT = 4
#: Hooks with what is told in them; `{}` becomes the number of the call.
EVENTS: dict[str, dict[str, Any]] = {
    "SessionStart": {"session_id": "start-{}", "source": "startup"},
    "UserPromptSubmit": {"prompt": "What did we decide in meeting {}?", "prompt_id": "{}"},
    "PostToolUse": {
        "tool_name": "Bash",
        "tool_input": {"command": "pytest -q -k case{}"},
        "tool_response": {"stdout": "1 passed"},
        "tool_use_id": "{}",
    },
    "Stop": {"last_assistant_message": "In meeting {} we chose Postgres.", "prompt_id": "{}"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=30, help="calls of each hook")
    parser.add_argument("--messages", type=int, default=100_000, help="messages in the store")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    server = ours.find(options.command)
    database = scratch / "memory.db"
    print(f"importing {options.messages:,} messages")
    server.import_lines("jsonl", _messages(options.messages), database)
    command = (*server.command, "hook", HOST, "--database", str(database), "--agent", "bench")
    calls: dict[str, Callable[[int], float]] = {
        PYTHON: lambda _: _timed([sys.executable, "-c", "pass"])
    }
    for event in EVENTS:
        calls[event] = lambda number, event=event: _timed(command, _payload(event, number))
    times: dict[str, list[float]] = {name: [] for name in calls}
    try:
        for call in calls.values():
            call(-1)  # Not counted: it fills the page cache and starts the daemon.
        for number in range(options.runs):
            for name, call in calls.items():
                times[name].append(call(number))
    finally:
        server.daemon(database).stop()
    medians = {name: p50(each) for name, each in times.items()}
    floor = medians.pop(PYTHON)
    print()
    rows = [(name, median, median / floor) for name, median in [(PYTHON, floor), *medians.items()]]
    print_table(("medians", "ms", "× python"), rows)
    bars = [
        Bar(what=f"hook, {name}", measured=median / floor, limit=LIMIT, unit=f"× {PYTHON}")
        for name, median in medians.items()
    ]
    figures = {"runs": options.runs, "messages": options.messages, "python_ms": floor}
    return Report(figures={**figures, "medians_ms": medians}, bars=bars)


def _payload(event: str, number: int) -> bytes:
    common = {"session_id": "bench", "cwd": "/", "hook_event_name": event}
    return json.dumps(common | EVENTS[event]).replace("{}", str(number)).encode()


def _timed(command: Any, told: bytes = b"") -> float:
    """Milliseconds until it has ended."""
    spawned = perf_counter()
    subprocess.run(command, input=told, env=environment(), stdout=subprocess.PIPE, check=True)
    return (perf_counter() - spawned) * 1e3


def _messages(count: int) -> Iterator[dict[str, Any]]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number, passage in enumerate(Corpus().passages(0, count)):
        yield {
            "role": "assistant" if number % 2 else "user",
            "content": passage.content,
            "created_at": (start + timedelta(minutes=number)).isoformat(),
            "conversation": f"conversation {number // 40}",
        }
