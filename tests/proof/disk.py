"""A disk that gets full, and one that gives back other bytes than it got.

A server writes until no file of it may grow; what it acknowledged must be there when there is room
again. Then single bits of a store's file are turned: the doctor must say so, or nothing that was
stored may read differently.
"""

import random
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.acceptance.processes import Server, run, text_of
from tests.proof.chaos import stored_marks
from tests.proof.figure import Figure, Scale

from memory_mcp.storage.sqlite.driver import sqlite_module

REFUSALS = 5
WRITES_MAX = 3_000
CANONICAL = ("agents", "blocks", "passages", "messages", "mail")


def trial(scale: Scale) -> list[Figure]:
    """Both, on stores of their own."""
    return [_full(scale), _flipped(scale)]


def _full(scale: Scale) -> Figure:
    chance = random.Random(scale.seed)
    broken: list[str] = []
    tally: Counter[str] = Counter()
    for number in range(scale.of(4, 60)):
        database = scale.folder / f"full-{number}" / "memory.db"
        database.parent.mkdir()
        limit = chance.randrange(450_000, 2_500_000)
        broken += [f"limit {limit:,}: {told}" for told in _filled(database, limit, number, tally)]
    seen = (
        f"{tally['stores']} disks got full: {tally['acknowledged']:,} acknowledged writes,"
        f" {tally['refused']} refused, {len(broken) or 'none'} lost"
    )
    return Figure(promise="D5", seen=seen, broken=broken)


def _filled(database: Path, limit: int, number: int, tally: Counter[str]) -> list[str]:
    broken: list[str] = []
    acknowledged: set[str] = set()
    refused = 0
    run("--database", database, "stats", folder=database.parent)
    with Server(database, "--tools", "capture", file_bytes_max=limit) as server:
        server.greet()
        for write in range(WRITES_MAX):
            text = f"prooffull{number}x{write}"
            # Every kind of write, of a size with which a disk is full soon.
            tool, rest = (
                ("archival_insert", {}) if write % 2 else ("conversation_append", {"role": "user"})
            )
            answer = server.call(tool, content=f"{text} {'heron ' * 300}", **rest)
            if not ("error" in answer or answer.get("isError")):
                acknowledged.add(text)
                continue
            refused += 1
            if "full" not in (told := text_of(answer)):
                broken.append(f"refused without saying that the disk is full: {told[:200]}")
            if refused == REFUSALS:
                break
        else:
            broken.append("it never got full: the limit proves nothing")
        if "error" in (found := server.call("archival_search", query="heron")) or found["isError"]:
            broken.append(f"not readable while full: {text_of(found)[:200]}")
    with Server(database) as server:
        server.greet()
        if (after := server.call("archival_insert", content="There is room again."))["isError"]:
            broken.append(f"no write with room again: {text_of(after)}")
    stored = stored_marks(database)
    broken += [f"lost: {text}" for text in sorted(acknowledged - stored.keys())]
    tally.update(stores=1, acknowledged=len(acknowledged), refused=refused)
    return broken


def _flipped(scale: Scale) -> Figure:
    """Turn one bit at a time, and ask the doctor."""
    chance = random.Random(scale.seed)
    original = scale.folder / "flipped" / "memory.db"
    original.parent.mkdir()
    with Server(original, "--tools", "capture") as server:
        server.greet()
        for number in range(40):
            server.call("archival_insert", content=f"Passage {number} of herons. " * 20)
            server.call(
                "conversation_append", role="user", content=f"Message {number} of weirs. " * 20
            )
        server.call("core_memory_append", label="project", content="The weir is high in May.")
        server.close_input()
        server.wait()
    before, size = canonical(original), original.stat().st_size
    broken: list[str] = []
    noticed = harmless = 0
    for number in range(scale.of(15, 400)):
        path = scale.folder / "flipped" / f"copy-{number}.db"
        shutil.copy(original, path)
        at, bit = chance.randrange(size), chance.randrange(8)
        with open(path, "r+b") as file:
            file.seek(at)
            was = file.read(1)[0]
            file.seek(at)
            file.write(bytes([was ^ 1 << bit]))
        doctor = run(
            "--database", path, "doctor", folder=path.parent, more={"HOME": str(path.parent)}
        )
        if "Traceback" in doctor.stderr:
            broken.append(f"byte {at}, bit {bit}: a traceback")
        elif "FAIL" in doctor.stdout:
            noticed += 1
        elif canonical(path) == before:
            harmless += 1
        else:
            broken.append(f"byte {at}, bit {bit} changed what is stored, and the doctor is content")
        path.unlink()
    seen = (
        f"{noticed + harmless + len(broken)} bits turned: {noticed} named by doctor, {harmless} in"
        f" places that hold nothing of memory, {len(broken) or 'none'} unnoticed"
    )
    return Figure(promise="D33", seen=seen, broken=broken)


def canonical(database: Path) -> dict[str, list[Any]] | None:
    """Every row of what a store holds for its user; `None` if it cannot be read."""
    try:
        with closing(sqlite_module().connect(database)) as connection:
            return {
                name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in CANONICAL
            }
    except (sqlite_module().DatabaseError, UnicodeDecodeError):
        return None
