"""`memory-mcp daemon`: the process behind every session on a store."""

import argparse
import os
import sys
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory_mcp.cli.printing import print_json, print_table, shown_time
from memory_mcp.cli.terminal import is_read
from memory_mcp.domain.errors import InvalidInput, MemoryMCPError
from memory_mcp.domain.quoting import indented
from memory_mcp.domain.texts import counted
from memory_mcp.domain.times import age, from_iso
from memory_mcp.rendezvous import Rendezvous, Silent, Unreachable, database_path

LOG_LINES = 50
FOLLOW_SECONDS = 0.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "The daemon serves every session on a store. Hosts start it, and it ends by itself."
    )
    parser.epilog = "example: memory-mcp daemon status"
    parser.add_argument(
        "what",
        choices=("status", "stop", "restart", "logs"),
        help="show it, end it (the next call starts it again), renew it, or print its log",
    )
    parser.add_argument("--json", action="store_true", help="status: for scripts")
    parser.add_argument("--follow", action="store_true", help="logs: go on printing what comes")
    parser.add_argument(
        "--lines", type=int, default=LOG_LINES, metavar="N", help="logs: how many of the last lines"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    rendezvous = rendezvous_of(arguments)
    try:
        match arguments.what:
            case "status":
                return _show_status(rendezvous, as_json=arguments.json)
            case "stop":
                return _stop(rendezvous)
            case "restart":
                return _restart(rendezvous)
            case _:
                return _show_log(Path(rendezvous.log), arguments.lines, follow=arguments.follow)
    except Unreachable as reason:
        raise MemoryMCPError(f"{reason}.") from reason


def rendezvous_of(arguments: argparse.Namespace) -> Rendezvous:
    """Where the daemon of the store at hand is met.

    Raises:
        InvalidInput: the store is no file.
    """
    path = database_path(arguments.database or os.environ.get("MEMORY_MCP_DATABASE"))
    if path is None:
        raise InvalidInput("a daemon serves a store that is a file; give its path to --database.")
    return Rendezvous(path)


def _show_status(rendezvous: Rendezvous, *, as_json: bool) -> int:
    try:
        status = rendezvous.ask("status")
    except Silent as silent:
        return _show_silence(rendezvous, silent, as_json=as_json)
    if as_json:
        print_json({"running": status is not None, "store": rendezvous.database, **(status or {})})
    elif status is None:
        print(f"No daemon runs for {indented(rendezvous.database)}; the next session starts one.")
    else:
        _print_status(status)
    return 0 if status else 1


def _show_silence(rendezvous: Rendezvous, silent: Silent, *, as_json: bool) -> int:
    pid = silent.holder.pid if silent.holder else None
    if as_json:
        told = {"running": True, "answers": False, "pid": pid, "store": rendezvous.database}
        print_json({**told, "why": silent.why})
        return 1
    print(f"{_sentence(str(silent))}: it does not answer.")
    if silent.why:
        print("memory-mcp daemon restart ends it and starts another; so does the next call.")
    return 1


def _print_status(status: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    idle = status["idle_seconds"]
    print(
        f"memory-mcp {status['version']}, process {status['pid']}, "
        f"since {shown_time(status['since'])} ({age(from_iso(status['since']), now)})"
    )
    print(f"store: {indented(status['store'])}")
    if status.get("lost"):
        print(f"lost: {indented(status['lost'])}")
    if status.get("after"):
        print(f"took over: {indented(status['after'])}")
    if status["http"]:
        print(f"HTTP: {status['http']}")
    else:
        print(f"ends {idle:,} s after its last session")
    rows = [
        (
            one["host"] or "?",
            one["agent"] or "?",
            shown_time(one["since"]),
            str(one["bridge"]),
            str(one["in_flight"]),
        )
        for one in status["sessions"]
    ]
    if not rows:
        print("no session at the moment")
        return
    title = counted(len(rows), "session")
    print_table(title, ("host", "agent", "since", "process", "calls under way"), rows)


def _stop(rendezvous: Rendezvous) -> int:
    told = rendezvous.end()
    if told is None:
        print(f"No daemon runs for {indented(rendezvous.database)}.")
    elif told.get("killed"):
        print(f"{_sentence(told['killed'])}; the next call of a session starts another.")
    else:
        print(f"Process {told['pid']} has ended; the next call of a session starts another.")
    return 0


def _restart(rendezvous: Rendezvous) -> int:
    try:
        running = rendezvous.ask("status")
    except Silent as silent:
        if not silent.why:
            raise
        running = None  # it is taken over from
    if running and running["standing"]:
        raise MemoryMCPError(
            f"process {running['pid']} serves {running['http']} in the foreground; end it there, "
            "and start it again."
        )
    ended, lock = rendezvous.replace()
    if ended:
        killed = ended.get("killed")
        what = _sentence(killed) if killed else f"Process {ended['pid']} has ended"
        print(f"{what}.")
    if lock is not None:  # else a session was quicker
        rendezvous.start(lock)
    status = rendezvous.ask("status")
    if status is None:
        raise MemoryMCPError(f"the new daemon is gone already; see {rendezvous.log}.")
    print(f"Process {status['pid']} serves now (version {status['version']}).")
    return 0


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _show_log(path: Path, lines: int, *, follow: bool) -> int:
    if lines < 1:
        raise InvalidInput(f"--lines {lines} is out of range; it goes from 1 on.")
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise MemoryMCPError(f"there is no log yet at {path}.") from None
    sys.stdout.writelines(deque(file, lines))
    while follow and is_read(sys.stdout):
        sys.stdout.flush()
        time.sleep(FOLLOW_SECONDS)
        sys.stdout.writelines(file)
        if path.exists() and not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            file.close()  # it was full: a new one goes on
            file = path.open(encoding="utf-8", errors="replace")
    file.close()
    return 0
