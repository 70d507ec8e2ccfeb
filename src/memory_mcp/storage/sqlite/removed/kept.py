"""Whatever is taken out of memory is entered here, whole, so that it can be put back."""

import json
from typing import Any

from memory_mcp.storage.sqlite.session import Session

BY_UNDO = "undo"
Kept = dict[str, Any]
"""A row as it was, by column."""
_KEEP = """
INSERT INTO removed (id, noun, agent_seq, row, superseded_by, removed_by, removed_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
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
