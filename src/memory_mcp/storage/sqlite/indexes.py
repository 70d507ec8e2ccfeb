"""The derived tables together: words (`texts`) and vectors, made anew at any time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from memory_mcp.domain.messages import text_to_embed
from memory_mcp.domain.passages import text_to_embed as passage_text_to_embed
from memory_mcp.domain.statistics import IndexState
from memory_mcp.domain.times import from_iso
from memory_mcp.domain.vectors import Packed, packed
from memory_mcp.ports import Unembedded, Vector
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.signs import Signs
from memory_mcp.storage.sqlite.texts import RECIPE, make_texts


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """A noun's vectors: exact ones by row, and their signs in the order they came."""

    noun: Literal["message", "passage"]
    table: str
    vectors: str
    signs: str


MESSAGES = VectorIndex("message", "messages", "message_vectors", "message_signs")
PASSAGES = VectorIndex("passage", "passages", "passage_vectors", "passage_signs")
VECTORS = (MESSAGES, PASSAGES)

_UNEMBEDDED_MESSAGES = """
SELECT m.seq, coalesce(m.name, m.role), m.created_at, m.content
FROM waiting w JOIN messages m ON m.seq = w.seq
WHERE w.noun = 'message' AND w.seq > ? ORDER BY w.seq LIMIT ?
"""
_UNEMBEDDED_PASSAGES = """
SELECT p.seq, p.content, p.occurred_at
FROM waiting w JOIN passages p ON p.seq = w.seq
WHERE w.noun = 'passage' AND w.seq > ? ORDER BY w.seq LIMIT ?
"""
_STILL_WAITING = {
    index: f"SELECT row.seq, row.agent_seq FROM waiting w "
    f"JOIN {index.table} row ON row.seq = w.seq "
    "WHERE w.noun = ? AND w.seq IN (SELECT value FROM json_each(?))"
    for index in VECTORS
}
_DONE = """
DELETE FROM waiting WHERE noun = ? AND seq IN (SELECT value FROM json_each(?))
"""
FAR = 2**62
"""A place after all others."""
_SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"

VectorRow = tuple[int, int, Vector | None]
"""A row to index: its place, its agent's place, and its vector if there is one."""


class Indexes:
    """Keeps the derived tables in step with the rows; the `IndexStore` port."""

    def __init__(self, database: Database, embedder: str | None) -> None:
        self._database = database
        self._embedder = embedder
        self._store_embedder: str | None = None
        self.signs = {index: Signs(index.signs) for index in VECTORS}

    @property
    def has_vec(self) -> bool:
        """Whether SQLite itself can compare vectors."""
        return self._database.has_vec

    @property
    def vectors_usable(self) -> bool:
        """Whether this process's vectors are of the kind the store holds."""
        return self._embedder is not None and self._embedder == self._store_embedder

    async def prepare(self) -> None:
        """Make the derived tables that are missing, and those of an older recipe anew."""

        def make(session: Session) -> None:
            if _setting(session, "index_recipe") != RECIPE:
                make_texts(session)
                session.run(_SET, ("index_recipe", RECIPE))
            if self._embedder is not None and _setting(session, "embedder") is None:
                session.run(_SET, ("embedder", self._embedder))
            self._store_embedder = _setting(session, "embedder")

        is_ready = await self._database.read(self._is_ready)
        if not is_ready and not self._database.is_read_only:
            await self._database.write(make)

    def _is_ready(self, session: Session) -> bool:
        self._store_embedder = _setting(session, "embedder")
        undecided = self._embedder is not None and self._store_embedder is None
        return _setting(session, "index_recipe") == RECIPE and not undecided

    def add_vectors_to(
        self, session: Session, index: VectorIndex, rows: Sequence[VectorRow]
    ) -> None:
        """Index new rows by meaning; those without a vector will wait for one."""
        usable = self.is_usable(session)
        here = [
            (seq, agent, vector) for seq, agent, vector in rows if vector is not None and usable
        ]
        small = packed(vector for *_, vector in here)
        self._put(session, index, [(*row[:2], each) for row, each in zip(here, small, strict=True)])
        done = {seq for seq, _, _ in here}
        later = [(index.noun, seq) for seq, _, _ in rows if seq not in done]
        session.insert("INSERT OR IGNORE INTO waiting", later)

    def replace_vector(self, session: Session, index: VectorIndex, row: VectorRow) -> None:
        """Give a row another vector, as the text it is embedded by has changed."""
        session.run(f"DELETE FROM {index.vectors} WHERE seq = ?", (row[0],))
        session.run(f"DELETE FROM {index.signs} WHERE seq = ?", (row[0],))
        self.add_vectors_to(session, index, [row])

    def remove_vectors(self, session: Session, index: VectorIndex, seq: int) -> None:
        """Take a row that goes out of everything that is searched by meaning.

        What other processes hold of it in memory finds no vector any more.
        """
        session.run(f"DELETE FROM {index.vectors} WHERE seq = ?", (seq,))
        session.run(f"DELETE FROM {index.signs} WHERE seq = ?", (seq,))
        session.run("DELETE FROM waiting WHERE noun = ? AND seq = ?", (index.noun, seq))

    def is_usable(self, session: Session) -> bool:
        """As `vectors_usable`, asked anew: another process may have rebuilt the store."""
        self._store_embedder = _setting(session, "embedder")
        return self.vectors_usable

    def _put(
        self, session: Session, index: VectorIndex, rows: Sequence[tuple[int, int, Packed]]
    ) -> None:
        # A vector of zeros (a text without one known word) is near to nothing and is not kept.
        told = [(seq, agent, *each) for seq, agent, each in rows if each[0]]
        session.insert(
            f"INSERT OR REPLACE INTO {index.vectors} (seq, vector)",
            [(seq, numbers) for seq, _, numbers, _ in told],
        )
        session.insert(
            f"INSERT INTO {index.signs} (seq, agent_seq, signs)",
            [(seq, agent, signs) for seq, agent, _, signs in told],
        )

    async def unembedded(self, limit: int, after: Unembedded | None = None) -> list[Unembedded]:
        """Rows that wait for a vector, messages first, oldest first; those after one, if given."""
        if not self.vectors_usable:
            return []
        last_message = -1 if after is None else after.seq if after.noun == "message" else FAR
        last_passage = after.seq if after and after.noun == "passage" else -1
        messages = await self._database.read(
            lambda session: session.all(_UNEMBEDDED_MESSAGES, (last_message, limit))
        )
        passages = await self._database.read(
            lambda session: session.all(_UNEMBEDDED_PASSAGES, (last_passage, limit - len(messages)))
        )
        return [
            Unembedded("message", seq, text_to_embed(speaker, from_iso(at), content))
            for seq, speaker, at, content in messages
        ] + [
            Unembedded("passage", seq, passage_text_to_embed(content, from_iso(at) if at else None))
            for seq, content, at in passages
        ]

    async def add_vectors(self, rows: Sequence[Unembedded], vectors: Sequence[Packed]) -> None:
        """Give rows their vectors. Rows that got one meanwhile, or were forgotten, are left."""
        by_place = {(row.noun, row.seq): vector for row, vector in zip(rows, vectors, strict=True)}

        def add(session: Session) -> None:
            if not self.is_usable(session):
                return
            for index in VECTORS:
                places = [seq for noun, seq in by_place if noun == index.noun]
                waiting = session.all(_STILL_WAITING[index], (index.noun, json.dumps(places)))
                found = [(seq, agent, by_place[index.noun, seq]) for seq, agent in waiting]
                self._put(session, index, found)
                session.run(_DONE, (index.noun, json.dumps(places)))

        await self._database.write(add)

    async def rebuild(self) -> None:
        """Make every derived table anew from the canonical text; vectors are made again after.

        The store's vectors become this process's embedder's.
        """

        def make_anew(session: Session) -> None:
            make_texts(session)
            session.run(_SET, ("index_recipe", RECIPE))
            for index in VECTORS:
                session.run(f"DELETE FROM {index.vectors}")
                session.run(f"DELETE FROM {index.signs}")
                session.run(
                    f"INSERT OR IGNORE INTO waiting SELECT ?, seq FROM {index.table}", (index.noun,)
                )
            session.run("DELETE FROM settings WHERE name IN ('embedder', 'soundness')")
            if self._embedder is not None:
                session.run(_SET, ("embedder", self._embedder))

        await self._database.write(make_anew)
        self._store_embedder = self._embedder

    def state(self, session: Session) -> IndexState:
        """How search is made up right now."""
        note = None
        if self._embedder is None:
            note = "no embedder is set: search is by words only"
        elif not self.vectors_usable:
            note = (
                f"the store's vectors are {self._store_embedder}'s, this process runs "
                f"{self._embedder}: search is by words only until `memory-mcp doctor --rebuild`"
            )
        scorer = "sqlite-vec" if self.has_vec else "python"
        return IndexState(
            embedder=self._embedder,
            store_embedder=self._store_embedder,
            vectors_scored_by=scorer if self.vectors_usable else None,
            waiting=session.value("SELECT count(*) FROM waiting"),
            note=note,
        )


def _setting(session: Session, name: str) -> str | None:
    return session.value("SELECT value FROM settings WHERE name = ?", (name,))
