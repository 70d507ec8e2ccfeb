"""Archival memory: what is filed, what the same text filed again does, and what a search finds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_mcp.domain.errors import InvalidInput, PassageNotFound
from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.passages import NewPassage, Passage
from memory_mcp.services import Services
from memory_mcp.services.archival import PassagePage
from memory_mcp.testing import ManualClock

Agent = Callable[..., Any]


def contents(page: PassagePage) -> list[str]:
    return [hit.passage.content for hit in page.hits]


async def file(
    services: Services, agent_id: AgentId, content: str, *tags: str, **told: Any
) -> Passage:
    (filed,) = await services.archival.file(
        agent_id, [NewPassage(content=content, tags=tags, **told)]
    )
    return filed.passage


async def test_a_filed_passage_is_found_in_the_same_instant(
    services: Services, agent: Agent, clock: ManualClock
) -> None:
    agent_id = await agent(services)
    occurred_at = datetime(2023, 5, 8, tzinfo=UTC)

    filed = await file(
        services, agent_id, "She plays the theremin", "music", occurred_at=occurred_at
    )
    page = await services.archival.search(agent_id, "theremin")

    assert [hit.passage for hit in page.hits] == [filed]
    assert filed == await services.archival.passage(agent_id, filed.id)
    assert (filed.tags, filed.origin, filed.occurred_at) == (("music",), "agent", occurred_at)
    assert filed.created_at == filed.refreshed_at == clock.now()
    assert (page.total, page.cursors, page.tags) == (1, [None], ["music"])


async def test_the_same_text_again_refreshes_the_passage_that_is_there(
    services: Services, agent: Agent, clock: ManualClock
) -> None:
    agent_id = await agent(services)
    first = await file(services, agent_id, "likes tea", "food")
    later = clock.advance(timedelta(days=3))

    (again,) = await services.archival.file(
        agent_id, [NewPassage(content="likes tea\r\n", tags=("drink", "food"))]
    )

    assert again.refreshed
    assert (again.passage.id, again.passage.content) == (first.id, "likes tea")
    assert (again.passage.created_at, again.passage.refreshed_at) == (first.created_at, later)
    assert set(again.passage.tags) == {"food", "drink"}
    assert await services.archival.count(agent_id) == 1


async def test_the_same_text_twice_in_one_batch_is_one_passage(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)

    filed = await services.archival.file(
        agent_id, [NewPassage(content="likes tea"), NewPassage(content="likes tea", tags=("food",))]
    )

    assert [one.refreshed for one in filed] == [False, True]
    assert filed[0].passage == filed[1].passage
    assert filed[1].passage.tags == ("food",)


async def test_the_same_text_of_another_agent_is_another_passage(
    services: Services, agent: Agent
) -> None:
    ours, theirs = await agent(services), await agent(services, "other")
    mine = await file(services, ours, "likes tea")

    other = await file(services, theirs, "likes tea")

    assert other.id != mine.id
    with pytest.raises(PassageNotFound):
        await services.archival.passage(ours, other.id)
    assert contents(await services.archival.search(ours, "tea")) == ["likes tea"]


async def test_a_refreshed_passage_is_found_by_its_new_tag_and_its_new_date(
    words_only: Services, agent: Agent
) -> None:
    agent_id = await agent(words_only)
    await file(words_only, agent_id, "likes tea")
    await file(
        words_only, agent_id, "likes tea", "beverage", occurred_at=datetime(2024, 7, 1, tzinfo=UTC)
    )

    async def found(query: str, **only: Any) -> list[str]:
        return contents(await words_only.archival.search(agent_id, query, **only))

    assert await found("beverages") == await found("July") == ["likes tea"]
    assert await found("tea", start_date="2024-07-01", end_date="2024-07-01") == ["likes tea"]
    assert await found("tea", end_date="2023-12-31") == []


@pytest.mark.parametrize(
    ("tags", "match", "found"),
    [
        ([], "any", {"plain", "tea", "rye", "both"}),
        (["drink"], "any", {"tea", "both"}),
        (["drink", "grain"], "any", {"tea", "rye", "both"}),
        (["drink", "grain"], "all", {"both"}),
        (["grain", "grain", " drink "], "all", {"both"}),  # told twice, counted once
        (["grain"], "all", {"rye", "both"}),
        (["Drink"], "any", set()),  # tags are told apart by case
        (["nothing"], "any", set()),
        (["drink", "nothing"], "all", set()),
    ],
)
async def test_tags_narrow_a_search_to_any_or_all_of_them(
    services: Services, agent: Agent, tags: list[str], match: Any, found: set[str]
) -> None:
    agent_id = await agent(services)
    for content, *tagged in (
        ["plain"],
        ["tea", "drink"],
        ["rye", "grain"],
        ["both", "drink", "grain", "liquid"],
    ):
        await file(services, agent_id, f"{content} in the house", *tagged)

    page = await services.archival.search(agent_id, "house", tags=tags, tag_match=match)

    assert {content.split()[0] for content in contents(page)} == found
    assert page.total == len(found)


async def test_a_window_asks_when_something_happened_else_when_it_was_filed(
    services: Services, agent: Agent, clock: ManualClock
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, "tea, undated")  # filed on 2026-11-22
    for day in ("2023-05-08T23:59:59.999", "2023-05-08T00:00:00", "2023-05-09T00:00:00"):
        occurred_at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        await file(services, agent_id, f"tea at {day}", occurred_at=occurred_at)

    async def found(start: str | None, end: str | None) -> set[str]:
        page = await services.archival.search(agent_id, "tea", start_date=start, end_date=end)
        assert page.total == len(page.hits)
        return set(contents(page))

    on_the_day = {"tea at 2023-05-08T23:59:59.999", "tea at 2023-05-08T00:00:00"}
    assert await found("2023-05-08", "2023-05-08") == on_the_day
    assert await found(None, "2023-05-08") == on_the_day
    assert await found("2023-05-09", None) == {"tea at 2023-05-09T00:00:00", "tea, undated"}
    assert await found("2026-11-22", "2026-11-22") == {"tea, undated"}


async def test_filters_apply_before_ranking_so_a_poor_match_far_down_is_found(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    loud = [NewPassage(content=f"tea tea tea {n}", tags=("loud",)) for n in range(300)]
    faint = "On my way home I found, of all things, a shop that sells tea, and it was open."
    await services.archival.file(agent_id, [*loud, NewPassage(content=faint, tags=("faint",))])

    page = await services.archival.search(agent_id, "tea", tags=["faint"])

    assert (contents(page), page.total) == ([faint], 1)


@pytest.mark.parametrize(
    ("content", "query"),
    [
        ("彼女は東京都に住んでいます。", "東京"),
        ("我的女儿在上海读书", "上海"),
        ("서울에서 김치를 먹었다", "김치"),
        ("ฉันชอบกินข้าวผัด", "ข้าวผัด"),
        ("Мы переехали в Москву", "Москву"),
        ("मुझे हिन्दी पसंद है", "हिन्दी"),
        ("Wir wohnen in der Königsstraße", "KONIGSSTRAßE"),
    ],
)
async def test_every_script_is_findable(
    words_only: Services, agent: Agent, content: str, query: str
) -> None:
    agent_id = await agent(words_only)
    await file(words_only, agent_id, content)
    await file(words_only, agent_id, "something else entirely")

    assert contents(await words_only.archival.search(agent_id, query)) == [content]


@pytest.mark.parametrize("limit", [1, 7, 50])
async def test_walking_the_pages_yields_every_hit_once(
    services: Services, agent: Agent, limit: int
) -> None:
    agent_id = await agent(services)
    texts = [f"cup {n} of tea" + " and rye" * (n % 5) for n in range(41)]
    await services.archival.file(agent_id, [NewPassage(content=text) for text in texts])
    found: list[str] = []
    cursor = None

    while len(found) <= len(texts):
        page = await services.archival.search(agent_id, "tea", limit=limit, cursor=cursor)
        found += contents(page)
        if (cursor := page.cursors[-1]) is None:
            break

    assert sorted(found) == sorted(texts)
    assert found == contents(await services.archival.search(agent_id, "tea", limit=50))


async def test_a_search_in_an_empty_archive_finds_nothing(services: Services, agent: Agent) -> None:
    page = await services.archival.search(await agent(services), "tea")

    assert (list(page.hits), list(page.cursors), page.total, list(page.tags)) == ([], [], 0, [])


async def test_a_page_tells_the_most_used_tags(services: Services, agent: Agent) -> None:
    agent_id = await agent(services)
    for number in range(10):
        await file(services, agent_id, f"tea {number}", *[f"t{n}" for n in range(number + 1)])

    page = await services.archival.search(agent_id, "tea", tags=["t9"])

    assert page.tags == [f"t{n}" for n in range(8)]


@pytest.mark.parametrize("unknown", ["passage-0", "", "\0", "\ud800"])
async def test_an_unknown_passage_is_not_found(
    services: Services, agent: Agent, unknown: str
) -> None:
    with pytest.raises(PassageNotFound, match="archival_search answers with the ids"):
        await services.archival.passage(await agent(services), PassageId(unknown))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"content": ""}, "content is empty"),
        ({"content": "x" * 100_001}, "content has 100,001 characters; the limit is 100,000"),
        ({"content": "a\0"}, "content holds a NUL"),
        ({"content": "\udc80"}, "content holds an unpaired surrogate"),
        ({"tags": (" ",)}, "each tag is empty"),
        ({"tags": ("x",) * 51}, "51 tags are too many"),
        ({"external_id": ""}, "external_id is empty"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
async def test_one_passage_that_cannot_be_stored_keeps_its_whole_batch_out(
    services: Services, agent: Agent, wrong: dict[str, Any], complaint: str
) -> None:
    agent_id = await agent(services)
    told: dict[str, Any] = {"content": "tea", **wrong}

    with pytest.raises(InvalidInput, match=complaint):
        await services.archival.file(agent_id, [NewPassage(content="fine"), NewPassage(**told)])

    assert await services.archival.count(agent_id) == 0


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"query": " "}, "query is empty"),
        ({"query": "x" * 10_001}, "query has 10,001"),
        ({"query": "\ud800"}, "query holds an unpaired surrogate"),
        ({"limit": 51}, "limit 51 is out of range"),
        ({"tags": ["\0"]}, "each tag holds a NUL"),
        ({"tag_match": "most"}, "tag_match 'most' is neither"),
        ({"start_date": "x"}, "start_date 'x' is not a date"),
        ({"cursor": "20-00000000"}, "does not belong to this search"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
async def test_an_argument_that_cannot_be_meant_is_refused(
    services: Services, agent: Agent, wrong: dict[str, Any], complaint: str
) -> None:
    asked: dict[str, Any] = {"query": "tea", **wrong}

    with pytest.raises(InvalidInput, match=complaint):
        await services.archival.search(await agent(services), **asked)


async def test_what_is_filed_or_refreshed_is_announced(services: Services, agent: Agent) -> None:
    agent_id = await agent(services)
    before = await services.outbox.last_seq()
    filed = await file(services, agent_id, "likes tea")
    await file(services, agent_id, "likes tea", "food")

    changes = await services.outbox.since(before)

    assert [(change.noun, change.noun_id) for change in changes] == [("passage", filed.id)] * 2
    assert all(change.agent_ids == [agent_id] for change in changes)
