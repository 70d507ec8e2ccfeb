"""Forgetting: what goes is nowhere any more, and comes back as it was."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.app import check_store
from memory_mcp.config import Settings
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import InvalidInput, PassageNotFound
from memory_mcp.domain.forgetting import AT_ONCE_MAX
from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage, Passage
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock, open_memory

Agent = Callable[..., Awaitable[AgentId]]
Message = Callable[..., NewMessage]
MAY = datetime(2023, 5, 8, tzinfo=UTC)


async def filed(services: Services, agent_id: AgentId, content: str, **told: Any) -> Passage:
    """File one passage."""
    (one,) = await services.archival.file(agent_id, [NewPassage(content=content, **told)])
    return one.passage


async def contents(services: Services, agent_id: AgentId, query: str) -> list[str]:
    """What a search in archival memory finds."""
    page = await services.archival.search(agent_id, query, limit=20)
    return [hit.passage.content for hit in page.hits]


async def said(services: Services, agent_id: AgentId, query: str | None) -> list[str]:
    """What a search in recall finds."""
    page = await services.recall.search(agent_id, query, limit=20)
    return [hit.message.content for hit in page.hits]


async def test_a_forgotten_passage_is_found_by_nothing_and_counted_nowhere(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    gone = await filed(services, agent_id, "Ana likes tea.", tags=("food",), occurred_at=MAY)
    await filed(services, agent_id, "Ana likes rye.")

    forgotten = await services.forgetting.forget(agent_id, [gone.id])

    assert forgotten.passages == [gone.id]
    assert await contents(services, agent_id, "tea food May") == ["Ana likes rye."]
    told = await services.view.statistics(agent_id)
    assert (told.passages, told.tags) == (1, ())
    with pytest.raises(PassageNotFound, match=r"was forgotten on 2026-11-22 .* until 2026-12-22"):
        await services.archival.passage(agent_id, gone.id)


async def test_what_is_put_back_is_as_it_was(services: Services, agent: Agent) -> None:
    agent_id = await agent(services)
    before = await filed(
        services, agent_id, "Ana likes tea.", tags=("food",), occurred_at=MAY, external_id="e"
    )
    await services.forgetting.forget(agent_id, [before.id])

    restored = await services.forgetting.restore(agent_id)
    await services.indexing.catch_up()

    assert restored.back == [before.id]
    assert await services.archival.passage(agent_id, before.id) == before
    page = await services.archival.search(agent_id, "teaa", tags=["food"])
    assert [hit.passage for hit in page.hits] == [before]  # by meaning, as no word is the same
    assert (await services.view.statistics(agent_id)).index.waiting == 0
    assert (await services.forgetting.restore(agent_id)).answer.startswith("There is nothing")


async def test_a_passage_filed_anew_meanwhile_is_not_doubled(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    old = await filed(services, agent_id, "Ana likes tea.")
    await services.forgetting.forget(agent_id, [old.id])
    anew = await filed(services, agent_id, "Ana likes tea.", occurred_at=MAY)

    restored = await services.forgetting.restore(agent_id, [old.id])

    assert (restored.back, restored.anew) == ([], [old.id])
    page = await services.archival.search(agent_id, "tea")
    assert [hit.passage.id for hit in page.hits] == [anew.id]


async def test_nobody_forgets_or_restores_what_is_anothers(
    services: Services, agent: Agent
) -> None:
    mine, other = await agent(services), await agent(services, "other")
    passage = await filed(services, mine, "Ana likes tea.")

    forgotten = await services.forgetting.forget(other, [passage.id, "passage-\ud800"])
    assert (forgotten.passages, len(forgotten.unknown)) == ([], 2)
    assert await services.archival.passage(mine, passage.id) == passage

    await services.forgetting.forget(mine, [passage.id])
    restored = await services.forgetting.restore(other, [passage.id])
    assert (restored.back, restored.unknown) == ([], [passage.id])
    assert (await services.forgetting.restore(other)).back == []


async def test_a_forgotten_message_is_not_found_through_its_neighbours(
    words_only: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(words_only)
    talk = ["Hello.", "Where were you?", "In Zanzibar.", "How nice!", "Yes.", "And now?"]
    appended = await words_only.recall.append(agent_id, [message(text) for text in talk])
    assert len(await said(words_only, agent_id, "Zanzibar")) == 4

    await words_only.forgetting.forget(agent_id, [appended.stored[2]])

    assert await said(words_only, agent_id, "Zanzibar") == []
    assert "How nice!" in await said(words_only, agent_id, "where")  # which is its neighbour now
    ((conversation),) = await words_only.recall.conversations(agent_id)
    assert conversation.messages == 5
    restored = await words_only.forgetting.restore(agent_id)
    assert restored.back == [appended.stored[2]]
    assert len(await said(words_only, agent_id, "Zanzibar")) == 4
    _, run = await words_only.recall.conversation(agent_id, conversation.id)
    assert [one.content for one in run] == talk


async def test_a_forgotten_message_does_not_come_back_by_another_import(
    services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    batch = [message("I like tea.", external_id="1"), message("I like rye.", external_id="2")]
    appended = await services.recall.append(agent_id, batch)
    await services.forgetting.forget(agent_id, [appended.stored[0]])

    again = await services.recall.append(agent_id, batch)

    assert (again.stored, again.known) == ([], [appended.stored[1]])
    assert again.forgotten == [appended.stored[0]]
    assert await said(services, agent_id, None) == ["I like rye."]
    elsewhere = [message("I like tea.", external_id="1", conversation="evening")]
    assert len((await services.recall.append(agent_id, elsewhere)).stored) == 1
    await services.forgetting.restore(agent_id)
    assert len(await said(services, agent_id, "tea")) == 3
    assert (await services.recall.append(agent_id, batch)).stored == []


async def test_a_conversation_all_of_whose_messages_are_forgotten_is_listed_no_more(
    services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    appended = await services.recall.append(agent_id, [message("I like tea.")])
    await services.forgetting.forget(agent_id, appended.stored)
    assert await services.recall.conversations(agent_id) == []
    assert (await services.view.statistics(agent_id)).conversations == 0


async def test_a_message_that_left_the_view_leaves_its_summary_when_it_is_forgotten(
    tmp_path: Path, agent: Agent, message: Message
) -> None:
    async with open_memory(tmp_path / "narrow.db", embedder=None, context_tokens=1500) as services:
        agent_id = await agent(services)
        at = datetime(2026, 11, 1, tzinfo=UTC)
        turns = [
            message(
                f"Item {n}: the harbour of Porto{n} has {n * 7} boats.",
                created_at=at + timedelta(minutes=n),
                role="user" if n % 2 == 0 else "assistant",
            )
            for n in range(80)
        ]
        appended = await services.recall.append(agent_id, turns)
        await services.eviction.evict(agent_id)
        summary = (await services.eviction.chain(agent_id))[-1]
        told = next(n for n in range(80) if f"Porto{n} " in summary.text)

        await services.forgetting.forget(agent_id, [appended.stored[told]])

        for one in await services.eviction.chain(agent_id):
            assert f"Porto{told} " not in one.text
        assert f"Porto{told} " not in await services.view.context(agent_id)
        window = (await services.view.statistics(agent_id)).window
        assert window
        assert window.messages_summarised == summary.covered - 1
        assert window.messages_summarised + window.messages_in_view == 79


async def test_a_summary_written_before_a_forgetting_is_not_put_in_view_after_it(
    tmp_path: Path, agent: Agent, message: Message
) -> None:
    async with open_memory(tmp_path / "narrow.db", embedder=None, context_tokens=1500) as services:
        agent_id = await agent(services)
        turns = [message(f"Item {n}: the harbour of Porto{n} has boats.") for n in range(80)]
        appended = await services.recall.append(agent_id, turns)
        step = await services.eviction._next(agent_id)
        assert step
        latest, summary = step
        await services.forgetting.forget(agent_id, [appended.stored[0]])
        store = services.eviction._summaries

        assert not await store.evict(agent_id, summary, latest)

        await services.eviction.evict(agent_id)
        assert "Porto0 " not in (await services.eviction.chain(agent_id))[-1].text


# Superseding.


async def test_a_passage_that_supersedes_another_takes_its_place(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    old = await filed(services, agent_id, "Ana lives in Porto.")

    new = await filed(services, agent_id, "Ana lives in Lisbon.", supersedes=old.id)

    assert new.supersedes == old.id
    assert await contents(services, agent_id, "Ana lives") == ["Ana lives in Lisbon."]
    with pytest.raises(PassageNotFound, match=f"was superseded by {new.id} on 2026-11-22"):
        await services.archival.passage(agent_id, old.id)
    assert (await services.forgetting.restore(agent_id, [old.id])).back == [old.id]
    assert await services.archival.passage(agent_id, old.id) == old


async def test_superseding_what_is_not_there_stores_nothing(
    services: Services, agent: Agent
) -> None:
    agent_id, other = await agent(services), await agent(services, "other")
    foreign = await filed(services, other, "Ben lives in Porto.")
    for unknown in (PassageId("passage-1"), foreign.id):
        batch = [NewPassage(content="Tea."), NewPassage(content="Rye.", supersedes=unknown)]
        with pytest.raises(PassageNotFound, match="there is no passage"):
            await services.archival.file(agent_id, batch)
    assert await services.archival.count(agent_id) == 0
    assert await services.archival.count(other) == 1


async def test_a_text_that_is_there_already_may_supersede_another_but_not_itself(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    old = await filed(services, agent_id, "Ana lives in Porto.")
    there = await filed(services, agent_id, "Ana lives in Lisbon.")

    await filed(services, agent_id, "Ana lives in Lisbon.", supersedes=old.id)
    await filed(services, agent_id, "Ana lives in Lisbon.", supersedes=there.id)

    assert await contents(services, agent_id, "Ana lives") == ["Ana lives in Lisbon."]
    assert (await services.archival.passage(agent_id, there.id)).supersedes == old.id


# By a text, in two steps.


async def test_what_holds_a_text_is_shown_first_and_forgotten_with_the_code(
    services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    await filed(services, agent_id, "Ana likes TEA.")
    await filed(services, agent_id, "Ana likes rye.")
    await services.recall.append(agent_id, [message("More tea?"), message("No.")])
    await services.core_memory.append(agent_id, "human", "likes rye\nlikes tea\nlikes jam")

    preview = await services.forgetting.preview(agent_id, " tea ")

    assert preview.code
    assert [match.noun for match in preview.found.matches] == ["passage", "message", "block"]
    assert "1 passage, 1 message and 1 line of core memory" in preview.answer
    assert len(await contents(services, agent_id, "Ana likes")) == 2  # nothing went yet

    forgotten = await services.forgetting.confirm(agent_id, preview.code.lower())

    assert (len(forgotten.passages), len(forgotten.messages), forgotten.lines) == (1, 1, 1)
    assert await contents(services, agent_id, "Ana likes tea") == ["Ana likes rye."]
    assert await said(services, agent_id, None) == ["No."]
    blocks = {one.label: one.value for one in await services.core_memory.blocks(agent_id)}
    assert blocks["human"] == "likes rye\nlikes jam"
    await services.core_memory.append(agent_id, "human", "likes figs")

    restored = await services.forgetting.restore(agent_id)

    assert (len(restored.back), restored.lines) == (2, 1)
    blocks = {one.label: one.value for one in await services.core_memory.blocks(agent_id)}
    assert blocks["human"] == "likes rye\nlikes tea\nlikes jam\nlikes figs"


async def test_only_what_was_shown_goes(services: Services, agent: Agent) -> None:
    agent_id = await agent(services)
    await filed(services, agent_id, "Ana likes tea.")
    preview = await services.forgetting.preview(agent_id, "tea")
    await filed(services, agent_id, "Ben likes tea.")
    await services.core_memory.append(agent_id, "human", "likes tea")

    await services.forgetting.confirm(agent_id, preview.code or "")

    assert await contents(services, agent_id, "tea") == ["Ben likes tea."]
    assert (await services.core_memory.blocks(agent_id))[1].value == "likes tea"


async def test_a_wrong_code_an_old_one_and_a_used_one_forget_nothing(
    services: Services, agent: Agent, clock: ManualClock
) -> None:
    agent_id = await agent(services)
    await filed(services, agent_id, "Ana likes tea.")
    confirm = services.forgetting.confirm
    with pytest.raises(InvalidInput, match="nothing waits to be confirmed"):
        await confirm(agent_id, "AAAA")
    first = await services.forgetting.preview(agent_id, "Ana")
    second = await services.forgetting.preview(agent_id, "tea")
    assert first.code
    assert second.code
    for wrong in {"AAAA", first.code} - {second.code}:
        with pytest.raises(InvalidInput, match="is not the code that was shown last"):
            await confirm(agent_id, wrong)
    assert await services.forgetting.pending(agent_id)
    clock.advance(timedelta(minutes=10))
    assert await services.forgetting.pending(agent_id) is None
    with pytest.raises(InvalidInput, match="that waited until 2026-11-22 14:15 UTC"):
        await confirm(agent_id, second.code)
    assert await contents(services, agent_id, "tea") == ["Ana likes tea."]

    third = await services.forgetting.preview(agent_id, "tea")
    await confirm(agent_id, third.code or "")
    with pytest.raises(InvalidInput, match="nothing waits"):
        await confirm(agent_id, third.code or "")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Er wohnt in der Straße 9.", "der straße"),
        ("東京に住んでいる", "東京"),
        ("100% of it", "100%"),
        ("under_score", "R_S"),
        ("two\nlines", "two\nlines"),
        ("Mixed ÉTÉ here", "été"),
    ],
)
async def test_a_text_is_found_to_the_letter_whatever_its_script_and_capitals(
    services: Services, agent: Agent, content: str, text: str
) -> None:
    agent_id = await agent(services)
    await filed(services, agent_id, content)
    await filed(services, agent_id, "Something else: 1000, underxscore.")
    preview = await services.forgetting.preview(agent_id, text)
    assert [match.text for match in preview.found.matches] == [content]


async def test_a_text_that_stands_in_too_much_is_refused(services: Services, agent: Agent) -> None:
    agent_id = await agent(services)
    many = [NewPassage(content=f"Note {n}.") for n in range(AT_ONCE_MAX + 1)]
    await services.archival.file(agent_id, many)
    with pytest.raises(InvalidInput, match=r"501 things at once; the limit is 500"):
        await services.forgetting.preview(agent_id, "note")
    with pytest.raises(InvalidInput, match="is empty"):
        await services.forgetting.preview(agent_id, " ")
    assert await services.archival.count(agent_id) == 501


async def test_lines_of_a_full_block_are_kept_until_there_is_room(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    await services.core_memory.append(agent_id, "project", "likes tea")
    preview = await services.forgetting.preview(agent_id, "tea")
    await services.forgetting.confirm(agent_id, preview.code or "")
    await services.core_memory.replace(agent_id, "project", "x" * 4_999, None)

    assert (await services.forgetting.restore(agent_id)).no_room == ["project"]

    await services.core_memory.replace(agent_id, "project", "short", None)
    assert (await services.forgetting.restore(agent_id)).lines == 1
    assert (await services.core_memory.blocks(agent_id))[2].value == "short\nlikes tea"


async def test_after_thirty_days_it_is_gone_for_good(
    services: Services, agent: Agent, message: Message, clock: ManualClock, tmp_path: Path
) -> None:
    agent_id = await agent(services)
    passage = await filed(services, agent_id, "Ana likes Zanzibar.")
    batch = [message("To Zanzibar!", external_id="1")]
    await services.recall.append(agent_id, batch)
    await services.core_memory.append(agent_id, "human", "went to Zanzibar\nlikes rye")
    preview = await services.forgetting.preview(agent_id, "Zanzibar")
    await services.forgetting.confirm(agent_id, preview.code or "")
    blocks = await services.core_memory.blocks(agent_id)
    first = {blocks[1].id: 2}
    assert "Zanzibar" in (await services.core_memory.as_of(agent_id, first))[0].value

    clock.advance(timedelta(days=30))
    assert await services.forgetting.purge() == 0
    clock.advance(timedelta(milliseconds=1))
    assert await services.forgetting.purge() == 3

    assert (await services.core_memory.as_of(agent_id, first))[0].value == "likes rye"
    restored = await services.forgetting.restore(agent_id, [passage.id])
    assert (restored.back, restored.unknown) == ([], [passage.id])
    with pytest.raises(PassageNotFound, match="there is no passage"):
        await services.archival.passage(agent_id, passage.id)
    assert (await services.recall.append(agent_id, batch)).stored == []  # that it was, is known
    settings = Settings(database=tmp_path / "memory.db", agent=AgentChoice())
    assert await check_store(settings) == []


async def test_another_process_that_holds_old_signs_finds_nothing_of_it(
    tmp_path: Path, services: Services, agent: Agent, message: Message
) -> None:
    agent_id = await agent(services)
    first = await filed(services, agent_id, "Ana likes green tea.")
    second = await filed(services, agent_id, "Ana likes black tea.")
    async with open_memory(tmp_path / "memory.db") as other:
        assert len(await contents(other, agent_id, "likes teaa")) == 2
        await services.forgetting.forget(agent_id, [second.id])
        assert await contents(other, agent_id, "likes teaa") == ["Ana likes green tea."]
        await services.forgetting.forget(agent_id, [first.id])
        assert await contents(other, agent_id, "likes teaa") == []
        await services.forgetting.restore(agent_id, [second.id])
        await services.indexing.catch_up()
        assert await contents(other, agent_id, "likes teaa") == ["Ana likes black tea."]
