"""Reading for an agent that isn't there yet finds nothing, and makes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from memory_mcp.domain.agents import AgentChoice, AgentSettings
from memory_mcp.domain.errors import AgentNotFound, InvalidInput, Taken
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock

HARBOUR, NEW = AgentChoice(project="/src/harbour"), "/elsewhere/harbour"


async def test_whoever_is_read_for_first_has_what_all_share_and_is_not_made(
    services: Services,
) -> None:
    default = await services.agents.choose(AgentChoice())
    await services.core_memory.append(default.id, "human", "Name: Ana.")

    agent = await services.agents.find(HARBOUR)
    blocks = {block.label: block.value for block in await services.core_memory.blocks(agent.id)}
    context = await services.view.context(agent.id)
    told = await services.view.statistics(agent.id)

    assert blocks == {"persona": "", "human": "Name: Ana.", "project": ""}
    assert "Name: Ana." in context
    assert (told.agent, told.messages, told.agents) == ("harbour", 0, 1)
    assert (await services.archival.search(agent.id, "tides")).total == 0
    assert (await services.recall.search(agent.id, "tides")).total == 0
    assert await services.recall.conversations(agent.id) == []
    assert await services.mail.inbox(agent.id) == []
    assert await services.ledger.runs(agent.id) == []
    assert [one.name for one in await services.agents.all()] == ["default"]


async def test_in_an_empty_store_nobody_is_made_by_reading(services: Services) -> None:
    agent = await services.agents.find(AgentChoice())

    assert not agent.is_made
    assert [block.value for block in await services.core_memory.blocks(agent.id)] == [""] * 3
    assert await services.agents.all() == []
    assert await services.outbox.last_seq() == 0


async def test_once_somebody_wrote_reading_finds_it(services: Services) -> None:
    before = await services.agents.find(HARBOUR)
    made = await services.agents.choose(HARBOUR)

    assert await services.agents.find(HARBOUR) == made
    assert (before.name, before.project) == (made.name, made.project)


async def test_a_repository_that_moved_keeps_its_memory(services: Services) -> None:
    harbour = await services.agents.choose(HARBOUR)
    before = await services.outbox.last_seq()

    moved = await services.agents.move(harbour.id, NEW)

    assert moved.agent == replace(harbour, project=NEW)
    assert moved.gave_way is None
    assert await services.agents.choose(AgentChoice(project=NEW)) == moved.agent
    assert not (await services.agents.find(HARBOUR)).is_made
    changes = await services.outbox.since(before)
    assert [(one.noun, one.operation, one.agent_ids) for one in changes] == [
        ("agent", "changed", [harbour.id])
    ]
    assert (await services.agents.move(harbour.id, NEW)).agent == moved.agent  # nothing to do
    assert await services.outbox.last_seq() == changes[-1].seq


async def test_an_empty_agent_of_the_new_place_gives_way_and_can_be_restored(
    services: Services,
) -> None:
    harbour = await services.agents.choose(HARBOUR)
    empty = await services.agents.choose(AgentChoice(project=NEW))

    moved = await services.agents.move(harbour.id, NEW)

    assert moved.gave_way == empty
    assert [one.name for one in await services.agents.all()] == ["default", "harbour"]
    assert (await services.agents.restore(empty.name)).project is None


@pytest.mark.parametrize("what", ["message", "passage", "block", "description"])
async def test_an_agent_with_memory_does_not_give_way(
    services: Services, clock: ManualClock, what: str
) -> None:
    harbour = await services.agents.choose(HARBOUR)
    there = await services.agents.choose(AgentChoice(project=NEW))
    match what:
        case "message":
            said = NewMessage(
                role="user", content="Hello.", created_at=clock.now(), conversation="morning"
            )
            await services.recall.append(there.id, [said])
        case "passage":
            await services.archival.file(there.id, [NewPassage(content="The tides.")])
        case "block":
            await services.core_memory.append(there.id, "project", "Tides.")
        case _:
            await services.agents.set(there.id, AgentSettings(description="Counts ships."))

    with pytest.raises(Taken, match=f"export jsonl.*agents delete {there.name} --yes"):
        await services.agents.move(harbour.id, NEW)
    assert (await services.agents.get(harbour.id)).project == HARBOUR.project
    assert (await services.agents.get(there.id)).project == NEW

    await services.agents.delete(there.id)
    assert (await services.agents.move(harbour.id, NEW)).gave_way is None


async def test_the_default_agent_gets_no_project_and_a_stranger_none_either(
    services: Services,
) -> None:
    default = await services.agents.choose(AgentChoice())

    with pytest.raises(InvalidInput, match="default agent"):
        await services.agents.move(default.id, NEW)
    with pytest.raises(AgentNotFound):
        await services.agents.move(AgentId("agent-nobody"), NEW)


async def test_for_a_folder_that_is_gone_the_agent_made_for_it_goes_first(
    services: Services, tmp_path: Path
) -> None:
    inner = await services.agents.choose(AgentChoice(project="/src/harbour/inner"))
    gone = ("/src/harbour/inner/deep", "/src/harbour/inner")

    chosen = AgentChoice(project="/src/harbour", formerly=gone)

    assert await services.agents.choose(chosen) == inner
    assert (await services.agents.find(AgentChoice("named", formerly=gone))).name == "named"
