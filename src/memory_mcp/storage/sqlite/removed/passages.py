"""Passages that were forgotten or superseded: out of memory, known again, and put back."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.passages import (
    DIGEST_CHARS,
    Passage,
    fitting,
    forgotten_digest,
    identity,
    text_digest,
)
from memory_mcp.domain.times import from_iso
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.indexes import PASSAGES, Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed.kept import BY_UNDO, Kept, keep
from memory_mcp.storage.sqlite.session import Session, as_key
from memory_mcp.storage.sqlite.texts import PASSAGES as PASSAGE_TEXTS
from memory_mcp.storage.sqlite.texts import (
    Texts,
    add_texts,
    passage_texts,
    remove_texts,
)

_PASSAGE = (
    *("seq", "id", "content", "occurred_at", "created_at", "refreshed_at", "origin"),
    *("supersedes", "source", "external_id", "metadata"),
)
_PASSAGES = f"""
SELECT {", ".join(_PASSAGE)},
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq)
FROM passages p WHERE p.agent_seq = ? AND p.id IN (SELECT value FROM json_each(?)) ORDER BY p.seq
"""
_FORGET_PASSAGE = """
INSERT OR REPLACE INTO forgotten
    (id, noun, agent_seq, external_id, forgotten_at, digest, source, superseded_by)
VALUES (?, 'passage', ?, ?, ?, ?, ?, ?)
"""
_ANY_PASSAGE = """
SELECT 1 FROM forgotten WHERE agent_seq = ? AND digest IS NOT NULL AND noun = 'passage' LIMIT 1
"""
# By id; by external id, whose text may have changed only where it was superseded; by text, date and
# source, as far as they are known. A date that only one of them has tells them apart, unless they
# are of one source.
_GONE = f"""
SELECT asked.key, f.superseded_by FROM json_each(:asked) asked
CROSS JOIN forgotten f ON f.noun = 'passage' AND f.id = asked.value ->> 'id'
UNION ALL
SELECT asked.key, f.superseded_by FROM json_each(:asked) asked
CROSS JOIN forgotten f ON f.noun = 'passage' AND f.agent_seq = :agent
    AND f.external_id = asked.value ->> 'external_id'
WHERE f.superseded_by IS NULL
    OR substr(f.digest, 1, {DIGEST_CHARS}) = substr(asked.value ->> 'digest', 1, {DIGEST_CHARS})
UNION ALL
SELECT asked.key, f.superseded_by FROM json_each(:asked) asked
CROSS JOIN forgotten f ON f.noun = 'passage' AND f.agent_seq = :agent
    AND f.digest >= asked.value ->> 'text' AND f.digest < asked.value ->> 'text_end'
WHERE iif(f.source IS NULL OR asked.value ->> 'source' IS NULL,
    f.digest = asked.value ->> 'digest' OR asked.value ->> 'digest' = asked.value ->> 'text',
    f.source = asked.value ->> 'source' AND (f.digest = asked.value ->> 'digest'
        OR asked.value ->> 'text' IN (f.digest, asked.value ->> 'digest')))
"""
_TOLD_ANEW = """
UPDATE forgotten SET superseded_by = ? WHERE noun = 'passage' AND agent_seq = ?
    AND superseded_by IS NULL AND digest >= ? AND digest < ?
"""
_FATE = """
SELECT superseded_by, removed_at FROM removed WHERE agent_seq = ? AND noun = 'passage' AND id = ?
"""
_PLACE_TAKEN = "SELECT 1 FROM passages WHERE seq = ?"
_FILED_IN = "SELECT 1 FROM passages WHERE agent_seq = ? AND identity >= ? AND identity < ? LIMIT 1"
_PUT_PASSAGE = """
INSERT INTO passages (seq, id, agent_seq, content, identity, occurred_at, created_at,
    refreshed_at, origin, supersedes, source, external_id, metadata)
VALUES (:seq, :id, :agent_seq, :content, :identity, :occurred_at, :created_at, :refreshed_at,
    :origin, :supersedes, :source, :external_id, :metadata)
RETURNING seq
"""
_COMPARE_AGAIN = "UPDATE agents SET compared_seq = min(compared_seq, ?) WHERE seq = ?"


def remove_passages(
    session: Session,
    indexes: Indexes,
    agent_id: str,
    passage_ids: Sequence[str],
    by: str,
    now: str,
    superseded_by: str | None = None,
) -> list[Passage]:
    """Take passages of an agent out of memory, and keep them; those that went, in their order.

    No file brings them back; those that an undo takes were never meant to be there, and a file may.
    Ids that are none of the agent's passages are passed over.
    """
    agent_seq = seq_of(session, AgentId(agent_id))
    operation = "superseded" if superseded_by else "forgotten"
    gone: list[Passage] = []
    for *columns, tags in session.all(_PASSAGES, (agent_seq, json.dumps(list(passage_ids)))):
        kept: Kept = {**dict(zip(_PASSAGE, columns, strict=True)), "tags": json.loads(tags)}
        keep(session, kept["id"], "passage", agent_seq, kept, by, now, superseded_by)
        if by != BY_UNDO:
            digest = forgotten_digest(text_digest(kept["content"]), kept["occurred_at"])
            came_from = (digest, kept["source"], superseded_by)
            told = (kept["id"], agent_seq, kept["external_id"], now, *came_from)
            session.run(_FORGET_PASSAGE, told)
        remove_texts(session, PASSAGE_TEXTS, [(kept["seq"], _passage_texts(kept))])
        indexes.remove_vectors(session, PASSAGES, kept["seq"])
        session.run("DELETE FROM passage_tags WHERE passage_seq = ?", (kept["seq"],))
        session.run("DELETE FROM passages WHERE seq = ?", (kept["seq"],))
        record_change(session, now, "passage", kept["id"], operation, [agent_id], by=by)
        gone.append(_passage(kept))
    return gone


def fate_of(session: Session, agent_seq: int, passage_id: str) -> tuple[str | None, str] | None:
    """What superseded a passage, if anything did, and when it was removed, in stored form."""
    row = session.one(_FATE, (agent_seq, as_key(passage_id)))
    return (row[0], row[1]) if row else None


@dataclass(frozen=True, slots=True)
class Brought:
    """What tells whether a passage that a file brings was forgotten; `text` is a digest."""

    text: str
    occurred_at: str | None
    source: str | None
    external_id: str | None
    id: str | None
    """Its id in the store it was copied from."""


def gone_passages(
    session: Session, agent_seq: int, brought: Iterable[Brought]
) -> dict[int, str | None]:
    """Those that are gone here, by place, with what holds now where something does."""
    if session.value(_ANY_PASSAGE, (agent_seq,)) is None:
        return {}
    asked = [
        {
            "id": one.id,
            "external_id": one.external_id,
            "source": one.source,
            "digest": forgotten_digest(one.text, one.occurred_at),
            "text": forgotten_digest(one.text, None),
            "text_end": f"{one.text}!",
        }
        for one in brought
    ]
    found: dict[int, str | None] = {}
    for place, superseded_by in session.all(
        _GONE, {"agent": agent_seq, "asked": json.dumps(asked)}
    ):
        found[place] = superseded_by and found.get(place, superseded_by)
    return found


def told_anew(session: Session, agent_seq: int, new: Sequence[tuple[str, str, str | None]]) -> None:
    """What somebody tells (id, text's digest, date) stands for what was forgotten of that text."""
    if not new or session.value(_ANY_PASSAGE, (agent_seq,)) is None:
        return
    session.run_many(
        _TOLD_ANEW,
        [
            (passage_id, agent_seq, first, end)
            for passage_id, text, occurred_at in new
            for first, end in _digests(text, occurred_at)
        ],
    )


def _digests(text: str, occurred_at: str | None) -> list[tuple[str, str]]:
    undated = forgotten_digest(text, None)
    if occurred_at is None:
        return [(undated, f"{text}!")]
    return [(one, f"{one}\1") for one in (undated, forgotten_digest(text, occurred_at))]


def put_passage(session: Session, indexes: Indexes, agent_seq: int, kept: Kept) -> bool:
    seq, at, source = kept["seq"], kept["occurred_at"], kept.get("source")
    text = text_digest(kept["content"])
    # What may have come in its place: the very same, or one that somebody told anew.
    anew = [*fitting(text, at, source, "file"), *fitting(text, None, source, "file")]
    if source is None:
        anew += fitting(text, at, None, "told")
    if session.value(_PLACE_TAKEN, (seq,)) is not None or any(
        session.value(_FILED_IN, (agent_seq, first.encode(), end.encode())) for first, end in anew
    ):
        return False
    key = identity(text, at, source).encode()
    row = {**kept, "agent_seq": agent_seq, "identity": key, "source": source}
    seq = session.value(_PUT_PASSAGE, row)  # one copied from another store has no place yet
    tags = [(agent_seq, tag, seq) for tag in kept["tags"]]
    session.run_many("INSERT INTO passage_tags VALUES (?, ?, ?)", tags)
    add_texts(session, PASSAGE_TEXTS, [(seq, _passage_texts(kept))])
    indexes.add_vectors_to(session, PASSAGES, [(seq, agent_seq, None)])
    session.run(_COMPARE_AGAIN, (seq - 1, agent_seq))
    session.run("DELETE FROM forgotten WHERE id = ?", (kept["id"],))
    return True


def _passage_texts(kept: Kept) -> Texts:
    occurred_at = from_iso(kept["occurred_at"]) if kept["occurred_at"] else None
    return passage_texts(kept["content"], kept["tags"], occurred_at)


def _passage(kept: Kept) -> Passage:
    return Passage(
        id=PassageId(kept["id"]),
        seq=kept["seq"],
        content=kept["content"],
        tags=tuple(kept["tags"]),
        occurred_at=from_iso(kept["occurred_at"]) if kept["occurred_at"] else None,
        created_at=from_iso(kept["created_at"]),
        refreshed_at=from_iso(kept["refreshed_at"]),
        origin=kept["origin"],
        external_id=kept["external_id"],
        supersedes=PassageId(kept["supersedes"]) if kept["supersedes"] else None,
        source=kept.get("source"),
    )
