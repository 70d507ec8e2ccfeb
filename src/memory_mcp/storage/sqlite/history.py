"""What blocks read once, for forgetting: the one place that reads and rewrites old values."""

from collections.abc import Callable
from typing import Any

from memory_mcp.storage.sqlite.session import Session

_VALUES = """
SELECT h.value, h.changed_at FROM block_history h JOIN blocks b ON b.seq = h.block_seq
WHERE b.id = ? ORDER BY h.version DESC
"""
_BEFORE = """
SELECT h.block_seq, h.version, h.value FROM block_history h JOIN blocks b ON b.seq = h.block_seq
WHERE b.id = ? AND h.version < ?
"""
_REWRITE = "UPDATE block_history SET value = ? WHERE block_seq = ? AND version = ?"


def values_of(session: Session, block_id: str) -> list[tuple[str, str]]:
    """Every value a block had, newest first, and when it came, in stored form."""
    return [(value, changed_at) for value, changed_at in session.all(_VALUES, (block_id,))]


def rewrite_values(
    session: Session, block_id: str, before: int, changed: Callable[[str], str]
) -> None:
    """Put other values in place of those that a block had before a version."""
    for block_seq, version, value in session.all(_BEFORE, (block_id, before)):
        left = changed(value)
        if left != value:
            session.run(_REWRITE, (left, block_seq, version))


def take_from_history(session: Session, kept: dict[str, Any]) -> None:
    """Take lines that were forgotten, as kept, out of all that their block read before."""
    gone = {*kept["lines"], *kept.get("older", ())}

    def without(value: str) -> str:
        return "\n".join(line for line in value.split("\n") if line not in gone)

    rewrite_values(session, kept["block_id"], kept["version"], without)
