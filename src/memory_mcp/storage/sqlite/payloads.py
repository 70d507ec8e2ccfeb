"""What the ledger's payloads tell of what was forgotten: it goes from them for good."""

import json
import re
from collections.abc import Sequence

from memory_mcp.domain.forgetting import holder_of
from memory_mcp.domain.json_values import every_text
from memory_mcp.storage.sqlite.session import Row, Session

OPENING_CHARS = 200
"""Models are shown long texts in short: by so much of its beginning a text is recognised."""

FEW = 8
"""So many texts are looked for one by one; payloads are long, and writers wait meanwhile."""

_PLAIN = re.compile(r"[!#-\[\]-~]*")
_CALLS = """
SELECT c.run_seq, c.number, c.request, c.response FROM run_calls c
JOIN runs r ON r.seq = c.run_seq WHERE r.agent_seq = ? AND r.ended_at IS NOT NULL
    AND instr(lower(coalesce(c.request, '') || coalesce(c.response, '')), ?)
"""
_ALL_CALLS = """
UPDATE run_calls SET request = NULL, response = NULL
WHERE (request IS NOT NULL OR response IS NOT NULL)
    AND run_seq IN (SELECT seq FROM runs WHERE agent_seq = ? AND ended_at IS NOT NULL)
"""
_CHANGES = """
SELECT g.run_seq, g.number, g.before, g.after FROM run_changes g
JOIN runs r ON r.seq = g.run_seq WHERE r.agent_seq = ? AND r.ended_at IS NOT NULL
    AND (g.before IS NOT NULL OR g.after IS NOT NULL)
"""
_OUTCOMES = """
SELECT seq, outcome FROM runs WHERE agent_seq = ? AND ended_at IS NOT NULL AND outcome <> ''
"""
_FORGET_OUTCOME = "UPDATE runs SET outcome = ? WHERE seq = ?"
_FORGOTTEN = "What it said of itself told of something that was forgotten since."
_FORGET_CALL = (
    "UPDATE run_calls SET request = NULL, response = NULL WHERE run_seq = ? AND number = ?"
)
_FORGET_CHANGE = (
    "UPDATE run_changes SET before = NULL, after = NULL WHERE run_seq = ? AND number = ?"
)

_Wanted = tuple[str, re.Pattern[str]]
"""The part of a text that is looked for first, and what finds all of it."""


def opening_of(content: str) -> str:
    """By what a text is recognised in a payload, where it may stand in short and on one line."""
    return " ".join(content.split())[:OPENING_CHARS]


def forget_payloads(session: Session, agent_seq: int, texts: Sequence[str]) -> int:
    """Throw away what an agent's models were told, said and changed, where these texts stand in it.

    Such a change can no longer be undone. Of many texts at once every payload goes. How many rows
    of the ledger lost something.
    """
    if not texts:
        return 0
    before = session.changes()
    wanted = [(plain_part(text), holder_of(text)) for text in texts]
    if len(wanted) > FEW:
        session.run(_ALL_CALLS, (agent_seq,))
    else:
        for one in wanted:
            rows = session.all(_CALLS, (agent_seq, one[0]))
            session.run_many(_FORGET_CALL, _telling(rows, [one]))
    session.run_many(_FORGET_CHANGE, _telling(session.all(_CHANGES, (agent_seq,)), wanted))
    for seq, outcome in session.all(_OUTCOMES, (agent_seq,)):
        if any(pattern.search(outcome) for _, pattern in wanted):
            session.run(_FORGET_OUTCOME, (_FORGOTTEN, seq))
    return session.changes() - before


def _telling(rows: Sequence[Row], wanted: Sequence[_Wanted]) -> list[tuple[int, int]]:
    return [
        (run_seq, number)
        for run_seq, number, *payloads in rows
        if any(_tells(payload, wanted) for payload in payloads if payload)
    ]


def plain_part(text: str) -> str:
    """The longest part of a text that stands in any JSON just so, but for capitals."""
    return max(_PLAIN.findall(text), key=len).lower()


def texts_in(payload: str) -> str:
    """Every text of a JSON value, one a line."""
    return "\n".join(every_text(json.loads(payload)))


def _tells(payload: str, wanted: Sequence[_Wanted]) -> bool:
    low = payload.lower()
    likely = [pattern for part, pattern in wanted if part in low]
    if not likely:
        return False
    texts = texts_in(payload)
    return any(one.search(text) for one in likely for text in (texts, " ".join(texts.split())))
