"""The worker: its lease, its caps, and how it goes on where another one died."""

import logging
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from tests.loop.conftest import MODEL, Chat, Open, block, one_pass, say

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import LeaseLost, StoreBusy
from memory_mcp.domain.runs import TAKEOVERS_MAX, NewRun
from memory_mcp.loop.worker import LEASE_SECONDS
from memory_mcp.services.ledger import LEASE
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.leases import this_holder
from memory_mcp.testing import ManualClock
from memory_mcp.testing.chat import Answer, ScriptedChat, calls

FINISH = calls("memory_finish_edits", report="Done.")
SEARCH = calls("archival_search", query="Ana")


def endless(*first: Answer) -> ScriptedChat:
    """A model that would go on for ever."""
    return ScriptedChat([*first, SEARCH], loop=True, price_usd=(1e-6, 1e-5))


class Killed(BaseException):
    """As a kill -9: nobody catches it."""


async def work_and_die(open_memory_worker: Open, chat: Chat, *, at_call: int) -> None:
    """A worker that is killed while a call of the model is under way."""

    async def die(number: int) -> None:
        if number == at_call:
            raise Killed

    async def work() -> None:
        async with open_memory_worker(chat=chat) as worker:
            agent = await worker.services.agents.choose(AgentChoice())
            await say(worker, agent, "My name is Ana.")
            await one_pass(worker)

    chat.meanwhile = die
    with pytest.raises(BaseExceptionGroup) as died:
        await work()
    assert died.group_contains(Killed)


async def test_a_model_that_never_ends_stops_at_the_cap_of_a_run_and_what_it_did_is_kept(
    open_memory_worker: Open,
) -> None:
    first = calls("memory_insert", label="human", new_string="Name: Ana.")
    async with open_memory_worker(chat=endless(first), run_tokens=12_000) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")

        (run,) = await one_pass(worker)

        assert run.state == "capped"
        assert "12,000 tokens a run" in run.outcome
        assert 0 < run.tokens_in + run.tokens_out <= 12_000
        assert await block(worker, agent, "human") == "Name: Ana."
        assert await one_pass(worker) == []


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"day_tokens": 9_000}, "9,000 tokens a day"),
        ({"day_usd": 0.05}, "0.0500 US dollars a day"),
    ],
)
async def test_at_the_cap_of_the_day_the_run_waits_and_goes_on_the_next_day(
    open_memory_worker: Open,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    limits: dict[str, float],
    named: str,
) -> None:
    first = calls("memory_insert", label="human", new_string="Name: Ana.")
    chat = endless(first)
    caplog.set_level(logging.WARNING)
    async with open_memory_worker(chat=chat, run_tokens=100_000, **limits) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")

        (run,) = await one_pass(worker)
        asked = len(chat.requests)
        assert await one_pass(worker) == []
        assert await one_pass(worker) == []

        assert (run.state, len(chat.requests)) == ("paused", asked)
        assert sum(named in record.message for record in caplog.records) == 1
        assert not await worker.services.ledger.has_work()
        assert named in (await worker.services.ledger.state()).doing
        assert await block(worker, agent, "human") == ""

        clock.advance(timedelta(days=1))
        chat.add(FINISH)
        chat.add(FINISH)
        (again,) = await one_pass(worker)
        assert (again.id, again.state) == (run.id, "done")
        assert await block(worker, agent, "human") == "Name: Ana."


async def test_spending_is_counted_over_all_workers(open_memory_worker: Open) -> None:
    limits = {"day_tokens": 9_000, "run_tokens": 100_000}
    async with open_memory_worker(chat=endless(), **limits) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")
        await one_pass(worker)
        spent = (await worker.services.ledger.state()).tokens_today
    other = endless()
    async with open_memory_worker(chat=other, **limits) as worker:
        await one_pass(worker)
        state = await worker.services.ledger.state()

    assert other.requests == []
    assert 0 < state.tokens_today == spent <= 9_000


async def test_a_run_goes_on_where_its_dead_worker_left_it(open_memory_worker: Open) -> None:
    chat = Chat([calls("memory_insert", label="human", new_string="Name: Ana."), SEARCH])
    await work_and_die(open_memory_worker, chat, at_call=2)

    second = ScriptedChat([FINISH])
    async with open_memory_worker(chat=second) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        (run,) = await one_pass(worker)

        assert (run.state, run.takeovers, run.calls) == ("done", 1, 3)
        # What the first call brought was not asked for again.
        assert second.requests[0].messages[-1]["role"] == "tool"
        assert await block(worker, agent, "human") == "Name: Ana."


async def test_a_busy_store_is_no_dead_worker_and_the_run_is_gone_on_with(
    open_memory_worker: Open, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, is_over = iter(range(TAKEOVERS_MAX + 2)), anyio.Event()

    async def meet_a_busy_store(number: int) -> None:
        if next(busy, None) is not None:
            raise StoreBusy("the store stayed locked.")
        if number == 2:  # the next run's
            is_over.set()

    chat.meanwhile = meet_a_busy_store
    chat.add(FINISH, FINISH)
    monkeypatch.setattr("memory_mcp.loop.worker.LOOK_SECONDS", 0)
    async with open_memory_worker(run_tokens=100_000) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        first = await worker.services.ledger.request(agent.id, "Tidy up.")
        await worker.services.ledger.request(agent.id, "Tidy up again.")

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker.work)
                await is_over.wait()
                tasks.cancel_scope.cancel()

        run = (await worker.services.ledger.record(first.id)).run
        assert (run.state, run.takeovers) == ("done", 0)


async def test_one_works_at_a_time_and_a_second_one_is_sent_away(open_memory_worker: Open) -> None:
    async with open_memory_worker() as first, open_memory_worker() as second:
        lease = await first.stores.leases.take(LEASE, "process 1 on elsewhere", LEASE_SECONDS)
        assert lease
        assert not await second.work(idle_seconds=0)
        await first.stores.leases.give_back(lease)
        assert await second.work(idle_seconds=0)


async def test_a_worker_that_was_taken_over_from_can_write_no_more(
    open_memory_worker: Open, clock: ManualClock
) -> None:
    async with open_memory_worker() as worker:
        slow = await worker.stores.leases.take(LEASE, "process 1 on elsewhere", LEASE_SECONDS)
        assert slow
        clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
        assert await worker.stores.leases.take(LEASE, "process 2 on elsewhere", LEASE_SECONDS)

        agent = await worker.services.agents.choose(AgentChoice())
        new = NewRun(agent_id=agent.id, kind="request", trigger="asked", model=MODEL)
        with pytest.raises(LeaseLost):
            await worker.stores.runs.begin(new, slow, {})
        with pytest.raises(LeaseLost):
            await worker.stores.leases.renew(slow, LEASE_SECONDS)


async def test_the_lease_of_a_process_that_is_gone_is_free_at_once(
    open_memory_worker: Open,
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    async with open_memory_worker() as worker:
        holder = this_holder().replace(f"process {os.getpid()} ", f"process {ended.pid} ")
        assert await worker.stores.leases.take(LEASE, holder, LEASE_SECONDS)
        assert await worker.stores.leases.take(LEASE, "process 2 on elsewhere", LEASE_SECONDS)


async def test_while_it_is_paused_nothing_is_asked(open_memory_worker: Open, chat: Chat) -> None:
    async with open_memory_worker() as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, *["My name is Ana."] * 5)
        await worker.services.ledger.set_paused(True)
        assert not await worker.services.ledger.has_work()
        assert await one_pass(worker) == []
        await worker.services.ledger.set_paused(False)
        assert await worker.services.ledger.has_work()
        chat.add(FINISH)
        assert len(await one_pass(worker)) == 1


async def test_a_worker_takes_up_what_comes_and_ends_when_nothing_does(
    open_memory_worker: Open, chat: Chat
) -> None:
    chat.add(FINISH)
    async with open_memory_worker() as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, *["My name is Ana."] * 5)
        with anyio.fail_after(20):
            assert await worker.work(idle_seconds=0.1)

        runs = await worker.services.ledger.runs()
        assert [(run.trigger, run.state) for run in runs] == [("turns", "done")]
        assert not await worker.services.ledger.has_worker()


async def test_a_run_whose_workers_keep_dying_is_given_up(open_memory_worker: Open) -> None:
    for _ in range(4):
        await work_and_die(open_memory_worker, Chat([FINISH]), at_call=1)
    async with open_memory_worker(chat=ScriptedChat([FINISH])) as worker:
        await one_pass(worker)
        runs = await worker.services.ledger.runs()
    assert runs[-1].state == "abandoned"


async def test_a_worker_that_dies_before_it_can_ask_has_died_over_no_run(
    open_memory_worker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die() -> None:
        raise Killed

    chat = Chat([FINISH])
    async with open_memory_worker(chat=chat) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        asked = await worker.services.ledger.request(agent.id, "Tidy up.")
        with monkeypatch.context() as while_loading:
            while_loading.setattr(chat, "prepare", die)
            with pytest.raises(BaseExceptionGroup):
                await worker.work(idle_seconds=0.1)

        waiting = (await worker.services.ledger.record(asked.id)).run
        assert (waiting.state, waiting.takeovers) == ("waiting", 0)
        assert await worker.work(idle_seconds=0.1)
        run = (await worker.services.ledger.record(asked.id)).run
        assert (run.state, run.takeovers) == ("done", 0)


async def test_what_a_dead_call_may_have_cost_is_counted(open_memory_worker: Open) -> None:
    await work_and_die(open_memory_worker, Chat([FINISH], price_usd=(1e-6, 1e-5)), at_call=1)
    async with open_memory_worker() as worker:
        state = await worker.services.ledger.state()

    assert state.tokens_today > 2_000
    assert state.usd_today > 0.02


async def test_a_call_that_is_more_than_a_day_may_take_holds_up_nobody(
    open_memory_worker: Open, clock: ManualClock
) -> None:
    async with open_memory_worker(chat=ScriptedChat([FINISH]), day_tokens=5_000) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, *["A long message, " * 100] * 5)
        other = await worker.services.agents.choose(AgentChoice(name="other"))
        await say(worker, other, "My name is Ana.")

        first, second = await one_pass(worker)

        assert (first.agent_id, first.state) == (agent.id, "failed")
        assert "5,000 tokens a day" in first.outcome
        assert (second.agent_id, second.state) == (other.id, "done")


async def test_at_a_cap_of_nothing_nothing_is_given_up(open_memory_worker: Open) -> None:
    async with open_memory_worker(chat=ScriptedChat(), day_tokens=0) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")
        (run,) = await one_pass(worker)
        assert run.state == "paused"


@pytest.mark.parametrize("tokens", [(-100_000, -5), (10**30, 5)])
async def test_numbers_that_cannot_be_make_no_room_under_the_caps(
    open_memory_worker: Open, tokens: tuple[int, int]
) -> None:
    chat = ScriptedChat([replace(FINISH, tokens=tokens)], price_usd=(1e-6, 1e-5))
    async with open_memory_worker(chat=chat) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")
        (run,) = await one_pass(worker)
        state = await worker.services.ledger.state()

    assert run.state == "done"
    assert 2_000 < state.tokens_today < 20_000
    assert 0.02 < state.usd_today < 1


async def test_payloads_go_by_age_and_size_and_counts_stay(
    open_memory_worker: Open, clock: ManualClock
) -> None:
    insert = calls("archival_insert", content="Ana likes tea.")
    chat = ScriptedChat([insert, FINISH, *[FINISH] * 60])
    async with open_memory_worker(chat=chat) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        for number in range(61):
            await say(worker, agent, f"I said {number}.")
            await one_pass(worker)
            clock.advance(timedelta(minutes=1))
        newest, *_, oldest = await worker.services.ledger.runs(None, 200)
        prune = worker.stores.runs.prune

        assert await prune(oldest.started_at, 10**9) == 0
        assert await prune(oldest.started_at, 0) == 61
        assert (await worker.services.ledger.record(newest.id)).calls[0].request is None
        record = await worker.services.ledger.record(oldest.id)
        assert (record.run.tokens_in, record.run.changes) == (oldest.tokens_in, 1)
        assert record.run.pruned_at is not None
        undone = await worker.services.ledger.undo(oldest.id)
        assert undone.left == []


async def test_the_model_there_is_now_goes_on_with_what_another_one_began(
    open_memory_worker: Open,
) -> None:
    chat = Chat([calls("memory_insert", label="human", new_string="Name: Ana."), SEARCH])
    await work_and_die(open_memory_worker, chat, at_call=2)

    second = ScriptedChat([FINISH])
    async with open_memory_worker(chat=second, name="openai/local") as worker:
        (run,) = await one_pass(worker)

    assert (run.state, run.model) == ("done", "openai/local")
    assert second.requests[0].model == "openai/local"


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
async def test_a_process_of_another_container_on_this_host_is_not_taken_for_dead(
    open_memory_worker: Open,
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    async with open_memory_worker() as worker:
        other = this_holder().replace(f"process {os.getpid()} ", f"process {ended.pid} ")
        assert await worker.stores.leases.take(LEASE, f"{other}0", LEASE_SECONDS)
        assert await worker.stores.leases.take(LEASE, other, LEASE_SECONDS) is None


async def test_a_lease_from_before_the_clock_was_set_back_is_not_waited_for(
    open_memory_worker: Open, clock: ManualClock
) -> None:
    async with open_memory_worker() as worker:
        clock.advance(timedelta(days=3_650))
        assert await worker.stores.leases.take(LEASE, "process 1 on elsewhere", LEASE_SECONDS)
        clock.advance(timedelta(days=-3_650))
        assert await worker.stores.leases.holder(LEASE) is None
        assert await worker.stores.leases.take(LEASE, "process 2 on elsewhere", LEASE_SECONDS)


async def test_a_worker_that_finds_nothing_open_waits_for_nobody_who_writes(
    open_memory_worker: Open, tmp_path: Path
) -> None:
    async with open_memory_worker() as worker:
        lease = await worker.stores.leases.take(LEASE, worker.holder, LEASE_SECONDS)
        assert lease
        with closing(
            sqlite_module().connect(tmp_path / "memory.db", isolation_level=None)
        ) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with anyio.fail_after(5):
                assert await worker.stores.runs.resume(lease, MODEL) is None
