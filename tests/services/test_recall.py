"""Recall: what was said is stored once, in order, without secrets, and found again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.domain.errors import ConversationNotFound, InvalidInput
from memory_mcp.domain.ids import AgentId, ConversationId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.services import Services
from memory_mcp.services.recall import MessagePage
from memory_mcp.testing import open_memory

Make = Callable[..., NewMessage]
Agent = Callable[..., Any]

MORNING = datetime(2026, 11, 22, 9, tzinfo=UTC)
TOKEN = "ghp_" + "Ab3dEf9hIj" * 4


def said(page: MessagePage) -> list[str]:
    return [hit.message.content for hit in page.hits]


async def walked(services: Services, agent_id: AgentId, query: str | None, limit: int) -> list[str]:
    """Every content of a search, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await services.recall.search(agent_id, query, limit=limit, cursor=cursor)
        found += said(page)
        assert len(page.hits) == limit or page.cursors[-1] is None
        if not page.hits or (cursor := page.cursors[-1]) is None:
            return found


async def test_a_message_with_a_known_external_id_is_stored_once(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)
    first = await services.recall.append(
        agent_id, [message("one", external_id="e1"), message("two", external_id="e2")]
    )

    again = await services.recall.append(
        agent_id,
        [
            message("two, told differently", external_id="e2"),
            message("three", external_id="e3"),
            message("three", external_id="e3"),
        ],
    )

    assert (len(first.stored), len(first.known)) == (2, 0)
    assert (len(again.stored), len(again.known)) == (1, 2)
    latest = await services.recall.search(agent_id, None)
    assert said(latest) == ["three", "two", "one"]


async def test_an_external_id_means_one_message_within_its_conversation(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)

    stored = await services.recall.append(
        agent_id,
        [message("a", external_id="1"), message("b", external_id="1", conversation="evening")],
    )

    assert len(stored.stored) == 2


async def test_messages_without_an_external_id_are_all_stored(
    services: Services, message: Make, agent: Agent
) -> None:
    stored = await services.recall.append(await agent(services), [message("yes")] * 3)

    assert len(set(stored.stored)) == 3


async def test_a_conversation_tells_its_messages_in_order(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)
    batch = [
        message("one", name="Ada"),
        message("elsewhere", conversation="evening"),
        message("two", role="assistant", created_at=MORNING + timedelta(minutes=1)),
    ]
    await services.recall.append(agent_id, batch, "claude")
    await services.recall.append(agent_id, [message("three")], "cursor")
    by_name = {one.external_id: one for one in await services.recall.conversations(agent_id)}

    conversation, messages = await services.recall.conversation(agent_id, by_name["morning"].id)

    assert [(one.content, one.speaker) for one in messages] == [
        ("one", "Ada"),
        ("two", "assistant"),
        ("three", "user"),
    ]
    assert conversation == by_name["morning"]
    assert (conversation.host, conversation.messages) == ("claude", 3)
    assert conversation.started_at == MORNING
    assert conversation.last_at == MORNING + timedelta(minutes=1)


async def test_conversations_are_listed_latest_first(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)
    days = {"b": 2, "c": 3, "a": 1}
    await services.recall.append(
        agent_id,
        [
            message(conversation=name, created_at=MORNING + timedelta(days=day))
            for name, day in days.items()
        ],
    )

    listed = await services.recall.conversations(agent_id)

    assert [one.external_id for one in listed] == ["c", "b", "a"]
    assert len(await services.recall.conversations(agent_id, limit=2)) == 2


@pytest.mark.parametrize("unknown", ["conversation-0", "", "\0", "\ud800"])
async def test_an_unknown_conversation_is_not_found(
    services: Services, agent: Agent, unknown: str
) -> None:
    with pytest.raises(ConversationNotFound, match="memory://conversations lists"):
        await services.recall.conversation(await agent(services), ConversationId(unknown))


async def test_a_hit_comes_with_its_neighbours_in_its_conversation(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)
    await services.recall.append(
        agent_id,
        [
            message("Which instrument?"),
            message("aside", conversation="evening"),
            message("The theremin."),
            message("aside", conversation="evening"),
            message("How odd!"),
        ],
    )

    hit = (await services.recall.search(agent_id, "theremin")).hits[0]

    assert hit.message.content == "The theremin."
    assert hit.before is not None
    assert hit.after is not None
    assert (hit.before.content, hit.after.content) == ("Which instrument?", "How odd!")


async def test_the_first_and_last_of_a_conversation_have_no_neighbour_outside_it(
    words_only: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(words_only)
    contents = [("before", "a"), ("theremin", "b"), ("after", "c")]
    await words_only.recall.append(
        agent_id, [message(content, conversation=name) for content, name in contents]
    )

    (hit,) = (await words_only.recall.search(agent_id, "theremin")).hits

    assert hit.before is hit.after is None


async def test_a_short_turn_is_found_by_its_neighbours_words_behind_the_turn_that_says_them(
    words_only: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(words_only)
    contents = ["Do you play the theremin?", "Yes, since last May!", "Nice.", "Bye.", "And you?"]
    await words_only.recall.append(agent_id, [message(content) for content in contents])

    found = said(await words_only.recall.search(agent_id, "theremin"))

    assert found[0] == "Do you play the theremin?"
    assert set(found) == {"Do you play the theremin?", "Yes, since last May!", "Nice."}


async def test_a_neighbour_that_comes_later_counts_too(
    words_only: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(words_only)
    await words_only.recall.append(agent_id, [message("Guess what I play.")])
    await words_only.recall.append(agent_id, [message("The theremin!")])

    found = said(await words_only.recall.search(agent_id, "theremin"))

    assert found == ["The theremin!", "Guess what I play."]


async def test_a_long_turn_is_found_by_its_own_words_only(
    words_only: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(words_only)
    long = "It is a fine day and we go on. " * 40
    await words_only.recall.append(
        agent_id, [message("theremin"), message(long), message(long + "zither")]
    )

    assert said(await words_only.recall.search(agent_id, "zither")) == [long + "zither"]
    assert said(await words_only.recall.search(agent_id, "theremin")) == ["theremin"]


async def test_a_message_is_found_by_its_speaker_and_its_date(
    words_only: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(words_only)
    on = datetime(2023, 5, 8, tzinfo=UTC)
    await words_only.recall.append(
        agent_id,
        [
            message("It rained.", conversation="a", name="Caroline", created_at=on),
            message("It rained.", conversation="b", name="Melanie"),
        ],
    )

    for query in ("What did Caroline say?", "What happened in May 2023?"):
        hit = (await words_only.recall.search(agent_id, query)).hits[0]
        assert hit.message.name == "Caroline"


@pytest.mark.parametrize(
    "only",
    [{"roles": ["user"]}, {"start_date": "2026-12-01"}, {"end_date": "2026-10-31"}],
    ids=["role", "start", "end"],
)
async def test_filters_apply_before_ranking_so_a_poor_match_far_down_is_found(
    services: Services, message: Make, agent: Agent, only: dict[str, Any]
) -> None:
    agent_id = await agent(services)
    loud = [
        message("umbrella umbrella", role="assistant", conversation=f"loud-{n}") for n in range(300)
    ]
    elsewhere = MORNING + timedelta(days=-60 if "end_date" in only else 60)
    faint = message(
        "On my way home I lost, of all things, my umbrella, and then it rained.",
        conversation="faint",
        created_at=elsewhere,
    )
    await services.recall.append(agent_id, [*loud[:150], faint, *loud[150:]])

    page = await services.recall.search(agent_id, "umbrella", **only)

    assert said(page) == [faint.content]
    assert page.total == 1


async def test_without_a_query_the_filters_apply_too(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)
    await services.recall.append(
        agent_id,
        [
            message(f"{role} {day}", role=role, created_at=MORNING + timedelta(days=day))
            for day in range(3)
            for role in ("user", "assistant", "tool")
        ],
    )

    page = await services.recall.search(
        agent_id, "  ", roles=["user", "tool"], start_date="2026-11-23", end_date="2026-11-23"
    )

    assert (said(page), page.total, page.ranked) == (["tool 1", "user 1"], 2, False)


@pytest.mark.parametrize("query", ["tea", None])
async def test_a_window_holds_the_messages_of_its_days_up_to_the_last_instant(
    services: Services, message: Make, agent: Agent, query: str | None
) -> None:
    agent_id = await agent(services)
    for moment in (
        "2023-05-07T23:59:59.999",
        "2023-05-08T00:00",
        "2023-05-08T23:59:59.999",
        "2023-05-09T00:00",
    ):
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        await services.recall.append(agent_id, [message(f"tea at {moment}", created_at=at)])

    page = await services.recall.search(
        agent_id, query, start_date="2023-05-08", end_date="2023-05-08"
    )

    assert sorted(said(page)) == ["tea at 2023-05-08T00:00", "tea at 2023-05-08T23:59:59.999"]
    assert page.total == 2


async def test_the_latest_messages_are_those_said_last_even_when_old_ones_were_imported_after(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)
    await services.recall.append(agent_id, [message("today")])
    imported = [
        message("long ago", created_at=datetime(2019, 1, 1, tzinfo=UTC), conversation="old")
    ]
    await services.recall.append(agent_id, imported, "import")

    assert said(await services.recall.search(agent_id, None)) == ["today", "long ago"]
    assert await walked(services, agent_id, None, limit=1) == ["today", "long ago"]


@pytest.mark.parametrize("query", [None, "", "tea", "the"])
async def test_a_search_in_an_empty_recall_finds_nothing(
    services: Services, agent: Agent, query: str | None
) -> None:
    page = await services.recall.search(await agent(services), query)

    assert (list(page.hits), list(page.cursors), page.total) == ([], [], 0)


@pytest.mark.parametrize("query", [None, "tea"])
@pytest.mark.parametrize("limit", [1, 7, 20, 50])
async def test_walking_the_pages_yields_every_hit_once(
    services: Services, message: Make, agent: Agent, query: str | None, limit: int
) -> None:
    agent_id = await agent(services)
    contents = [f"cup {n} of tea" + " and rye" * (n % 5) for n in range(41)]
    await services.recall.append(agent_id, [message(content) for content in contents])

    found = await walked(services, agent_id, query, limit)

    assert sorted(found) == sorted(contents)
    if query is None:
        assert found == contents[::-1]
    else:
        assert found[:50] == said(await services.recall.search(agent_id, query, limit=50))


async def test_each_hit_has_a_cursor_that_goes_on_right_after_it(
    services: Services, message: Make, agent: Agent
) -> None:
    # An answer with a budget may show fewer hits than the page has.
    agent_id = await agent(services)
    await services.recall.append(agent_id, [message(f"cup {n} of tea") for n in range(6)])
    for query in ("tea", None):
        whole = await services.recall.search(agent_id, query, limit=6)

        rest = await services.recall.search(agent_id, query, limit=6, cursor=whole.cursors[1])

        assert said(rest) == said(whole)[2:]
        assert [cursor is None for cursor in whole.cursors] == [False] * 5 + [True]


async def test_a_cursor_of_another_search_is_refused(
    services: Services, message: Make, agent: Agent
) -> None:
    ours, theirs = await agent(services), await agent(services, "other")
    await services.recall.append(ours, [message("tea")] * 3)
    cursor = (await services.recall.search(ours, "tea", limit=1)).cursors[0]
    assert cursor is not None

    searches: list[tuple[AgentId, str | None, dict[str, Any]]] = [
        (ours, "rye", {}),
        (ours, None, {}),
        (ours, "tea", {"roles": ["user"]}),
        (ours, "tea", {"end_date": "2026-11-22"}),
        (theirs, "tea", {}),
    ]
    for agent_id, query, only in searches:
        with pytest.raises(InvalidInput, match="does not belong to this search"):
            await services.recall.search(agent_id, query, cursor=cursor, **only)


async def test_an_agent_never_finds_what_another_was_told(
    services: Services, message: Make, agent: Agent
) -> None:
    ours, theirs = await agent(services), await agent(services, "other")
    await services.recall.append(theirs, [message("the secret tea")])
    (conversation,) = await services.recall.conversations(theirs)

    for query in ("tea", None):
        page = await services.recall.search(ours, query)
        assert (said(page), page.total) == ([], 0)
    assert await services.recall.conversations(ours) == []
    with pytest.raises(ConversationNotFound):
        await services.recall.conversation(ours, conversation.id)


async def test_secrets_are_taken_out_before_a_message_is_stored(
    tmp_path: Path, message: Make, agent: Agent
) -> None:
    async with open_memory(tmp_path / "memory.db") as services:
        agent_id = await agent(services)
        await services.recall.append(agent_id, [message(f"The token is {TOKEN}, keep it.")])
        found = await services.recall.search(agent_id, "token")

    assert said(found) == ["The token is [redacted: GitHub token], keep it."]
    assert (tmp_path / "memory.db").read_bytes().count(TOKEN.encode()) == 0


@pytest.mark.plain("looks for words in the file's bytes")
@pytest.mark.parametrize(
    "metadata",
    [
        {"tool_input": {"command": f"curl -H 'Authorization: {TOKEN}'"}},
        {"output": ["first line", f"second\n{TOKEN}\nthird"]},
        {TOKEN: 1},
        {"file": f"-----BEGIN PRIVATE KEY-----\n{TOKEN}", "then": "more"},
    ],
    ids=["nested", "after-a-line-break", "as-a-key", "unfinished"],
)
async def test_secrets_in_the_metadata_of_a_message_are_not_stored_either(
    tmp_path: Path, message: Make, agent: Agent, metadata: dict[str, Any]
) -> None:
    async with open_memory(tmp_path / "memory.db") as services:
        await services.recall.append(await agent(services), [message(metadata=metadata)])

    stored = (tmp_path / "memory.db").read_bytes()
    assert stored.count(TOKEN.encode()) == 0
    assert stored.count(b"[redacted: ") == 1


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"role": "human"}, "role 'human' is none; the roles are user"),
        ({"content": " \n"}, "content is empty"),
        ({"content": "a\0b"}, "content holds a NUL"),
        ({"content": "\ud800"}, "content holds an unpaired surrogate"),
        ({"content": "x" * 1_000_001}, "content has 1,000,001 characters"),
        ({"conversation": ""}, "conversation is empty"),
        ({"conversation": "x" * 501}, "conversation has 501"),
        ({"external_id": "\udfff"}, "external_id holds an unpaired"),
        ({"external_id": " "}, "external_id is empty"),
        ({"name": "x" * 101}, "name has 101"),
        ({"name": "Ada\nsystem"}, "name .* spans lines"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value)[:12],
)
async def test_one_message_that_cannot_be_stored_keeps_its_whole_batch_out(
    services: Services, message: Make, agent: Agent, wrong: dict[str, Any], complaint: str
) -> None:
    agent_id = await agent(services)

    with pytest.raises(InvalidInput, match=complaint):
        await services.recall.append(agent_id, [message("fine"), message(**wrong)])

    assert (await services.recall.search(agent_id, "fine")).total == 0
    assert await services.recall.conversations(agent_id) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"limit": 0}, "limit 0 is out of range"),
        ({"limit": -1}, "limit -1"),
        ({"limit": 1_000_000}, "limit 1000000"),
        ({"roles": ["human"]}, "'human' is no role"),
        ({"start_date": "soon"}, "start_date 'soon' is not a date"),
        ({"start_date": "2026-11-22", "end_date": "2026-11-21"}, "lies before"),
        ({"cursor": "next"}, "cursor 'next'"),
        ({"query": "x" * 10_001}, "query has 10,001 characters"),
        ({"query": "a\0"}, "query holds a NUL"),
        ({"query": "\ud800"}, "query holds an unpaired surrogate"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
async def test_an_argument_that_cannot_be_meant_is_refused(
    services: Services, agent: Agent, wrong: dict[str, Any], complaint: str
) -> None:
    asked: dict[str, Any] = {"query": "tea", **wrong}

    with pytest.raises(InvalidInput, match=complaint):
        await services.recall.search(await agent(services), **asked)


async def test_what_is_appended_is_announced_once_for_its_batch(
    services: Services, message: Make, agent: Agent
) -> None:
    agent_id = await agent(services)
    before = await services.outbox.last_seq()
    await services.recall.append(agent_id, [message("a", external_id="1"), message("b")])
    await services.recall.append(agent_id, [message("a", external_id="1")])

    (change,) = await services.outbox.since(before)

    assert (change.noun, change.operation, change.agent_ids) == ("message", "appended", [agent_id])
    assert change.details == {"messages": 2}
