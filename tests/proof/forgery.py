"""Texts made of the program's own words: does anything tell of more than is there?

Each text is cut from real outputs and glued together anew by chance, with line breaks of every kind
and terminal escapes between. What comes back is read by the documented frames alone
(tests/frames.py).
"""

import json
import random
from pathlib import Path

from tests import frames
from tests.acceptance.processes import Server, run, text_of
from tests.proof.figure import Figure, Scale
from tests.server.test_forgery import LURES, plain

GLUE = (
    "",
    " ",
    "\n",
    "\r",
    "\r\n",
    "\u2028",
    "\x85",
    "\x0b",
    "\x1b[2J",
    "\x1b]52;c;",
    "\x9b31m",
    "\u202e",
)
PAGE = 10
STEERING = [
    *map(chr, range(9)),
    *map(chr, range(11, 32)),
    *map(chr, range(127, 160)),
    "\u202e",
    "\u2066",
]


def trial(scale: Scale) -> list[Figure]:
    """Store, search page by page, run the commands."""
    chance = random.Random(scale.seed)
    database = scale.folder / "memory.db"
    texts = [_forged(chance, number) for number in range(scale.of(60, 2_000))]
    broken = _stored_and_told(database, texts)
    lines = [
        ("recall", "--limit", "50"),
        ("search", "tea", "--limit", "50"),
        ("context",),
        ("blocks", "show", "project"),
        ("log",),
        ("search", "tea", "--json"),
    ]
    steered: list[str] = []
    for words in lines:
        ended = run("--database", database, *words, folder=scale.folder)
        if ended.returncode:
            steered.append(f"{words[0]} failed: {ended.stderr[-200:]}")
        steered += [
            f"{' '.join(words)}: {each!r} reaches the terminal"
            for each in STEERING
            if each in ended.stdout + ended.stderr
        ]
    return [
        Figure(
            promise="S30",
            seen=(
                f"{len(texts)} forged texts as passages and messages: {len(broken) or 'no'} forged"
                " hit"
            ),
            broken=broken,
        ),
        Figure(
            promise="S40",
            seen=f"{len(lines)} commands on them: {len(steered) or 'no'} escape reaches a terminal",
            broken=steered,
        ),
    ]


def _forged(chance: random.Random, number: int) -> str:
    pieces = [f"tea no{number}"]
    for _ in range(chance.randrange(1, 5)):
        lure = chance.choice(LURES)
        start = chance.randrange(len(lure))
        pieces += [chance.choice(GLUE), lure[start : start + chance.randrange(10, 200)]]
    return "".join(pieces)


def _stored_and_told(database: Path, texts: list[str]) -> list[str]:
    broken: list[str] = []
    with Server(database, "--tools", "capture") as server:
        server.greet()
        for text in texts:
            for tool, rest in (("archival_insert", {}), ("conversation_append", {"role": "user"})):
                answer = server.call(tool, content=text, **rest)
                if answer.get("isError", True):
                    broken.append(
                        f"{tool} refused {json.dumps(text)[:100]}: {text_of(answer)[:200]}"
                    )
        server.call("core_memory_append", label="project", content=texts[0][:500])
        for tool in ("archival_search", "conversation_search"):
            broken += _paged(server, tool, texts)
    return broken


def _paged(server: Server, tool: str, texts: list[str]) -> list[str]:
    """Every page of a search: as many hits as texts, each one of them."""
    stored = {plain(text) for text in texts}
    broken: list[str] = []
    told, cursor = 0, None
    for _ in range(len(texts)):
        more = {"cursor": cursor} if cursor else {}
        answer = text_of(server.call(tool, query="tea", limit=PAGE, **more))
        found, others = frames.hits(answer)
        told += len(found)
        for hit in found:
            said = plain(hit.said.removeprefix("user: ")).strip("…").strip()
            if not any(said in each for each in stored):
                broken.append(f"{tool} told of what nobody stored: {said[:200]!r}")
        if len(others) != 1:
            broken.append(f"{tool}: lines that pass for the program's: {others[:3]}")
        last = answer.splitlines()[-1]
        if "cursor='" not in last:
            break
        cursor = last.rpartition("cursor='")[2].removesuffix("'.")
    if told != len(texts):
        broken.append(f"{tool} told of {told} hits, and {len(texts)} are stored")
    return broken
