"""The ledger keeps nobody who writes waiting, however much is in it."""

from datetime import timedelta
from pathlib import Path

import pytest

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.ids import RunId
from memory_mcp.domain.runs import Caps, Lease, NewRun, Spent
from memory_mcp.ports import RunEnd
from memory_mcp.storage.sqlite.agents import SqliteAgents
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.leases import SqliteLeases
from memory_mcp.storage.sqlite.runs import SqliteRuns
from memory_mcp.testing import ManualClock

CAPS = Caps(run_tokens=10_000, day_tokens=100_000, day_usd=1.0)


class Ledger:
    """The runs of one store, under a lease."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.clock = clock
        self.runs = SqliteRuns(database, Indexes(database, None), clock)
        self._agents = SqliteAgents(database, clock)
        self._leases = SqliteLeases(database, clock)

    async def lease(self) -> Lease:
        lease = await self._leases.take("shadow", "process 1 on elsewhere", 30)
        assert lease
        return lease

    async def ended_run(self, lease: Lease) -> RunId:
        """A run with one call that was answered."""
        agent = await self._agents.choose(AgentChoice())
        new = NewRun(agent_id=agent.id, kind="request", trigger="asked", model="scripted")
        run = await self.runs.begin(new, lease, {})
        number = await self.runs.reserve(run.id, lease, {"messages": []}, Spent(tokens=9), CAPS)
        assert isinstance(number, int)
        told = {"response": {}, "tokens_in": 5, "tokens_out": 1, "usd": 0.001}
        await self.runs.settle(run.id, lease, number, **told)
        await self.runs.end(run.id, lease, RunEnd(state="done", outcome="Done."))
        return run.id


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
