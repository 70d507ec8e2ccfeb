"""The derived tables: words in FTS5, signs of vectors in vec0. All can be made anew at any time.

FTS5 tables are contentless: they hold the index, not a second copy of the text, so taking a row
out needs the very text that was put in. Vectors are kept twice: exact ones (int8) in a plain table
by row, their signs (a bit a dimension) in vec0, which scans them some thirty times faster than
exact ones; the nearest by signs are then scored exactly.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memory_mcp.domain.messages import (
    NEIGHBOURS_AFTER,
    NEIGHBOURS_BEFORE,
    neighbour_text,
    text_to_embed,
)
from memory_mcp.domain.passages import lexical_text
from memory_mcp.domain.passages import text_to_embed as passage_text_to_embed
from memory_mcp.domain.query import index_form
from memory_mcp.domain.statistics import IndexState
from memory_mcp.domain.times import from_iso
from memory_mcp.domain.vectors import to_bits, to_int8
from memory_mcp.ports import Unembedded, Vector
from memory_mcp.storage.sqlite.database import Database, Row, Session

RECIPE = "1"
"""Changes whenever indexed text is made differently; the index of another recipe is made anew."""

REBUILD_ROWS = 500
_TOKENIZER = "porter unicode61 remove_diacritics 2"


@dataclass(frozen=True, slots=True)
class TextIndex:
    """An FTS5 table and the table whose rows it finds."""

    fts: str
    table: str


@dataclass(frozen=True, slots=True)
class NounIndex(TextIndex):
    """A noun's FTS5 table, with its vectors: exact (`vectors`) and signs (`vec`, a vec0 table)."""

    noun: str
    vectors: str
    vec: str


MESSAGES = NounIndex("messages_fts", "messages", "message", "message_vectors", "messages_vec")
MESSAGES_NEIGHBOURS = TextIndex("messages_neighbours_fts", "messages")
PASSAGES = NounIndex("passages_fts", "passages", "passage", "passage_vectors", "passages_vec")
NOUNS = (MESSAGES, PASSAGES)
TEXTS = (MESSAGES, MESSAGES_NEIGHBOURS, PASSAGES)

_UNEMBEDDED_MESSAGES = """
SELECT m.seq, m.role, m.name, m.created_at, m.content
FROM waiting w JOIN messages m ON m.seq = w.seq WHERE w.noun = 'message' ORDER BY w.seq LIMIT ?
"""
_UNEMBEDDED_PASSAGES = """
SELECT p.seq, p.content, p.occurred_at
FROM waiting w JOIN passages p ON p.seq = w.seq WHERE w.noun = 'passage' ORDER BY w.seq LIMIT ?
"""

_EVERY_MESSAGE = """
SELECT seq, role, name, created_at, content FROM messages WHERE seq > ? ORDER BY seq LIMIT ?
"""
_EVERY_PASSAGE = """
SELECT p.seq, p.content,
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq), p.occurred_at
FROM passages p WHERE p.seq > ? ORDER BY p.seq LIMIT ?
"""
_CONVERSATION_CONTENTS = """
SELECT seq, content FROM messages WHERE conversation_seq = ? ORDER BY seq
"""
_STILL_WAITING = {
    index: f"SELECT row.seq, row.agent_seq FROM waiting w "
    f"JOIN {index.table} row ON row.seq = w.seq "
    "WHERE w.noun = ? AND w.seq IN (SELECT value FROM json_each(?))"
    for index in NOUNS
}
_NOT_INDEXED = {
    index: f"SELECT v.seq, row.agent_seq, v.signs FROM {index.vectors} v "
    f"JOIN {index.table} row ON row.seq = v.seq WHERE v.indexed = 0 LIMIT ?"
    for index in NOUNS
}
COUNT_ALL = "SELECT coalesce(sum(n), 0) FROM counts WHERE agent_seq = ? AND noun = ? AND tag = ''"
_SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"

IndexedRow = tuple[int, str, int, Vector | None]
"""A row to index: place, text in index form, the agent's row, and the vector if there is one."""


class Indexes:
    """Keeps the derived tables in step; the `IndexStore` port."""

    def __init__(self, database: Database, embedder: str | None, dims: int) -> None:
        self._database = database
        self._embedder = embedder
        self._dims = dims
        self._store_embedder: str | None = None

    @property
    def has_vec(self) -> bool:
        """Whether vectors are searched through vec0."""
        return self._database.has_vec

    @property
    def vectors_usable(self) -> bool:
        """Whether this process's vectors are of the kind the store holds."""
        return self._embedder is not None and self._embedder == self._store_embedder

    async def prepare(self) -> None:
        """Make the derived tables that are missing, and those of an older recipe anew."""

        def make(session: Session) -> None:
            if self._is_ready(session):  # another process was quicker
                return
            if _setting(session, "index_recipe") != RECIPE:
                self._make_texts(session)
            if self._embedder is not None and self._store_embedder is None:
                self._adopt(session)
            self._make_vec(session)

        if not await self._database.read(self._is_ready):
            await self._database.write(make)

    def _is_ready(self, session: Session) -> bool:
        self._store_embedder = _setting(session, "embedder")
        if _setting(session, "index_recipe") != RECIPE:
            return False
        if self._embedder is not None and self._store_embedder is None:
            return False
        if not (self.vectors_usable and self.has_vec):
            return True
        made = session.value(
            "SELECT count(*) FROM sqlite_schema WHERE name IN (?, ?)", (MESSAGES.vec, PASSAGES.vec)
        )
        return made == len(NOUNS)

    def add(self, session: Session, index: NounIndex, rows: Sequence[IndexedRow]) -> None:
        """Index new rows, in the transaction that stores them."""
        add_text(session, index, [(seq, text) for seq, text, _, _ in rows])
        with_vector = [
            (seq, agent_seq, vector)
            for seq, _, agent_seq, vector in rows
            if vector is not None and self.vectors_usable
        ]
        self._add_vectors(session, index, with_vector)
        done = {seq for seq, _, _ in with_vector}
        later = [(index.noun, seq) for seq, _, _, _ in rows if seq not in done]
        if later:
            session.run_many("INSERT OR IGNORE INTO waiting VALUES (?, ?)", later)

    def _add_vectors(
        self, session: Session, index: NounIndex, rows: Sequence[tuple[int, int, Vector]]
    ) -> None:
        if not rows:
            return
        made = [
            (seq, agent_seq, to_int8(vector), to_bits(vector)) for seq, agent_seq, vector in rows
        ]
        session.run_many(
            f"INSERT OR REPLACE INTO {index.vectors} (seq, vector, signs, indexed) "
            "VALUES (?, ?, ?, ?)",
            [(seq, vector, signs, self.has_vec) for seq, _, vector, signs in made],
        )
        if self.has_vec:
            session.run_many(
                f"INSERT INTO {index.vec} (seq, agent, signs) VALUES (?, ?, vec_bit(?))",
                [(seq, agent_seq, signs) for seq, agent_seq, _, signs in made],
            )

    async def unembedded(self, limit: int) -> list[Unembedded]:
        """Rows that wait for a vector, oldest first."""
        if not self.vectors_usable:
            return []
        messages = await self._database.read(
            lambda session: session.all(_UNEMBEDDED_MESSAGES, (limit,))
        )
        passages = await self._database.read(
            lambda session: session.all(_UNEMBEDDED_PASSAGES, (limit - len(messages),))
        )
        return [
            Unembedded("message", seq, text_to_embed(name or role, from_iso(at), content))
            for seq, role, name, at, content in messages
        ] + [
            Unembedded("passage", seq, passage_text_to_embed(content, from_iso(at) if at else None))
            for seq, content, at in passages
        ]

    async def add_vectors(self, rows: Sequence[Unembedded], vectors: Sequence[Vector]) -> None:
        """Give rows their vectors. Rows that got one meanwhile, or were forgotten, are left."""
        by_place = {(row.noun, row.seq): vector for row, vector in zip(rows, vectors, strict=True)}

        def add(session: Session) -> None:
            for index in NOUNS:
                places = [seq for noun, seq in by_place if noun == index.noun]
                waiting = session.all(_STILL_WAITING[index], (index.noun, json.dumps(places)))
                found = [(seq, agent, by_place[index.noun, seq]) for seq, agent in waiting]
                self._add_vectors(session, index, found)
                session.run_many(
                    "DELETE FROM waiting WHERE noun = ? AND seq = ?",
                    [(index.noun, seq) for seq in places],
                )

        await self._database.write(add)

    async def index_signs(self, limit: int) -> int:
        """Bring into vec0 what a process without the extension stored; how many rows."""
        if not (self.has_vec and self.vectors_usable):
            return 0

        def bring(session: Session) -> int:
            done = 0
            for index in NOUNS:
                rows = session.all(_NOT_INDEXED[index], (limit,))
                session.run_many(
                    f"INSERT INTO {index.vec} (seq, agent, signs) VALUES (?, ?, vec_bit(?))", rows
                )
                session.run_many(
                    f"UPDATE {index.vectors} SET indexed = 1 WHERE seq = ?",
                    [(seq,) for seq, _, _ in rows],
                )
                done += len(rows)
            return done

        def lacks(session: Session) -> bool:
            return any(session.all(_NOT_INDEXED[index], (1,)) for index in NOUNS)

        return await self._database.write(bring) if await self._database.read(lacks) else 0

    async def rebuild(self) -> None:
        """Make every derived table anew from the canonical text; vectors are made again after.

        The store's vectors become this process's embedder's.
        """

        def make_anew(session: Session) -> None:
            self._make_texts(session)
            for index in NOUNS:
                if self.has_vec:
                    session.run(f"DROP TABLE IF EXISTS {index.vec}")
                session.run(f"DELETE FROM {index.vectors}")
                session.run(
                    f"INSERT OR IGNORE INTO waiting SELECT ?, seq FROM {index.table}", (index.noun,)
                )
            self._adopt(session)

        await self._database.write(make_anew)

    async def state(self) -> IndexState:
        """How search is made up right now."""
        return await self._database.read(self.state_in)

    def state_in(self, session: Session) -> IndexState:
        """As `state`, on a connection at hand."""
        waiting = session.value("SELECT count(*) FROM waiting")
        note = None
        if self._embedder is None:
            note = "no embedder is set: search is by words only"
        elif not self.vectors_usable:
            note = (
                f"the store's vectors are {self._store_embedder}'s, this process runs "
                f"{self._embedder}: search is by words only until `memory-mcp doctor --rebuild`"
            )
        return IndexState(
            embedder=self._embedder,
            store_embedder=self._store_embedder,
            vector_index="off" if not self.vectors_usable else "vec0" if self.has_vec else "scan",
            waiting=waiting,
            note=note,
        )

    def _adopt(self, session: Session) -> None:
        """Let the store's vectors be those of this process's embedder from now on."""
        if self._embedder is None:
            session.run("DELETE FROM settings WHERE name = 'embedder'")
        else:
            session.run(_SET, ("embedder", self._embedder))
        self._store_embedder = self._embedder
        self._make_vec(session)

    def _make_vec(self, session: Session) -> None:
        if not (self.vectors_usable and self.has_vec):
            return
        for index in NOUNS:
            session.run(
                f"CREATE VIRTUAL TABLE IF NOT EXISTS {index.vec} USING vec0("
                f"seq INTEGER PRIMARY KEY, agent INTEGER PARTITION KEY, signs bit[{self._dims}])"
            )

    def _make_texts(self, session: Session) -> None:
        for index in TEXTS:
            session.run(f"DROP TABLE IF EXISTS {index.fts}")
            session.run(
                f"CREATE VIRTUAL TABLE {index.fts} USING fts5("
                f"text, content='', tokenize='{_TOKENIZER}')"
            )
        for index, rows in every_text(session):
            add_text(session, index, rows)
        session.run(_SET, ("index_recipe", RECIPE))


def add_text(session: Session, index: TextIndex, rows: Sequence[tuple[int, str]]) -> None:
    """Put texts (in index form) into an FTS5 table; empty ones are left out."""
    sql = f"INSERT INTO {index.fts} (rowid, text) VALUES (?, ?)"
    session.run_many(sql, [row for row in rows if row[1]])


def remove_text(session: Session, index: TextIndex, rows: Sequence[tuple[int, str]]) -> None:
    """Take texts out of an FTS5 table; each must be what was put in."""
    sql = f"INSERT INTO {index.fts} ({index.fts}, rowid, text) VALUES ('delete', ?, ?)"
    session.run_many(sql, [row for row in rows if row[1]])


def _setting(session: Session, name: str) -> str | None:
    return session.value("SELECT value FROM settings WHERE name = ?", (name,))


def every_text(session: Session) -> Iterator[tuple[TextIndex, list[tuple[int, str]]]]:
    """All that the FTS5 tables hold, from the canonical rows, some hundred rows at a time."""
    for sql, index, in_index_form in (
        (_EVERY_MESSAGE, MESSAGES, _message_text),
        (_EVERY_PASSAGE, PASSAGES, _passage_text),
    ):
        last = 0
        while rows := session.all(sql, (last, REBUILD_ROWS)):
            last = rows[-1][0]
            yield index, [(row[0], in_index_form(row)) for row in rows]
    for (conversation,) in session.all("SELECT seq FROM conversations ORDER BY seq"):
        run = session.all(_CONVERSATION_CONTENTS, (conversation,))
        contents = [content for _, content in run]
        yield (
            MESSAGES_NEIGHBOURS,
            [(seq, neighbours_at(contents, place)) for place, (seq, _) in enumerate(run)],
        )


def _message_text(row: Row) -> str:
    _, role, name, at, content = row
    return index_form(text_to_embed(name or role, from_iso(at), content))


def _passage_text(row: Row) -> str:
    _, content, tags, at = row
    return index_form(lexical_text(content, json.loads(tags), from_iso(at) if at else None))


def neighbours_at(contents: Sequence[str], place: int) -> str:
    """What the neighbour index holds for the message at `place` of a run of contents."""
    before = contents[max(0, place - NEIGHBOURS_BEFORE) : place]
    after = contents[place + 1 : place + 1 + NEIGHBOURS_AFTER]
    return index_form(neighbour_text(contents[place], [*before, *after]))
