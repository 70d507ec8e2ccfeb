"""Sessions under mixed load, which remember what they asked and were told, and what came of it."""

import random
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bench.concurrency import WRITER_STRIDE, Tally
from bench.contenders import Contender
from bench.corpus import Corpus
from bench.ours import stored_texts
from bench.sqlite_driver import sqlite3
from bench.stdio_client import CallRefused, ServerGone, result_of

IN_FLIGHT = 4
#: How a bridge begins its own answer to a call whose outcome it could not learn.
OUTCOME_UNKNOWN = "Memory is not to be had"
#: All agents share it, so the store holds one of that label.
BLOCK = "human"
#: How much of it, which holds 5,000 characters, all sessions fill together.
BLOCK_CHARS = 2_500

PASSAGES = "passages filed"
MESSAGES = "messages recorded"
ADDED = "block lines added"
REMOVED = "block lines removed"
SEARCHES = "searches"
KINDS = (PASSAGES, MESSAGES, ADDED, REMOVED, SEARCHES)
#: `conversation_append` is only served when it is asked for.
SETTINGS = {"MEMORY_MCP_TOOLS": "core,capture"}


class Call(NamedTuple):
    """One call of the load; `text` tells it from all others of its kind."""

    kind: str
    text: str
    tool: str
    arguments: Mapping[str, Any]


class Session:
    """One session of `sessions` that work at once: what it asked, and what it was told."""

    def __init__(self, contender: Contender, number: int, sessions: int) -> None:
        self.client = contender.start()
        self.tallies = {kind: Tally() for kind in KINDS}
        #: Calls which the bridge answered itself: they claim nothing, so they are no faults.
        self.unknown: list[str] = []
        #: What went wrong besides refusals, which the tallies hold.
        self.faults: list[str] = []
        self._contender = contender
        self._number = number
        self._corpus = Corpus()
        self._draw = random.Random(f"session {number}")
        self._asked = 0
        self._waiting: dict[int, Call] = {}
        self._lines: deque[str] = deque()
        self._lines_held = max(1, BLOCK_CHARS // (sessions * len(_line("00 000000"))))

    def work(self, until: threading.Event) -> None:
        """Keep several calls under way until told to end, then take the last answers."""
        try:
            while not until.is_set():
                self._ask(self._next())
                if len(self._waiting) == IN_FLIGHT:
                    self._take_answer()
            while self._waiting:
                self._take_answer()
        except ServerGone as gone:
            self.faults.append(f"session {self._number} no longer answers: {gone}")

    def read_block(self) -> str | None:
        """The block as this session has it; None when it does not say."""
        try:
            read = self.client.request("resources/read", {"uri": f"memory://blocks/{BLOCK}"})
        except (CallRefused, ServerGone) as trouble:
            self.faults.append(f"session {self._number} does not read its block: {trouble}")
            return None
        return read["contents"][0]["text"]

    def close(self) -> None:
        """End it as hosts do."""
        self.client.close()
        if ended := self.client.process.returncode:
            self.faults.append(f"session {self._number} ended with {ended}")

    def _next(self) -> Call:
        self._asked += 1
        number = self._number * WRITER_STRIDE + self._asked
        name = f"{self._number:02} {self._asked:06}"
        kind = self._draw.choices((PASSAGES, MESSAGES, SEARCHES, ADDED), (3, 3, 1, 3))[0]
        if kind == PASSAGES:
            passage = self._corpus.passage(number)
            return Call(PASSAGES, passage.content, *self._contender.insert(passage))
        if kind == MESSAGES:
            content = f"{name}: {self._corpus.passage(number).content}"
            said = {"role": "user", "content": content}
            return Call(MESSAGES, content, "conversation_append", said)
        if kind == SEARCHES:
            return Call(SEARCHES, name, *self._contender.search(self._corpus.query(number)))
        return self._edit(name)

    def _edit(self, name: str) -> Call:
        """A new line for the block, or, when it holds enough of ours, the oldest one out of it."""
        if len(self._lines) < self._lines_held:
            line = _line(name)
            return Call(ADDED, line, "core_memory_append", {"label": BLOCK, "content": line})
        line = self._lines.popleft()
        removal = {"label": BLOCK, "old_content": line, "new_content": ""}
        return Call(REMOVED, line, "core_memory_replace", removal)

    def _ask(self, call: Call) -> None:
        self.tallies[call.kind].sent.append(call.text)
        params = {"name": call.tool, "arguments": call.arguments}
        self._waiting[self.client.send("tools/call", params)] = call

    def _take_answer(self) -> None:
        answer = self.client.receive()
        call = self._waiting.pop(answer["id"], None)
        if call is None:
            self.faults.append(f"session {self._number} was answered what it does not wait for")
            return
        try:
            result_of(answer)
        except CallRefused as refusal:
            if str(refusal).startswith(OUTCOME_UNKNOWN):
                self.unknown.append(str(refusal))
            else:
                self.tallies[call.kind].refusals.append(f"{call.tool}: {refusal}")
        else:
            self.tallies[call.kind].acknowledged.append(call.text)
            if call.kind == ADDED:
                self._lines.append(call.text)


def together(sessions: Iterable[Session]) -> dict[str, Tally]:
    """The tallies of all sessions, by kind."""
    total = {kind: Tally() for kind in KINDS}
    for session in sessions:
        for kind, tally in session.tallies.items():
            total[kind].add(tally)
    return total


def stored(database: Path) -> dict[str, Sequence[str]]:
    """What the store holds of each kind of write, read behind the server's back."""
    added, removed = _edits(database)
    return {
        PASSAGES: stored_texts(database),
        MESSAGES: _column(database, "SELECT content FROM messages"),
        ADDED: added,
        REMOVED: removed,
    }


def stored_block(database: Path) -> str:
    """The block's value, read in the same way."""
    return _column(database, "SELECT value FROM blocks WHERE label = ?", BLOCK)[0]


def stored_conversations(database: Path) -> int:
    """In how many conversations there are messages."""
    return len(_column(database, "SELECT DISTINCT conversation_seq FROM messages"))


def _edits(database: Path) -> tuple[list[str], list[str]]:
    """Every line that a version of the block added to the one before, and that one took out."""
    values = _column(
        database,
        "SELECT h.value FROM block_history h JOIN blocks b ON b.seq = h.block_seq "
        "WHERE b.label = ? ORDER BY h.version",
        BLOCK,
    )
    added: list[str] = []
    removed: list[str] = []
    before: Counter[str] = Counter()
    for value in values:
        now = Counter(value.splitlines())
        added += (now - before).elements()
        removed += (before - now).elements()
        before = now
    return added, removed


def _column(database: Path, question: str, *parameters: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [value for (value,) in connection.execute(question, parameters)]


def _line(name: str) -> str:
    """All of one length, so that none is part of another: removing one must find that one alone."""
    return f"- {name} agreed"
