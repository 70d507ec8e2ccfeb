"""The shadow agent's ledger in SQLite."""

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.errors import Conflict, RunNotFound
from memory_mcp.domain.ids import AgentId, RunId, new_id
from memory_mcp.domain.redact import redact, redacted
from memory_mcp.domain.runs import (
    OPEN_STATES,
    TAKEOVERS_MAX,
    CapHit,
    Caps,
    Lease,
    NewRun,
    Run,
    RunCall,
    RunChange,
    RunKind,
    RunRecord,
    Spent,
    Undone,
    Unreflected,
    cap_hit,
    end_of_day,
    start_of_day,
)
from memory_mcp.domain.texts import clip, whole
from memory_mcp.domain.times import UTC_ZONE, Zone, from_iso, to_iso
from memory_mcp.ports import Clock, RunEnd
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.drafts import Conflicting, do_draft, do_rewrite, undo_changes
from memory_mcp.storage.sqlite.erasing import let_erase
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.leases import require_lease
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_RUN = """
SELECT r.id, a.id, a.name, r.kind, r.trigger, r.model, r.state, r.outcome, r.first_seq, r.last_seq,
    r.messages, r.takeovers, r.started_at, r.ended_at, r.pruned_at, r.seq,
    (SELECT count(*) FROM run_calls c WHERE c.run_seq = r.seq),
    (SELECT coalesce(sum(c.tokens_in), 0) FROM run_calls c WHERE c.run_seq = r.seq),
    (SELECT coalesce(sum(c.tokens_out), 0) FROM run_calls c WHERE c.run_seq = r.seq),
    (SELECT sum(c.cost_usd) FROM run_calls c WHERE c.run_seq = r.seq),
    (SELECT count(*) FROM run_changes g WHERE g.run_seq = r.seq),
    (SELECT count(g.undone_at) FROM run_changes g WHERE g.run_seq = r.seq)
FROM runs r JOIN agents a ON a.seq = r.agent_seq
"""
_INSERT = """
INSERT INTO runs (id, agent_seq, kind, trigger, model, state, first_seq, last_seq, messages,
    progress, started_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_OPEN = f"""
SELECT r.id, r.kind, r.state, r.takeovers
FROM runs r JOIN agents a ON a.seq = r.agent_seq
WHERE r.ended_at IS NULL AND r.state IN ({", ".join(f"'{state}'" for state in OPEN_STATES)})
    AND a.deleted_at IS NULL
ORDER BY r.seq
"""
_CALLS = """
SELECT number, asked_at, answered_at, request, response, error, tokens_in, tokens_out, cost_usd
FROM run_calls WHERE run_seq = ? ORDER BY number
"""
_CHANGES = """
SELECT number, noun, noun_id, operation, before, after, undone_at
FROM run_changes WHERE run_seq = ? ORDER BY number
"""
_SPENT = """
SELECT coalesce(sum(tokens_in + tokens_out), 0), coalesce(sum(cost_usd), 0),
    count(*) - count(cost_usd)
FROM run_calls WHERE {}
"""
_SETTLE = """
UPDATE run_calls SET answered_at = ?, response = ?, error = ?, tokens_in = ?, tokens_out = ?,
    cost_usd = ?
WHERE run_seq = ? AND number = ?
"""
_SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_SETTING = "SELECT value FROM settings WHERE name = ?"
# Turns are counted up to as many as matter: after an import a hundred thousand may wait.
_UNREFLECTED = """
SELECT a.seq, a.id, a.reflected_seq,
    (SELECT count(*) FROM (SELECT 1 FROM messages m
        WHERE m.agent_seq = a.seq AND m.seq > a.reflected_seq AND m.role = 'user' LIMIT :turns)),
    (SELECT m.created_at FROM messages m
        WHERE m.agent_seq = a.seq AND m.seq > a.reflected_seq ORDER BY m.seq DESC LIMIT 1),
    (SELECT c.ended_at IS NOT NULL FROM messages m
            JOIN conversations c ON c.seq = m.conversation_seq
        WHERE m.agent_seq = a.seq AND m.seq > a.reflected_seq ORDER BY m.seq DESC LIMIT 1)
FROM agents a WHERE a.deleted_at IS NULL
"""
_REFLECTION_DONE = """
SELECT seq, started_at FROM runs WHERE agent_seq = ? AND kind = 'reflect' AND ended_at IS NOT NULL
    AND state NOT IN ('failed', 'abandoned') ORDER BY seq DESC LIMIT 1
"""
# Of the newest of them, as SQLite has it for max().
_REFLECTIONS_FAILED = """
SELECT count(*), ended_at, max(seq) FROM runs
WHERE agent_seq = ? AND kind = 'reflect' AND seq > ? AND ended_at IS NOT NULL
"""
_TRIES = """
SELECT count(*) FROM runs WHERE agent_seq = ? AND kind = ? AND coalesce(last_seq, 0) >= ?
    AND state <> 'done'
"""
_LAST_OF_KIND = """
SELECT id FROM runs WHERE agent_seq = ? AND kind = ? ORDER BY seq DESC LIMIT 1
"""
# What was pruned can't be put back, and is passed over.
_STANDING = """
SELECT r.seq, r.id, a.id, r.ended_at FROM runs r JOIN agents a ON a.seq = r.agent_seq
WHERE r.seq < ?1 {} AND r.ended_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM run_changes c WHERE c.run_seq = r.seq AND c.undone_at IS NULL
        AND (c.before IS NOT NULL OR c.after IS NOT NULL))
ORDER BY r.seq DESC LIMIT 1
"""
_OVERFLOWED = """
SELECT 1 FROM passages WHERE agent_seq = ? AND origin LIKE 'block:%' AND created_at > ? LIMIT 1
"""
_PAYLOADS = """
SELECT r.seq, r.ended_at, coalesce(length(r.progress), 0)
    + (SELECT coalesce(sum(length(request) + coalesce(length(response), 0)), 0)
       FROM run_calls c WHERE c.run_seq = r.seq)
FROM runs r WHERE r.ended_at IS NOT NULL AND r.pruned_at IS NULL ORDER BY r.seq DESC
"""
# What a run has read may be forgotten before it ends: it must not come back by its edits.
_FORGOTTEN_SINCE = """
SELECT 1 FROM removed f JOIN runs r ON r.agent_seq = f.agent_seq
WHERE r.seq = ?1 AND f.removed_at > r.started_at AND f.superseded_by IS NULL
    AND f.removed_by <> 'undo'
UNION ALL SELECT 1 FROM runs r JOIN agents a ON a.seq = r.agent_seq
JOIN receipts c ON c.agent_id = a.id WHERE r.seq = ?1 AND c.asked_at > r.started_at LIMIT 1
"""
# Nor may what it read and wrote stay in the ledger: forgetting itself leaves a run alone that has
# not ended, as its worker goes on with it.
_FORGET_PAYLOADS = "UPDATE run_calls SET request = NULL, response = NULL WHERE run_seq = ?"
PRUNED_AT_ONCE = 50
_PAUSED, _CAPPED = "shadow_paused", "shadow_capped"


class SqliteRuns:
    """The `RunStore` port. What goes over the wire is kept without secrets, as all else is."""

    def __init__(
        self, database: Database, indexes: Indexes, clock: Clock, zone: Zone = UTC_ZONE
    ) -> None:
        """The days of `zone` are those that caps count by."""
        self._database = database
        self._indexes = indexes
        self._clock = clock
        self._zone = zone

    # What a worker writes.

    async def begin(self, run: NewRun, lease: Lease | None, progress: Mapping[str, Any]) -> Run:
        """Enter a run: `running` under a lease, else `waiting` for a worker."""
        told = json.dumps(redacted(progress))

        def enter(session: Session) -> Run:
            if lease is not None:
                require_lease(session, lease)
            now = self._now()
            run_id = RunId(new_id("run"))
            state = "running" if lease else "waiting"
            row = (
                run_id,
                seq_of(session, run.agent_id),
                run.kind,
                run.trigger,
                run.model,
                state,
                run.first_seq,
                run.last_seq,
                run.messages,
                told,
                now,
            )
            session.run(_INSERT, row)
            record_change(session, now, "run", run_id, state, [run.agent_id], kind=run.kind)
            return _run(session, run_id)

        return await self._database.write(enter)

    async def resume(
        self,
        lease: Lease,
        model: str | None,
        *,
        residents: bool = False,
        busy: Collection[RunId] = (),
        left: Collection[RunId] = (),
    ) -> tuple[Run, Mapping[str, Any]] | None:
        """The oldest open run that may go on, with its progress; it is `running` then.

        `model` is the one that goes on with it, `None` the one it began with.
        """

        def wanted(run_id: RunId, kind: str) -> bool:
            return run_id not in busy and (kind == "resident") == residents

        def take(session: Session) -> tuple[Run, Mapping[str, Any]] | None:
            require_lease(session, lease)
            for run_id, kind, state, takeovers in session.all(_OPEN):
                if not wanted(run_id, kind):
                    continue
                died = state == "running" and run_id not in left
                if died and takeovers >= TAKEOVERS_MAX and not residents:
                    end = RunEnd(
                        state="abandoned",
                        outcome=f"Given up: {takeovers + 1} workers died over it. "
                        "Nothing was changed.",
                        reflected_seq=_run(session, run_id).last_seq if kind == "reflect" else None,
                    )
                    self._end(session, run_id, end)
                    continue
                session.run(
                    "UPDATE runs SET state = 'running', takeovers = takeovers + ?,"
                    " model = coalesce(?, model)"
                    " WHERE id = ?",
                    (int(died), model, run_id),
                )
                progress = session.value("SELECT progress FROM runs WHERE id = ?", (run_id,))
                return _run(session, run_id), json.loads(progress or "{}")
            return None

        # Looked for by a reader first: a worker asks after each commit of anybody's, and the write
        # lock is theirs.
        rows = await self._database.read(lambda session: session.all(_OPEN))
        if not any(wanted(run_id, kind) for run_id, kind, _, _ in rows):
            return None
        return await self._database.write(take)

    async def save(self, run_id: RunId, lease: Lease, progress: Mapping[str, Any]) -> None:
        """Keep how far a run has come."""
        told = json.dumps(redacted(progress))

        def save(session: Session) -> None:
            require_lease(session, lease)
            session.run("UPDATE runs SET progress = ? WHERE id = ?", (told, run_id))

        await self._database.write(save)

    async def reserve(
        self, run_id: RunId, lease: Lease, request: Mapping[str, Any], most: Spent, caps: Caps
    ) -> int | CapHit:
        """Enter a call with the most it may cost, if that passes no cap; its number."""
        told = json.dumps(redacted(request))

        def enter(session: Session) -> int | CapHit:
            require_lease(session, lease)
            seq = _run_seq(session, run_id)
            began = to_iso(start_of_day(self._clock.now(), self._zone))
            day = _spent(session, "asked_at >= ?", began)
            if hit := cap_hit(caps, _spent(session, "run_seq = ?", seq), day, most):
                return hit
            number = session.value("SELECT count(*) + 1 FROM run_calls WHERE run_seq = ?", (seq,))
            usd = None if most.unpriced_calls else most.usd
            session.run(
                "INSERT INTO run_calls (run_seq, number, asked_at, request, tokens_in, tokens_out,"
                " cost_usd) VALUES (?, ?, ?, ?, ?, 0, ?)",
                (seq, number, self._now(), told, most.tokens, usd),
            )
            return number

        return await self._database.write(enter)

    async def settle(
        self,
        run_id: RunId,
        lease: Lease,
        number: int,
        *,
        response: Any = None,
        error: str | None = None,
        tokens_in: int,
        tokens_out: int,
        usd: float | None,
    ) -> None:
        """Enter what a call came to."""
        answer = redacted(response)
        told = whole(json.dumps(answer, ensure_ascii=False)) if answer is not None else None
        error = whole(redact(error)) if error is not None else None

        def enter(session: Session) -> None:
            require_lease(session, lease)
            row = (self._now(), told, error, tokens_in, tokens_out, usd)
            session.run(_SETTLE, (*row, _run_seq(session, run_id), number))

        await self._database.write(enter)

    async def pause(self, run_id: RunId, lease: Lease, hit: CapHit) -> bool:
        """Let a run wait for the next day; whether this is the first the day's cap is heard of."""

        def pause(session: Session) -> bool:
            require_lease(session, lease)
            ends = end_of_day(self._clock.now(), self._zone)
            until = to_iso(ends)
            outcome = f"Waits until {self._zone.told(ends)}: {hit}."
            session.run(
                "UPDATE runs SET state = 'paused', outcome = ? WHERE id = ?", (outcome, run_id)
            )
            agent_id = _run(session, run_id).agent_id
            record_change(session, self._now(), "run", run_id, "paused", [agent_id])
            known = json.loads(session.value(_SETTING, (_CAPPED,)) or "{}")
            told = {"until": until, "cap": hit.cap, "limit": hit.limit, "text": str(hit)}
            session.run(_SET, (_CAPPED, json.dumps(told)))
            return (known.get("until"), known.get("cap")) != (until, hit.cap)

        return await self._database.write(pause)

    async def end(self, run_id: RunId, lease: Lease, end: RunEnd) -> list[Block]:
        """End a run and do what it drafted, in one transaction.

        Raises:
            Conflict: something was forgotten since it began, and it may hold that; nothing is done.
        """

        def finish(session: Session) -> None:
            require_lease(session, lease)
            self._end(session, run_id, end)

        try:
            await self._database.write(finish)
        except Conflicting as moved:  # raised inside, so that nothing is done
            return moved.blocks
        return []

    def _end(self, session: Session, run_id: RunId, end: RunEnd) -> None:
        now = self._now()
        run_seq, agent_id = _run_seq(session, run_id), _run(session, run_id).agent_id
        if session.one(_FORGOTTEN_SINCE, (run_seq,)):
            session.run(_FORGET_PAYLOADS, (run_seq,))
            let_erase(session, now)
        if end.draft is not None or end.rewritten is not None:
            _refuse_forgotten(session, run_seq)
        if end.draft is not None:
            do_draft(session, self._indexes, run_seq, run_id, agent_id, end.draft, now)
        outcome = end.outcome
        if end.rewritten is not None and not do_rewrite(
            session, run_seq, agent_id, end.rewritten, now
        ):
            outcome = (
                "The summary was changed meanwhile, by forgetting most likely, and is left so."
            )
        if end.reflected_seq is not None:
            session.run(
                "UPDATE agents SET reflected_seq = max(reflected_seq, ?) WHERE id = ?",
                (end.reflected_seq, agent_id),
            )
        session.run(
            "UPDATE runs SET state = ?, outcome = ?, ended_at = ?, progress = NULL WHERE id = ?",
            (end.state, whole(redact(outcome)), now, run_id),
        )
        record_change(session, now, "run", run_id, end.state, [agent_id])

    # What anybody may ask.

    async def runs(self, agent_id: AgentId | None, limit: int) -> list[Run]:
        """The latest runs, newest first."""

        def find(session: Session) -> list[Run]:
            # By the index of the agent's own: others' may be many.
            only = "" if agent_id is None else "WHERE r.agent_seq = ?2"
            whose = () if agent_id is None else (seq_of(session, agent_id),)
            sql = f"{_RUN} {only} ORDER BY r.seq DESC LIMIT ?1"
            return [_from_row(row) for row in session.all(sql, (limit, *whose))]

        return await self._database.read(find)

    async def record(self, run_id: RunId | None) -> RunRecord:
        """A run with its calls and changes; without an id the latest one.

        Raises:
            RunNotFound: there is none.
        """

        def find(session: Session) -> RunRecord:
            wanted = run_id or session.value("SELECT id FROM runs ORDER BY seq DESC LIMIT 1")
            run = _run(session, RunId(wanted or ""))
            seq = _run_seq(session, run.id)
            calls = [_call(row) for row in session.all(_CALLS, (seq,))]
            changes = [_change(row) for row in session.all(_CHANGES, (seq,))]
            return RunRecord(run=run, calls=calls, changes=changes)

        return await self._database.read(find)

    async def undo(self, run_id: RunId) -> Undone:
        """Put back what a run changed, where nobody changed it since.

        Raises:
            RunNotFound: there is none with that id.
        """

        def undo(session: Session) -> Undone:
            run = _run(session, run_id)
            seq = _run_seq(session, run_id)
            changes = [_change(row) for row in session.all(_CHANGES, (seq,))]
            now = self._now()
            return undo_changes(
                session, self._indexes, seq, run.agent_id, changes, now, run.ended_at
            )

        return await self._database.write(undo)

    async def undo_latest(self, agent_id: AgentId | None) -> Undone | None:
        """The same for the latest run of which something can be put back; `None`: no run stands.

        Where nothing can be put back of any, it says why for the latest.
        """

        def undo(session: Session) -> Undone | None:
            first: Undone | None = None
            for seq, run_id, owner, ended_at in _standing(session, agent_id):
                changes = [_change(row) for row in session.all(_CHANGES, (seq,))]
                ended = from_iso(ended_at)
                now = self._now()
                undone = undo_changes(session, self._indexes, seq, owner, changes, now, ended)
                if undone.put_back:
                    return replace(undone, run_id=run_id)
                first = first or replace(undone, run_id=run_id)
            return first

        return await self._database.write(undo)

    async def last_of_kind(self, agent_id: AgentId, kind: RunKind) -> RunId | None:
        """The latest run of that kind; `None` for an agent that has had none."""
        found = await self._database.read(
            lambda session: session.value(_LAST_OF_KIND, (seq_of(session, agent_id), kind))
        )
        return RunId(found) if found else None

    async def tries(self, run: Run) -> int:
        """How many runs of its kind, itself too, read some of what it read and did not do it."""

        def count(session: Session) -> int:
            asked = (seq_of(session, run.agent_id), run.kind, run.first_seq or 0)
            return session.value(_TRIES, asked)

        return await self._database.read(count)

    async def count(self) -> int:
        """How many runs there are."""
        return await self._database.read(lambda session: session.value("SELECT count(*) FROM runs"))

    async def has_open(self) -> bool:
        """Whether a run waits for a worker, or for the next one."""
        return await self._database.read(lambda session: session.one(_OPEN) is not None)

    async def spent_on(self, day_start: datetime) -> Spent:
        """What all calls since then came to."""
        start = to_iso(day_start)
        return await self._database.read(lambda session: _spent(session, "asked_at >= ?", start))

    async def unreflected(self, reflect_turns: int) -> list[Unreflected]:
        """For each agent what its reflection has not read yet; agents without any are left out."""

        def find(session: Session) -> list[Unreflected]:
            rows = session.all(_UNREFLECTED, {"turns": max(1, reflect_turns)})
            return [_unreflected(session, row) for row in rows if row[4]]

        return await self._database.read(find)

    async def paused(self, caps: Caps | None) -> str | None:
        """Why no run may start now, if so: a person's word, or the day's cap."""

        def look(session: Session) -> str | None:
            if session.value(_SETTING, (_PAUSED,)):
                return "paused by memory-mcp shadow pause; memory-mcp shadow resume lets it go on"
            capped = json.loads(session.value(_SETTING, (_CAPPED,)) or "{}")
            until = capped.get("until")
            if until is None or self._now() >= until:
                return None
            if until > to_iso(end_of_day(self._clock.now(), self._zone)):
                return None  # the clock was set back since, or the zone: caps are looked at anew
            if caps is not None and getattr(caps, capped["cap"]) > capped["limit"]:
                return None  # raised since
            return f"capped until {self._zone.told(from_iso(until))}: {capped['text']}"

        return await self._database.read(look)

    async def set_paused(self, paused: bool) -> None:
        """Let no run start until told otherwise; or let them start again."""

        def put(session: Session) -> None:
            if paused:
                session.run(_SET, (_PAUSED, "1"))
            else:
                session.run("DELETE FROM settings WHERE name IN (?, ?)", (_PAUSED, _CAPPED))
            state = "paused" if paused else "resumed"
            record_change(session, self._now(), "shadow", "shadow", state, [])

        await self._database.write(put)

    async def prune(self, before: datetime, bytes_max: int) -> int:
        """Throw away payloads from before then, and the oldest past that size; how many runs'."""
        oldest = to_iso(before)
        # Read first, then in small writes: whoever edits memory must not wait for it all.
        sizes = await self._database.read(lambda session: session.all(_PAYLOADS))
        kept = 0
        going: list[tuple[int, str]] = []
        for seq, ended_at, size in sizes:
            kept += size
            if ended_at < oldest or kept > bytes_max:
                going.append((seq, ended_at))
        for start in range(0, len(going), PRUNED_AT_ONCE):
            some = going[start : start + PRUNED_AT_ONCE]
            old = [seq for seq, ended_at in some if ended_at < oldest]
            await self._database.write(partial(_prune, runs=some, old=old, now=self._now()))
        return len(going)

    def _now(self) -> str:
        return to_iso(self._clock.now())


def _prune(session: Session, runs: Sequence[tuple[int, str]], old: Sequence[int], now: str) -> None:
    session.run_many(
        "UPDATE run_calls SET request = NULL, response = NULL WHERE run_seq = ?",
        [(seq,) for seq, _ in runs],
    )
    session.run_many(  # room alone takes nobody the chance to undo
        "UPDATE run_changes SET before = NULL, after = NULL WHERE run_seq = ?",
        [(seq,) for seq in old],
    )
    session.run_many("UPDATE runs SET pruned_at = ? WHERE seq = ?", [(now, seq) for seq, _ in runs])


def _refuse_forgotten(session: Session, run_seq: int) -> None:
    if session.one(_FORGOTTEN_SINCE, (run_seq,)):
        raise Conflict(
            "something was forgotten while it ran, and what it wrote may tell of it; nothing of "
            "this run was done."
        )


def _run_seq(session: Session, run_id: RunId) -> int:
    seq = session.value("SELECT seq FROM runs WHERE id = ?", (as_key(run_id),))
    if seq is None:
        raise RunNotFound(
            f"there is no run {clip(run_id, 60)!r} in the ledger."
            if run_id
            else "the ledger is empty: the shadow agent has not run yet."
        )
    return seq


def _run(session: Session, run_id: RunId) -> Run:
    _run_seq(session, run_id)
    row = session.one(f"{_RUN} WHERE r.id = ?", (as_key(run_id),))
    assert row is not None
    return _from_row(row)


def _spent(session: Session, condition: str, value: Any) -> Spent:
    row = session.one(_SPENT.format(condition), (value,))
    assert row is not None
    return Spent(tokens=row[0], usd=row[1], unpriced_calls=row[2])


def _unreflected(session: Session, row: Row) -> Unreflected:
    agent_seq, agent_id, after_seq, turns, last_at, ended = row
    done_seq, last_done = session.one(_REFLECTION_DONE, (agent_seq,)) or (0, "")
    failed = session.one(_REFLECTIONS_FAILED, (agent_seq, done_seq))
    assert failed is not None
    failures, failed_at, _ = failed
    return Unreflected(
        agent_id=AgentId(agent_id),
        after_seq=after_seq,
        turns=turns,
        last_at=from_iso(last_at),
        ended=bool(ended),
        overflowed=bool(session.value(_OVERFLOWED, (agent_seq, last_done))),
        failures=failures,
        failed_at=from_iso(failed_at) if failed_at else None,
    )


def _standing(session: Session, agent_id: AgentId | None) -> Iterator[Row]:
    """Ended runs of which something was not put back yet, the latest first, found one by one."""
    only = "" if agent_id is None else "AND r.agent_seq = ?2"
    whose = () if agent_id is None else (seq_of(session, agent_id),)
    before = sys.maxsize
    while row := session.one(_STANDING.format(only), (before, *whose)):
        before = row[0]
        yield row


def _from_row(row: Row) -> Run:
    return Run(
        id=RunId(row[0]),
        agent_id=AgentId(row[1]),
        agent=row[2],
        kind=row[3],
        trigger=row[4],
        model=row[5],
        state=row[6],
        outcome=row[7],
        first_seq=row[8],
        last_seq=row[9],
        messages=row[10],
        takeovers=row[11],
        started_at=from_iso(row[12]),
        ended_at=from_iso(row[13]) if row[13] else None,
        pruned_at=from_iso(row[14]) if row[14] else None,
        calls=row[16],
        tokens_in=row[17],
        tokens_out=row[18],
        cost_usd=row[19],
        changes=row[20],
        undone=row[21],
    )


def _call(row: Row) -> RunCall:
    return RunCall(
        number=row[0],
        asked_at=from_iso(row[1]),
        answered_at=from_iso(row[2]) if row[2] else None,
        request=json.loads(row[3]) if row[3] else None,
        response=json.loads(row[4]) if row[4] else None,
        error=row[5],
        tokens_in=row[6],
        tokens_out=row[7],
        cost_usd=row[8],
    )


def _change(row: Row) -> RunChange:
    return RunChange(
        number=row[0],
        noun=row[1],
        noun_id=row[2],
        operation=row[3],
        before=json.loads(row[4]) if row[4] else None,
        after=json.loads(row[5]) if row[5] else None,
        undone_at=from_iso(row[6]) if row[6] else None,
    )
