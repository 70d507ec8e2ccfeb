"""Archival memory in SQLite."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from memory_mcp.domain.errors import PassageNotFound
from memory_mcp.domain.forgetting import gone_text
from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.passages import (
    DIGEST_CHARS,
    Coming,
    Door,
    NewPassage,
    Passage,
    coming,
    fitting,
    identity,
)
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Candidate, Clock, Filed, PassageFilter, Question, TakenIn, Vector
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.indexes import PASSAGES, Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed import (
    Brought,
    fate_of,
    gone_passages,
    remove_passages,
    told_anew,
)
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
    p.occurred_at, p.created_at, p.refreshed_at, p.origin, p.external_id, p.supersedes,
    p.source"""
_BY_SEQ = f"SELECT {_COLUMNS} FROM passages p WHERE p.seq IN (SELECT value FROM json_each(?))"
_BY_ID = f"SELECT {_COLUMNS} FROM passages p WHERE p.agent_seq = ? AND p.id = ?"
# For each passage that comes: its copy, by its id, and the one that is the same. Each is a look
# into an index, however many are asked about, and however many have the same text.
_IN_RANGE = """(SELECT seq FROM passages WHERE agent_seq = :agent
    AND identity >= CAST(asked.value ->> {} AS BLOB)
    AND identity < CAST(asked.value ->> {} AS BLOB) ORDER BY identity LIMIT 1)"""
# One row in all: each row is a step, and between steps other threads run (see Session.insert).
_THERE = f"""
SELECT json_group_array(json_array(place, copy, same)) FROM (
    SELECT asked.key AS place,
        (SELECT seq FROM passages WHERE id = asked.value ->> 0) AS copy,
        coalesce(
            (SELECT seq FROM passages WHERE agent_seq = :agent
                AND external_id = asked.value ->> 1
                AND substr(identity, 1, {DIGEST_CHARS}) = CAST(asked.value ->> 2 AS BLOB)),
            {_IN_RANGE.format(3, 4)},
            {_IN_RANGE.format(5, 6)}) AS same
    FROM json_each(:asked) asked
) WHERE copy IS NOT NULL OR same IS NOT NULL
"""
_TAKEN = "SELECT 1 FROM passages WHERE agent_seq = ? AND identity = ? AND seq <> ?"
_LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'passages'"
_INSERT = """
INSERT INTO passages (seq, id, agent_seq, content, identity, occurred_at, created_at, refreshed_at,
    origin, source, external_id, metadata, supersedes)
"""
_REFRESH = """
UPDATE passages SET refreshed_at = ?, identity = ?, occurred_at = ?, source = ?, external_id = ?
WHERE seq = ?
"""
_INSERT_TAG = "INSERT OR IGNORE INTO passage_tags"
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
        """Store passages that somebody tells now; one that is there is refreshed.

        Raises:
            PassageNotFound: one supersedes a passage that the agent doesn't have; none was stored.
        """

        def store(session: Session) -> list[Filed]:
            now = to_iso(self._clock.now())
            return file_passages(session, self._indexes, agent_id, passages, vectors, now)

        return await self._database.write(store)

    async def take_in(self, agent_id: AgentId, passages: Sequence[Coming]) -> TakenIn:
        """Store passages that a file brings; known ones are refreshed, gone ones stay out."""

        def store(session: Session) -> TakenIn:
            now = to_iso(self._clock.now())
            return take_in_passages(session, self._indexes, agent_id, passages, now)

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
            raise _not_found(session, agent_seq, passage_id, self._clock.now())

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
    door: Door = "told",
) -> list[Filed]:
    """Store passages in the transaction at hand; one that is there is refreshed.

    What one supersedes is removed.

    Raises:
        PassageNotFound: one supersedes a passage that the agent doesn't have.
    """
    new = [coming(passage) for passage in passages]
    made = dict(zip((one.id for one in new), vectors, strict=True))
    filed = _store(session, indexes, agent_id, new, made, now, door)
    found = _get(session, [seq for seq, _ in filed])
    return [Filed(found[seq], refreshed=outcome == "there") for seq, outcome in filed]


def take_in_passages(
    session: Session,
    indexes: Indexes,
    agent_id: str,
    passages: Sequence[Coming],
    now: str,
) -> TakenIn:
    """Store the passages that a file brings, in the transaction at hand; known ones are refreshed.

    One that was copied from another store, and is here under its id, stays as it is. One that was
    forgotten or superseded here stays out.
    """
    stored = _store(session, indexes, agent_id, passages, {}, now, "file")
    outcomes = Counter(outcome for _, outcome in stored)
    return TakenIn(
        stored=outcomes["new"],
        known=outcomes["there"] + outcomes["superseded"],
        forgotten=outcomes["forgotten"],
    )


_Outcome = Literal["new", "there", "superseded", "forgotten"]
Vectors = Mapping[PassageId, Vector | None]
"""Vectors by the ids that passages get if they are new."""


def _store(
    session: Session,
    indexes: Indexes,
    agent_id: str,
    passages: Sequence[Coming],
    vectors: Vectors,
    now: str,
    door: Door,
) -> list[tuple[int, _Outcome]]:
    """For each passage its place, 0 where it stays out, and what became of it."""
    agent_seq = seq_of(session, AgentId(agent_id))
    stored: list[tuple[int, _Outcome]] = []
    new_ids: list[str] = []
    refreshed_ids: list[str] = []
    for batch in _batches(passages):
        there = _there(session, agent_seq, batch, door)
        again = {
            same: one
            for one, (copy, same) in zip(batch, there, strict=True)
            if same is not None and copy is None
        }
        refreshed_ids += _refresh(session, indexes, agent_seq, again, vectors, now, door)
        places = [copy or same for copy, same in there]
        new = [place for place, seq in enumerate(places) if seq is None]
        gone = _gone(session, agent_seq, batch, new) if door == "file" else {}
        new = [place for place in new if place not in gone]
        added = _insert(session, indexes, agent_seq, [batch[place] for place in new], vectors, now)
        if door != "file":
            anew = [batch[place] for place in new]
            told_anew(session, agent_seq, [(one.id, one.text, one.occurred_at) for one in anew])
        new_ids += [batch[place].id for place in new]
        seqs = dict(zip(new, added, strict=True))
        for place, one in enumerate(batch):
            seq = places[place] or seqs.get(place, 0)
            outcome: _Outcome = "there" if places[place] else gone.get(place, "new")
            stored.append((seq, outcome))
            if one.passage.supersedes is not None and seq:
                _supersede(session, indexes, agent_id, one.passage.supersedes, seq, now)
    for operation, ids in (("refreshed", refreshed_ids), ("filed", new_ids)):
        if ids:
            told = {"passages": len(ids)}
            record_change(session, now, "passage", ids[-1], operation, [agent_id], **told)
    return stored


def _gone(
    session: Session, agent_seq: int, batch: Sequence[Coming], places: Sequence[int]
) -> dict[int, _Outcome]:
    """Which of the passages at these places were forgotten or superseded here."""
    brought = (
        Brought(
            one.text,
            one.occurred_at,
            one.passage.source,
            one.passage.external_id,
            one.passage.copied.id if one.passage.copied else None,
        )
        for one in (batch[place] for place in places)
    )
    found = gone_passages(session, agent_seq, brought)
    return {places[at]: "superseded" if by else "forgotten" for at, by in found.items()}


def _batches(passages: Sequence[Coming]) -> Iterator[list[Coming]]:
    """What can be looked up at once, as no passage of a batch changes what the next ones find."""
    batch: list[Coming] = []
    keys: set[str] = set()
    for one in passages:
        mine = {one.text, one.id}
        if not keys.isdisjoint(mine):
            yield batch
            batch, keys = [], set()
        batch.append(one)
        keys |= mine
        if one.passage.supersedes is not None:
            yield batch
            batch, keys = [], set()
    if batch:
        yield batch


def _there(
    session: Session, agent_seq: int, batch: Sequence[Coming], door: Door
) -> list[tuple[int | None, int | None]]:
    """For each passage the place of its copy by id, and of the one that is the same."""
    asked: list[list[str | None]] = []
    for one in batch:
        passage = one.passage
        told = [passage.copied.id if passage.copied else None, passage.external_id, one.text]
        for ends in fitting(one.text, one.occurred_at, passage.source, door):
            told += ends
        asked.append(told)
    found = session.value(_THERE, {"agent": agent_seq, "asked": json.dumps(asked)})
    there = {place: (copy, same) for place, copy, same in json.loads(found)}
    return [there.get(place, (None, None)) for place in range(len(batch))]


def _insert(
    session: Session,
    indexes: Indexes,
    agent_seq: int,
    new: Sequence[Coming],
    vectors: Vectors,
    now: str,
) -> Sequence[int]:
    """Put new passages in, and into every index; their places."""
    first = (session.value(_LAST_SEQ) or 0) + 1
    places = range(first, first + len(new))
    placed = list(zip(places, new, strict=True))
    session.insert(_INSERT, [_row(seq, agent_seq, one, now) for seq, one in placed])
    tags = [(agent_seq, tag, seq) for seq, one in placed for tag in one.passage.tags]
    session.insert(_INSERT_TAG, tags)
    add_texts(session, PASSAGE_TEXTS, [(seq, (one.words,)) for seq, one in placed])
    rows = [(seq, agent_seq, vectors.get(one.id)) for seq, one in placed]
    indexes.add_vectors_to(session, PASSAGES, rows)
    return places


def _refresh(
    session: Session,
    indexes: Indexes,
    agent_seq: int,
    again: Mapping[int, Coming],
    vectors: Vectors,
    now: str,
    door: Door,
) -> list[str]:
    """Note that passages came again; their ids.

    Tags add up; a date, a source, an external id fill in. What a file tells under the external id
    it had corrects the date and the source.
    """
    before = _get(session, list(again))
    tags: list[tuple[int, str, int]] = []
    was: list[tuple[int, Texts]] = []
    reads: list[tuple[int, Texts]] = []
    for seq, one in again.items():
        old = before[seq]
        after = _refreshed(session, agent_seq, old, one, door)
        at = to_iso(after.occurred_at) if after.occurred_at else None
        key = identity(one.text, at, after.source).encode()
        session.run(_REFRESH, (now, key, at, after.source, after.external_id, seq))
        tags += [(agent_seq, tag, seq) for tag in one.passage.tags]
        if _texts(old) != _texts(after):
            was.append((seq, _texts(old)))
            reads.append((seq, _texts(after)))
        if old.occurred_at != after.occurred_at:
            # Its line ends may be others than those of what came.
            fits = vectors.get(one.id) if old.content == one.passage.content else None
            indexes.replace_vector(session, PASSAGES, (seq, agent_seq, fits))
    session.insert(_INSERT_TAG, tags)
    remove_texts(session, PASSAGE_TEXTS, was)
    add_texts(session, PASSAGE_TEXTS, reads)
    return [before[seq].id for seq in again]


def _refreshed(session: Session, agent_seq: int, old: Passage, one: Coming, door: Door) -> Passage:
    """A passage as it is after it came again."""
    told = one.passage
    tags = tuple(dict.fromkeys((*old.tags, *told.tags)))
    external_id = old.external_id or told.external_id
    filled = replace(
        old,
        tags=tags,
        external_id=external_id,
        occurred_at=old.occurred_at or told.occurred_at,
        source=old.source or told.source,
    )
    if door != "file":
        return filled
    corrected = replace(
        filled,
        occurred_at=told.occurred_at or old.occurred_at,
        source=told.source or old.source,
    )
    at = to_iso(corrected.occurred_at) if corrected.occurred_at else None
    key = identity(one.text, at, corrected.source).encode()
    # Another passage may be just that.
    is_taken = session.value(_TAKEN, (agent_seq, key, old.seq)) is not None
    return filled if is_taken else corrected


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
        raise _not_found(session, agent_seq, old_id, from_iso(now))
    session.run("UPDATE passages SET supersedes = ? WHERE seq = ?", (old_id, seq))


def _not_found(session: Session, agent_seq: int, passage_id: str, now: datetime) -> PassageNotFound:
    if fate := fate_of(session, agent_seq, passage_id):
        return PassageNotFound(gone_text(passage_id, *fate, now))
    return PassageNotFound(
        f"there is no passage {clip(passage_id, 60)!r}. archival_search answers with the ids."
    )


def filed_texts(session: Session, agent_id: str, contents: Sequence[str]) -> list[Passage]:
    """The agent's passages of these texts, in their order; those that are gone are missing."""
    agent_seq = seq_of(session, AgentId(agent_id))
    asked = [coming(NewPassage(content=each)) for each in contents]
    seqs = [same for _, same in _there(session, agent_seq, asked, "moved")]
    found = _get(session, [seq for seq in seqs if seq is not None])
    return [found[seq] for seq in seqs if seq in found]


def _filter(agent_seq: int, only: PassageFilter) -> Filter:
    made = Filter(agent_seq, "passage")
    if only.tags:
        tagged = _TAGGED_ALL if only.tag_match == "all" else _TAGGED_ANY
        made.add(tagged, tags=json.dumps(only.tags), tag_count=len(only.tags))
    made.add_window("row.dated", only.window)
    return made


def _row(seq: int, agent_seq: int, one: Coming, now: str) -> tuple[Any, ...]:
    passage = one.passage
    return (
        seq,
        one.id,
        agent_seq,
        passage.content,
        identity(one.text, one.occurred_at, passage.source).encode(),
        one.occurred_at,
        to_iso(passage.copied.created_at) if passage.copied else now,
        to_iso(passage.copied.refreshed_at) if passage.copied else now,
        passage.origin,
        passage.source,
        passage.external_id,
        json.dumps(passage.metadata) if passage.metadata else None,
        passage.copied.supersedes if passage.copied else None,
    )


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
        source=row[10],
    )
