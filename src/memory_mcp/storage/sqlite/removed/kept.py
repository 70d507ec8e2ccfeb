"""Whatever is taken out of memory is entered here, whole, so that it can be put back."""

import json
from collections.abc import Sequence
from typing import Any

from memory_mcp.storage.sqlite.session import Session

BY_UNDO = "undo"
Kept = dict[str, Any]
"""A row as it was, by column."""
_KEEP = """
INSERT INTO removed (id, noun, agent_seq, row, superseded_by, removed_by, removed_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
# What was replaced is carried by exports, and what was forgotten before has a receipt of its own:
# from now on both are of this one.
_KEEP_AGAIN = """
UPDATE removed SET receipt = ?
WHERE agent_seq = ? AND id IN (SELECT value FROM json_each(?)) RETURNING id
"""
_ON_RECEIPT = """
UPDATE removed SET receipt = ? WHERE agent_seq = ? AND removed_by = ? AND removed_at = ?
    AND receipt IS NULL
"""


def keep(
    session: Session,
    row_id: str,
    noun: str,
    agent_seq: int,
    kept: Kept,
    by: str,
    now: str,
    superseded_by: str | None = None,
) -> None:
    """Enter what goes among the removed."""
    row = json.dumps(kept, ensure_ascii=False)
    session.run(_KEEP, (row_id, noun, agent_seq, row, superseded_by, by, now))


def keep_again(session: Session, agent_seq: int, ids: Sequence[str], receipt: str) -> list[str]:
    """Let a forgetting take what is out of memory already, too; the ids of those it took."""
    rows = session.all(_KEEP_AGAIN, (receipt, agent_seq, json.dumps(list(ids))))
    return [row[0] for row in rows]


def put_on_receipt(session: Session, agent_seq: int, by: str, at: str, receipt: str) -> None:
    """Let what was removed at that moment stand on a receipt."""
    session.run(_ON_RECEIPT, (receipt, agent_seq, by, at))
