"""Receipts, copied: what was forgotten there is told here too."""

import json

from memory_mcp.domain.copies import ReceiptCopy
from memory_mcp.ports import Put
from memory_mcp.storage.sqlite.copies.noun import KNOWN, OF_THESE, STORED, Noun, paged
from memory_mcp.storage.sqlite.session import Row, Session

_RECEIPTS = f"""
SELECT r.id, r.id, r.agent_id, r.asked, r.asked_by, r.asked_at, r.undone_at, r.gone_at, r.erased_at,
    (SELECT json_group_array(json_object('noun', l.noun, 'place', l.place, 'number', l.number,
        'ids', json(l.ids))) FROM receipt_lines l WHERE l.receipt_id = r.id)
FROM receipts r WHERE r.id > :a AND (:everything OR r.agent_id IN (
    SELECT a.id FROM agents a WHERE a.seq {OF_THESE}))
ORDER BY r.id LIMIT :limit
"""
_PUT = """
INSERT INTO receipts (id, agent_id, asked, asked_by, asked_at, undone_at, gone_at, erased_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id
"""
_PUT_LINE = "INSERT OR IGNORE INTO receipt_lines VALUES (?, ?, ?, ?, ?)"


def _receipt(row: Row) -> ReceiptCopy:
    names = ("id", "agent_id", "asked", "asked_by", "asked_at", "undone_at", "gone_at", "erased_at")
    *told, lines = row
    return ReceiptCopy(**dict(zip(names, told, strict=True)), lines=json.loads(lines))


def _put_receipt(session: Session, copy: ReceiptCopy, _: str) -> Put:
    head = (copy.id, copy.agent_id, copy.asked, copy.asked_by, copy.asked_at)
    if session.value(_PUT, (*head, copy.undone_at, copy.gone_at, copy.erased_at)) is None:
        return KNOWN
    session.run_many(
        _PUT_LINE,
        [
            (copy.id, line["noun"], line["place"], line["number"], json.dumps(line["ids"]))
            for line in copy.lines
        ],
    )
    return STORED


RECEIPT = Noun(paged(_RECEIPTS, _receipt, first=("",)), _put_receipt)
