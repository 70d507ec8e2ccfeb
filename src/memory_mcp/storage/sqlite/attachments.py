"""Which agent has which block: made, attached, detached, and brought or taken by a group's tag."""

from memory_mcp.domain.blocks import BlockTemplate
from memory_mcp.domain.errors import Taken
from memory_mcp.domain.ids import new_id
from memory_mcp.domain.names import name_key
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Session

_INSERT_BLOCK = """
INSERT INTO blocks (id, label, value, description, limit_chars, read_only, on_overflow,
    created_at, updated_at, group_tag)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq
"""
_INSERT_HISTORY = """
INSERT INTO block_history (block_seq, version, value, changed_by, changed_at)
VALUES (?, 1, ?, 'created', ?)
"""
_ATTACH = """
INSERT INTO agent_blocks (agent_seq, label, block_seq, position) SELECT ?1, ?2, ?3, coalesce(
    (SELECT max(position) + 1 FROM agent_blocks WHERE agent_seq = ?1), 0)
"""
_DETACH = "DELETE FROM agent_blocks WHERE agent_seq = ? AND block_seq = ?"
_OF_GROUPS = """
SELECT seq, label, group_tag FROM blocks WHERE group_tag IS NOT NULL ORDER BY seq
"""
_HELD = "SELECT block_seq FROM agent_blocks WHERE agent_seq = ? AND label = ?"
_AGENT = "SELECT id, name FROM agents WHERE seq = ?"


def make_block(
    session: Session, template: BlockTemplate, now: str, group: str | None = None
) -> int:
    """A new block that nobody has yet; its row."""
    block_seq = session.value(
        _INSERT_BLOCK,
        (
            new_id("block"),
            template.label,
            template.value,
            template.description,
            template.limit_chars,
            template.read_only,
            template.on_overflow,
            now,
            now,
            group,
        ),
    )
    session.run(_INSERT_HISTORY, (block_seq, template.value, now))
    return block_seq


def attach(session: Session, agent_seq: int, block_seq: int, label: str, now: str) -> None:
    """Give an agent a block, last in its view; nothing happens if it has that very block.

    Raises:
        Taken: it has another of that label.
    """
    held = session.value(_HELD, (agent_seq, label))
    if held == block_seq:
        return
    agent_id, name = _agent(session, agent_seq)
    if held is not None:
        raise Taken(
            f"agent {name!r} has a block {label!r} of its own already; nothing was changed. Detach "
            f"that one first: memory-mcp --agent {name} blocks detach {label}"
        )
    session.run(_ATTACH, (agent_seq, label, block_seq))
    _record(session, now, block_seq, "attached", agent_id, label)


def detach(session: Session, agent_seq: int, block_seq: int, label: str, now: str) -> None:
    """Take a block from an agent; the block and its history stay."""
    session.run(_DETACH, (agent_seq, block_seq))
    _record(session, now, block_seq, "detached", _agent(session, agent_seq)[0], label)


def join_group(session: Session, agent_seq: int, tag: str, now: str) -> None:
    """Give an agent the blocks of a group.

    Raises:
        Taken: it has another block of one's label.
    """
    for block_seq, label in _of_group(session, tag):
        attach(session, agent_seq, block_seq, label, now)


def catch_up(session: Session, agent_seq: int, tag: str, now: str) -> None:
    """Give an agent the blocks its group got while it was away; its own labels stay its own."""
    for block_seq, label in _of_group(session, tag):
        if session.value(_HELD, (agent_seq, label)) is None:
            attach(session, agent_seq, block_seq, label, now)


def leave_group(session: Session, agent_seq: int, tag: str, now: str) -> None:
    """Take the blocks of a group from an agent."""
    for block_seq, label in _of_group(session, tag):
        if session.value(_HELD, (agent_seq, label)) == block_seq:
            detach(session, agent_seq, block_seq, label, now)


def _of_group(session: Session, tag: str) -> list[tuple[int, str]]:
    """The blocks of a group, in whatever case its tag was typed; all groups together have few."""
    wanted = name_key(tag)
    rows = session.all(_OF_GROUPS)
    return [(block_seq, label) for block_seq, label, group in rows if name_key(group) == wanted]


def _agent(session: Session, agent_seq: int) -> tuple[str, str]:
    row = session.one(_AGENT, (agent_seq,))
    assert row is not None
    return row[0], row[1]


def _record(
    session: Session, now: str, block_seq: int, operation: str, agent_id: str, label: str
) -> None:
    block_id = session.value("SELECT id FROM blocks WHERE seq = ?", (block_seq,))
    record_change(session, now, "block", block_id, operation, [agent_id], label=label)
