"""Mail, copied: every mail between agents that are copied, in whatever state it is."""

from dataclasses import fields
from typing import Any

from memory_mcp.domain.copies import MailCopy
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
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Row, Session

_MAIL = f"""
SELECT m.seq, m.id, s.name, r.name, m.text, m.state, m.in_reply_to, m.hops, m.root, m.sent_at,
    m.expires_at, m.delivered_at, m.answered_at, m.awaited_until, m.held_until, m.told_expired,
    m.told_key, m.key
FROM mail m JOIN agents s ON s.seq = m.sender_seq JOIN agents r ON r.seq = m.recipient_seq
WHERE m.seq > :a AND +m.sender_seq {OF_THESE} AND +m.recipient_seq {OF_THESE}
ORDER BY m.seq LIMIT :limit
"""
LEFT_BEHIND = f"""
SELECT count(*) FROM mail WHERE (sender_seq {OF_THESE}) <> (recipient_seq {OF_THESE})
"""
_PUT = """
INSERT INTO mail (id, sender_seq, recipient_seq, text, state, in_reply_to, hops, root, sent_at,
    expires_at, delivered_at, answered_at, awaited_until, held_until, told_expired, told_key, key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING seq
"""
_FIELDS = tuple(field.name for field in fields(MailCopy))


def _mail(row: Row) -> MailCopy:
    told: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    told["told_expired"] = bool(told["told_expired"])
    return MailCopy(**told)


def _put_mail(session: Session, copy: MailCopy, now: str) -> Put:
    sender, recipient = agent_seq(session, copy.sender), agent_seq(session, copy.recipient)
    if sender is None or recipient is None:
        return without_agent(copy.sender if sender is None else copy.recipient)
    if session.value("SELECT 1 FROM forgotten WHERE id = ?", (copy.id,)):
        return Put(forgotten=1)
    rest = [getattr(copy, name) for name in _FIELDS[3:]]
    if session.value(_PUT, (copy.id, sender, recipient, *rest)) is None:
        return KNOWN
    if copy.state == "queued":
        to = session.value("SELECT id FROM agents WHERE seq = ?", (recipient,))
        record_change(session, now, "mail", copy.id, "sent", [to])
    return STORED


MAIL = Noun(paged(_MAIL, _mail), _put_mail)
