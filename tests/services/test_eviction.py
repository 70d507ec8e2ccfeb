"""The context window: what leaves it, what stands for what left, and that nothing is lost."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import AgentNotFound
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock, open_memory

Agent = Callable[..., Awaitable[AgentId]]

LIMIT_TOKENS = 1_500
ROLES = st.sampled_from(get_args(Role))
START = datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Services]:
    """Services whose agents see little at once."""
    path = tmp_path / "narrow.db"
    async with open_memory(path, embedder=None, context_tokens=LIMIT_TOKENS) as services:
        yield services


def turns(count: int, first: int = 0) -> list[NewMessage]:
    """A conversation of user and assistant; each message can be told from all others."""
    return [
        NewMessage(
            role="user" if number % 2 == 0 else "assistant",
            content=f"Item {number}: the harbour of Porto{number} has {number * 7} boats by now.",
            created_at=START + timedelta(minutes=number),
            conversation="long",
            external_id=f"m{number}",
        )
        for number in range(first, first + count)
    ]


async def chain_of(services: Services, agent_id: AgentId) -> list[tuple[int, int, int, str]]:
    """Every summary in turn: from where to where, how many messages, and its text."""
    chain = await services.eviction.chain(agent_id)
    return [(each.first_seq, each.last_seq, each.messages, each.text) for each in chain]


async def test_a_view_that_grows_past_its_limit_lets_the_oldest_messages_leave(
    narrow: Services, agent: Agent
) -> None:
    agent_id = await agent(narrow)
    await narrow.recall.append(agent_id, turns(80))

    left = await narrow.eviction.evict(agent_id)

    window = (await narrow.view.statistics(agent_id)).window
    assert window
    assert 0 < left == window.messages_summarised == 80 - window.messages_in_view
    context = await narrow.view.context(agent_id)
    assert f"Of {left} earlier messages, up to " in context
    assert "Item 79: " in context
    assert "[2026-11-01 09:01] assistant: Item 1: " not in context
    assert narrow.tokens.count(context) <= LIMIT_TOKENS


async def test_what_left_the_view_is_still_found(narrow: Services, agent: Agent) -> None:
    agent_id = await agent(narrow)
    await narrow.recall.append(agent_id, turns(80))
    await narrow.eviction.evict(agent_id)

    for number in range(80):
        (hit, *_) = (await narrow.recall.search(agent_id, f"Porto{number}", limit=1)).hits
        assert hit.message.external_id == f"m{number}"


async def test_the_chain_of_summaries_covers_every_message_that_left_exactly_once(
    narrow: Services, agent: Agent
) -> None:
    agent_id = await agent(narrow)
    left = 0
    for first in range(0, 200, 20):
        await narrow.recall.append(agent_id, turns(20, first))
        left += await narrow.eviction.evict(agent_id)

    chain = await chain_of(narrow, agent_id)
    gone = [seq for first, last, _, _ in chain for seq in range(first, last + 1)]
    assert len(chain) > 3
    assert gone == list(range(1, left + 1))
    assert sum(messages for _, _, messages, _ in chain) == left


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_the_same_messages_give_the_same_summaries_however_they_come(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    async def summaries(batches: Sequence[int]) -> list[tuple[int, int, int, str]]:
        path = tmp_path_factory.mktemp("same") / "memory.db"
        async with open_memory(path, embedder=None, context_tokens=LIMIT_TOKENS) as services:
            agent_id = (await services.agents.choose(AgentChoice())).id
            told = 0
            for size in batches:
                await services.recall.append(agent_id, turns(size, told))
                await services.eviction.evict(agent_id)
                told += size
            return await chain_of(services, agent_id)

    assert anyio.run(summaries, cuts) == anyio.run(summaries, [sum(cuts)])


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 5, 40, 400, 3_000, 20_000]), max_size=12),
    roles=st.data(),
)
def test_the_view_never_passes_its_limit_whatever_is_said_and_whenever_it_is_looked_at(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], roles: st.DataObject
) -> None:
    async def play() -> None:
        path = tmp_path_factory.mktemp("limit") / "memory.db"
        async with open_memory(path, embedder=None, context_tokens=LIMIT_TOKENS) as services:
            agent_id = (await services.agents.choose(AgentChoice())).id
            for number, size in enumerate(sizes):
                role = roles.draw(ROLES)
                message = NewMessage(
                    role=role,
                    content=(f"Größe {number} 東京 " * size)[: size * 5],
                    created_at=START,
                    conversation="c",
                )
                await services.recall.append(agent_id, [message])
                before = await services.view.context(agent_id)
                if roles.draw(st.booleans()):
                    await services.eviction.evict(agent_id)
                after = await services.view.context(agent_id)
                assert services.tokens.count(before) <= LIMIT_TOKENS
                assert services.tokens.count(after) <= LIMIT_TOKENS

    anyio.run(play)


async def test_an_agent_may_have_a_limit_of_its_own(narrow: Services, agent: Agent) -> None:
    agent_id, other = await agent(narrow), await agent(narrow, "other")
    await narrow.agents.set_context_tokens(other, 100_000)
    for one in (agent_id, other):
        await narrow.recall.append(one, turns(80))
        await narrow.eviction.evict(one)

    mine, others = [(await narrow.view.statistics(one)).window for one in (agent_id, other)]
    assert mine
    assert others
    assert (mine.limit_tokens, others.limit_tokens) == (LIMIT_TOKENS, 100_000)
    assert mine.messages_summarised > 0 == others.messages_summarised

    await narrow.agents.set_context_tokens(other, None)
    assert await narrow.eviction.evict(other) > 0


async def test_core_memory_larger_than_the_limit_is_shown_alone(
    narrow: Services, agent: Agent
) -> None:
    agent_id = await agent(narrow)
    for label in ("human", "persona"):
        await narrow.core_memory.append(agent_id, label, "tide " * 990)
    await narrow.recall.append(agent_id, turns(10))

    assert await narrow.eviction.evict(agent_id) == 0
    context = await narrow.view.context(agent_id)
    assert "tide tide" in context
    assert "<recent_messages>" not in context


async def test_messages_leave_in_the_background_while_a_process_serves(
    narrow: Services, agent: Agent
) -> None:
    agent_id = await agent(narrow)
    await narrow.recall.append(agent_id, turns(60))  # before anybody serves
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(narrow.eviction.keep_up)
            while not await narrow.eviction.chain(agent_id):
                await narrow.outbox.committed()
            await narrow.recall.append(agent_id, turns(60, 60))
            while (await narrow.eviction.chain(agent_id))[-1].covered < 60:
                await narrow.outbox.committed()
            tasks.cancel_scope.cancel()


async def test_an_agent_with_much_to_say_keeps_no_other_waiting(
    narrow: Services, agent: Agent
) -> None:
    loud, quiet = await agent(narrow), await agent(narrow, "quiet")
    loud_left = 0
    await narrow.recall.append(loud, turns(600))
    await narrow.recall.append(quiet, turns(40))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(narrow.eviction.keep_up)
            while not await narrow.eviction.chain(quiet):
                await narrow.outbox.committed()
            loud_left = len(await narrow.eviction.chain(loud))
            tasks.cancel_scope.cancel()
    assert loud_left <= 2


async def test_two_that_evict_at_once_do_it_once(
    tmp_path: Path, narrow: Services, agent: Agent
) -> None:
    agent_id = await agent(narrow)
    await narrow.recall.append(agent_id, turns(120))
    async with open_memory(
        tmp_path / "narrow.db", embedder=None, context_tokens=LIMIT_TOKENS, clock=ManualClock()
    ) as elsewhere:
        left: list[int] = []

        async def evict(services: Services) -> None:
            left.append(await services.eviction.evict(agent_id))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(evict, narrow)
            tasks.start_soon(evict, elsewhere)

    chain = await chain_of(narrow, agent_id)
    gone = [seq for first, last, _, _ in chain for seq in range(first, last + 1)]
    assert gone == list(range(1, sum(left) + 1))


async def test_an_unknown_agent_has_no_window(narrow: Services) -> None:
    with pytest.raises(AgentNotFound):
        await narrow.eviction.evict(AgentId("agent-none"))
