"""What makes two passages the same, through each of their doors."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_mcp.domain.copies import PassageCopy
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.passages import NewPassage, Passage, coming
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock

Agent = Callable[..., Awaitable[AgentId]]
MAY = datetime(2026, 5, 8, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
CODE = "if failed:\n    wait()\n"


@pytest.fixture
async def agent_id(services: Services, agent: Agent) -> AgentId:
    """An agent that has nothing yet."""
    return await agent(services)


async def tell(services: Services, agent_id: AgentId, content: str, **told: Any) -> Passage:
    """File a passage as a tool does."""
    (filed,) = await services.archival.file(agent_id, [NewPassage(content=content, **told)])
    return filed.passage


async def take_in(
    services: Services, agent_id: AgentId, *passages: dict[str, Any]
) -> tuple[int, int]:
    """Import passages; how many were new and how many known."""
    taken = await services.archival.take_in(
        agent_id, [coming(NewPassage(**told)) for told in passages]
    )
    return taken.stored, taken.known


async def held(services: Services, agent_id: AgentId) -> list[tuple[str, str | None, str | None]]:
    """The agent's passages: content, day and source."""
    found: list[tuple[str, str | None, str | None]] = []
    async for copy in services.copies.rows("passage", [agent_id]):
        assert isinstance(copy, PassageCopy)
        day = copy.occurred_at[:10] if copy.occurred_at else None
        found.append((copy.content, day, copy.source))
    return found


@pytest.mark.parametrize(
    "other",
    [
        "if failed:\n  wait()\n",
        "if failed:\n\twait()\n",
        "if failed:  \n    wait()\n",
        "if failed:\n\n    wait()\n",
        "\nif failed:\n    wait()\n",
    ],
)
async def test_white_space_that_says_something_makes_another_text(
    services: Services, agent_id: AgentId, other: str
) -> None:
    await tell(services, agent_id, CODE)
    await tell(services, agent_id, other)
    await take_in(services, agent_id, {"content": CODE}, {"content": other})

    assert [content for content, _, _ in await held(services, agent_id)] == [CODE, other]


@pytest.mark.parametrize("other", [CODE.rstrip("\n"), CODE.replace("\n", "\r\n"), f"{CODE}\n\n"])
async def test_how_a_file_was_saved_makes_no_other_text_and_the_first_one_is_kept(
    services: Services, agent_id: AgentId, other: str
) -> None:
    await tell(services, agent_id, CODE)
    await tell(services, agent_id, other)
    await take_in(services, agent_id, {"content": other})

    assert [content for content, _, _ in await held(services, agent_id)] == [CODE]


async def test_a_text_told_with_another_date_is_another_passage(
    services: Services, agent_id: AgentId
) -> None:
    may = await tell(services, agent_id, "Slept badly.", occurred_at=MAY)
    july = await tell(services, agent_id, "Slept badly.", occurred_at=JULY)

    again = [
        (await tell(services, agent_id, "Slept badly.", occurred_at=at)).id for at in (MAY, JULY)
    ]

    assert again == [may.id, july.id]
    assert may.id != july.id


async def test_a_text_told_without_a_date_is_the_one_that_is_there(
    services: Services, agent_id: AgentId
) -> None:
    first = await tell(services, agent_id, "Slept badly.", occurred_at=MAY)

    again = await tell(services, agent_id, "Slept badly.")

    assert (again.id, again.occurred_at) == (first.id, MAY)


async def test_a_date_that_is_told_fills_in_where_there_is_none(
    services: Services, agent_id: AgentId
) -> None:
    first = await tell(services, agent_id, "Slept badly.")

    again = await tell(services, agent_id, "Slept badly.", occurred_at=MAY)

    assert (again.id, again.occurred_at) == (first.id, MAY)
    assert (await tell(services, agent_id, "Slept badly.", occurred_at=JULY)).id != first.id


async def test_a_text_that_is_told_refreshes_the_one_there_whatever_its_source(
    services: Services, agent_id: AgentId, clock: ManualClock
) -> None:
    await take_in(services, agent_id, {"content": "Is allergic.", "source": "user_id:alice"})
    later = clock.advance(timedelta(days=1))

    told = await tell(services, agent_id, "Is allergic.")

    assert (told.source, told.refreshed_at) == ("user_id:alice", later)
    assert await services.archival.count(agent_id) == 1


async def test_files_bring_a_text_once_for_each_date_and_each_source(
    services: Services, agent_id: AgentId
) -> None:
    brought: list[dict[str, Any]] = [
        {"content": "Slept badly.", "occurred_at": at, "source": source}
        for at in (None, MAY, JULY)
        for source in ("a.md", "b.md")
    ]

    assert await take_in(services, agent_id, *brought) == (6, 0)
    assert await take_in(services, agent_id, *brought) == (0, 6)
    assert len(set(await held(services, agent_id))) == 6


async def test_a_source_fills_in_where_nobody_told_one(
    services: Services, agent_id: AgentId
) -> None:
    told = await tell(services, agent_id, "Is allergic.")
    alice = {"content": "Is allergic.", "source": "user_id:alice"}
    bob = {"content": "Is allergic.", "source": "user_id:bob"}

    assert await take_in(services, agent_id, alice, bob) == (1, 1)

    assert (await services.archival.passage(agent_id, told.id)).source == "user_id:alice"
    assert await take_in(services, agent_id, bob, alice, {"content": "Is allergic."}) == (0, 3)


async def test_a_changed_text_under_the_same_external_id_is_another_passage(
    services: Services, agent_id: AgentId
) -> None:
    old = {"content": "likes tea", "external_id": "note-1"}
    new = {"content": "likes green tea", "external_id": "note-1"}

    assert await take_in(services, agent_id, old, new) == (2, 0)
    assert await take_in(services, agent_id, old, new) == (0, 2)


async def test_a_text_under_the_external_id_of_another_one_is_the_passage_of_its_text(
    services: Services, agent_id: AgentId, clock: ManualClock
) -> None:
    await take_in(
        services,
        agent_id,
        {"content": "likes coffee", "external_id": "note-2", "source": "b.md"},
        {"content": "likes tea", "external_id": "note-1", "source": "a.md"},
    )
    first = clock.now()
    later = clock.advance(timedelta(days=1))

    mixed = {"content": "likes tea", "external_id": "note-2", "source": "a.md"}
    assert await take_in(services, agent_id, mixed) == (0, 1)

    refreshed = {
        hit.passage.content: hit.passage.refreshed_at
        for hit in (await services.archival.search(agent_id, "likes", limit=5)).hits
    }
    assert refreshed == {"likes coffee": first, "likes tea": later}


async def test_what_a_file_tells_anew_of_a_record_corrects_its_date_and_its_source(
    services: Services, agent_id: AgentId
) -> None:
    record = {"content": "likes tea", "external_id": "note-1"}
    await take_in(services, agent_id, {**record, "occurred_at": MAY, "source": "old.md"})

    known = await take_in(services, agent_id, {**record, "occurred_at": JULY, "source": "new.md"})

    assert known == (0, 1)
    assert await held(services, agent_id) == [("likes tea", "2026-07-01", "new.md")]


async def test_a_correction_does_not_make_two_passages_one(
    services: Services, agent_id: AgentId
) -> None:
    first, second = (
        {"content": "likes tea", "external_id": "1", "occurred_at": MAY},
        {"content": "likes tea", "external_id": "2", "occurred_at": JULY},
    )
    await take_in(services, agent_id, first, second)

    assert await take_in(services, agent_id, {**first, "occurred_at": JULY}) == (0, 1)

    assert await held(services, agent_id) == [
        ("likes tea", "2026-05-08", None),
        ("likes tea", "2026-07-01", None),
    ]


async def test_a_record_whose_date_was_told_meanwhile_is_known_again(
    services: Services, agent_id: AgentId
) -> None:
    record = {"content": "likes tea", "external_id": "note-1", "source": "a.md"}
    await take_in(services, agent_id, record)
    await tell(services, agent_id, "likes tea", occurred_at=MAY)

    assert await take_in(services, agent_id, record) == (0, 1)

    assert await held(services, agent_id) == [("likes tea", "2026-05-08", "a.md")]


async def test_a_line_that_leaves_a_block_is_the_passage_there_whatever_its_date_and_source(
    services: Services, agent_id: AgentId
) -> None:
    record = {"content": "Likes oolong.", "occurred_at": MAY, "source": "a.md"}
    await take_in(services, agent_id, record)
    await services.core_memory.append(agent_id, "human", "Likes oolong.")

    await services.core_memory.append(agent_id, "human", "x" * 4_999)

    assert await held(services, agent_id) == [("Likes oolong.", "2026-05-08", "a.md")]


async def test_two_agents_have_a_passage_each(
    services: Services, agent_id: AgentId, agent: Agent
) -> None:
    other = await agent(services, "other")
    record = {"content": "Is allergic.", "external_id": "1", "source": "u"}

    assert await take_in(services, agent_id, record) == (1, 0)
    assert await take_in(services, other, record) == (1, 0)


async def test_a_superseded_passage_leaves_its_dated_and_its_other_sources_twins(
    services: Services, agent_id: AgentId
) -> None:
    brought = [{"content": "Uses Vim.", "source": each} for each in ("a.md", "b.md")]
    await take_in(services, agent_id, *brought)
    (hit, _) = (await services.archival.search(agent_id, "Vim")).hits

    await tell(services, agent_id, "Uses Helix.", supersedes=hit.passage.id)

    left = [told for told in await held(services, agent_id) if told[0] == "Uses Vim."]
    assert len(left) == 1


async def test_a_passage_is_not_put_back_beside_the_same_one_told_anew(
    services: Services, agent_id: AgentId
) -> None:
    record = {"content": "likes tea", "occurred_at": MAY, "source": "a.md"}
    await take_in(services, agent_id, record)
    (hit,) = (await services.archival.search(agent_id, "tea")).hits
    await services.forgetting.forget(agent_id, [hit.passage.id])
    await tell(services, agent_id, "likes tea")

    restored = await services.forgetting.restore(agent_id)

    assert (restored.back, restored.anew) == ([], [hit.passage.id])


async def test_a_passage_is_put_back_beside_those_of_other_dates_and_sources(
    services: Services, agent_id: AgentId
) -> None:
    brought: list[dict[str, Any]] = [
        {"content": "Slept badly.", "occurred_at": at, "source": source}
        for at in (MAY, JULY)
        for source in ("a.md", "b.md")
    ]
    await take_in(services, agent_id, brought[0])
    (hit,) = (await services.archival.search(agent_id, "slept")).hits
    await services.forgetting.forget(agent_id, [hit.passage.id])
    await take_in(services, agent_id, *brought[1:])

    restored = await services.forgetting.restore(agent_id)

    assert restored.back == [hit.passage.id]
    assert len(set(await held(services, agent_id))) == 4
