"""Agents made, set, grouped and deleted; blocks made, shared, taken back."""

from datetime import timedelta

import pytest

from memory_mcp.domain.agents import AgentSettings
from memory_mcp.domain.blocks import BlockSettings
from memory_mcp.domain.errors import (
    AgentNotFound,
    BlockLimitExceeded,
    BlockNotFound,
    InvalidInput,
    MemoryMCPError,
    Taken,
)
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock


@pytest.fixture
async def ada(services: Services) -> AgentId:
    return (await services.agents.create("ada", AgentSettings())).id


@pytest.fixture
async def bob(services: Services) -> AgentId:
    return (await services.agents.create("bob", AgentSettings())).id


async def values(services: Services, agent_id: AgentId) -> dict[str, str]:
    return {block.label: block.value for block in await services.core_memory.blocks(agent_id)}


async def test_an_agent_is_made_with_all_that_holds_for_it(services: Services) -> None:
    settings = AgentSettings(
        description="Reads papers",
        tags=("research", "night"),
        system_prompt="Be brief.",
        persona="I am Ada.",
        model="small-model",
        context_tokens=16_000,
    )

    made = await services.agents.create("ada", settings)

    assert (made.description, made.tags, made.system_prompt) == (
        "Reads papers",
        ("research", "night"),
        "Be brief.",
    )
    assert (made.model, made.context_tokens) == ("small-model", 16_000)
    assert await services.agents.named("ADA") == made
    assert (await values(services, made.id)) == {"persona": "I am Ada.", "human": "", "project": ""}
    cleared = await services.agents.set(made.id, AgentSettings(model="", context_tokens=0))
    assert (cleared.model, cleared.context_tokens, cleared.tags) == (None, None, made.tags)


async def test_a_persona_of_its_own_leaves_the_shared_one_to_the_others(
    services: Services, ada: AgentId, bob: AgentId
) -> None:
    await services.core_memory.append(bob, "persona", "We are polite.")
    await services.agents.set(ada, AgentSettings(persona="I am Ada."))
    await services.agents.set(ada, AgentSettings(persona="I am Ada Lovelace."))

    assert (await values(services, ada))["persona"] == "I am Ada Lovelace."
    assert (await values(services, bob))["persona"] == "We are polite."
    history = await services.core_memory.history(ada, "persona")
    assert [(one.version, one.value, one.changed_by) for one in history] == [
        (2, "I am Ada Lovelace.", "person"),
        (1, "I am Ada.", "created"),
    ]
    with pytest.raises(BlockLimitExceeded):
        await services.agents.set(ada, AgentSettings(persona="x" * 5_001, description="new"))
    assert (await services.agents.get(ada)).description == ""


async def test_a_name_that_is_taken_is_refused(services: Services, ada: AgentId) -> None:
    with pytest.raises(Taken, match="there is an agent 'ada' already"):
        await services.agents.create("Ada", AgentSettings())
    await services.agents.delete(ada)
    with pytest.raises(Taken, match="agent 'ada' was deleted on 2026-11-22"):
        await services.agents.create("ada", AgentSettings())


async def test_a_group_brings_its_block_and_takes_it_and_memory_stays(
    services: Services, ada: AgentId, bob: AgentId
) -> None:
    await services.agents.set(ada, AgentSettings(tags=("crew",)))
    await services.core_memory.create(bob, "plan", "Sail at six.", group="crew")
    assert "plan" not in await values(services, bob)
    await services.archival.file(bob, [NewPassage(content="Mine.")])

    await services.agents.set(bob, AgentSettings(tags=("crew", "night")))
    await services.core_memory.append(bob, "plan", "Ebb at noon.")

    assert (await values(services, ada))["plan"] == "Sail at six.\nEbb at noon."
    await services.agents.set(bob, AgentSettings(tags=("night",)))
    assert "plan" not in await values(services, bob)
    assert (await values(services, ada))["plan"] == "Sail at six.\nEbb at noon."
    assert await services.archival.count(bob) == 1
    late = await services.agents.create("eva", AgentSettings(tags=("crew",)))
    assert (await values(services, late.id))["plan"] == "Sail at six.\nEbb at noon."


async def test_a_group_whose_block_has_a_label_that_is_in_use_is_not_joined(
    services: Services, ada: AgentId, bob: AgentId
) -> None:
    await services.agents.set(ada, AgentSettings(tags=("crew",)))
    await services.core_memory.create(ada, "plan", "Ours.", group="crew")
    await services.core_memory.create(bob, "plan", "Mine.")

    with pytest.raises(Taken, match="agent 'bob' has a block 'plan' of its own already"):
        await services.agents.set(bob, AgentSettings(tags=("crew",), description="new"))

    agent = await services.agents.get(bob)
    assert (agent.tags, agent.description) == ((), "")
    with pytest.raises(AgentNotFound, match="no agent has the tag 'nobody'"):
        await services.core_memory.create(ada, "other", "", group="nobody")


async def test_a_block_is_shared_detached_and_attached_again_with_its_history(
    services: Services, ada: AgentId, bob: AgentId
) -> None:
    block = await services.core_memory.create(ada, "plan", "One.")
    await services.core_memory.append(ada, "plan", "Two.")
    shared = await services.core_memory.attach("plan", ada, bob)
    assert (shared.value, shared.shared_with) == ("One.\nTwo.", 1)
    assert (await services.core_memory.attach("plan", ada, bob)).shared_with == 1

    await services.core_memory.detach(ada, "plan")
    await services.core_memory.detach(bob, "plan")
    with pytest.raises(BlockNotFound, match="The blocks are: persona, human, project"):
        await services.core_memory.history(ada, "plan")
    await services.core_memory.attach(block.id, bob, bob)

    assert [one.value for one in await services.core_memory.history(bob, "plan")] == [
        "One.\nTwo.",
        "One.",
    ]
    with pytest.raises(BlockNotFound):
        await services.core_memory.attach("nothing", ada, bob)


async def test_labels_are_unique_within_an_agent(services: Services, ada: AgentId) -> None:
    with pytest.raises(Taken, match="agent 'ada' has a block 'human' of its own already"):
        await services.core_memory.create(ada, "human", "")


@pytest.mark.parametrize("label", ["", "a b", "<a>", "a/b", "1a", "x" * 61, "a\n", "\ud800"])
async def test_a_label_that_cannot_stand_in_an_address_is_refused(
    services: Services, ada: AgentId, label: str
) -> None:
    with pytest.raises(InvalidInput, match="cannot be a block's label"):
        await services.core_memory.create(ada, label, "")


async def test_undo_makes_a_new_version_with_the_former_value(
    services: Services, ada: AgentId
) -> None:
    memory = services.core_memory
    for line in ("One.", "Two.", "Three."):
        await memory.append(ada, "project", line)

    undone = await memory.undo(ada, "project")
    assert (undone.after.version, undone.after.value) == (5, "One.\nTwo.")
    again = await memory.undo(ada, "project")
    assert (again.after.version, again.after.value) == (6, "One.\nTwo.\nThree.")
    first = await memory.undo(ada, "project", 2)
    assert first.after.value == "One."
    history = await memory.history(ada, "project")
    assert [(one.version, one.changed_by) for one in history] == [
        (7, "person"), (6, "person"), (5, "person"), (4, "ada"), (3, "ada"), (2, "ada"),
        (1, "created"),
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match="has no version 9 to go back to; it is at version 7"):
        await memory.undo(ada, "project", 9)
    with pytest.raises(InvalidInput, match="is at version 1 and was never changed"):
        await memory.undo(ada, "human")


async def test_a_person_sets_a_block_also_one_that_agents_may_not_edit(
    services: Services, ada: AgentId
) -> None:
    memory = services.core_memory
    settings = BlockSettings(
        description="The law.", limit_chars=200, read_only=True, on_overflow="error"
    )
    await memory.set(ada, "project", "No spray.", settings)
    block = await memory.set(ada, "project", "No spray at all.", None)

    assert (block.value, block.description, block.limit_chars) == (
        "No spray at all.",
        "The law.",
        200,
    )
    assert (block.read_only, block.on_overflow) == (True, "error")
    with pytest.raises(BlockLimitExceeded, match="would have 201 of 200 characters"):
        await memory.set(ada, "project", "x" * 201, BlockSettings(description="gone"))
    with pytest.raises(InvalidInput, match="it goes from 100 to 500,000"):
        await memory.set(ada, "project", None, BlockSettings(limit_chars=1))
    (_, _, after) = await memory.blocks(ada)
    assert after == block


async def fill(services: Services, agent_id: AgentId, clock: ManualClock) -> None:
    message = NewMessage(
        role="user", content="A tide of words.", created_at=clock.now(), conversation="c"
    )
    await services.recall.append(agent_id, [message, message], None)
    await services.archival.file(agent_id, [NewPassage(content="A tide of facts.", tags=("a",))])
    await services.core_memory.append(agent_id, "project", "A tide table.")


async def test_a_deleted_agent_is_out_of_reach_and_comes_back_whole(
    services: Services, ada: AgentId, bob: AgentId, clock: ManualClock
) -> None:
    await fill(services, ada, clock)
    before = await values(services, ada)
    holdings = await services.agents.holdings(ada)
    assert (holdings.blocks, holdings.messages, holdings.passages) == (1, 2, 1)

    await services.agents.delete(ada)

    assert [agent.name for agent in await services.agents.all()] == ["default", "bob"]
    refusals = [
        services.agents.named("ada"),
        services.agents.named(ada),
        services.core_memory.blocks(ada),
        services.core_memory.append(ada, "project", "More."),
        services.archival.search(ada, "tide"),
        services.recall.search(ada, "tide"),
        services.view.context(ada),
    ]
    for refusal in refusals:
        with pytest.raises(MemoryMCPError, match="agent 'ada' was deleted on 2026-11-22"):
            await refusal
    await services.agents.restore("ada")
    assert await values(services, ada) == before
    assert len((await services.recall.search(ada, "tide")).hits) == 2
    with pytest.raises(AgentNotFound, match=r"no agent 'ada' was deleted\. None is\."):
        await services.agents.restore("ada")
    with pytest.raises(InvalidInput, match="the default agent cannot be deleted"):
        await services.agents.delete((await services.agents.named("default")).id)


async def test_a_purged_agent_leaves_nothing_and_the_others_keep_what_they_shared(
    services: Services, ada: AgentId, bob: AgentId, clock: ManualClock
) -> None:
    for agent_id in (ada, bob):
        await fill(services, agent_id, clock)
    await services.core_memory.create(ada, "plan", "Ours.")
    await services.core_memory.attach("plan", ada, bob)
    await services.mail.send(ada, "Well?", to="bob")
    await services.agents.delete(ada)
    assert await services.agents.purge_deleted(clock.now()) == []
    clock.advance(timedelta(seconds=1))

    assert await services.agents.purge_deleted(clock.now()) == ["ada"]

    with pytest.raises(AgentNotFound):
        await services.agents.restore("ada")
    assert (await values(services, bob))["plan"] == "Ours."
    assert len((await services.recall.search(bob, "tide")).hits) == 2
    assert len((await services.archival.search(bob, "tide")).hits) == 1
    assert not await services.mail.take(bob)
    anew = await services.agents.create("ada", AgentSettings())
    assert (await services.recall.search(anew.id, "tide")).hits == []
    assert (await values(services, anew.id))["project"] == ""


async def test_a_restored_agent_has_what_its_group_got_meanwhile_unless_the_label_is_its_own(
    services: Services, ada: AgentId, bob: AgentId
) -> None:
    for one in (ada, bob):
        await services.agents.set(one, AgentSettings(tags=("research",)))
    await services.core_memory.create(bob, "plan", "Bob's own.")
    await services.agents.delete(bob)
    await services.core_memory.create(ada, "board", "Meet at ten.", group="research")
    await services.core_memory.create(ada, "plan", "Read all.", group="research")

    await services.agents.restore("bob")

    there = await values(services, bob)
    assert (there["board"], there["plan"]) == ("Meet at ten.", "Bob's own.")


async def test_leaving_a_group_leaves_a_block_of_ones_own_that_has_the_label_of_the_groups(
    services: Services, ada: AgentId, bob: AgentId
) -> None:
    for agent_id in (ada, bob):
        await services.agents.set(agent_id, AgentSettings(tags=("crew",)))
    await services.core_memory.create(bob, "plan", "My own.")
    await services.agents.delete(bob)
    await services.core_memory.create(ada, "plan", "The group's.", group="crew")
    await services.agents.restore("bob")

    await services.agents.set(bob, AgentSettings(tags=()))
    await services.agents.set(ada, AgentSettings(tags=()))

    assert (await values(services, bob))["plan"] == "My own."
    assert "plan" not in await values(services, ada)


async def test_a_block_is_not_put_back_to_the_version_it_is_at(
    services: Services, ada: AgentId
) -> None:
    await services.core_memory.append(ada, "project", "One.")

    with pytest.raises(InvalidInput, match="no version 2 to go back to; it is at version 2"):
        await services.core_memory.undo(ada, "project", 2)

    versions = await services.core_memory.history(ada, "project")
    assert [one.version for one in versions] == [2, 1]
