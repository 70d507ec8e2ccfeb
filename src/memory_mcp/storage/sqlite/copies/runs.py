"""The ledger, copied: runs, what they cost and what they changed.

What a run read and wrote may tell of what was forgotten since it began, of its agent's or of what
agents share. Then it is not copied: what it cost is, and what it did, without a word of it.
"""

from dataclasses import fields

from memory_mcp.domain.copies import RunCallCopy, RunChangeCopy, RunCopy
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
from memory_mcp.storage.sqlite.session import Row, Session

GIVEN_UP = "Given up: something was forgotten since it began, and it may tell of that."

# When an agent's memory was last made to forget, and when what several agents may share was.
_FORGOTTEN = """
(SELECT agent_seq, noun, forgotten_at AS at FROM forgotten WHERE superseded_by IS NULL
    UNION ALL SELECT agent_seq, noun, removed_at FROM removed
        WHERE superseded_by IS NULL AND removed_by <> 'undo')
"""
_SHARED = "noun IN ('block', 'line', 'mail')"
_SINCE = f"""
LEFT JOIN (SELECT agent_seq, max(at) AS at FROM {_FORGOTTEN} GROUP BY agent_seq) own
    ON own.agent_seq = r.agent_seq
CROSS JOIN (SELECT max(at) AS at FROM {_FORGOTTEN} WHERE {_SHARED}) shared
"""
_LAST_AT = "max(coalesce(own.at, ''), coalesce(shared.at, ''))"
_TELLS = f"(r.started_at <= {_LAST_AT})"
_RUNS = f"""
SELECT r.seq, r.id, a.name, r.kind, r.trigger, r.model,
    iif({_TELLS} AND r.ended_at IS NULL, 'abandoned', r.state),
    CASE WHEN NOT {_TELLS} OR r.outcome = '{GIVEN_UP}' THEN r.outcome
        WHEN r.ended_at IS NULL THEN '{GIVEN_UP}' ELSE '' END,
    {FIRST_MESSAGE.format("r")}, {LAST_MESSAGE.format("r")}, r.messages,
    iif({_TELLS}, NULL, r.progress), r.takeovers, r.started_at,
    iif({_TELLS}, coalesce(r.ended_at, {_LAST_AT}), r.ended_at),
    iif({_TELLS}, coalesce(r.pruned_at, {_LAST_AT}), r.pruned_at)
FROM runs r JOIN agents a ON a.seq = r.agent_seq {_SINCE}
WHERE r.seq > :a AND +r.agent_seq {OF_THESE} ORDER BY r.seq LIMIT :limit
"""
_CALLS = f"""
SELECT c.run_seq, c.number, r.id, c.number, c.asked_at, c.answered_at,
    iif({_TELLS}, NULL, c.request), iif({_TELLS}, NULL, c.response), iif({_TELLS}, NULL, c.error),
    c.tokens_in, c.tokens_out, c.cost_usd
FROM run_calls c JOIN runs r ON r.seq = c.run_seq {_SINCE}
WHERE (c.run_seq, c.number) > (:a, :b) AND +r.agent_seq {OF_THESE}
ORDER BY c.run_seq, c.number LIMIT :limit
"""
_CHANGES = f"""
SELECT c.run_seq, c.number, r.id, c.number, c.noun, c.noun_id, c.operation,
    iif({_TELLS}, NULL, c.before), iif({_TELLS}, NULL, c.after), c.undone_at
FROM run_changes c JOIN runs r ON r.seq = c.run_seq {_SINCE}
WHERE (c.run_seq, c.number) > (:a, :b) AND +r.agent_seq {OF_THESE}
ORDER BY c.run_seq, c.number LIMIT :limit
"""
LEFT_BEHIND = f"""
SELECT count(*) FROM runs r {_SINCE} WHERE r.agent_seq {OF_THESE} AND {_TELLS}
    AND (r.outcome NOT IN ('', '{GIVEN_UP}') OR r.progress IS NOT NULL
        OR EXISTS (SELECT 1 FROM run_calls c WHERE c.run_seq = r.seq
            AND coalesce(c.request, c.response, c.error) IS NOT NULL)
        OR EXISTS (SELECT 1 FROM run_changes c WHERE c.run_seq = r.seq
            AND coalesce(c.before, c.after) IS NOT NULL))
"""
_PUT = """
INSERT INTO runs (id, agent_seq, kind, trigger, model, state, outcome, first_seq, last_seq,
    messages, progress, takeovers, started_at, ended_at, pruned_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING seq
"""
_SEQ = "SELECT seq FROM runs WHERE id = ?"
_PUT_CALL = "INSERT OR IGNORE INTO run_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_CHANGE = "INSERT OR IGNORE INTO run_changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_RUN_FIELDS = tuple(field.name for field in fields(RunCopy))
_CALL_FIELDS = tuple(field.name for field in fields(RunCallCopy))
_CHANGE_FIELDS = tuple(field.name for field in fields(RunChangeCopy))


def _run(row: Row) -> RunCopy:
    return RunCopy(**dict(zip(_RUN_FIELDS, row, strict=True)))


def _call(row: Row) -> RunCallCopy:
    return RunCallCopy(**dict(zip(_CALL_FIELDS, row, strict=True)))


def _change(row: Row) -> RunChangeCopy:
    return RunChangeCopy(**dict(zip(_CHANGE_FIELDS, row, strict=True)))


def _put_run(session: Session, copy: RunCopy, _: str) -> Put:
    agent = agent_seq(session, copy.agent)
    if agent is None:
        return without_agent(copy.agent)
    first, last = (message_seq(session, each) for each in (copy.first_message, copy.last_message))
    row = (
        copy.id,
        agent,
        copy.run_kind,
        copy.trigger,
        copy.model,
        copy.state,
        copy.outcome,
        first,
        last,
        copy.messages,
        copy.progress,
        copy.takeovers,
        copy.started_at,
        copy.ended_at,
        copy.pruned_at,
    )
    return STORED if session.value(_PUT, row) else KNOWN


def _put_call(session: Session, copy: RunCallCopy, _: str) -> Put:
    return _put_part(session, copy.run, _PUT_CALL, [getattr(copy, f) for f in _CALL_FIELDS[1:]])


def _put_change(session: Session, copy: RunChangeCopy, _: str) -> Put:
    return _put_part(session, copy.run, _PUT_CHANGE, [getattr(copy, f) for f in _CHANGE_FIELDS[1:]])


def _put_part(session: Session, run_id: str, statement: str, rest: list[object]) -> Put:
    seq = session.value(_SEQ, (run_id,))
    if seq is None:
        return Put(note="calls and changes of a run that is not here")
    session.run(statement, (seq, *rest))
    return KNOWN


RUN = Noun(paged(_RUNS, _run), _put_run)
RUN_CALL = Noun(paged(_CALLS, _call, first=(-1, -1)), _put_call)
RUN_CHANGE = Noun(paged(_CHANGES, _change, first=(-1, -1)), _put_change)
