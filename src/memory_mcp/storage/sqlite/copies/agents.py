"""Agents, copied: with what is set for them, and last of all that one was deleted."""

import json

from memory_mcp.domain.copies import AgentCopy, DeletedCopy, ReflectedCopy
from memory_mcp.domain.names import name_key
from memory_mcp.ports import Put
from memory_mcp.storage.sqlite.copies.noun import (
    KNOWN,
    OF_THESE,
    STORED,
    Noun,
    agent_seq,
    message_seq,
    paged,
    without_agent,
)
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Row, Session

_AGENTS = f"""
SELECT seq, id, name, description, tags, system_prompt, project, context_limit, model, tool_rules,
    created_at, deleted_at
FROM agents WHERE seq > :a AND seq {OF_THESE} ORDER BY seq LIMIT :limit
"""
_REFLECTED = f"""
SELECT a.seq, a.name, (SELECT id FROM messages WHERE agent_seq = a.seq AND seq <= a.reflected_seq
    ORDER BY seq DESC LIMIT 1) AS message
FROM agents a WHERE a.seq > :a AND a.seq {OF_THESE} AND message IS NOT NULL
ORDER BY a.seq LIMIT :limit
"""
_DELETED = f"""
SELECT seq, name, deleted_at FROM agents
WHERE seq > :a AND seq {OF_THESE} AND deleted_at IS NOT NULL ORDER BY seq LIMIT :limit
"""
_SETTINGS = "description, tags, system_prompt, context_limit, model, tool_rules"
_THERE = f"""
SELECT id, name, deleted_at, {_SETTINGS} FROM agents
WHERE id = ?1 OR name_key = ?2 ORDER BY id <> ?1
"""
_OF_PROJECT = "SELECT name FROM agents WHERE project = ?"
_PUT = f"""
INSERT INTO agents (id, name, name_key, {_SETTINGS}, project, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_REFLECT = "UPDATE agents SET reflected_seq = ?2 WHERE seq = ?1 AND reflected_seq < ?2"
_DELETE = "UPDATE agents SET deleted_at = ? WHERE seq = ? AND deleted_at IS NULL"
_COMING = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO NOTHING"
_CAME = "DELETE FROM settings WHERE name = ? RETURNING value"


def coming(agent_id: str) -> str:
    """The setting that says: this agent is coming, and is deleted as soon as it is whole."""
    return f"import:{agent_id}"


def _agent(row: Row) -> AgentCopy:
    return AgentCopy(
        id=row[0],
        name=row[1],
        description=row[2],
        tags=json.loads(row[3]),
        system_prompt=row[4],
        project=row[5],
        context_tokens=row[6],
        model=row[7],
        tool_rules=json.loads(row[8]),
        created_at=row[9],
        deleted_at=row[10],
    )


def _reflected(row: Row) -> ReflectedCopy:
    return ReflectedCopy(agent=row[0], message=row[1])


def _deleted(row: Row) -> DeletedCopy:
    return DeletedCopy(agent=row[0], deleted_at=row[1])


def _put_agent(session: Session, copy: AgentCopy, now: str) -> Put:
    settings = (
        copy.description,
        json.dumps(copy.tags),
        copy.system_prompt,
        copy.context_tokens,
        copy.model,
        json.dumps(copy.tool_rules),
    )
    if here := session.one(_THERE, (copy.id, name_key(copy.name))):
        agent_id, name, deleted_at, *set_here = here
        if name_key(name) != name_key(copy.name):
            return Put(note=f"agent {copy.name!r} is here as {name!r}")
        if agent_id == copy.id and deleted_at and not copy.deleted_at:
            return Put(note=_was_deleted(copy.name))
        if agent_id == copy.id or (deleted_at is None and copy.deleted_at is None):
            if tuple(set_here) == settings:
                return KNOWN
            return Put(known=True, note=f"agent {name!r} is here with settings of its own; kept")
        which = "that was deleted" if deleted_at else "in use"
        theirs = "a deleted agent" if copy.deleted_at else "an agent"
        return Put(
            note=f"here is an agent {copy.name!r} {which}, so {theirs} of that name did not come",
        )
    if session.value("SELECT 1 FROM forgotten WHERE id = ?", (copy.id,)):
        return Put(
            note=f"agent {copy.name!r} was deleted here for good, so it did not come. `memory-mcp "
            "agents create` makes a new one of that name, which takes in what was its",
        )
    holder = session.value(_OF_PROJECT, (copy.project,)) if copy.project else None
    project = None if holder else copy.project
    session.run(
        _PUT, (copy.id, copy.name, name_key(copy.name), *settings, project, copy.created_at)
    )
    if copy.deleted_at:
        session.run(_COMING, (coming(copy.id), copy.deleted_at))
    record_change(session, now, "agent", copy.id, "made", [copy.id], name=copy.name)
    if holder is None:
        return STORED
    return Put(
        stored=True,
        note=f"agent {copy.name!r} came without its folder, which is agent {holder!r}'s here",
    )


def _was_deleted(name: str) -> str:
    return (
        f"agent {name!r} was deleted here, so nothing of it came. `memory-mcp agents restore` "
        "brings it back with all it had"
    )


def _put_reflected(session: Session, copy: ReflectedCopy, _: str) -> Put:
    seq, place = agent_seq(session, copy.agent), message_seq(session, copy.message)
    if seq is None:
        return without_agent(copy.agent)
    session.run(_REFLECT, (seq, place or 0))
    return KNOWN


def _put_deleted(session: Session, copy: DeletedCopy, now: str) -> Put:
    seq = agent_seq(session, copy.agent)
    if seq is None:
        return without_agent(copy.agent)
    agent_id = session.value("SELECT id FROM agents WHERE seq = ?", (seq,))
    if session.value(_CAME, (coming(agent_id),)) is None:
        return KNOWN  # it came before, and whoever restored it here since wants it
    session.run(_DELETE, (copy.deleted_at, seq))
    record_change(session, now, "agent", agent_id, "deleted", [agent_id], name=copy.agent)
    return STORED


AGENT = Noun(paged(_AGENTS, _agent), _put_agent)
REFLECTED = Noun(paged(_REFLECTED, _reflected), _put_reflected)
DELETED = Noun(paged(_DELETED, _deleted), _put_deleted)
