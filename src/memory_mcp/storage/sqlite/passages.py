"""Archival memory in SQLite."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memory_mcp.domain.errors import PassageNotFound
from memory_mcp.domain.forgetting import gone_text
from memory_mcp.domain.ids import AgentId, PassageId, new_id
from memory_mcp.domain.passages import NewPassage, Passage, content_hash
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Candidate, Clock, Filed, PassageFilter, Question, Vector
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.indexes import PASSAGES, Indexes, VectorRow
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed import fate_of, remove_passages
from memory_mcp.storage.sqlite.search import (
    COUNT_ALL,
    Filter,
    exact_leg,
    lexical_leg,
    merged,
    vector_leg,
)
from memory_mcp.storage.sqlite.session import Row, Session, as_key
from memory_mcp.storage.sqlite.texts import PASSAGES as PASSAGE_TEXTS
from memory_mcp.storage.sqlite.texts import Texts, add_texts, passage_texts, remove_texts

_COLUMNS = """p.id, p.seq, p.content,
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq),
    p.occurred_at, p.created_at, p.refreshed_at, p.origin, p.external_id, p.supersedes"""
_BY_SEQ = f"SELECT {_COLUMNS} FROM passages p WHERE p.seq IN (SELECT value FROM json_each(?))"
_BY_ID = f"SELECT {_COLUMNS} FROM passages p WHERE p.agent_seq = ? AND p.id = ?"
_SAME = """
SELECT seq FROM passages WHERE agent_seq = ?1
    AND (content_hash = ?2 OR (external_id IS NOT NULL AND external_id = ?3))
ORDER BY content_hash = ?2 DESC LIMIT 1
"""
_INSERT = """
INSERT INTO passages (id, agent_seq, content, content_hash, occurred_at, created_at, refreshed_at,
    origin, external_id, metadata, supersedes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq
"""
_COPIED = "SELECT seq FROM passages WHERE id = ?"
_REFRESH = """
UPDATE passages SET refreshed_at = :now, occurred_at = coalesce(:occurred_at, occurred_at),
    external_id = coalesce(external_id, (SELECT :external_id WHERE NOT EXISTS (
        SELECT 1 FROM passages other
        WHERE other.agent_seq = passages.agent_seq AND other.external_id = :external_id)))
WHERE seq = :seq
"""
_INSERT_TAG = "INSERT OR IGNORE INTO passage_tags VALUES (?, ?, ?)"
_TOP_TAGS = """
SELECT tag, n FROM counts WHERE agent_seq = ? AND noun = 'tag' ORDER BY n DESC, tag LIMIT ?
"""
_TAGGED_ANY = """+row.seq IN (SELECT passage_seq FROM passage_tags
    WHERE agent_seq = :agent AND tag IN (SELECT value FROM json_each(:tags)))"""
_TAGGED_ALL = """+row.seq IN (SELECT passage_seq FROM passage_tags
    WHERE agent_seq = :agent AND tag IN (SELECT value FROM json_each(:tags))
    GROUP BY passage_seq HAVING count(*) = :tag_count)"""


class SqlitePassages:
    """The `PassageStore` port."""

    def __init__(self, database: Database, indexes: Indexes, clock: Clock) -> None:
        self._database = database
        self._indexes = indexes
        self._clock = clock

    async def file(
        self,
        agent_id: AgentId,
        passages: Sequence[NewPassage],
        vectors: Sequence[Vector | None],
    ) -> list[Filed]:
        """Store passages; the same text (or external id) again refreshes the one there.

        Raises:
            PassageNotFound: one supersedes a passage that the agent doesn't have; none was stored.
        """

        def store(session: Session) -> list[Filed]:
            now = to_iso(self._clock.now())
            return file_passages(session, self._indexes, agent_id, passages, vectors, now)

        return await self._database.write(store)

    async def search(
        self, agent_id: AgentId, question: Question, only: PassageFilter
    ) -> list[Candidate]:
        """The best rows of each leg, filters applied before ranking."""

        def legs(session: Session) -> list[Candidate]:
            rows = _filter(seq_of(session, agent_id), only)
            words = lexical_leg(session, PASSAGE_TEXTS, question.terms, rows)
            near = vector_leg(session, self._indexes, PASSAGES, question.vector, rows)
            exact = exact_leg(session, PASSAGE_TEXTS, question.runs, rows, [*words, *near])
            return merged(words, near, exact)

        return await self._database.read(legs)

    async def get(self, seqs: Sequence[int]) -> dict[int, Passage]:
        """Passages by place; places of forgotten ones are missing."""
        return await self._database.read(lambda session: _get(session, seqs))

    async def by_id(self, agent_id: AgentId, passage_id: PassageId) -> Passage:
        """One passage.

        Raises:
            PassageNotFound: the agent has no such passage; the text says what became of it.
        """

        def find(session: Session) -> Passage:
            agent_seq = seq_of(session, agent_id)
            if (row := session.one(_BY_ID, (agent_seq, as_key(passage_id)))) is not None:
                return _from_row(row)
            raise _not_found(session, agent_seq, passage_id)

        return await self._database.read(find)

    async def count(self, agent_id: AgentId, only: PassageFilter) -> int:
        """How many passages the filter admits."""

        def count(session: Session) -> int:
            rows = _filter(seq_of(session, agent_id), only)
            if not rows.narrow:
                return session.value(COUNT_ALL, (rows.agent_seq, "passage"))
            sql = f"SELECT count(*) FROM passages row WHERE {rows.sql}"
            return session.value(sql, rows.parameters)

        return await self._database.read(count)

    async def top_tags(self, agent_id: AgentId, limit: int) -> list[tuple[str, int]]:
        """The most used tags with their numbers of passages."""
        rows = await self._database.read(
            lambda session: session.all(_TOP_TAGS, (seq_of(session, agent_id), limit))
        )
        return [(tag, count) for tag, count in rows]


def file_passages(
    session: Session,
    indexes: Indexes,
    agent_id: str,
    passages: Sequence[NewPassage],
    vectors: Sequence[Vector | None],
    now: str,
    *,
    keep_dates: bool = False,
) -> list[Filed]:
    """Store passages in the transaction at hand; the same text again refreshes the one there.

    With `keep_dates` a date fills in where there is none, and corrects none. What one supersedes is
    removed.

    Raises:
        PassageNotFound: one supersedes a passage that the agent doesn't have.
    """
    agent_seq = seq_of(session, AgentId(agent_id))
    new: list[VectorRow] = []
    filed: list[tuple[int, bool]] = []
    last_id = ""
    for passage, vector in zip(passages, vectors, strict=True):
        digest = content_hash(passage.content)
        if passage.copied and (there := session.value(_COPIED, (passage.copied.id,))):
            filed.append((there, True))
            continue
        same = session.value(_SAME, (agent_seq, digest, passage.external_id))
        if same is not None:
            refreshed = _refresh(session, agent_seq, same, passage, now, keep_dates)
            if refreshed.dated_anew:
                # Known by its external id, it may read otherwise than what came now.
                fits = vector if refreshed.content == passage.content else None
                indexes.replace_vector(session, PASSAGES, (same, agent_seq, fits))
            record_change(session, now, "passage", refreshed.passage_id, "refreshed", [agent_id])
            if passage.supersedes is not None:
                _supersede(session, indexes, agent_id, passage.supersedes, same, now)
            filed.append((same, True))
            continue
        last_id = passage.copied.id if passage.copied else new_id("passage")
        seq = session.value(_INSERT, _insert_row(last_id, agent_seq, digest, passage, now))
        _tag(session, agent_seq, seq, passage.tags)
        texts = passage_texts(passage.content, passage.tags, passage.occurred_at)
        add_texts(session, PASSAGE_TEXTS, [(seq, texts)])
        new.append((seq, agent_seq, vector))
        if passage.supersedes is not None:
            _supersede(session, indexes, agent_id, passage.supersedes, seq, now)
        filed.append((seq, False))
    if new:
        indexes.add_vectors_to(session, PASSAGES, new)
        record_change(session, now, "passage", last_id, "filed", [agent_id], passages=len(new))
    found = _get(session, [seq for seq, _ in filed])
    return [Filed(found[seq], refreshed) for seq, refreshed in filed]


def _supersede(
    session: Session, indexes: Indexes, agent_id: str, old_id: str, seq: int, now: str
) -> None:
    """Put the passage at a place in the place of an old one, which goes."""
    agent_seq = seq_of(session, AgentId(agent_id))
    new = _get(session, [seq])[seq]
    if old_id == new.id:  # the same text again: nothing became untrue
        return
    if not remove_passages(
        session, indexes, agent_id, [old_id], new.origin, now, superseded_by=new.id
    ):
        raise _not_found(session, agent_seq, old_id)
    session.run("UPDATE passages SET supersedes = ? WHERE seq = ?", (old_id, seq))


def _not_found(session: Session, agent_seq: int, passage_id: str) -> PassageNotFound:
    if fate := fate_of(session, agent_seq, passage_id):
        return PassageNotFound(gone_text(passage_id, *fate))
    return PassageNotFound(
        f"there is no passage {clip(passage_id, 60)!r}. archival_search answers with the ids."
    )


def filed_texts(session: Session, agent_id: str, contents: Sequence[str]) -> list[Passage]:
    """The agent's passages of these texts, in their order; those that are gone are missing."""
    agent_seq = seq_of(session, AgentId(agent_id))
    seqs = [session.value(_SAME, (agent_seq, content_hash(each), None)) for each in contents]
    found = _get(session, [seq for seq in seqs if seq is not None])
    return [found[seq] for seq in seqs if seq in found]


def _filter(agent_seq: int, only: PassageFilter) -> Filter:
    made = Filter(agent_seq, "passage")
    if only.tags:
        tagged = _TAGGED_ALL if only.tag_match == "all" else _TAGGED_ANY
        made.add(tagged, tags=json.dumps(only.tags), tag_count=len(only.tags))
    if only.window.start:
        made.add("row.dated >= :start", start=only.window.start)
    if only.window.end:
        made.add("row.dated < :end", end=only.window.end)
    return made


def _insert_row(
    passage_id: str, agent_seq: int, digest: bytes, passage: NewPassage, now: str
) -> tuple[Any, ...]:
    return (
        passage_id,
        agent_seq,
        passage.content,
        digest,
        to_iso(passage.occurred_at) if passage.occurred_at else None,
        to_iso(passage.copied.created_at) if passage.copied else now,
        to_iso(passage.copied.refreshed_at) if passage.copied else now,
        passage.origin,
        passage.external_id,
        json.dumps(passage.metadata) if passage.metadata else None,
        passage.copied.supersedes if passage.copied else None,
    )


@dataclass(frozen=True, slots=True)
class _Refreshed:
    """A passage whose text came again; `dated_anew` when its vector must change with its date."""

    passage_id: str
    content: str
    dated_anew: bool


def _refresh(
    session: Session, agent_seq: int, seq: int, passage: NewPassage, now: str, keep_date: bool
) -> _Refreshed:
    """Note that the text came again; tags add up, a date fills in or corrects."""
    before = _get(session, [seq])[seq]
    occurred_at = to_iso(passage.occurred_at) if passage.occurred_at else None
    if keep_date and before.occurred_at:
        occurred_at = None
    told = {
        "now": now,
        "occurred_at": occurred_at,
        "external_id": passage.external_id,
        "seq": seq,
    }
    session.run(_REFRESH, told)
    _tag(session, agent_seq, seq, passage.tags)
    after = _get(session, [seq])[seq]
    if _texts(before) != _texts(after):
        remove_texts(session, PASSAGE_TEXTS, [(seq, _texts(before))])
        add_texts(session, PASSAGE_TEXTS, [(seq, _texts(after))])
    return _Refreshed(before.id, before.content, before.occurred_at != after.occurred_at)


def _tag(session: Session, agent_seq: int, seq: int, tags: Sequence[str]) -> None:
    if tags:
        session.run_many(_INSERT_TAG, [(agent_seq, tag, seq) for tag in tags])


def _texts(passage: Passage) -> Texts:
    return passage_texts(passage.content, passage.tags, passage.occurred_at)


def _get(session: Session, seqs: Sequence[int]) -> dict[int, Passage]:
    rows = session.all(_BY_SEQ, (json.dumps(list(seqs)),))
    return {row[1]: _from_row(row) for row in rows}


def _from_row(row: Row) -> Passage:
    created_at = from_iso(row[5])
    return Passage(
        id=PassageId(row[0]),
        seq=row[1],
        content=row[2],
        tags=tuple(json.loads(row[3])),
        occurred_at=from_iso(row[4]) if row[4] else None,
        created_at=created_at,
        refreshed_at=from_iso(row[6]),
        origin=row[7],
        external_id=row[8],
        supersedes=PassageId(row[9]) if row[9] else None,
    )
