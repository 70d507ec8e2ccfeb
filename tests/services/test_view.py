"""Statistics and compile: what is told is what is there."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.statistics import BlockFill, TagCount
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock, open_memory

Make = Callable[..., NewMessage]
Agent = Callable[..., Any]

START = datetime(2023, 5, 8, tzinfo=UTC)
times = st.integers(0, 1_000).map(lambda hours: START + timedelta(hours=hours))
names = st.sampled_from(["default", "other"])
messages = st.lists(
    st.tuples(names, st.sampled_from("ab"), st.sampled_from(["1", "2", "3"]), times), max_size=15
)
passages = st.lists(
    st.tuples(
        names,
        st.sampled_from(["tea", "rye", "theremin"]),
        st.sets(st.sampled_from(["food", "music", "x"])),
        st.none() | times,
    ),
    max_size=10,
)


@given(messages=messages, passages=passages)
@settings(max_examples=50, deadline=None)
async def test_statistics_count_what_was_stored(
    tmp_path_factory: pytest.TempPathFactory,
    message: Make,
    agent: Agent,
    messages: list[tuple[str, str, str, datetime]],
    passages: list[tuple[str, str, set[str], datetime | None]],
) -> None:
    clock = ManualClock()
    said: dict[tuple[str, str], datetime] = {}
    filed: dict[tuple[str, datetime | None], set[str]] = {}
    async with open_memory(tmp_path_factory.mktemp("store") / "m.db", clock=clock) as services:
        ids = {name: await agent(services, name) for name in ("default", "other")}
        for name, where, external_id, at in messages:
            one = message(conversation=where, external_id=external_id, created_at=at)
            await services.recall.append(ids[name], [one])
            if name == "default":
                said.setdefault((where, external_id), at)
        for name, content, told, at in passages:
            new = NewPassage(content=content, tags=tuple(told), occurred_at=at)
            await services.archival.file(ids[name], [new])
            if name == "default":
                # The same text is another passage only if both have a date, and not the same one.
                dates = sorted((date for text, date in filed if text == content and date), key=str)
                meant = [None, *dates] if at is None else [at, None]
                same = next((each for each in meant if (content, each) in filed), at)
                tags_before = filed.pop((content, same), set[str]())
                filed[content, same or at] = tags_before | told
        statistics = await services.view.statistics(ids["default"])

    dates = [at or clock.now() for _, at in filed]
    tags = Counter(tag for tagged in filed.values() for tag in tagged)
    assert statistics.messages == len(said)
    assert statistics.conversations == len({where for where, _ in said})
    assert statistics.first_message_at == min(said.values(), default=None)
    assert statistics.last_message_at == max(said.values(), default=None)
    assert statistics.passages == len(filed)
    assert statistics.first_passage_at == min(dates, default=None)
    assert statistics.last_passage_at == max(dates, default=None)
    assert {tag.tag: tag.passages for tag in statistics.tags} == tags
    assert [tag.passages for tag in statistics.tags] == sorted(tags.values(), reverse=True)
    assert (statistics.agent, statistics.agents) == ("default", 2)


async def test_statistics_tell_how_full_each_block_is_in_characters(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    await services.core_memory.append(agent_id, "human", "naïve 東京 🎉")

    statistics = await services.view.statistics(agent_id)

    assert statistics.blocks == (
        BlockFill("persona", 0, 5_000),
        BlockFill("human", 10, 5_000),
        BlockFill("project", 0, 5_000),
    )


async def test_statistics_tell_the_twenty_most_used_tags_most_used_first(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    for number in range(30):
        tags = tuple(f"t{n:02}" for n in range(number, 30))
        await services.archival.file(agent_id, [NewPassage(content=f"{number}", tags=tags)])

    told = (await services.view.statistics(agent_id)).tags

    assert told == tuple(TagCount(f"t{n:02}", n + 1) for n in range(29, 9, -1))


async def test_statistics_tell_where_the_store_is_and_how_large(
    services: Services, agent: Agent, message: Make
) -> None:
    agent_id = await agent(services)
    before = (await services.view.statistics(agent_id)).database_bytes
    await services.recall.append(agent_id, [message("x" * 100_000)])

    statistics = await services.view.statistics(agent_id)

    assert statistics.database.endswith("memory.db")
    assert statistics.database_bytes >= before + 100_000


async def test_context_and_instructions_tell_what_memory_holds_now(
    services: Services, agent: Agent, message: Make, clock: ManualClock
) -> None:
    agent_id = await agent(services)
    await services.core_memory.append(agent_id, "human", "name: Ada")
    await services.recall.append(agent_id, [message(), message()])
    await services.archival.file(agent_id, [NewPassage(content="likes tea", tags=("food",))])
    clock.advance(timedelta(days=1))

    context = await services.view.context(agent_id)
    instructions = await services.view.instructions(agent_id)

    assert "<value>\nname: Ada\n</value>" in context
    assert f"- AGENT_ID: {agent_id}" in context
    assert "- Compiled at: 2026-11-23 14:05 UTC" in context
    assert "- 2 previous messages in recall memory (2026-11-22)" in context
    assert "<human>\nname: Ada\n</human>" in instructions
    assert "Out of view: 2 messages, 1 passage (tags: food)." in instructions


@pytest.mark.parametrize("chars", [1, 200, 400])
async def test_a_channel_too_narrow_for_the_bare_frame_is_not_overrun(
    services: Services, agent: Agent, chars: int
) -> None:
    agent_id = await agent(services)
    await services.core_memory.append(agent_id, "human", "name: Ada\n" + "x" * 1_000)

    assert len(await services.view.context_within(agent_id, chars)) <= chars
