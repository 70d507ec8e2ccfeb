"""An export brought in by `memory-mcp import`: how fast, where the time goes, and who waits for it.

Passages come from JSON lines, messages from a ChatGPT-style export that is made here: conversations
of 4 to 60 messages as trees with a branch, texts of `corpus.py`, as unevenly long as in real chats.
Each import runs from an empty store, with another build in turns where one is named. The store is
watched from outside: when the last record is there, found by its words in the same transaction, and
when the last vector is.

Beside it stand floors: the embedder alone on the same texts, and their words in an FTS5 table of
the same kind, committed batch by batch. At last a session files and searches, alone and while an
import runs, so that it shows what an import takes from others.
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import ours
from bench.contenders import environment
from bench.corpus import Corpus
from bench.ours import MemoryMCP
from bench.processes import tree_memory
from bench.report import Bar, Report, p50, p95, print_table
from bench.sqlite_driver import sqlite3
from memory_mcp.embedding.static import StaticEmbedder

NOUNS = ("passage", "message")
TEXT_RATIO_LEAST = {"passage": 8.0, "message": 5.0}
VECTOR_RATIO_LEAST = 2.5
MEMORY_MB_MOST = 200.0
BESIDE_RATIO_MOST = 1.5
BESIDE_CALLS = 150
BESIDE_PAUSE_S = 0.02
FLOOR_TEXTS = 20_000
WATCH_S = 0.02
SENTENCES = 20_000
BATCH = 500
#: Sentences of a message, and how often: short questions, long answers, now and then a whole page.
LENGTHS = ((1, 30), (3, 25), (8, 25), (20, 17), (80, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import, in seconds from its process's start."""

    text_s: float
    vectors_s: float
    whole_s: float
    #: The most that its processes took together, proportionally.
    pss_mb: float
    #: Shares of the work, as `--timings` tells them.
    shares: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is imported: a file of so many records of one noun."""

    noun: str
    path: Path
    records: int

    @property
    def format(self) -> str:
        return "passages" if self.noun == "passage" else "chatgpt"


@dataclass(slots=True)
class Beside:
    """How long a session's calls took, in milliseconds, by tool."""

    filed: list[float] = field(default_factory=list)
    searched: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=200_000, help="how many of each noun")
    parser.add_argument("--rounds", type=int, default=1, help="how often each build imports")
    parser.add_argument("--before", help="another build's command, which takes turns with ours")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    builds = {"ours": ours.find(options.command)}
    if options.before:
        builds["before"] = ours.find(options.before)
    figures: dict[str, Any] = {}
    bars: list[Bar] = []
    for noun in NOUNS:
        source = written(noun, options.records, scratch)
        runs: dict[str, list[Import]] = {name: [] for name in builds}
        for _ in range(options.rounds):
            for name, build in builds.items():
                runs[name].append(imported(build, source, scratch / "turn" / "memory.db"))
        floors = measured_floors(source, scratch)
        show(noun, options.records, runs, floors)
        figures[noun] = {name: [_figures(each) for each in made] for name, made in runs.items()}
        figures[noun]["floors_s"] = floors
        bars += held(noun, runs)
        if noun == "passage":
            figures["beside"], more = beside(builds["ours"], source, scratch / "beside")
            bars += more
    return Report(figures=figures, bars=bars)


def held(noun: str, runs: dict[str, list[Import]]) -> Iterator[Bar]:
    if before := runs.get("before"):
        for what, of, least in (
            ("stored and found by words", "text_s", TEXT_RATIO_LEAST[noun]),
            ("last vector there", "vectors_s", VECTOR_RATIO_LEAST),
        ):
            ratio = _middle(before, of) / _middle(runs["ours"], of)
            yield Bar(
                what=f"{noun}s, {what}",
                measured=ratio,
                limit=least,
                unit="times as fast as before",
                direction="at least",
            )
    most = max(each.pss_mb for each in runs["ours"])
    yield Bar(what=f"{noun}s, memory", measured=most, limit=MEMORY_MB_MOST, unit="MB")


def show(noun: str, records: int, runs: dict[str, list[Import]], floors: dict[str, float]) -> None:
    rows: list[tuple[object, ...]] = []
    for name, made in runs.items():
        text, vectors = _middle(made, "text_s"), _middle(made, "vectors_s")
        shares = ", ".join(f"{stage} {share:.0%}" for stage, share in made[-1].shares.items())
        most = max(each.pss_mb for each in made)
        rows.append((name, text, records / text, vectors, _middle(made, "whole_s"), most, shares))
    rows += [(f"floor: {name}", took, records / took) for name, took in floors.items()]
    heads = ("text, s", "records/s", "vectors, s", "whole, s", "PSS, MB", "work")
    width = len(heads) + 1
    rows = [(*row, *[""] * (width - len(row))) for row in rows]
    print_table((f"import of {records:,} {noun}s", *heads), rows)


def imported(build: MemoryMCP, source: Source, database: Path) -> Import:
    """Import into a new store, and watch it."""
    shutil.rmtree(database.parent, ignore_errors=True)
    database.parent.mkdir()
    words = build.on(database, "import", source.format, str(source.path), "--timings")
    command = ("nice", "-n", "10", *words)  # as an import makes itself: other work meets both alike
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        text_s = vectors_s = pss_mb = 0.0
        weighed = began
        while process.poll() is None:
            time.sleep(WATCH_S)
            now = time.perf_counter()
            if not text_s and stored(database, source.noun) >= source.records:
                text_s = now - began
            if text_s and not vectors_s and not waiting(database):
                vectors_s = now - began
            if now - weighed > 0.5 and (memory := tree_memory(process.pid)):
                weighed, pss_mb = now, max(pss_mb, memory.pss)
        whole_s = time.perf_counter() - began
        told = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"`{' '.join(command)}` failed:\n{told}")
    shares = {name: float(share) / 100 for name, share in re.findall(r"(\w+) ([\d.]+)%", told)}
    return Import(
        text_s=text_s or whole_s,
        vectors_s=vectors_s or whole_s,
        whole_s=whole_s,
        pss_mb=pss_mb,
        shares=shares,
    )


def stored(database: Path, noun: str) -> int:
    asked = "SELECT coalesce(sum(n), 0) FROM counts WHERE noun = ?"
    return _asked(database, asked, noun) or 0


def waiting(database: Path) -> bool:
    return bool(_asked(database, "SELECT 1 FROM waiting LIMIT 1"))


def _asked(database: Path, sql: str, *parameters: object) -> Any:
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection,
    ):
        row = connection.execute(sql, parameters).fetchone()
        return row[0] if row else None
    return None


def measured_floors(source: Source, scratch: Path) -> dict[str, float]:
    """What the embedder and the word index alone would take for so many records, in seconds."""
    count = min(FLOOR_TEXTS, source.records)
    texts = [text for text, _ in zip(texts_of(source.noun), range(count), strict=False)]
    scale = source.records / count
    return {
        "embedder": timed_embedder(texts) * scale,
        "rows and words": timed_words(texts, scratch / f"floor-{source.noun}.db") * scale,
        "the same bytes, written and synced": timed_disk(source.path, scratch / "floor.bytes"),
    }


def beside(build: MemoryMCP, source: Source, folder: Path) -> tuple[dict[str, Any], list[Bar]]:
    """A session's calls while an import runs, and then alone, on what is in the store by then."""
    folder.mkdir()
    database = folder / "memory.db"
    build.import_passages(Corpus().passages(0, 2_000), database)
    command = build.on(database, "import", source.format, str(source.path))
    samples = {"alone": Beside(), "with an import": Beside()}
    corpus, ended = Corpus(), threading.Event()
    with build.contender(database, in_process=False).start() as client:
        client.initialize()
        _call(client, corpus, Beside(), 1_000_000, ended, calls=20)
        with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as importing:
            watcher = threading.Thread(target=lambda: (importing.wait(), ended.set()), daemon=True)
            watcher.start()
            time.sleep(1.0)
            _call(client, corpus, samples["with an import"], 3_000_000, ended)
            importing.kill()
        watcher.join()
        _call(client, corpus, samples["alone"], 2_000_000, threading.Event())
        build.daemon(database).stop()
    rows: list[tuple[object, ...]] = []
    bars: list[Bar] = []
    for of in ("filed", "searched"):
        alone, with_it = (getattr(each, of) for each in samples.values())
        rows.append((of, p50(alone), p95(alone), p50(with_it), p95(with_it), len(with_it)))
        bars.append(
            Bar(
                what=f"a session beside an import, {of}, p95",
                measured=p95(with_it) / p95(alone),
                limit=BESIDE_RATIO_MOST,
                unit="times as long as alone",
            )
        )
    heads = ("alone p50, ms", "p95", "with an import p50, ms", "p95", "calls")
    print_table(("a session's calls", *heads), rows)
    return {name: {"filed": s.filed, "searched": s.searched} for name, s in samples.items()}, bars


def _call(
    client: Any,
    corpus: Corpus,
    into: Beside,
    first: int,
    ended: threading.Event,
    calls: int = BESIDE_CALLS,
) -> None:
    for passage in corpus.passages(first, calls):
        if ended.is_set():
            return
        for took, tool, told in (
            (into.filed, "archival_insert", {"content": passage.content}),
            (into.searched, "archival_search", {"query": passage.content[:40]}),
        ):
            began = time.perf_counter()
            client.call(tool, told)
            took.append((time.perf_counter() - began) * 1_000)
        time.sleep(BESIDE_PAUSE_S)


def _middle(made: Sequence[Import], of: str) -> float:
    return statistics.median(getattr(each, of) for each in made)


def _figures(made: Import) -> dict[str, Any]:
    names = ("text_s", "vectors_s", "whole_s", "pss_mb", "shares")
    return {name: getattr(made, name) for name in names}


def written(noun: str, records: int, scratch: Path) -> Source:
    """Make the file to import."""
    path = scratch / f"{noun}s.json"
    with path.open("w", encoding="utf-8") as out:
        if noun == "message":
            return Source(noun=noun, path=path, records=write_export(out, records))
        for passage in Corpus().passages(0, records):
            out.write(f"{json.dumps(passage.as_import_line())}\n")
    return Source(noun=noun, path=path, records=records)


def texts_of(noun: str) -> Iterator[str]:
    if noun == "message":
        return texts()
    return (passage.content for passage in Corpus().passages(0, FLOOR_TEXTS))


def texts() -> Iterator[str]:
    source = random.Random(7)
    sentences = [passage.content for passage in Corpus().passages(0, SENTENCES)]
    lengths, weights = zip(*LENGTHS, strict=True)
    while True:
        (length,) = source.choices(lengths, weights)
        start = source.randrange(SENTENCES - length)
        yield " ".join(sentences[start : start + length])


def write_export(out: Any, wanted: int) -> int:
    """Write an export of about that many messages; how many are on its paths."""
    source, said = random.Random(3), texts()
    out.write("[")
    number = messages = 0
    while messages < wanted:
        count = min(source.randrange(4, 60), wanted - messages)
        out.write(", " if number else "")
        out.write(json.dumps(conversation(number, count, said)))
        number, messages = number + 1, messages + count
    out.write("]")
    return messages


def conversation(number: int, count: int, said: Iterator[str]) -> dict[str, Any]:
    at = 1_690_000_000.0 + number * 3_000
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None}}
    parent = "root"
    for place in range(count):
        key = f"{number:08x}-{place:04x}"
        role = "user" if place % 2 == 0 else "assistant"
        mapping[key] = node(key, parent, role, next(said), at + place * 40)
        parent = key
    # An answer that was asked for again.
    mapping[f"{number:08x}-other"] = node(f"{number:08x}-other", "root", "user", "Again.", at)
    return {
        "title": f"Conversation {number}",
        "create_time": at,
        "update_time": at + count * 40,
        "mapping": mapping,
        "current_node": parent,
        "id": f"conversation-{number:08x}",
    }


def node(key: str, parent: str, role: str, text: str, at: float) -> dict[str, Any]:
    message = {
        "id": key,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at,
        "content": {"content_type": "text", "parts": [text]},
        "status": "finished_successfully",
        "metadata": {"model_slug": "gpt-4o"} if role == "assistant" else {},
        "recipient": "all",
    }
    return {"id": key, "message": message, "parent": parent, "children": []}


def timed_embedder(sample: list[str]) -> float:
    embedder = StaticEmbedder()
    embedder.embed(sample[:10])
    began = time.perf_counter()
    embedder.embed(sample)
    return time.perf_counter() - began


def timed_words(sample: list[str], path: Path) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE texts (seq INTEGER PRIMARY KEY, text TEXT)")
        connection.execute(
            "CREATE VIRTUAL TABLE words USING fts5(text, content='', "
            "tokenize='porter unicode61 remove_diacritics 2')"
        )
        began = time.perf_counter()
        for start in range(0, len(sample), BATCH):
            rows = list(enumerate(sample[start : start + BATCH], start))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO texts VALUES (?, ?)", rows)
            connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        return time.perf_counter() - began


def timed_disk(source: Path, target: Path) -> float:
    """Copy a file, with a sync at every 4 MB, as a log does."""
    began = time.perf_counter()
    with source.open("rb") as read, target.open("wb") as out:
        while chunk := read.read(4_000_000):
            out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    target.unlink()
    return time.perf_counter() - began
