"""Receipts in SQLite: what went from where, kept for as long as the store is."""

import json
from collections.abc import Sequence

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.receipts import IDS_KEPT, Asked, AskedBy, Receipt, ReceiptLine
from memory_mcp.domain.times import from_iso
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_ADD = """
INSERT INTO receipts (id, agent_id, asked, asked_by, asked_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_LINE = """
INSERT INTO receipt_lines (receipt_id, noun, place, number, ids) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET number = number + ?4, ids = ?5
"""
_IDS = "SELECT ids FROM receipt_lines WHERE receipt_id = ? AND noun = ? AND place = ?"
_COLUMNS = """
id, agent_id, asked, asked_by, asked_at, undone_at, gone_at, erased_at,
    EXISTS (SELECT 1 FROM removed WHERE removed.receipt = receipts.id)
    OR asked = 'agent' AND EXISTS (SELECT 1 FROM agents
        WHERE agents.id = receipts.agent_id AND deleted_at IS NOT NULL)
"""
_LATEST = f"SELECT {_COLUMNS} FROM receipts ORDER BY asked_at DESC, id DESC LIMIT ?"
_ONE = f"SELECT {_COLUMNS} FROM receipts WHERE id = ?"
_LINES = """
SELECT noun, place, number, ids FROM receipt_lines WHERE receipt_id = ? ORDER BY place, noun
"""
_UNDONE = "UPDATE receipts SET undone_at = ? WHERE id = ? AND undone_at IS NULL"
# A deleted agent can be put back for as long as it is there.
_GONE = """
UPDATE receipts SET gone_at = ?1
WHERE gone_at IS NULL AND undone_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM removed WHERE removed.receipt = receipts.id)
    AND NOT (asked = 'agent' AND EXISTS (SELECT 1 FROM agents
        WHERE agents.id = receipts.agent_id AND deleted_at IS NOT NULL))
"""
_ERASED = "UPDATE receipts SET erased_at = ? WHERE gone_at IS NOT NULL AND erased_at IS NULL"


def add_receipt(
    session: Session, receipt: str, agent_id: str, asked: Asked, by: AskedBy, now: str
) -> None:
    """Begin a receipt, if it isn't begun yet."""
    session.run(_ADD, (receipt, agent_id, asked, by, now))


def add_line(
    session: Session, receipt: str, noun: str, place: str, number: int, ids: Sequence[str] = ()
) -> None:
    """Enter on a receipt what went from a place, besides what stands there already."""
    if number:
        told = session.value(_IDS, (receipt, noun, place))
        known: list[str] = json.loads(told) if told else []
        kept = json.dumps([*known, *ids][:IDS_KEPT], ensure_ascii=False)
        session.run(_LINE, (receipt, noun, place, number, kept))


def drop_receipt(session: Session, receipt: str) -> None:
    """Throw one away on which nothing stands."""
    session.run("DELETE FROM receipts WHERE id = ?", (receipt,))


def note_undone(session: Session, receipt: str, now: str) -> None:
    """Enter that it was put back."""
    session.run(_UNDONE, (now, receipt))


def note_gone(session: Session, now: str) -> None:
    """Enter on the receipts of which nothing can be put back any more that it is so."""
    session.run(_GONE, (now,))


def note_erased(session: Session, now: str) -> None:
    """Enter that the file holds no byte any more of what is gone."""
    session.run(_ERASED, (now,))


def receipts(session: Session, limit: int) -> list[Receipt]:
    """The newest, the last one first."""
    return [_receipt(session, row) for row in session.all(_LATEST, (limit,))]


def receipt_of(session: Session, receipt: str) -> Receipt | None:
    """One, if there is one."""
    row = session.one(_ONE, (as_key(receipt),))
    return _receipt(session, row) if row else None


def _receipt(session: Session, row: Row) -> Receipt:
    receipt, agent_id, asked, by, *moments, is_kept = row
    at, undone_at, gone_at, erased_at = (from_iso(one) if one else None for one in moments)
    assert at is not None
    return Receipt(
        id=receipt,
        agent_id=AgentId(agent_id),
        asked=asked,
        asked_by=by,
        at=at,
        undone_at=undone_at,
        gone_at=gone_at,
        erased_at=erased_at,
        is_kept=bool(is_kept),
        lines=[
            ReceiptLine(noun, place, number, json.loads(ids))
            for noun, place, number, ids in session.all(_LINES, (receipt,))
        ],
    )
