"""Mail that was forgotten: gone from both sides, and put back."""

import json
from collections.abc import Sequence

from memory_mcp.domain.ids import AgentId
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed.kept import Kept, keep
from memory_mcp.storage.sqlite.session import Session

_MAIL = (
    *("seq", "id", "sender_seq", "recipient_seq", "text", "state", "in_reply_to", "hops", "root"),
    *("sent_at", "expires_at", "delivered_at", "answered_at", "awaited_until", "held_until"),
    *("told_expired", "told_key", "key"),
)
_MAILS = f"""
SELECT {", ".join(_MAIL)} FROM mail
WHERE ? IN (sender_seq, recipient_seq) AND id IN (SELECT value FROM json_each(?)) ORDER BY seq
"""
_OWNERS = "SELECT id FROM agents WHERE seq IN (?, ?) ORDER BY seq"
_FORGET_MAIL = """
INSERT OR REPLACE INTO forgotten (id, noun, agent_seq, forgotten_at) VALUES (?, 'mail', ?, ?)
"""
_PUT_MAIL = f"""
INSERT OR IGNORE INTO mail ({", ".join(_MAIL)}) VALUES ({", ".join(f":{each}" for each in _MAIL)})
RETURNING seq
"""


def remove_mail(
    session: Session, agent_id: str, mail_ids: Sequence[str], by: str, now: str
) -> list[str]:
    """Take mails that an agent sent or got from both sides, and keep them; those that went."""
    agent_seq = seq_of(session, AgentId(agent_id))
    gone: list[str] = []
    for columns in session.all(_MAILS, (agent_seq, json.dumps(list(mail_ids)))):
        kept: Kept = dict(zip(_MAIL, columns, strict=True))
        keep(session, kept["id"], "mail", agent_seq, kept, by, now)
        session.run(_FORGET_MAIL, (kept["id"], agent_seq, now))
        session.run("DELETE FROM mail WHERE seq = ?", (kept["seq"],))
        record_change(session, now, "mail", kept["id"], "forgotten", _owners(session, kept), by=by)
        gone.append(kept["id"])
    return gone


def _owners(session: Session, kept: Kept) -> list[str]:
    return [row[0] for row in session.all(_OWNERS, (kept["sender_seq"], kept["recipient_seq"]))]


def put_mail(session: Session, _: Indexes, __: int, kept: Kept) -> bool:
    # Whoever it is from or to may be gone for good.
    if len(_owners(session, kept)) < 2 or session.value(_PUT_MAIL, kept) is None:
        return False
    session.run("DELETE FROM forgotten WHERE id = ?", (kept["id"],))
    return True
