"""The lexical indexes: FTS5 tables, derived from the canonical text.

They are contentless: they hold the index, not a second copy of the text, so taking a row out needs
the very text that was put in. Whatever is put in is therefore made by the functions here alone.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from memory_mcp.domain.messages import (
    NEIGHBOUR_WEIGHT,
    NEIGHBOURS_AFTER,
    NEIGHBOURS_BEFORE,
    Turn,
    neighbours_of,
    text_to_embed,
)
from memory_mcp.domain.passages import lexical_text
from memory_mcp.domain.query import index_form
from memory_mcp.domain.times import from_iso
from memory_mcp.storage.sqlite.session import Row, Session

RECIPE = "2"
"""Changes whenever indexed text is made differently; an index of another recipe is made anew."""

REBUILD_ROWS = 500
READ_ROWS = 50
_TOKENIZER = "porter unicode61 remove_diacritics 2"

Texts = tuple[str, ...]
"""What a row is indexed by, a text for each column."""


@dataclass(frozen=True, slots=True)
class TextIndex:
    """An FTS5 table, the table whose rows it finds, and how it scores them (lower is better)."""

    fts: str
    table: str
    columns: tuple[str, ...]
    score: str


SHORT_TURNS = TextIndex(
    "messages_short_fts",
    "messages",
    ("text", "neighbours"),
    f"bm25(messages_short_fts, 1.0, {NEIGHBOUR_WEIGHT})",
)
LONG_TURNS = TextIndex("messages_long_fts", "messages", ("text",), "bm25(messages_long_fts)")
PASSAGES = TextIndex("passages_fts", "passages", ("text",), "bm25(passages_fts)")
TEXTS = (SHORT_TURNS, LONG_TURNS, PASSAGES)

_EVERY_PASSAGE = """
SELECT p.seq, p.content,
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq), p.occurred_at
FROM passages p WHERE p.seq > ? ORDER BY p.seq LIMIT ?
"""
_PASSAGES_AT = """
SELECT p.seq, p.content,
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq), p.occurred_at
FROM passages p WHERE p.seq IN (SELECT value FROM json_each(?))
"""
_TURNS_AT = """
SELECT seq, coalesce(name, role), created_at, content FROM messages
WHERE seq IN (SELECT value FROM json_each(?))
"""
_TURNS = """
SELECT seq, coalesce(name, role), created_at, content FROM messages
WHERE conversation_seq = ? ORDER BY seq
"""
_TAIL = """
SELECT seq, coalesce(name, role), created_at, content FROM messages
WHERE conversation_seq = ? ORDER BY seq DESC LIMIT ?
"""

_BEFORE = """
SELECT seq, coalesce(name, role), created_at, content FROM messages
WHERE conversation_seq = ? AND seq < ? ORDER BY seq DESC LIMIT ?
"""
_FROM = """
SELECT seq, coalesce(name, role), created_at, content FROM messages
WHERE conversation_seq = ? AND seq >= ? ORDER BY seq LIMIT ?
"""
_REACH = NEIGHBOURS_BEFORE + NEIGHBOURS_AFTER
"""How far around a turn others stand whose texts hold it, or hold what holds it now instead."""


def make_texts(session: Session) -> None:
    """Make the lexical indexes anew from the canonical rows."""
    for index in TEXTS:
        session.run(f"DROP TABLE IF EXISTS {index.fts}")
        session.run(
            f"CREATE VIRTUAL TABLE {index.fts} USING fts5("
            f"{', '.join(index.columns)}, content='', tokenize='{_TOKENIZER}')"
        )
    for (conversation,) in session.all("SELECT seq FROM conversations ORDER BY seq"):
        turns = [_turn(row) for row in session.all(_TURNS, (conversation,))]
        index_turns(session, [([], turns)])
    for rows in _every_passage(session):
        add_texts(session, PASSAGES, rows)


def tail_of(session: Session, conversation_seq: int) -> list[Turn]:
    """The last turns of a conversation, oldest first: what the next ones have for neighbours."""
    rows = session.all(_TAIL, (conversation_seq, NEIGHBOURS_BEFORE + 1))
    return [_turn(row) for row in reversed(rows)]


def index_turns(session: Session, runs: Iterable[tuple[Sequence[Turn], Sequence[Turn]]]) -> None:
    """Index what conversations gained: for each its last turns so far, and the new ones.

    The last turn so far, which gains a neighbour, is indexed once more.
    """
    changed: list[tuple[int, Texts]] = []
    short: list[tuple[int, Texts]] = []
    long: list[tuple[int, Texts]] = []
    for tail, new in runs:
        run, last = [*tail, *new], len(tail) - 1
        if tail and new and run[last].is_short:
            changed.append(_short(tail, last))
            short.append(_short(run, last))
        for place in range(len(tail), len(run)):
            if run[place].is_short:
                short.append(_short(run, place))
            else:
                long.append(_long(run[place]))
    remove_texts(session, SHORT_TURNS, changed)
    add_texts(session, SHORT_TURNS, short)
    add_texts(session, LONG_TURNS, long)


def stretch_around(session: Session, conversation_seq: int, seq: int) -> list[Turn]:
    """A place in a conversation, with the turns around it that its coming or going concerns."""
    before = session.all(_BEFORE, (conversation_seq, seq, _REACH))
    after = session.all(_FROM, (conversation_seq, seq, _REACH + 1))
    return [_turn(row) for row in (*reversed(before), *after)]


def reindex_stretch(session: Session, was: Sequence[Turn], now: Sequence[Turn]) -> None:
    """Index a stretch of a conversation as it reads now instead of as it read.

    A turn came or went in it, at least three from either end that is not the conversation's own:
    what stands nearer to an end reads the same both times, so it is left alone.
    """
    for index, made in ((SHORT_TURNS, _shorts), (LONG_TURNS, _longs)):
        old, new = made(was), made(now)
        gone = [(seq, texts) for seq, texts in old.items() if new.get(seq) != texts]
        come = [(seq, texts) for seq, texts in new.items() if old.get(seq) != texts]
        remove_texts(session, index, gone)
        add_texts(session, index, come)


def unindex_conversation(session: Session, conversation_seq: int) -> None:
    """Take all turns of a conversation out of the indexes."""
    run = [_turn(row) for row in session.all(_TURNS, (conversation_seq,))]
    short = [_short(run, at) for at in range(len(run)) if run[at].is_short]
    remove_texts(session, SHORT_TURNS, short)
    remove_texts(session, LONG_TURNS, [_long(turn) for turn in run if not turn.is_short])


def passage_texts(content: str, tags: Sequence[str], occurred_at: datetime | None) -> Texts:
    """What a passage is indexed by."""
    return (index_form(lexical_text(content, tags, occurred_at)),)


def texts_at(
    session: Session, index: TextIndex, seqs: Sequence[int]
) -> Iterator[tuple[int, str, Sequence[str]]]:
    """What rows are indexed by, as it reads, with their tags; a few at a time, as it may be long.

    What a turn is found by besides, its neighbours, is left out.
    """
    for start in range(0, len(seqs), READ_ROWS):
        asked = (json.dumps(seqs[start : start + READ_ROWS]),)
        if index is PASSAGES:
            for seq, content, told, at in session.all(_PASSAGES_AT, asked):
                tags: list[str] = json.loads(told)
                yield seq, lexical_text(content, tags, from_iso(at) if at else None), tags
        else:
            for turn in map(_turn, session.all(_TURNS_AT, asked)):
                yield turn.seq, text_to_embed(turn.speaker, turn.created_at, turn.content), ()


def add_texts(session: Session, index: TextIndex, rows: Iterable[tuple[int, Texts]]) -> None:
    """Put rows into an index."""
    into = f"INSERT INTO {index.fts} (rowid, {', '.join(index.columns)})"
    session.insert(into, [(seq, *texts) for seq, texts in rows])


def remove_texts(session: Session, index: TextIndex, rows: Iterable[tuple[int, Texts]]) -> None:
    """Take rows out of an index; each must be what was put in."""
    into = f"INSERT INTO {index.fts} ({index.fts}, rowid, {', '.join(index.columns)})"
    session.insert(into, [("delete", seq, *texts) for seq, texts in rows])


def _short(run: Sequence[Turn], place: int) -> tuple[int, Texts]:
    turn = run[place]
    return turn.seq, (_words(turn), index_form(neighbours_of(run, place)))


def _shorts(run: Sequence[Turn]) -> dict[int, Texts]:
    return dict(_short(run, place) for place, turn in enumerate(run) if turn.is_short)


def _longs(run: Sequence[Turn]) -> dict[int, Texts]:
    return dict(_long(turn) for turn in run if not turn.is_short)


def _long(turn: Turn) -> tuple[int, Texts]:
    return turn.seq, (_words(turn),)


def _words(turn: Turn) -> str:
    return index_form(text_to_embed(turn.speaker, turn.created_at, turn.content))


def _turn(row: Row) -> Turn:
    seq, speaker, created_at, content = row
    return Turn(seq, speaker, from_iso(created_at), content)


def _every_passage(session: Session) -> Iterator[list[tuple[int, Texts]]]:
    last = 0
    while rows := session.all(_EVERY_PASSAGE, (last, REBUILD_ROWS)):
        last = rows[-1][0]
        yield [
            (seq, passage_texts(content, json.loads(tags), from_iso(at) if at else None))
            for seq, content, tags, at in rows
        ]
