"""Which agent a choice means, and what a new one starts with."""

from pathlib import Path

import anyio
import pytest

from memory_mcp.config import load_settings
from memory_mcp.domain.agents import AgentChoice, AgentSettings
from memory_mcp.domain.errors import InvalidInput, Taken
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock, open_memory


async def names(services: Services) -> list[str]:
    return [agent.name for agent in await services.agents.all()]


async def test_the_default_agent_is_made_with_the_store_and_found_ever_after(
    services: Services, clock: ManualClock
) -> None:
    made = await services.agents.choose(AgentChoice())

    assert (made.name, made.project, made.created_at) == ("default", None, clock.now())
    assert await services.agents.choose(AgentChoice()) == made
    assert await services.agents.choose(AgentChoice(name="default")) == made
    assert await services.agents.choose(AgentChoice(name=made.id)) == made
    assert await names(services) == ["default"]


@pytest.mark.parametrize("name", ["Default", "DEFAULT", " default "])
async def test_the_default_agent_may_be_asked_for_in_any_spelling_of_its_name(
    services: Services, name: str
) -> None:
    assert (await services.agents.choose(AgentChoice(name=name))).name == "default"
    assert await names(services) == ["default"]


async def test_an_agent_asked_for_by_name_is_made_once_whatever_its_case(
    services: Services,
) -> None:
    work = await services.agents.choose(AgentChoice(name="Work"))

    assert await services.agents.choose(AgentChoice(name="work")) == work
    assert await names(services) == ["default", "Work"]


async def test_a_project_gets_an_agent_of_its_own_that_is_found_by_its_folder(
    services: Services,
) -> None:
    garden = await services.agents.choose(AgentChoice(project="/home/ada/garden"))

    assert (garden.name, garden.project) == ("garden", "/home/ada/garden")
    assert await services.agents.choose(AgentChoice(project="/home/ada/garden")) == garden
    assert await services.agents.choose(AgentChoice(name="garden")) == garden


async def test_two_project_folders_of_one_name_get_two_agents(services: Services) -> None:
    folders = ["/home/ada/app", "/srv/app", "/srv/old/App"]

    agents = [await services.agents.choose(AgentChoice(project=folder)) for folder in folders]

    assert len({agent.id for agent in agents}) == 3
    assert agents[0].name == "app"
    assert agents[1].name.startswith("app-")
    again = [await services.agents.choose(AgentChoice(project=folder)) for folder in folders]
    assert again == agents


async def test_a_project_in_a_folder_called_default_is_not_the_default_agent(
    services: Services,
) -> None:
    project = await services.agents.choose(AgentChoice(project="/srv/default"))

    assert project.name.startswith("default-")
    assert (await services.agents.choose(AgentChoice())).id != project.id


async def test_a_project_folder_whose_name_is_not_utf_8_gets_an_agent(services: Services) -> None:
    folder = "/home/ada/caf\udce9"  # as Python names the bytes b"caf\xe9"

    agent = await services.agents.choose(AgentChoice(project=folder))

    assert await services.agents.choose(AgentChoice(project=folder)) == agent
    assert await services.agents.choose(AgentChoice(project="/home/ada/caf\udce8")) != agent


async def test_an_agent_starts_with_persona_and_human_shared_and_a_project_of_its_own(
    services: Services,
) -> None:
    default = await services.agents.choose(AgentChoice())
    project = await services.agents.choose(AgentChoice(project="/srv/app"))

    ours, theirs = [
        {block.label: block.id for block in await services.core_memory.blocks(agent.id)}
        for agent in (default, project)
    ]

    assert list(ours) == list(theirs) == ["persona", "human", "project"]
    assert (ours["persona"], ours["human"]) == (theirs["persona"], theirs["human"])
    assert ours["project"] != theirs["project"]


async def test_processes_that_start_at_once_on_a_new_store_agree_on_one_agent(
    tmp_path: Path,
) -> None:
    chosen: list[str] = []

    async def start() -> None:
        async with open_memory(tmp_path / "memory.db") as services:
            chosen.append((await services.agents.choose(AgentChoice(project="/srv/app"))).id)

    async with anyio.create_task_group() as processes:
        for _ in range(6):
            processes.start_soon(start)

    assert len(chosen) == 6
    assert len(set(chosen)) == 1


@pytest.mark.parametrize("name", [" ", "a/b", "\ud800", "x" * 101, "a\nb"])
async def test_a_name_that_cannot_be_meant_makes_no_agent(services: Services, name: str) -> None:
    with pytest.raises(InvalidInput):
        await services.agents.choose(AgentChoice(name=name))

    assert await names(services) == []


SPELLED = ["Stra\u00dfe", "STRASSE", "stra\u1e9ee", "\uff33trasse"]


@pytest.mark.parametrize("first", SPELLED)
async def test_names_that_mean_the_same_are_one_agent_however_it_is_asked_for(
    services: Services, first: str
) -> None:
    made = await services.agents.choose(AgentChoice(name=first))
    ada = await services.agents.create("ada", AgentSettings(tags=("Stra\u00dfe",)))
    for name in SPELLED:
        assert await services.agents.choose(AgentChoice(name=name)) == made
        assert await services.agents.find(AgentChoice(name=name)) == made
        assert await services.agents.named(name) == made
        with pytest.raises(Taken):
            await services.agents.create(name, AgentSettings())
        sent = await services.mail.send(ada.id, "Hello.", to=name)
        assert [one.letter.recipient for one in sent.sent] == [made.name]
        tagged = await services.mail.send(made.id, "Hello, all.", tags=[name])
        assert [one.letter.recipient for one in tagged.sent] == ["ada"]
        told = {"MEMORY_MCP_HTTP_TOKENS": f"{'x' * 16}={name}"}
        (token,) = load_settings(environment=told, folder=Path("/")).http_tokens
        assert token.opens(first)
    assert await names(services) == ["default", first, "ada"]


async def test_a_group_is_one_however_its_tag_is_written(services: Services) -> None:
    ada = await services.agents.create("ada", AgentSettings(tags=("Team",)))
    bob = await services.agents.create("bob", AgentSettings(tags=("TEAM",)))
    await services.core_memory.create(ada.id, "plan", "Sail.", group="team")
    for agent in (ada, bob):
        assert "plan" in [block.label for block in await services.core_memory.blocks(agent.id)]

    await services.agents.set(ada.id, AgentSettings(tags=("tEAM",)))  # spelled otherwise: no change
    assert "plan" in [block.label for block in await services.core_memory.blocks(ada.id)]
    await services.agents.set(ada.id, AgentSettings(tags=()))
    assert "plan" not in [block.label for block in await services.core_memory.blocks(ada.id)]


async def test_a_folder_of_a_name_that_is_taken_in_another_spelling_gets_one_of_its_own(
    services: Services,
) -> None:
    first = await services.agents.choose(AgentChoice(project="/a/Zo\u00eb"))
    other = await services.agents.choose(AgentChoice(project="/b/ZOE\u0308"))

    assert first.id != other.id
    assert other.name.startswith("ZOE\u0308-")
