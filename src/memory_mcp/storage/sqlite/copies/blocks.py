"""Blocks, copied: as they read now, with whoever has them, and every version before."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from memory_mcp.domain.copies import Attachment, BlockCopy, BlockVersionCopy, Copy
from memory_mcp.ports import Page, Put
from memory_mcp.storage.sqlite.copies.noun import (
    KNOWN,
    OF_THESE,
    Asked,
    Noun,
    agent_seq,
    paged,
)
from memory_mcp.storage.sqlite.history import VERSIONS
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed import without_forgotten
from memory_mcp.storage.sqlite.session import Row, Session

_HELD = f"seq IN (SELECT block_seq FROM agent_blocks WHERE agent_seq {OF_THESE})"
# What nobody has any more belongs to the store alone.
_CHOSEN = f"""(b.{_HELD} OR :everything
    AND NOT EXISTS (SELECT 1 FROM agent_blocks ab WHERE ab.block_seq = b.seq))"""
_BLOCKS = f"""
SELECT b.seq, b.id, b.label, b.value, b.description, b.limit_chars, b.read_only, b.on_overflow,
    b.version, b.metadata, b.created_at, b.updated_at, b.group_tag,
    (SELECT json_group_array(json_array(a.seq, a.name, ab.label, ab.position)) FROM agent_blocks ab
        JOIN agents a ON a.seq = ab.agent_seq WHERE ab.block_seq = b.seq AND a.seq {OF_THESE})
FROM blocks b WHERE b.seq > :a AND {_CHOSEN} ORDER BY b.seq LIMIT :limit
"""
_VERSIONS = f"""
SELECT h.block_seq, h.version, b.id, h.version, h.value, h.changed_by, h.changed_at, h.key
FROM {VERSIONS} h JOIN blocks b ON b.seq = h.block_seq
WHERE (h.block_seq, h.version) > (:a, :b) AND {_CHOSEN}
ORDER BY h.block_seq, h.version LIMIT :limit
"""
_BY_ID = "SELECT seq, value, version FROM blocks WHERE id = ?"
_MADE_BY = "SELECT changed_by FROM block_history WHERE block_seq = ? AND version = 1"
_OF_AGENT = """
SELECT b.seq, b.value, b.version, b.group_tag FROM agent_blocks ab
JOIN blocks b ON b.seq = ab.block_seq WHERE ab.agent_seq = ? AND ab.label = ?
"""
_ID_OF_AGENT = """
SELECT b.id FROM agent_blocks ab JOIN blocks b ON b.seq = ab.block_seq
WHERE ab.agent_seq = ? AND ab.label = ?
"""
_PUT = """
INSERT INTO blocks (id, label, value, description, limit_chars, read_only, on_overflow, version,
    metadata, created_at, updated_at, group_tag)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq
"""
_BECOME = """
UPDATE blocks SET id = ?, label = ?, value = ?, description = ?, limit_chars = ?, read_only = ?,
    on_overflow = ?, version = ?, metadata = ?, created_at = ?, updated_at = ?, group_tag = ?
WHERE seq = ?
"""
_DETACH = "DELETE FROM agent_blocks WHERE agent_seq = ? AND label = ?"
_DROP_HISTORY = """
DELETE FROM block_history WHERE block_seq = ?1
    AND NOT EXISTS (SELECT 1 FROM agent_blocks WHERE block_seq = ?1)
"""
_DROP = """
DELETE FROM blocks WHERE seq = ?1
    AND NOT EXISTS (SELECT 1 FROM agent_blocks WHERE block_seq = ?1)
"""
_ATTACH = "INSERT OR IGNORE INTO agent_blocks VALUES (?, ?, ?, ?)"
_PUT_VERSION = """
INSERT OR IGNORE INTO block_history (block_seq, version, value, changed_by, changed_at, key)
VALUES (?, ?, ?, ?, ?, ?)
"""
_OWNERS = """
SELECT a.id FROM blocks b JOIN agent_blocks ab ON ab.block_seq = b.seq
JOIN agents a ON a.seq = ab.agent_seq WHERE b.id = ? ORDER BY a.seq
"""


def _block(row: Row) -> BlockCopy:
    return BlockCopy(
        id=row[0],
        label=row[1],
        value=row[2],
        description=row[3],
        limit=row[4],
        read_only=bool(row[5]),
        on_overflow=row[6],
        version=row[7],
        metadata=json.loads(row[8]),
        created_at=row[9],
        updated_at=row[10],
        group=row[11],
        agents=[
            Attachment(agent=agent, label=label, position=position)
            for _, agent, label, position in sorted(json.loads(row[12]))
        ],
    )


def _version(row: Row) -> BlockVersionCopy:
    names = ("block", "version", "value", "changed_by", "changed_at", "key")
    return BlockVersionCopy(**dict(zip(names, row, strict=True)))


def _versions(session: Session, asked: Asked) -> Page:
    """What a block read once, without the lines that were forgotten since."""
    page = paged(_VERSIONS, _version, first=(-1, -1))(session, asked)
    return [(place, _shown(session, copy)) for place, copy in page]


def _shown(session: Session, copy: Copy) -> BlockVersionCopy:
    assert isinstance(copy, BlockVersionCopy)
    return replace(copy, value=without_forgotten(session, copy.value, [copy.block])[0])


def _put_block(session: Session, copy: BlockCopy, now: str) -> Put:
    """A block with the text that an agent has already is that one; an untouched one gives way.

    With another text the agent keeps its own, and whoever else had the one that comes gets it.
    """
    if here := session.one(_BY_ID, (copy.id,)):
        seq, value, version = here
        _attach(session, seq, copy.agents)
        if value == copy.value:
            return KNOWN
        return Put(
            known=True,
            note=f"block {copy.label!r} ({copy.id}) reads otherwise here, at version {version} "
            f"({copy.version} in the export); that one was kept",
        )
    copy, forgotten = _unforgotten(session, copy)
    is_untouched = copy.version == 1 and not copy.value
    untouched: list[tuple[int, int, Attachment]] = []
    kept: list[str] = []
    free = 0
    for each in copy.agents:
        agent = agent_seq(session, each.agent)
        found = None if agent is None else session.one(_OF_AGENT, (agent, each.label))
        if agent is None or found is None:
            free += agent is not None
            continue
        seq, value, version, group = found
        # One that an import made, with an id that is new each time, is there already.
        is_same = is_untouched and session.value(_MADE_BY, (seq,)) == "import"
        if version == 1 and not value and group == copy.group and not is_same:
            untouched.append((agent, seq, each))
        elif value == copy.value or is_untouched:
            _attach(session, seq, copy.agents)
            return Put(known=True, forgotten=forgotten)
        else:
            kept.append(each.agent)
    note = (
        f"agent {kept[0]!r} has a block {copy.label!r} with another text; that one was kept"
        if kept
        else None
    )
    if kept and not untouched and not free:
        return Put(note=note, forgotten=forgotten)
    seq = _stored(session, copy, untouched[0][1] if untouched else None)
    for agent, other, each in untouched[1:]:
        if other != seq:
            session.run(_DETACH, (agent, each.label))
            session.run(_DROP_HISTORY, (other,))
            session.run(_DROP, (other,))
    _attach(session, seq, copy.agents)
    owners = [owner for (owner,) in session.all(_OWNERS, (copy.id,))]
    record_change(session, now, "block", copy.id, "made", owners, label=copy.label, by="import")
    return Put(stored=True, note=note, forgotten=forgotten)


def _unforgotten(session: Session, copy: BlockCopy) -> tuple[BlockCopy, int]:
    """A block without the lines that those who get it have forgotten; and how many those are."""
    block_ids, places = [copy.id], list[tuple[int, str]]()
    for each in copy.agents:
        if (agent := agent_seq(session, each.agent)) is not None:
            places.append((agent, each.label))
            block_ids += [row[0] for row in session.all(_ID_OF_AGENT, (agent, each.label))]
    value, forgotten = without_forgotten(session, copy.value, block_ids, places)
    return replace(copy, value=value), forgotten


def _stored(session: Session, copy: BlockCopy, instead_of: int | None) -> int:
    """A row for the block: that of one that gives way, which becomes this one, or a new one."""
    row: tuple[Any, ...] = (
        copy.id,
        copy.label,
        copy.value,
        copy.description,
        copy.limit,
        copy.read_only,
        copy.on_overflow,
        copy.version,
        json.dumps(copy.metadata),
        copy.created_at,
        copy.updated_at,
        copy.group,
    )
    if instead_of is None:
        return session.value(_PUT, row)
    session.run(_BECOME, (*row, instead_of))
    session.run("DELETE FROM block_history WHERE block_seq = ?", (instead_of,))
    return instead_of


def _attach(session: Session, block_seq: int, attachments: Sequence[Attachment]) -> None:
    for each in attachments:
        if (agent := agent_seq(session, each.agent)) is not None:
            session.run(_ATTACH, (agent, each.label, block_seq, each.position))


def _put_version(session: Session, copy: BlockVersionCopy, _: str) -> Put:
    here = session.one(_BY_ID, (copy.block,))
    # Ahead of the block that is here: the next edit makes a version of that number.
    if here is None or copy.version > here[2]:
        return Put(note="versions of blocks that did not come")
    seq = here[0]
    value = _shown(session, copy).value
    told = (copy.version, value, copy.changed_by, copy.changed_at, copy.key)
    session.run(_PUT_VERSION, (seq, *told))
    return KNOWN


BLOCK = Noun(paged(_BLOCKS, _block), _put_block)
BLOCK_VERSION = Noun(_versions, _put_version)
