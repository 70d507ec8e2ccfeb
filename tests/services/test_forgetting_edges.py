"""Edges of forgetting: what must not go yet, what must not go again, and what time ranges mean."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.services.test_forgetting_everywhere import columns_with

from memory_mcp.domain.agents import AgentSettings
from memory_mcp.domain.copies import SummaryCopy
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.forgetting import AT_ONCE_MAX, Wanted
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.times import parse_span
from memory_mcp.services import Services
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import ManualClock, open_memory

Agent = Callable[..., Awaitable[AgentId]]
Message = Callable[..., NewMessage]


async def summarised(services: Services, agent_id: AgentId, message: Message) -> list[str]:
    """Say so much that a summary stands in view; what was said."""
    said = [f"Item {n}: the harbour of Porto{n} has {n * 7} boats." for n in range(120)]
    await services.agents.set(agent_id, AgentSettings(context_tokens=1_500))
    await services.recall.append(agent_id, [message(text) for text in said])
    assert await services.eviction.evict(agent_id)
    return said


async def test_a_deleted_agent_can_be_restored_until_its_days_are_over(
    services: Services, agent: Agent, clock: ManualClock
) -> None:
    work = await agent(services, "work")
    await services.archival.file(work, [NewPassage(content="Tides.")])
    await services.agents.delete(work)

    for span in (timedelta(hours=1), timedelta(days=29, hours=22, minutes=59)):
        clock.advance(span)
        await services.housekeeping.run()
    await services.agents.restore("work")

    assert (await services.archival.search(work, "tides")).hits


async def test_a_deleted_agent_goes_with_what_it_had_forgotten(
    tmp_path: Path, agent: Agent, message: Message
) -> None:
    clock, path = ManualClock(), tmp_path / "memory.db"
    async with open_memory(path, clock=clock) as services:
        work = await agent(services, "work")
        await agent(services)
        (filed,) = await services.archival.file(work, [NewPassage(content="The Swordfish.")])
        said = await services.recall.append(work, [message("A Swordfish!")])
        await services.core_memory.append(work, "human", "asks for Swordfish")
        await services.mail.send(work, "Swordfish?", to="default")
        await services.forgetting.forget(work, [filed.passage.id, said.stored[0]])
        preview = await services.forgetting.preview(work, "Swordfish")
        await services.forgetting.confirm(work, preview.code or "")
        await services.agents.delete(work)
        clock.advance(timedelta(days=30, seconds=1))

        await services.housekeeping.run()

        assert columns_with(path, "swordfish") == set()


async def test_a_search_that_finds_nothing_takes_the_earlier_ones_code_away(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    await services.archival.file(agent_id, [NewPassage(content="Ana likes tea.")])
    first = await services.forgetting.preview(agent_id, "tea")
    assert (await services.forgetting.preview(agent_id, "absinthe")).code is None

    with pytest.raises(InvalidInput, match="nothing waits"):
        await services.forgetting.confirm(agent_id, first.code or "")

    assert (await services.archival.search(agent_id, "tea")).hits


async def test_a_backlog_that_leaves_at_once_keeps_what_the_summary_told(
    services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    await summarised(services, agent_id, message)
    before = (await services.eviction.chain(agent_id))[-1].text
    await services.recall.append(agent_id, [message(f"Later {n}.") for n in range(20)])

    assert await services.eviction.let_go(agent_id, keep=2)

    after = (await services.eviction.chain(agent_id))[-1].text
    assert before
    assert after.startswith(f"{before}\n")


async def test_an_older_summary_does_not_take_a_later_ones_place_by_an_import(
    services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    await summarised(services, agent_id, message)
    copies = [copy async for copy in services.copies.rows("message")]
    late = (await services.eviction.chain(agent_id))[-1]
    old = SummaryCopy(
        id="summary-00000000000070008000000000000000",
        agent="default",
        text="What was true before.",
        first_message=copies[0].id,  # pyright: ignore[reportAttributeAccessIssue]
        last_message=copies[1].id,  # pyright: ignore[reportAttributeAccessIssue]
        messages=2,
        covered=2,
        last_at="2026-11-22T09:00:00.000Z",
        made_by="extract",
        created_at="2026-11-22T09:00:00.000Z",
    )

    (put,) = await services.copies.put([old])

    assert not put.stored
    assert "a later one stands in place" in (put.note or "")
    assert (await services.eviction.chain(agent_id))[-1] == late


async def test_a_summary_that_a_model_wrote_is_made_anew_without_what_was_forgotten(
    tmp_path: Path, agent: Agent, message: Message
) -> None:
    path = tmp_path / "memory.db"
    async with open_memory(path) as services:
        agent_id = await agent(services)
        await services.recall.append(agent_id, [message("Our Swordfish is called Otto.")])
        await summarised(services, agent_id, message)
        connection = sqlite_module().connect(path)
        connection.execute(
            "UPDATE summaries SET made_by = 'gpt', text = 'They keep a fish named after a count.'"
        )
        connection.commit()
        connection.close()

        preview = await services.forgetting.preview(agent_id, "Our Swordfish")
        gone = await services.forgetting.confirm(agent_id, preview.code or "")

        chain = await services.eviction.chain(agent_id)
        assert gone.retold == [one.id for one in chain]
        assert "dropped" in gone.answer
        assert {one.made_by for one in chain} == {"extract"}
        assert "Porto" in chain[-1].text
        assert columns_with(path, "named after a count") == set()
        assert columns_with(path, "Swordfish") == {"removed.row"}


async def of_three_years(services: Services, agent_id: AgentId, message: Message) -> None:
    """Something of each noun that has a date, in each of three years."""
    for year in (2024, 2025, 2026):
        at = datetime(year, 6, 1, 12, tzinfo=UTC)
        await services.recall.append(
            agent_id, [message(f"Said {year}.", created_at=at, conversation=f"talk-{year}")]
        )
        told = NewPassage(content=f"Filed {year}.", occurred_at=at)
        await services.archival.file(agent_id, [told])


async def test_a_time_takes_what_is_of_it_and_its_edges_are_exact(
    services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    await of_three_years(services, agent_id, message)

    async def found(after: str | None, before: str | None) -> list[str]:
        wanted = Wanted(window=parse_span(after, before))
        return sorted(m.text for m in (await services.forgetting.find(agent_id, wanted)).matches)

    assert await found(None, "2025-06-01T12:00:00Z") == ["Filed 2024.", "Said 2024."]
    assert await found(None, "2025-06-01T12:00:01Z") == [
        *("Filed 2024.", "Filed 2025.", "Said 2024.", "Said 2025.")
    ]
    assert await found("2025-06-01T12:00:00Z", "2026-01-01") == ["Filed 2025.", "Said 2025."]
    assert await found("2026-06-02", None) == []
    with pytest.raises(InvalidInput, match="Swap them"):
        parse_span("2026-01-01", "2025-01-01")


async def test_old_versions_of_blocks_go_by_their_time_and_what_stands_now_stays(
    services: Services, agent: Agent, clock: ManualClock
) -> None:
    agent_id = await agent(services)
    await services.core_memory.replace(agent_id, "human", "lived in Porto\nlikes tea", None)
    clock.advance(timedelta(days=10))
    await services.core_memory.replace(agent_id, "human", "lives in Faro\nlikes tea", None)
    wanted = Wanted(window=parse_span(None, "2026-11-25"))

    preview = await services.forgetting.preview(agent_id, wanted)
    await services.forgetting.confirm(agent_id, preview.code or "")

    values = [one.value for one in await services.core_memory.history(agent_id, "human")]
    assert values[:2] == ["lives in Faro\nlikes tea", "likes tea"]


async def test_a_conversation_goes_by_its_id_or_its_hosts_and_no_other_does(
    services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    await of_three_years(services, agent_id, message)
    own = next(
        one.id for one in await services.recall.conversations(agent_id) if "2025" in str(one)
    )

    for named in (own, "talk-2025"):
        preview = await services.forgetting.preview(agent_id, Wanted(conversation=named))
        gone = await services.forgetting.confirm(agent_id, preview.code or "")
        assert len(gone.messages) == 1
        page = await services.recall.search(agent_id, "said", limit=9)
        assert sorted(hit.message.content for hit in page.hits) == ["Said 2024.", "Said 2026."]
        assert len((await services.forgetting.restore(agent_id)).back) == 1


async def test_very_much_goes_in_several_steps_and_comes_back_as_one(
    words_only: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(words_only)
    number = 2 * AT_ONCE_MAX + 7
    talk = [message(f"Line {n} of the talk.") for n in range(number)]
    await words_only.recall.append(agent_id, talk)

    wanted = Wanted(conversation="morning")
    preview = await words_only.forgetting.preview(agent_id, wanted)
    gone = await words_only.forgetting.confirm(agent_id, preview.code or "")

    assert len(gone.messages) == number
    receipt = await words_only.forgetting.receipt(gone.receipt or "")
    assert [(line.noun, line.number) for line in receipt.lines] == [("message", number)]
    restored = await words_only.forgetting.restore(agent_id, None, gone.receipt)
    assert len(restored.back) == number
    assert (await words_only.forgetting.receipt(gone.receipt or "")).undone_at


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("forget conversation talk-2025", 1),
        ('Forget conversation "talk-2025".', 1),
        ("please forget before 2025-01-01", 2),
        ("forget after 2025-01-01 and before 2026-01-01!", 2),
        ("forget since 2026-01-01", 2),
    ],
)
async def test_conversations_and_times_can_be_asked_for_in_writing(
    services: Services, agent: Agent, message: Message, asked: str, number: int
) -> None:
    agent_id = await agent(services)
    await of_three_years(services, agent_id, message)

    answer = (await services.requests.ask(agent_id, asked)).text
    code = answer.rpartition("confirm ")[2].partition(" ")[0]
    answer = (await services.requests.ask(agent_id, f"confirm {code}")).text

    told: dict[int, Any] = {1: "Forgotten: 1 message.", 2: "Forgotten: 1 passage and 1 message."}
    assert answer.startswith(told[number])
    assert "Receipt: receipt-" in answer
