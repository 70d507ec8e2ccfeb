"""Upkeep: near-duplicates are offered, the store is looked at, what was kept long enough goes."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import cast

import anyio
import pytest

from memory_mcp.domain import agents as domain
from memory_mcp.domain.errors import StoreBusy
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.passages import NewPassage, coming
from memory_mcp.embedding.static import StaticEmbedder
from memory_mcp.ports import AgentStore
from memory_mcp.services import Services
from memory_mcp.services.upkeep import Upkeep
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import HashEmbedder, ManualClock, open_memory

Agent = Callable[..., Awaitable[AgentId]]

WORDS = ["amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "inlet"]
TEA = "Ana likes green tea in the mornings, before work."
TEA_TOO = "Ana likes green tea in the morning, before work."


async def file(services: Services, agent_id: AgentId, *contents: str) -> list[str]:
    """File passages; their ids."""
    told = [NewPassage(content=content) for content in contents]
    return [one.passage.id for one in await services.archival.file(agent_id, told)]


async def pairs(services: Services, agent_id: AgentId) -> list[tuple[str, str]]:
    """The near-duplicates on offer, by id."""
    found = await services.upkeep.near_duplicates(agent_id)
    return [(one.passage_id, one.other_id) for one in found]


async def test_passages_that_say_nearly_the_same_are_offered_and_left_as_they_are(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    old, _, new = await file(services, agent_id, TEA, "Ben moved to Porto.", TEA_TOO)

    await services.upkeep.round()

    assert await pairs(services, agent_id) == [(new, old)]
    told = await services.view.statistics(agent_id)
    assert (told.near_duplicates, told.passages) == (1, 3)
    await services.upkeep.round()
    assert (await services.view.statistics(agent_id)).near_duplicates == 1


async def test_the_same_text_of_two_sources_is_not_offered(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    told = [NewPassage(content=TEA, source=source) for source in ("user_id:a", "user_id:b")]
    await services.archival.take_in(agent_id, [coming(each) for each in told])
    await services.indexing.catch_up()

    await services.upkeep.round()

    assert await services.archival.count(agent_id) == 2
    assert await pairs(services, agent_id) == []


async def test_a_sound_store_is_found_sound_day_after_day_while_it_grows(
    services: Services, agent: Agent, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    agent_id = await agent(services)
    for day in range(5):
        for number in range(10):
            await file(services, agent_id, f"Heron number {number} of day {day}, by the weir.")
        await services.upkeep.round(rested=False)
        clock.advance(timedelta(days=1, hours=1))
    assert caplog.messages == []
    assert not (await services.view.statistics(agent_id)).problems


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("The server at home runs on port 8080.", "The server at home runs on port 8081."),
        ("The weekly review is at noon on Monday.", "The weekly review is at noon on Sunday."),
    ],
)
async def test_passages_that_differ_in_a_number_or_date_are_not(
    services: Services, agent: Agent, one: str, two: str
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, one, two)
    await services.upkeep.round()
    assert await pairs(services, agent_id) == []


async def test_what_came_since_is_compared_with_all_there_was(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, TEA, *(f"{word} {word}ish" for word in WORDS))
    await services.upkeep.round()
    assert await pairs(services, agent_id) == []

    await file(services, agent_id, TEA_TOO)
    await services.upkeep.round()

    assert len(await pairs(services, agent_id)) == 1


async def test_each_agents_passages_are_compared_with_its_own(
    services: Services, agent: Agent
) -> None:
    mine, other = await agent(services), await agent(services, "other")
    await file(services, mine, TEA)
    await file(services, other, TEA_TOO)
    await services.upkeep.round()
    assert await pairs(services, mine) == await pairs(services, other) == []


async def test_a_pair_goes_with_either_of_it_and_is_found_again_when_it_is_back(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    old, new = await file(services, agent_id, TEA, TEA_TOO)
    await services.upkeep.round()

    await services.forgetting.forget(agent_id, [old])
    assert await pairs(services, agent_id) == []

    await services.forgetting.restore(agent_id)
    await services.upkeep.round()  # its vector is not there yet
    await services.indexing.catch_up()
    await services.upkeep.round()
    assert await pairs(services, agent_id) == [(new, old)]


async def test_passages_are_compared_once_they_have_their_vectors(
    tmp_path: Path, agent: Agent
) -> None:
    embedder = HashEmbedder(inline=False)
    async with open_memory(tmp_path / "memory.db", embedder=embedder) as services:
        agent_id = await agent(services)
        await file(services, agent_id, TEA, TEA_TOO)
        await services.upkeep.round()
        assert await pairs(services, agent_id) == []
        await services.indexing.catch_up()
        await services.upkeep.round()
        assert len(await pairs(services, agent_id)) == 1


async def test_without_an_embedder_nothing_is_compared(words_only: Services, agent: Agent) -> None:
    agent_id = await agent(words_only)
    await file(words_only, agent_id, TEA, TEA_TOO)
    await words_only.upkeep.round()
    assert await pairs(words_only, agent_id) == []


async def test_with_the_built_in_embedder_restated_facts_are_near_and_others_are_not(
    tmp_path: Path, agent: Agent
) -> None:
    path = tmp_path / "memory.db"
    async with open_memory(path, embedder=StaticEmbedder()) as services:
        agent_id = await agent(services)
        await file(
            services,
            agent_id,
            "Ana likes green tea.",
            "Ana really likes green tea.",
            "Deploy with `just ship` from the main branch.",
            "To deploy, run `just ship` on the main branch.",
            "We decided to use SQLite.",
            "We decided to use Postgres.",
            "Marek moved to Porto in May.",
            "Marek moved to Lisbon in May.",
        )
        await services.upkeep.round()
        found = await services.upkeep.near_duplicates(agent_id)
        assert sorted(one.content for one in found) == [
            "Ana really likes green tea.",
            "To deploy, run `just ship` on the main branch.",
        ]


async def test_processes_that_keep_one_store_at_once_offer_each_pair_once(
    tmp_path: Path, services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    notes = [f"{word * 3} stands by the {word} in the {word}{word}" for word in WORDS]
    await file(services, agent_id, *(f"{note}." for note in notes), *(f"{n}!" for n in notes))
    async with open_memory(tmp_path / "memory.db") as other:
        async with anyio.create_task_group() as tasks:
            for each in (services, other, services, other):
                tasks.start_soon(each.upkeep.round)
    found = await pairs(services, agent_id)
    assert len(found) == len(set(found)) == len(WORDS)


def damage(path: Path) -> None:
    """Leave a vector that belongs to nothing."""
    connection = sqlite_module().connect(path, isolation_level=None)
    connection.execute("INSERT INTO passage_vectors VALUES (999, x'00')")
    connection.close()


async def test_the_store_is_looked_at_once_a_day_and_what_is_wrong_is_logged_and_shown(
    services: Services,
    agent: Agent,
    clock: ManualClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent_id = await agent(services)
    await services.upkeep.round()
    damage(tmp_path / "memory.db")
    with caplog.at_level(logging.WARNING):
        clock.advance(timedelta(hours=23))
        await services.upkeep.round()
        assert caplog.messages == []
        clock.advance(timedelta(hours=1))
        await services.upkeep.round()
        await services.upkeep.round()
    assert caplog.messages == ["the store is not sound: 1 vectors belong to no passage"]
    problems = (await services.view.statistics(agent_id)).problems
    assert problems == ("1 vectors belong to no passage",)

    await services.indexing.rebuild()
    assert (await services.view.statistics(agent_id)).problems == ()


async def test_two_processes_look_at_the_store_once(
    services: Services, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(tmp_path / "memory.db")
    async with open_memory(tmp_path / "memory.db") as other:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(services.upkeep.round)
            tasks.start_soon(other.upkeep.round)
    assert len([text for text in caplog.messages if "not sound" in text]) == 1


async def test_what_was_kept_long_enough_goes(
    services: Services, agent: Agent, clock: ManualClock
) -> None:
    agent_id = await agent(services)
    ids = await file(services, agent_id, TEA)
    await services.forgetting.forget(agent_id, ids)
    clock.advance(timedelta(days=31))
    await services.upkeep.round()
    assert (await services.forgetting.restore(agent_id)).back == []


class _Agents:
    """A store that is busy at first."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.asked = 0

    async def all(self) -> list[domain.Agent]:
        self.asked += 1
        if self.asked == 1:
            raise StoreBusy("the store stayed locked.")
        return await self._services.agents.all()


async def test_in_the_background_it_goes_on_after_a_store_that_was_busy(
    services: Services, agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, TEA, TEA_TOO)
    agents = _Agents(services)
    upkeep = Upkeep(
        cast("AgentStore", agents),
        services.upkeep._store,
        services.forgetting._store,
        first_seconds=0,
        round_seconds=0.001,
    )
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upkeep.keep_up)
            while not await pairs(services, agent_id):
                await services.outbox.committed()
            tasks.cancel_scope.cancel()
    assert any("kept in order later" in text for text in caplog.messages)
