"""Core memory in the store: edits apply to what is there, all of each or nothing of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.errors import (
    BlockLimitExceeded,
    BlockNotFound,
    Conflict,
    EditMismatch,
    InvalidInput,
    MemoryMCPError,
)
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import ManualClock, open_memory

Agent = Callable[..., Any]


@pytest.fixture
async def agent_id(services: Services, agent: Agent) -> AgentId:
    """The default agent."""
    return await agent(services)


async def block(services: Services, agent_id: AgentId, label: str = "human") -> Block:
    by_label = {block.label: block for block in await services.core_memory.blocks(agent_id)}
    return by_label[label]


async def test_an_edit_answers_with_the_block_before_and_after_and_is_kept(
    services: Services, agent_id: AgentId, clock: ManualClock
) -> None:
    before = await block(services, agent_id)

    edited = await services.core_memory.append(agent_id, "human", "name: Ada")

    assert edited.before == before
    assert edited.after == await block(services, agent_id)
    assert (edited.after.value, edited.after.version) == ("name: Ada", before.version + 1)
    assert edited.after.updated_at == clock.now()


async def test_replace_without_old_content_rewrites_the_block(
    services: Services, agent_id: AgentId
) -> None:
    await services.core_memory.append(agent_id, "human", "name: Ada\nlikes tea")

    await services.core_memory.replace(agent_id, "human", "likes rye", "likes tea")
    assert (await block(services, agent_id)).value == "name: Ada\nlikes rye"

    await services.core_memory.replace(agent_id, "human", "all new", None)
    assert (await block(services, agent_id)).value == "all new"


async def test_a_rewrite_from_a_stale_view_is_merged_and_a_true_conflict_refused(
    services: Services, agent_id: AgentId
) -> None:
    await services.core_memory.append(agent_id, "human", "name: Ada\nlikes tea")
    seen = await block(services, agent_id)
    await services.core_memory.append(agent_id, "human", "has a cat")

    rewrite = "name: Ada Lovelace\nlikes tea"
    await services.core_memory.replace(agent_id, "human", rewrite, None, seen)
    assert (await block(services, agent_id)).value == "name: Ada Lovelace\nlikes tea\nhas a cat"

    with pytest.raises(Conflict, match="name: Ada Lovelace"):
        await services.core_memory.replace(agent_id, "human", "name: A.L.\nlikes tea", None, seen)


async def test_no_sentence_is_lost_when_writers_rewrite_a_block_from_stale_views(
    services: Services, agent_id: AgentId
) -> None:
    refused: list[str] = []

    async def rewrite(writer: int) -> None:
        seen = await block(services, agent_id)
        for number in range(25):
            if number % 5 == 0:  # in between it looks at nothing, not even at what it wrote
                seen = await block(services, agent_id)
            text = f"{seen.value}\nWriter {writer} says {number}.".strip()
            try:
                await services.core_memory.replace(agent_id, "human", text, None, seen)
            except Conflict:
                refused.append(text)

    async with anyio.create_task_group() as tasks:
        for writer in range(4):
            tasks.start_soon(rewrite, writer)

    told = (await block(services, agent_id)).value + "\n".join(refused)
    wanted = [f"Writer {writer} says {number}." for writer in range(4) for number in range(25)]
    assert [sentence for sentence in wanted if sentence not in told] == []


@pytest.mark.parametrize("label", ["Human", "", "nobody", "\0", "\ud800", "x" * 10_000])
async def test_an_unknown_label_is_refused_with_the_labels_there_are(
    services: Services, agent_id: AgentId, label: str
) -> None:
    with pytest.raises(BlockNotFound, match="The blocks are: persona, human, project") as refused:
        await services.core_memory.append(agent_id, label, "name: Ada")

    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("edit", "told", "error"),
    [
        ("append", ["short\n" + "x" * 5_001], BlockLimitExceeded),
        ("append", ["12→ new"], InvalidInput),
        ("replace", ["new", "not there"], EditMismatch),
        ("replace", ["new", "a"], EditMismatch),
        ("replace", ["x" * 5_001, None], BlockLimitExceeded),
    ],
    ids=["append-too-much", "line-number", "absent", "ambiguous", "rewrite-too-long"],
)
async def test_an_edit_that_is_refused_changes_nothing(
    services: Services, agent_id: AgentId, edit: str, told: list[Any], error: type[MemoryMCPError]
) -> None:
    before = (await services.core_memory.append(agent_id, "human", "name: Ada")).after
    seq = await services.outbox.last_seq()

    with pytest.raises(error):
        await getattr(services.core_memory, edit)(agent_id, "human", *told)

    assert await block(services, agent_id) == before
    assert await services.outbox.last_seq() == seq


async def test_lines_a_block_has_no_room_for_move_to_archival_memory_with_their_time(
    services: Services, agent_id: AgentId, clock: ManualClock
) -> None:
    first = clock.now()
    await services.core_memory.append(agent_id, "project", "The goal is a tide calendar.")
    clock.advance(timedelta(days=1))
    second = clock.now()
    await services.core_memory.append(agent_id, "project", "\n" + "Fog. " * 600)
    clock.advance(timedelta(days=1))

    edited = await services.core_memory.append(agent_id, "project", "Rain. " * 500)

    assert edited.after.value == "Rain. " * 500
    assert [(moved.content, moved.occurred_at) for moved in edited.evicted] == [
        ("The goal is a tide calendar.", first),
        ("Fog. " * 600, second),
    ]
    page = await services.archival.search(agent_id, "tide calendar", tags=["block:project"])
    assert page.hits[0].passage == edited.evicted[0]
    assert page.hits[0].passage.origin == "block:project"


async def test_lines_that_leave_a_shared_block_are_found_by_every_agent_that_had_it(
    services: Services, agent_id: AgentId, agent: Agent
) -> None:
    other = await agent(services, "other")
    await services.core_memory.append(agent_id, "human", "Likes oolong tea.")

    await services.core_memory.append(other, "human", "x" * 4_999)

    for one in (agent_id, other):
        (hit,) = (await services.archival.search(one, "oolong")).hits
        assert hit.passage.tags == ("block:human",)


async def test_a_line_that_leaves_a_block_does_not_date_an_equal_passage_anew(
    services: Services, agent_id: AgentId
) -> None:
    then = datetime(2019, 5, 1, tzinfo=UTC)
    passage = NewPassage(content="Moved to Porto.", occurred_at=then)
    await services.archival.file(agent_id, [passage])
    await services.core_memory.append(agent_id, "human", "Moved to Porto.")

    edited = await services.core_memory.append(agent_id, "human", "x" * 4_999)

    assert [(moved.content, moved.occurred_at) for moved in edited.evicted] == [
        ("Moved to Porto.", then)
    ]


async def test_an_append_that_makes_room_is_one_step_for_whoever_asks_again(
    services: Services, agent_id: AgentId
) -> None:
    await services.core_memory.append(agent_id, "project", "The goal is a tide calendar.")
    told = agent_id, "project", "x" * 4_999

    first = await services.core_memory.append(*told, key="call-1")
    again = await services.core_memory.append(*told, key="call-1")

    assert again == first
    assert await services.archival.count(agent_id) == 1


async def test_an_edit_that_changes_nothing_makes_no_version_and_wakes_nobody(
    services: Services, agent_id: AgentId, clock: ManualClock
) -> None:
    before = (await services.core_memory.append(agent_id, "human", "name: Ada")).after
    seq = await services.outbox.last_seq()

    edited = await services.core_memory.replace(agent_id, "human", "Ada", "Ada")

    assert edited.before == edited.after == before
    assert await services.outbox.last_seq() == seq


async def test_all_of_the_users_agents_share_persona_and_human_and_none_their_project(
    services: Services, agent_id: AgentId, agent: Agent
) -> None:
    other = await agent(services, "other")
    for label in ("persona", "human", "project"):
        await services.core_memory.append(agent_id, label, f"{label} of default")

    values = {one.label: one.value for one in await services.core_memory.blocks(other)}

    assert values == {"persona": "persona of default", "human": "human of default", "project": ""}
    assert (await block(services, other)).shared_with == 1
    assert (await block(services, other, "project")).shared_with == 0


async def test_a_change_of_a_shared_block_concerns_every_agent_that_has_it(
    services: Services, agent_id: AgentId, agent: Agent
) -> None:
    other = await agent(services, "other")
    before = await services.outbox.last_seq()
    await services.core_memory.append(other, "human", "name: Ada")
    await services.core_memory.append(other, "project", "a garden")

    shared, own = await services.outbox.since(before)

    assert (shared.noun, shared.operation) == ("block", "edited")
    assert shared.details == {"label": "human", "by": other}
    assert (shared.agent_ids, own.agent_ids) == ([agent_id, other], [other])


async def test_no_line_is_lost_when_twenty_writers_append_at_once(
    tmp_path: Path, agent: Agent
) -> None:
    path = tmp_path / "memory.db"
    async with open_memory(path) as ours, open_memory(path) as theirs:
        agent_id = await agent(ours)
        async with anyio.create_task_group() as writers:
            for number in range(20):
                services = (ours, theirs)[number % 2]
                writers.start_soon(services.core_memory.append, agent_id, "human", f"fact {number}")

        after = await block(ours, agent_id)

    assert sorted(after.value.split("\n")) == sorted(f"fact {number}" for number in range(20))
    assert after.version == 21


async def test_every_value_a_block_had_is_kept_with_who_gave_it(
    tmp_path: Path, agent: Agent
) -> None:
    path = tmp_path / "memory.db"
    async with open_memory(path) as services:
        agent_id = await agent(services)
        await services.core_memory.append(agent_id, "project", "a")
        edited = await services.core_memory.append(agent_id, "project", "b")
    connection = sqlite_module().connect(path)
    history = connection.execute(
        "SELECT h.version, h.value, changed_by FROM block_history h "
        "JOIN blocks b ON b.seq = block_seq WHERE b.id = ? ORDER BY h.version",
        (edited.after.id,),
    ).fetchall()
    connection.close()

    assert history == [(1, "", "created"), (2, "a", agent_id), (3, "a\nb", agent_id)]
