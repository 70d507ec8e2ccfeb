"""Conversations, copied: the bare ones before their messages, what hosts told of them after."""

import json

from memory_mcp.domain.copies import ConversationCopy, SessionCopy
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

_CONVERSATIONS = f"""
SELECT c.seq, c.id, a.name, c.external_id, c.host, c.project, c.started_at, c.last_at
FROM conversations c JOIN agents a ON a.seq = c.agent_seq
WHERE c.seq > :a AND +c.agent_seq {OF_THESE} ORDER BY c.seq LIMIT :limit
"""
_SESSIONS = f"""
SELECT c.seq, a.name, c.external_id, c.last_at, c.ended_at, s.seen, s.transcript, s.offset,
    s.last_sign
FROM conversations c JOIN agents a ON a.seq = c.agent_seq
    LEFT JOIN host_sessions s ON s.conversation_seq = c.seq
WHERE c.seq > :a AND +c.agent_seq {OF_THESE}
    AND (c.ended_at IS NOT NULL OR s.conversation_seq IS NOT NULL)
ORDER BY c.seq LIMIT :limit
"""
_PUT = """
INSERT INTO conversations (id, agent_seq, external_id, host, project, started_at, last_at)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING seq
"""
_FIND = "SELECT seq FROM conversations WHERE agent_seq = ? AND external_id = ?"
# Where more was said here, it went on after that end.
_END = """
UPDATE conversations SET ended_at = ?1 WHERE seq = ?2 AND ended_at IS NULL AND last_at <= ?3
"""
_PUT_SESSION = "INSERT OR IGNORE INTO host_sessions VALUES (?, ?, ?, ?, ?)"


def _conversation(row: Row) -> ConversationCopy:
    names = ("id", "agent", "conversation", "host", "project", "started_at", "last_at")
    return ConversationCopy(**dict(zip(names, row, strict=True)))


def _session(row: Row) -> SessionCopy:
    agent, conversation, last_at, ended_at, seen, transcript, offset, last_sign = row
    return SessionCopy(
        agent=agent,
        conversation=conversation,
        last_at=last_at,
        ended_at=ended_at,
        seen=json.loads(seen) if seen else None,
        transcript=transcript,
        offset=offset,
        last_sign=last_sign,
    )


def _put_conversation(session: Session, copy: ConversationCopy, _: str) -> Put:
    agent = agent_seq(session, copy.agent)
    if agent is None:
        return without_agent(copy.agent)
    at = (copy.started_at, copy.last_at)
    row = (copy.id, agent, copy.conversation, copy.host, copy.project, *at)
    return STORED if session.value(_PUT, row) else KNOWN


def _put_session(session: Session, copy: SessionCopy, _: str) -> Put:
    agent = agent_seq(session, copy.agent)
    if agent is None:
        return without_agent(copy.agent)
    seq = session.value(_FIND, (agent, copy.conversation))
    if seq is None:
        return Put(note="what hosts told of a conversation that is not here")
    if copy.ended_at:
        session.run(_END, (copy.ended_at, seq, copy.last_at))
    if copy.offset is not None:
        row = (seq, json.dumps(copy.seen), copy.transcript, copy.offset, copy.last_sign)
        session.run(_PUT_SESSION, row)
    return KNOWN


CONVERSATION = Noun(paged(_CONVERSATIONS, _conversation), _put_conversation)
SESSION = Noun(paged(_SESSIONS, _session), _put_session)
