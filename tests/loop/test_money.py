"""Money: what is sent counts until the provider says otherwise, and caps hold whatever it says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.llm.odd_answers import ODD, Odd, takes_its_time
from tests.loop.conftest import MODEL, Chat, Open, block, one_pass, say

from memory_mcp.domain.agents import Agent, AgentChoice
from memory_mcp.domain.errors import LeaseLost, ModelRefused, ModelUnavailable
from memory_mcp.domain.runs import CapHit, Caps, NewRun, Run, Spent
from memory_mcp.domain.usage import Usage
from memory_mcp.llm.chat import LiteLlmChat
from memory_mcp.loop.calls import TOKENS_OUT_MAX
from memory_mcp.loop.react import STEPS_MAX
from memory_mcp.loop.worker import LEASE_SECONDS, Worker
from memory_mcp.ports import RunEnd
from memory_mcp.services.ledger import LEASE
from memory_mcp.testing import ManualClock
from memory_mcp.testing.chat import Answer, ScriptedChat, calls, says
from memory_mcp.testing.model_server import ModelServer

FINISH = calls("memory_finish_edits", report="Done.")
SEARCH = calls("archival_search", query="Ana")
ROOM = TOKENS_OUT_MAX


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is made again at once, and none is put off by the provider."""
    monkeypatch.setattr("memory_mcp.loop.calls.RETRY_SECONDS", (0.0, 0.0))
    monkeypatch.setattr("memory_mcp.loop.calls.WAIT_SECONDS_MAX", 0.0)


async def asked(worker: Worker, agent: Agent) -> Run:
    """One run, as it ended."""
    run = await worker.services.ledger.request(agent.id, "Tidy up.")
    await one_pass(worker)
    return (await worker.services.ledger.record(run.id)).run


# --- What may have cost something ---

TIMED_OUT = ModelUnavailable("too slow", charged=True)


@pytest.mark.parametrize(
    ("error", "tries", "each"),
    [
        (TIMED_OUT, 2, "reserved"),
        (ModelUnavailable("garbled", charged=True, usage=Usage()), 2, "reserved"),
        (ModelUnavailable("garbled", charged=True, usage=Usage(tokens_in=70, tokens_out=9)), 2, 79),
        (ModelUnavailable("garbled", charged=True, usage=Usage(tokens_in=70)), 2, 70 + ROOM),
        (ModelUnavailable("busy"), 3, 0),
        (ModelRefused("wrong key"), 1, 0),
        (ModelRefused("no such tool, after all", charged=True), 1, "reserved"),
    ],
    ids=["slow", "garbled", "told", "half told", "busy", "refused", "refused late"],
)
async def test_a_call_without_an_answer_counts_as_its_provider_says_or_else_in_full(
    open_memory_worker: Open, error: ModelUnavailable, tries: int, each: int | str
) -> None:
    chat = ScriptedChat([error] * 3, price_usd=(1e-6, 1e-5))
    async with open_memory_worker(chat=chat) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        run = await asked(worker, agent)
        record = await worker.services.ledger.record(run.id)

    assert (run.state, len(chat.requests)) == ("failed", tries)
    for call in record.calls:
        if each == "reserved":
            assert call.tokens_in > 500
            assert call.tokens_out == ROOM
            assert call.cost_usd == pytest.approx(call.tokens_in * 1e-6 + ROOM * 1e-5)
        else:
            assert call.tokens_in + call.tokens_out == each


async def test_a_call_that_timed_out_takes_its_room_from_the_day(open_memory_worker: Open) -> None:
    chat = ScriptedChat([TIMED_OUT], loop=True)
    async with open_memory_worker(chat=chat, day_tokens=9_000) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        for _ in range(9):
            await worker.services.ledger.request(agent.id, "Tidy up.")
            await one_pass(worker)
        state = await worker.services.ledger.state()

    assert 0 < len(chat.requests) <= 9_000 // (ROOM + 1_000)
    assert 9_000 - 2 * ROOM < state.tokens_today <= 9_000


async def test_what_an_answer_does_not_tell_stays_entered_as_it_was_reserved(
    open_memory_worker: Open, chat: Chat
) -> None:
    untold = ScriptedChat([FINISH])
    complete = untold.complete

    async def without_usage(request: Any) -> Any:
        return replace(await complete(request), tokens_in=3, tokens_out=1, is_told=False)

    untold.complete = without_usage
    async with open_memory_worker(chat=untold) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        run = await asked(worker, agent)

    assert run.state == "done"
    assert run.tokens_in > 500
    assert run.tokens_out == ROOM


@pytest.mark.parametrize("tokens", [(-5, 9), (5, -9), (10**12, 9), (5, 10**12)])
async def test_numbers_that_cannot_be_make_no_room(
    open_memory_worker: Open, tokens: tuple[int, int]
) -> None:
    async with open_memory_worker(chat=ScriptedChat([says("", tokens=tokens) + FINISH])) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        run = await asked(worker, agent)

    assert run.tokens_in > 500
    assert run.tokens_out == ROOM


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0])
async def test_a_price_that_cannot_be_is_none(open_memory_worker: Open, price: float) -> None:
    chat = ScriptedChat([FINISH], price_usd=(price, price))
    async with open_memory_worker(chat=chat) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        run = await asked(worker, agent)
        state = await worker.services.ledger.state()

    assert (run.state, run.cost_usd) == ("done", None)
    assert (state.usd_today, state.unpriced_calls_today) == (0.0, 1)


async def test_a_price_that_rises_meanwhile_is_what_the_call_comes_to(
    open_memory_worker: Open, chat: Chat
) -> None:
    async def rise(_: int) -> None:
        chat.price_usd = (1e-5, 1e-4)

    chat.price_usd, chat.meanwhile = (1e-6, 1e-6), rise
    chat.add(says("", tokens=(100, 1_900)) + SEARCH, FINISH)
    async with open_memory_worker(day_usd=0.3) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")
        (run,) = await one_pass(worker)

    assert run.cost_usd == pytest.approx(0.191)
    assert (run.state, len(chat.requests)) == ("paused", 1)


async def test_a_model_that_counts_more_than_we_do_is_reckoned_with_by_its_own_count(
    open_memory_worker: Open,
) -> None:
    # Some four times what is reckoned for it; a fourth such call would pass the cap.
    chat = ScriptedChat([says("", tokens=(6_000, 20)) + SEARCH], loop=True)
    async with open_memory_worker(chat=chat, run_tokens=22_500) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        run = await asked(worker, agent)

    assert (run.calls, run.tokens_in + run.tokens_out) == (3, 18_060)


# --- How often ---


async def test_a_model_that_never_finishes_is_asked_twenty_times_and_no_more(
    open_memory_worker: Open,
) -> None:
    first = calls("memory_insert", label="human", new_string="Name: Ana.")
    chat = ScriptedChat([first, SEARCH], loop=True)
    limits = {"run_tokens": 10_000_000, "day_tokens": 10_000_000}
    async with open_memory_worker(chat=chat, **limits) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")
        (run,) = await one_pass(worker)

        assert (run.state, run.calls, len(chat.requests)) == ("capped", STEPS_MAX, STEPS_MAX)
        assert await block(worker, agent, "human") == "Name: Ana."
        assert await one_pass(worker) == []


async def test_a_provider_that_wants_to_be_left_alone_is_left_alone(
    open_memory_worker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    patient = SimpleNamespace(sleep=wait, CancelScope=anyio.CancelScope)
    monkeypatch.setattr("memory_mcp.loop.calls.anyio", patient)
    monkeypatch.setattr("memory_mcp.loop.calls.WAIT_SECONDS_MAX", 60.0)
    soon, late = (ModelUnavailable("busy", wait_seconds=seconds) for seconds in (7, 61))
    chat = ScriptedChat([soon, FINISH, late])
    async with open_memory_worker(chat=chat) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        assert (await asked(worker, agent)).state == "done"
        assert (await asked(worker, agent)).state == "failed"

    assert max(waited) == 7
    assert len(chat.requests) == 3


# --- Several at once, and the clock ---


async def test_two_that_reserve_at_once_pass_no_cap_between_them(open_memory_worker: Open) -> None:
    caps = Caps(run_tokens=100_000, day_tokens=10_000, day_usd=0.010)
    most = Spent(tokens=300, usd=0.0003)
    async with open_memory_worker() as one, open_memory_worker() as other:
        agent = await one.services.agents.choose(AgentChoice())
        lease = await one.stores.leases.take(LEASE, "process 1 on elsewhere", LEASE_SECONDS)
        assert lease
        new = NewRun(agent_id=agent.id, kind="resident", trigger="mail", model=MODEL)
        runs = [await one.stores.runs.begin(new, lease, {}) for _ in range(4)]
        came: list[int | CapHit] = []

        async def reserve(worker: Worker, run: Run) -> None:
            runs = worker.stores.runs
            came.extend([await runs.reserve(run.id, lease, {}, most, caps) for _ in range(10)])

        async with anyio.create_task_group() as tasks:
            for place, run in enumerate(runs):
                tasks.start_soon(reserve, (one, other)[place % 2], run)
        state = await one.services.ledger.state()

    assert sum(isinstance(each, int) for each in came) == 10_000 // 300
    assert state.tokens_today == 10_000 // 300 * 300


async def test_a_worker_that_was_taken_over_from_can_pay_for_nothing(
    open_memory_worker: Open, clock: ManualClock
) -> None:
    caps = Caps(run_tokens=100_000, day_tokens=10_000, day_usd=1.0)
    async with open_memory_worker() as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        runs, leases = worker.stores.runs, worker.stores.leases
        slow = await leases.take(LEASE, "process 1 on elsewhere", LEASE_SECONDS)
        assert slow
        new = NewRun(agent_id=agent.id, kind="request", trigger="asked", model=MODEL)
        run = await runs.begin(new, slow, {})
        number = await runs.reserve(run.id, slow, {}, Spent(tokens=500), caps)
        assert isinstance(number, int)
        clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
        assert await leases.take(LEASE, "process 2 on elsewhere", LEASE_SECONDS)

        with pytest.raises(LeaseLost):
            await runs.reserve(run.id, slow, {}, Spent(tokens=500), caps)
        with pytest.raises(LeaseLost):
            await runs.settle(run.id, slow, number, tokens_in=1, tokens_out=1, usd=0.0)
        # What it had sent stays entered at the most that it may come to.
        assert (await worker.services.ledger.state()).tokens_today == 500


def _times(hours: Sequence[int]) -> list[timedelta]:
    return [timedelta(hours=each) for each in hours]


@pytest.mark.parametrize("back", _times([1, 15, 26]), ids=str)
async def test_a_clock_set_back_makes_no_room(
    open_memory_worker: Open, clock: ManualClock, back: timedelta
) -> None:
    first = ScriptedChat([SEARCH], loop=True)
    limits = {"day_tokens": 9_000, "run_tokens": 100_000}
    async with open_memory_worker(chat=first, **limits) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await asked(worker, agent)
        spent = (await worker.services.ledger.state()).tokens_today
    clock.advance(-back)
    second = ScriptedChat([SEARCH], loop=True)
    async with open_memory_worker(chat=second, **limits) as worker:
        await one_pass(worker)
        state = await worker.services.ledger.state()

    assert 0 < spent <= state.tokens_today <= 9_000
    assert second.requests == []


async def test_a_pause_from_before_the_clock_was_set_back_is_not_waited_for(
    open_memory_worker: Open, clock: ManualClock
) -> None:
    clock.advance(timedelta(days=3_650))
    chat = ScriptedChat([SEARCH], loop=True)
    async with open_memory_worker(chat=chat, day_tokens=9_000, run_tokens=100_000) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        assert (await asked(worker, agent)).state == "paused"
        assert await worker.paused()
    clock.advance(timedelta(days=-3_650))
    async with open_memory_worker(day_tokens=9_000, run_tokens=100_000) as worker:
        assert not await worker.paused()
        # But what was spent by that clock is not forgotten.
        assert await one_pass(worker)
        assert await worker.paused()


# --- Summaries ---


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (says("Hm, what did she say?\n</think>\n\nAna moved to Porto."), "Ana moved to Porto."),
        (says("<think>Hm, what did she say?"), None),
        (Answer(text="Ana moved to", finish_reason="length"), None),
        (Answer(text="", finish_reason="content_filter"), None),
        (says("  \n"), None),
    ],
    ids=["a closing mark alone", "no end of thought", "cut off", "filtered", "blank"],
)
async def test_a_summary_is_what_the_model_said_and_all_of_it(
    open_memory_worker: Open, reply: Answer, kept: str | None
) -> None:
    with ModelServer([reply], loop=True) as server:
        chat = LiteLlmChat(server.base_url)
        async with open_memory_worker(chat=chat, context_tokens=1_000) as worker:
            agent = await worker.services.agents.choose(AgentChoice())
            await say(
                worker, agent, *[f"I moved to town {n}. {'So it is. ' * 40}" for n in range(12)]
            )
            await worker.services.eviction.evict(agent.id)
            before = await worker.stores.summaries.latest(agent.id)
            runs = [run for run in await one_pass(worker) if run.kind == "summarise"]
            after = await worker.stores.summaries.latest(agent.id)
            await chat.aclose()

    assert before
    assert after
    assert runs
    assert after.text == (kept if kept is not None else before.text)
    assert runs[0].state == ("done" if kept else "failed")


# --- Odd answers, over real HTTP ---

QUICK = [odd for odd in ODD if not takes_its_time(odd) and odd.name not in ("huge", "a bomb")]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(odds=st.lists(st.sampled_from(QUICK), min_size=1, max_size=12), seed=st.integers(0, 2))
async def test_the_ledger_never_says_less_than_was_generated_nor_more_than_the_caps(
    odds: list[Odd], seed: int, open_memory_worker: Open, clock: ManualClock
) -> None:
    limits = [
        {"run_tokens": 12_000, "day_tokens": 18_000},
        {"run_tokens": 20_000, "day_tokens": 200_000, "day_usd": 0.01},
        {"run_tokens": 100_000, "day_tokens": 40_000},
    ][seed]
    clock.advance(timedelta(days=2))
    with ModelServer([odd.answer for odd in odds], loop=True) as server:
        chat = LiteLlmChat(server.base_url, 20)
        async with open_memory_worker(chat=chat, **limits) as worker:
            agent = await worker.services.agents.choose(AgentChoice())
            ledger = worker.services.ledger
            begun = [await ledger.request(agent.id, "Tidy up.") for _ in range(4)]
            await one_pass(worker)
            records = [await ledger.record(run.id) for run in begun]
            state = await ledger.state()
            await chat.aclose()
            await _end_all(worker)
    made = [call for record in records for call in record.calls]
    assert len(made) == len(server.requests)
    given_for = [odds[min(place, len(odds) - 1)] for place in range(len(made))]
    for call, odd in zip(made, given_for, strict=True):
        room = call.request["max_tokens"]
        if odd.generated is None:
            assert call.tokens_in + call.tokens_out > room
        else:
            assert call.tokens_in + call.tokens_out >= sum(odd.generated)
    assert state.tokens_today == sum(call.tokens_in + call.tokens_out for call in made)
    assert state.tokens_today <= limits["day_tokens"]
    assert state.usd_today <= limits.get("day_usd", 1.0) + 1e-9
    for record in records:
        assert record.run.tokens_in + record.run.tokens_out <= limits["run_tokens"]


async def _end_all(worker: Worker) -> None:
    """Nothing is left open for the next example."""
    lease = await worker.stores.leases.take(LEASE, "process 1 on elsewhere", LEASE_SECONDS)
    assert lease
    while found := await worker.stores.runs.resume(lease, None):
        await worker.stores.runs.end(found[0].id, lease, RunEnd(state="failed", outcome="Over."))
    await worker.services.ledger.set_paused(False)
    await worker.stores.leases.give_back(lease)
