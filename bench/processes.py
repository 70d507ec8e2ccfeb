"""The processes a run started: what memory they take, and their end. Read from /proc."""

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of a whole tree of processes, in MB (10⁶ bytes)."""

    #: Resident; pages that two processes share count twice.
    rss: float
    #: Proportional: a page shared by n processes counts 1/n in each.
    pss: float


def tree_memory(pid: int) -> Memory | None:
    """The memory of `pid` and its descendants; None where there is no /proc."""
    if not (PROC / str(pid) / "smaps_rollup").exists():
        return None
    rollups = [_rollup(each) for each in tree(pid)]
    return Memory(
        rss=sum(rollup.get("Rss", 0) for rollup in rollups) / 1e6,
        pss=sum(rollup.get("Pss", 0) for rollup in rollups) / 1e6,
    )


def tree(pid: int) -> list[int]:
    """`pid` and every process it, or they, started; those that end meanwhile may be missing."""
    try:
        children = [
            int(child)
            for task in (PROC / str(pid) / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(child))]


def end_marked(mark: Mapping[str, str]) -> None:
    """Kill every process that still carries this environment: what outlived the run it was for."""
    for pid in _carrying(mark):
        os.kill(pid, signal.SIGKILL)


def _carrying(mark: Mapping[str, str]) -> Iterator[int]:
    wanted = {f"{name}={value}".encode() for name, value in mark.items()}
    for environ in PROC.glob("[0-9]*/environ"):
        try:
            carried = environ.read_bytes().split(b"\0")
        except OSError:
            continue  # It ended meanwhile, or is not ours to look at.
        if wanted.issubset(carried):
            yield int(environ.parent.name)


def _rollup(pid: int) -> dict[str, int]:
    """The sizes in one process's smaps_rollup, in bytes; empty when it has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    sizes = (line.split()[:2] for line in lines)
    return {name.rstrip(":"): int(kilobytes) * 1024 for name, kilobytes in sizes}
