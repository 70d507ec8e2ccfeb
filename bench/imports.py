"""A ChatGPT-style export brought in by `memory-mcp import`: how fast, where the time goes, memory.

The export is made here: conversations of 4 to 60 messages as trees with a branch, texts of
`corpus.py`, as unevenly long as in real chats. Beside it stand two floors: the embedder alone on
the same texts, and their words in an FTS5 table of the same kind, committed batch by batch. An
import cannot be faster than the slower of the two while it does both.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bench import ours
from bench.contenders import environment
from bench.corpus import Corpus
from bench.report import Bar, Report, print_table
from bench.sqlite_driver import sqlite3
from memory_mcp.embedding.static import StaticEmbedder

RSS_MB_MOST = 300.0
READING_SHARE_MOST = 0.1
SENTENCES = 20_000
FLOOR_MESSAGES = 20_000
BATCH = 500
#: Sentences of a message, and how often: short questions, long answers, now and then a whole page.
LENGTHS = ((1, 30), (3, 25), (8, 25), (20, 17), (80, 3))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=int, default=200, help="how large the export is")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    server = ours.find(options.command)
    export, database = scratch / "conversations.json", scratch / "memory.db"
    with export.open("w", encoding="utf-8") as out:
        messages = write_export(out, options.megabytes * 1_000_000)
    command = [*server.command, "--database", str(database), "--agent", "bench"]
    command += ["import", "chatgpt", str(export), "--timings"]
    began = time.perf_counter()
    told, rss_mb = run_measured(command)
    seconds = time.perf_counter() - began
    again = time.perf_counter()
    run_measured(command)
    again = time.perf_counter() - again
    shares = {name: float(share) / 100 for name, share in re.findall(r"(\w+) ([\d.]+)%", told)}
    sample = [text for text, _ in zip(texts(), range(FLOOR_MESSAGES), strict=False)]
    figures: dict[str, Any] = {
        "export_mb": export.stat().st_size / 1e6,
        "messages": messages,
        "seconds": seconds,
        "messages_per_s": messages / seconds,
        "mb_per_s": export.stat().st_size / 1e6 / seconds,
        "again_s": again,
        "max_rss_mb": rss_mb,
        "work_shares": shares,
        "embedder_alone_per_s": FLOOR_MESSAGES / timed_embedder(sample),
        "words_alone_per_s": FLOOR_MESSAGES / timed_words(sample, scratch / "floor.db"),
        "store_mb": database.stat().st_size / 1e6,
    }
    rows = [(name, value) for name, value in figures.items() if name != "work_shares"]
    rows += [(f"share of the work: {name}", share) for name, share in shares.items()]
    print_table(("import of a ChatGPT export", ""), rows)
    bars = [
        Bar(what="memory of an import", measured=rss_mb, limit=RSS_MB_MOST, unit="MB"),
        Bar(
            what="share of reading in the work: the rest is the embedder, the store, summaries",
            measured=shares["reading"],
            limit=READING_SHARE_MOST,
            unit="",
        ),
    ]
    return Report(figures=figures, bars=bars)


def run_measured(command: list[str]) -> tuple[str, float]:
    """What a command printed, and its largest resident size in MB."""
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"`{' '.join(command)}` failed:\n{told}")
    process.returncode = 0
    return told, usage.ru_maxrss * 1024 / 1e6


def texts() -> Iterator[str]:
    source = random.Random(7)
    sentences = [passage.content for passage in Corpus().passages(0, SENTENCES)]
    lengths, weights = zip(*LENGTHS, strict=True)
    while True:
        (length,) = source.choices(lengths, weights)
        start = source.randrange(SENTENCES - length)
        yield " ".join(sentences[start : start + length])


def write_export(out: Any, size: int) -> int:
    """Write an export of about that many bytes; how many messages are on its paths."""
    source, said = random.Random(3), texts()
    written = out.write("[")
    number = messages = 0
    while written < size:
        count = source.randrange(4, 60)
        written += out.write(", " if number else "")
        written += out.write(json.dumps(conversation(number, count, said)))
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
