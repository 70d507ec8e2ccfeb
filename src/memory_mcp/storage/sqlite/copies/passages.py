"""Passages, copied: themselves (their own store takes them in), and those that were superseded."""

import json
from typing import Any

from memory_mcp.domain.copies import ForgottenTextCopy, PassageCopy, SupersededCopy
from memory_mcp.ports import Put
from memory_mcp.storage.sqlite.copies.noun import (
    KNOWN,
    OF_THESE,
    STORED,
    Noun,
    agent_seq,
    paged,
    without_agent,
)
from memory_mcp.storage.sqlite.session import Row, Session

_PASSAGES = f"""
SELECT p.seq, p.id, a.name, p.content,
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq),
    p.occurred_at, p.created_at, p.refreshed_at, p.origin, p.source, p.supersedes,
    p.external_id, p.metadata
FROM passages p JOIN agents a ON a.seq = p.agent_seq
WHERE p.seq > :a AND +p.agent_seq {OF_THESE} ORDER BY p.seq LIMIT :limit
"""
_FORGOTTEN = f"""
SELECT f.id, f.id, coalesce(a.name, ''), f.noun, f.digest, f.source, f.external_id, f.superseded_by,
    f.forgotten_at
FROM forgotten f LEFT JOIN agents a ON a.seq = f.agent_seq
WHERE f.id > :a AND f.noun <> 'message'
    AND iif(f.noun = 'agent', :everything, +f.agent_seq {OF_THESE})
ORDER BY f.id LIMIT :limit
"""
# Of a passage that was forgotten what it took the place of is not carried either.
SUPERSEDED_IDS = """
WITH RECURSIVE chain (id, successor) AS (
    SELECT id, superseded_by FROM removed
        WHERE noun = 'passage' AND superseded_by IS NOT NULL AND receipt IS NULL
    UNION SELECT chain.id, r.superseded_by FROM chain JOIN removed r ON r.id = chain.successor
        WHERE r.superseded_by IS NOT NULL)
SELECT chain.id FROM chain JOIN passages p ON p.id = chain.successor
"""
_SUPERSEDED = f"""
SELECT r.id, a.name, r.row, r.superseded_by, r.removed_by, r.removed_at
FROM removed r JOIN agents a ON a.seq = r.agent_seq
WHERE r.id > :a AND +r.agent_seq {OF_THESE} AND r.id IN ({SUPERSEDED_IDS})
ORDER BY r.id LIMIT :limit
"""
_IS_HERE = """
SELECT 1 FROM passages WHERE id = ?1 UNION ALL SELECT 1 FROM removed WHERE id = ?1
UNION ALL SELECT 1 FROM forgotten WHERE id = ?1 AND superseded_by IS NULL
"""
_PUT_FORGOTTEN = """
INSERT INTO forgotten
    (id, noun, agent_seq, digest, source, external_id, superseded_by, forgotten_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS (SELECT 1 FROM passages WHERE id = ?1)
    AND NOT EXISTS (SELECT 1 FROM agents WHERE id = ?1)
ON CONFLICT DO NOTHING RETURNING id
"""
_KEEP = """
INSERT INTO removed (id, noun, agent_seq, row, superseded_by, removed_by, removed_at)
VALUES (?, 'passage', ?, ?, ?, ?, ?)
"""


NOBODY = 0
"""The place of an agent that was deleted for good."""


def _passage(row: Row) -> PassageCopy:
    return PassageCopy(
        id=row[0],
        agent=row[1],
        content=row[2],
        tags=sorted(json.loads(row[3])),
        occurred_at=row[4],
        created_at=row[5],
        refreshed_at=row[6],
        origin=row[7],
        source=row[8],
        supersedes=row[9],
        external_id=row[10],
        metadata=json.loads(row[11]) if row[11] else None,
    )


def _forgotten(row: Row) -> ForgottenTextCopy:
    names = ("id", "agent", "noun", "digest", "source", "external_id", "superseded_by")
    return ForgottenTextCopy(**dict(zip((*names, "forgotten_at"), row, strict=True)))


def _superseded(row: Row) -> SupersededCopy:
    agent, kept_row, superseded_by, removed_by, removed_at = row
    kept: dict[str, Any] = json.loads(kept_row)
    return SupersededCopy(
        passage=PassageCopy(
            id=kept["id"],
            agent=agent,
            content=kept["content"],
            tags=sorted(kept["tags"]),
            occurred_at=kept["occurred_at"],
            created_at=kept["created_at"],
            refreshed_at=kept["refreshed_at"],
            origin=kept["origin"],
            source=kept.get("source"),
            supersedes=kept["supersedes"],
            external_id=kept["external_id"],
            metadata=json.loads(kept["metadata"]) if kept["metadata"] else None,
        ),
        superseded_by=superseded_by,
        removed_by=removed_by,
        removed_at=removed_at,
    )


def _put_passage(_: Session, copy: PassageCopy, __: str) -> Put:
    raise AssertionError(f"{copy.id} goes to the store of passages")


def _put_forgotten(session: Session, copy: ForgottenTextCopy, _: str) -> Put:
    agent = agent_seq(session, copy.agent) if copy.noun != "agent" else NOBODY
    if agent is None:
        return without_agent(copy.agent)
    came_from = (copy.digest, copy.source, copy.external_id, copy.superseded_by)
    row = (copy.id, copy.noun, agent, *came_from, copy.forgotten_at)
    return STORED if session.value(_PUT_FORGOTTEN, row) else KNOWN


def _put_superseded(session: Session, copy: SupersededCopy, _: str) -> Put:
    passage = copy.passage
    agent = agent_seq(session, passage.agent)
    if agent is None:
        return without_agent(passage.agent)
    if session.value(_IS_HERE, (passage.id,)):
        return KNOWN
    kept = {
        "seq": None,  # put back, it comes after those that are here
        "id": passage.id,
        "content": passage.content,
        "occurred_at": passage.occurred_at,
        "created_at": passage.created_at,
        "refreshed_at": passage.refreshed_at,
        "origin": passage.origin,
        "supersedes": passage.supersedes,
        "source": passage.source,
        "external_id": passage.external_id,
        "metadata": json.dumps(passage.metadata) if passage.metadata else None,
        "tags": passage.tags,
    }
    row = json.dumps(kept, ensure_ascii=False)
    told = (copy.superseded_by, copy.removed_by, copy.removed_at)
    session.run(_KEEP, (passage.id, agent, row, *told))
    return STORED


PASSAGE = Noun(paged(_PASSAGES, _passage), _put_passage)
FORGOTTEN_TEXT = Noun(paged(_FORGOTTEN, _forgotten, first=("",)), _put_forgotten)
SUPERSEDED = Noun(paged(_SUPERSEDED, _superseded, first=("",)), _put_superseded)
