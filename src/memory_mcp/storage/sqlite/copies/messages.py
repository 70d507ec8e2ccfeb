"""Messages, copied: themselves (their own store takes them in), what was forgotten, summaries."""

import json

from memory_mcp.domain.copies import ForgottenCopy, MessageCopy, SummaryCopy
from memory_mcp.domain.ids import MessageId
from memory_mcp.ports import Put
from memory_mcp.storage.sqlite.copies.noun import (
    FIRST_MESSAGE,
    KNOWN,
    LAST_MESSAGE,
    OF_THESE,
    STORED,
    Noun,
    agent_seq,
    message_seq,
    paged,
    without_agent,
)
from memory_mcp.storage.sqlite.retold import add_aliases
from memory_mcp.storage.sqlite.session import Row, Session

_ALIASES = """
(SELECT json_group_array(external_id) FROM message_aliases
    WHERE message_id = {0}.id AND agent_seq = {0}.agent_seq)
"""
_MESSAGES = f"""
SELECT m.seq, m.id, a.name, c.external_id, m.role, m.name, m.content, m.created_at,
    m.external_id, m.metadata, {_ALIASES.format("m")}
FROM messages m JOIN agents a ON a.seq = m.agent_seq
    JOIN conversations c ON c.seq = m.conversation_seq
WHERE m.seq > :a AND +m.agent_seq {OF_THESE} ORDER BY m.seq LIMIT :limit
"""
_FORGOTTEN = f"""
SELECT f.id, f.id, a.name, f.conversation, f.external_id, f.forgotten_at,
    {_ALIASES.format("f")}
FROM forgotten f JOIN agents a ON a.seq = f.agent_seq
WHERE f.id > :a AND f.noun = 'message' AND +f.agent_seq {OF_THESE} ORDER BY f.id LIMIT :limit
"""
_SUMMARIES = f"""
SELECT s.seq, s.id, a.name, s.text, {FIRST_MESSAGE.format("s")}, {LAST_MESSAGE.format("s")},
    s.messages, s.covered, s.last_at, s.made_by, s.created_at
FROM summaries s JOIN agents a ON a.seq = s.agent_seq
WHERE s.seq > :a AND +s.agent_seq {OF_THESE} ORDER BY s.seq LIMIT :limit
"""
_PUT_FORGOTTEN = """
INSERT INTO forgotten (id, noun, agent_seq, external_id, forgotten_at, conversation)
SELECT ?1, 'message', ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = ?1)
ON CONFLICT DO NOTHING RETURNING id
"""
_LAST_SUMMARY = "SELECT coalesce(max(last_seq), 0) FROM summaries WHERE agent_seq = ?"
_PUT_SUMMARY = """
INSERT INTO summaries (id, agent_seq, text, first_seq, last_seq, messages, covered, last_at,
    made_by, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def _message(row: Row) -> MessageCopy:
    return MessageCopy(
        id=row[0],
        agent=row[1],
        conversation=row[2],
        role=row[3],
        name=row[4],
        content=row[5],
        created_at=row[6],
        external_id=row[7],
        metadata=json.loads(row[8]) if row[8] else None,
        aliases=sorted(json.loads(row[9])) or None,
    )


def _forgotten(row: Row) -> ForgottenCopy:
    names = ("id", "agent", "conversation", "external_id", "forgotten_at")
    told = dict(zip(names, row, strict=False))
    return ForgottenCopy(**told, aliases=sorted(json.loads(row[5])) or None)


def _summary(row: Row) -> SummaryCopy:
    names = ("id", "agent", "text", "first_message", "last_message", "messages", "covered")
    return SummaryCopy(**dict(zip((*names, "last_at", "made_by", "created_at"), row, strict=True)))


def _put_message(_: Session, copy: MessageCopy, __: str) -> Put:
    raise AssertionError(f"{copy.id} goes to the store of messages")


def _put_forgotten(session: Session, copy: ForgottenCopy, _: str) -> Put:
    agent = agent_seq(session, copy.agent)
    if agent is None:
        return without_agent(copy.agent)
    row = (copy.id, agent, copy.external_id, copy.forgotten_at, copy.conversation)
    if not session.value(_PUT_FORGOTTEN, row):
        return KNOWN
    add_aliases(session, agent, MessageId(copy.id), copy.aliases or ())
    return STORED


def _put_summary(session: Session, copy: SummaryCopy, _: str) -> Put:
    agent = agent_seq(session, copy.agent)
    if agent is None:
        return without_agent(copy.agent)
    if session.value("SELECT 1 FROM summaries WHERE id = ?", (copy.id,)):
        return KNOWN
    first = message_seq(session, copy.first_message) or 0
    last = message_seq(session, copy.last_message) or 0
    if copy.last_message and not last:
        return Put(note="summaries of messages that are here under other ids")
    if last < session.value(_LAST_SUMMARY, (agent,)):
        return Put(note="summaries that a later one stands in place of here already")
    session.run(
        _PUT_SUMMARY,
        (
            copy.id,
            agent,
            copy.text,
            first,
            last,
            copy.messages,
            copy.covered,
            copy.last_at,
            copy.made_by,
            copy.created_at,
        ),
    )
    return STORED


MESSAGE = Noun(paged(_MESSAGES, _message), _put_message)
FORGOTTEN = Noun(paged(_FORGOTTEN, _forgotten, first=("",)), _put_forgotten)
SUMMARY = Noun(paged(_SUMMARIES, _summary), _put_summary)
