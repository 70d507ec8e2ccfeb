"""The ledger keeps nobody who writes waiting, however much is in it."""

from datetime import timedelta
from pathlib import Path

import pytest

from memory_mcp.domain.agents import Agent, AgentChoice
from memory_mcp.domain.drafts import Draft
from memory_mcp.domain.errors import LeaseLost
from memory_mcp.domain.ids import RunId
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.runs import Caps, Lease, NewRun, RunKind, Spent
from memory_mcp.ports import RunEnd
from memory_mcp.storage.sqlite.agents import SqliteAgents
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.leases import SqliteLeases
from memory_mcp.storage.sqlite.runs import SqliteRuns
from memory_mcp.testing import ManualClock

CAPS = Caps(run_tokens=10_000, day_tokens=100_000, day_usd=1.0)


def filing(content: str) -> Draft:
    """A draft that files a passage."""
    return Draft.on([]).with_passage(NewPassage(content=content, origin="shadow"))


class Ledger:
    """The runs of one store, under a lease."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.clock = clock
        self.indexes = Indexes(database, None)
        self.runs = SqliteRuns(database, self.indexes, clock)
        self._agents = SqliteAgents(database, clock)
        self._leases = SqliteLeases(database, clock)

    async def lease(self) -> Lease:
        lease = await self._leases.take("shadow", "process 1 on elsewhere", 30)
        assert lease
        return lease

    async def agent(self) -> Agent:
        return await self._agents.choose(AgentChoice())

    async def begun(self, lease: Lease, kind: RunKind, **read: int) -> RunId:
        """A run that reads these messages."""
        agent = await self.agent()
        new = NewRun(agent_id=agent.id, kind=kind, trigger="asked", model="scripted", **read)
        return (await self.runs.begin(new, lease, {})).id

    async def ended_run(self, lease: Lease) -> RunId:
        """A run with one call that was answered."""
        run_id = await self.begun(lease, "request")
        number = await self.runs.reserve(run_id, lease, {"messages": []}, Spent(tokens=9), CAPS)
        assert isinstance(number, int)
        told = {"response": {}, "tokens_in": 5, "tokens_out": 1, "usd": 0.001}
        await self.runs.settle(run_id, lease, number, **told)
        await self.runs.end(run_id, lease, RunEnd(state="done", outcome="Done."))
        return run_id


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, ManualClock())


async def test_payloads_are_weighed_while_somebody_else_writes(ledger: Ledger, path: Path) -> None:
    lease = await ledger.lease()
    await ledger.ended_run(lease)
    writer = sqlite_module().connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    before = ledger.clock.now() - timedelta(days=30)
    assert await ledger.runs.prune(before, 1_000_000) == 0

    writer.execute("ROLLBACK")
    writer.close()


async def test_payloads_that_are_old_or_too_many_are_thrown_away_and_counts_stay(
    ledger: Ledger,
) -> None:
    lease = await ledger.lease()
    first = await ledger.ended_run(lease)
    ledger.clock.advance(timedelta(days=31))
    second = await ledger.ended_run(lease)

    assert await ledger.runs.prune(ledger.clock.now() - timedelta(days=30), 1_000_000) == 1
    old, new = await ledger.runs.record(first), await ledger.runs.record(second)
    assert (old.calls[0].request, old.run.tokens_in, old.run.calls) == (None, 5, 1)
    assert old.run.pruned_at
    assert new.calls[0].request == {"messages": []}

    assert await ledger.runs.prune(ledger.clock.now() - timedelta(days=30), 0) == 1
    assert (await ledger.runs.record(second)).calls[0].request is None


async def test_what_a_day_has_spent_is_summed_without_reading_payloads(
    ledger: Ledger, path: Path
) -> None:
    spent = (
        "SELECT sum(tokens_in + tokens_out), sum(cost_usd), count(*) - count(cost_usd) "
        "FROM run_calls WHERE asked_at >= ?"
    )
    store = sqlite_module().connect(path)
    plan = store.execute(f"EXPLAIN QUERY PLAN {spent}", ("2026-11-20",)).fetchall()
    store.close()
    assert "COVERING INDEX" in plan[0][-1]


BETWEEN = 1_100
"""More runs than were ever looked at to find one among them."""


def fill(path: Path, kind: str, number: int = BETWEEN, *, state: str = "done") -> None:
    """Put so many ended runs of that kind into the ledger, behind those that are there."""
    with sqlite_module().connect(path) as connection:
        connection.executemany(
            "INSERT INTO runs (id, agent_seq, kind, trigger, model, state, started_at, ended_at)"
            " VALUES (?, 1, ?, 'asked', 'scripted', ?, ?, ?)",
            [
                (f"run-{kind}-{place}", kind, state, "2026-11-22T15:00:00.000Z",
                 f"2026-11-22T15:{place // 60 % 60:02}:{place % 60:02}.000Z")
                for place in range(number)
            ],
        )  # fmt: skip
    connection.close()


async def test_what_is_looked_for_among_runs_is_found_behind_any_number_of_others(
    ledger: Ledger, path: Path
) -> None:
    await ledger.indexes.prepare()
    lease = await ledger.lease()
    agent = await ledger.agent()
    turn = await ledger.begun(lease, "resident")
    await ledger.runs.end(turn, lease, RunEnd(state="done", outcome=""))
    wrote = await ledger.begun(lease, "request")
    await ledger.runs.end(wrote, lease, RunEnd(state="done", outcome="", draft=filing("Tides.")))
    fill(path, "summarise")

    assert await ledger.runs.last_of_kind(agent.id, "resident") == turn
    assert await ledger.runs.last_of_kind(agent.id, "reflect") is None
    undone = await ledger.runs.undo_latest(agent.id)
    assert undone
    assert (undone.run_id, len(undone.put_back)) == (wrote, 1)
    assert await ledger.runs.undo_latest(agent.id) is None


async def test_tries_of_the_same_messages_are_counted_behind_any_number_of_others(
    ledger: Ledger, path: Path
) -> None:
    lease = await ledger.lease()
    tried = []
    for number in range(3):
        tried.append(await ledger.begun(lease, "reflect", first_seq=7 + number, last_seq=20))
        await ledger.runs.end(tried[-1], lease, RunEnd(state="failed", outcome=""))
        fill(path, f"request{number}")

    assert await ledger.runs.tries((await ledger.runs.record(tried[-1])).run) == 3


async def test_reflections_that_failed_in_a_row_are_all_counted_and_the_one_before_them_is_known(
    ledger: Ledger, path: Path, database: Database
) -> None:
    lease = await ledger.lease()
    agent = await ledger.agent()
    done = await ledger.begun(lease, "reflect")
    await ledger.runs.end(done, lease, RunEnd(state="done", outcome=""))
    fill(path, "reflect", 70, state="failed")
    fill(path, "request")
    with sqlite_module().connect(path) as connection:
        connection.execute(
            "INSERT INTO conversations (seq, id, agent_seq, external_id, started_at, last_at,"
            " messages) VALUES (1, 'conversation-1', 1, 'x', '', '', 1)"
        )
        connection.execute(
            "INSERT INTO messages (id, agent_seq, conversation_seq, role, content, created_at)"
            " VALUES ('message-1', 1, 1, 'user', 'Hello', '2026-11-22T15:00:00.000Z')"
        )
        connection.execute(
            "INSERT INTO passages (id, agent_seq, content, identity, created_at,"
            " refreshed_at, origin) VALUES ('passage-1', 1, 'x', x'00', ?, '', 'block:human')",
            ("2026-11-22T13:00:00.000Z",),  # lost before what was reflected on last
        )
    connection.close()

    (work,) = await ledger.runs.unreflected(5)

    assert (work.agent_id, work.failures, work.overflowed) == (agent.id, 70, False)
    assert work.failed_at
    assert (work.failed_at.minute, work.failed_at.second) == (1, 9)


async def test_a_run_that_ends_late_takes_nobody_back_to_messages_that_were_reflected_on(
    ledger: Ledger, database: Database
) -> None:
    lease = await ledger.lease()
    early = await ledger.begun(lease, "reflect", first_seq=1, last_seq=10)
    late = await ledger.begun(lease, "reflect", first_seq=1, last_seq=20)

    await ledger.runs.end(late, lease, RunEnd(state="done", outcome="", reflected_seq=20))
    await ledger.runs.end(early, lease, RunEnd(state="done", outcome="", reflected_seq=10))

    reflected = "SELECT reflected_seq FROM agents"
    assert await database.read(lambda session: session.value(reflected)) == 20


async def test_a_worker_that_lost_its_lease_pays_for_nothing_more(ledger: Ledger) -> None:
    lease = await ledger.lease()
    run = await ledger.begun(lease, "request")
    ledger.clock.advance(timedelta(seconds=31))
    await ledger.lease()

    with pytest.raises(LeaseLost):
        await ledger.runs.reserve(run, lease, {"messages": []}, Spent(tokens=9), CAPS)

    record = await ledger.runs.record(run)
    assert record.calls == []
    assert await ledger.runs.spent_on(ledger.clock.now() - timedelta(days=1)) == Spent()
