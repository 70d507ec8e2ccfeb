"""The two ends of what was removed: it is put back, or it goes for good."""

import json
from collections.abc import Callable, Sequence

from memory_mcp.storage.sqlite.history import take_from_history
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed.kept import Kept
from memory_mcp.storage.sqlite.removed.mail import put_mail
from memory_mcp.storage.sqlite.removed.messages import put_message
from memory_mcp.storage.sqlite.removed.passages import put_passage
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_IS_KEPT = """
SELECT r.noun, r.agent_seq, a.id, r.row FROM removed r JOIN agents a ON a.seq = r.agent_seq
WHERE r.id = ?
"""
_REMOVED = "SELECT id, noun, row FROM removed WHERE {}"
_LET_GO = "DELETE FROM removed WHERE id IN (SELECT value FROM json_each(?))"
_EMPTIED = """
DELETE FROM conversations WHERE messages = 0 AND seq IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM removed r WHERE r.noun = 'message'
        AND json_extract(r.row, '$.conversation_seq') = conversations.seq)
"""


def restore(session: Session, indexes: Indexes, ids: Sequence[str], now: str) -> list[str]:
    """Put passages, messages and mail back as they were; the ids of those that are back.

    A passage whose text was filed anew meanwhile is not doubled, and is kept no longer. Vectors
    follow. Other ids are passed over.
    """
    back: list[str] = []
    for row_id in dict.fromkeys(ids):
        found = session.one(_IS_KEPT, (as_key(row_id),))
        if found is None or found[0] not in _PUT:
            continue
        noun, agent_seq, agent_id, row = found
        is_back = _PUT[noun](session, indexes, agent_seq, json.loads(row))
        session.run("DELETE FROM removed WHERE id = ?", (row_id,))
        if is_back:
            record_change(session, now, noun, row_id, "restored", [agent_id])
            back.append(row_id)
    return back


def purge(session: Session, before: str) -> int:
    """Let go for good what was removed before that moment (in stored form); how much it was.

    Lines of blocks go from the blocks' history as well, and conversations that are left empty. That
    a message or a passage was forgotten stays known, lest it comes again: by its id, by where it
    came from, a passage by a digest too.
    """
    return _let_go(session, session.all(_REMOVED.format("removed_at < ?"), (before,)))


def purge_receipt(session: Session, receipt: str) -> int:
    """The same for all that stands on a receipt, however short ago it went."""
    return _let_go(session, session.all(_REMOVED.format("receipt = ?"), (receipt,)))


def _let_go(session: Session, rows: Sequence[Row]) -> int:
    session.run(_LET_GO, (json.dumps([row[0] for row in rows]),))
    emptied: set[int] = set()
    for _, noun, row in rows:
        kept: Kept = json.loads(row)
        if noun == "block":
            take_from_history(session, kept)
        elif noun == "message":
            emptied.add(kept["conversation_seq"])
    session.run(_EMPTIED, (json.dumps(sorted(emptied)),))
    return len(rows)


_PUT: dict[str, Callable[[Session, Indexes, int, Kept], bool]] = {
    "passage": put_passage,
    "message": put_message,
    "mail": put_mail,
}
