"""Vectors: made at once or later, by one embedder a store, and made anew without a difference."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import from_thread
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.statistics import IndexState
from memory_mcp.ports import Vector
from memory_mcp.services import Services
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import HashEmbedder, open_memory

Make = Callable[..., NewMessage]
Agent = Callable[..., Any]

# No word of the passage is in it, but most of its letters: only a vector finds it.
MISSPELT = "theriminn"


async def state(services: Services, agent_id: AgentId) -> IndexState:
    return (await services.view.statistics(agent_id)).index


async def file(services: Services, agent_id: AgentId, *contents: str) -> None:
    await services.archival.file(agent_id, [NewPassage(content=content) for content in contents])


async def found(services: Services, agent_id: AgentId, query: str) -> list[str]:
    page = await services.archival.search(agent_id, query, limit=50)
    return [hit.passage.content for hit in page.hits]


async def scores(services: Services, agent_id: AgentId, query: str) -> dict[str, float]:
    """What both searches find, with how they score it."""
    passages = await services.archival.search(agent_id, query, limit=50)
    messages = await services.recall.search(agent_id, query, limit=50)
    scored = [(str(hit.passage.id), hit.score) for hit in passages.hits]
    return dict(scored + [(str(hit.message.id), hit.score) for hit in messages.hits])


async def test_an_inline_embedder_makes_a_passage_findable_by_meaning_at_once(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, "something else", "plays the theremin")

    assert (await found(services, agent_id, MISSPELT))[0] == "plays the theremin"
    assert (await state(services, agent_id)).waiting == 0


async def test_with_an_embedder_that_follows_words_are_findable_at_once_and_meaning_once_caught_up(
    tmp_path: Path, message: Make, agent: Agent
) -> None:
    following = HashEmbedder(inline=False)
    async with open_memory(tmp_path / "memory.db", embedder=following) as services:
        agent_id = await agent(services)
        await file(services, agent_id, "something else", "plays the theremin")
        await services.recall.append(agent_id, [message("I play the theremin")])

        assert await found(services, agent_id, "theremin") == ["plays the theremin"]
        assert await found(services, agent_id, MISSPELT) == []
        assert (await state(services, agent_id)).waiting == 3

        assert await services.indexing.catch_up() == 3

        assert (await found(services, agent_id, MISSPELT))[0] == "plays the theremin"
        assert (await services.recall.search(agent_id, MISSPELT)).hits
        assert (await state(services, agent_id)).waiting == 0
        assert await services.indexing.catch_up() == 0


async def test_a_question_without_a_word_that_the_embedder_knows_finds_nothing_by_meaning(
    services: Services, agent: Agent, message: Make
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, "plays the theremin", "something else")
    await services.recall.append(agent_id, [message("I play the theremin")])

    assert not any(HashEmbedder().embed(["¿…?"])[0])
    assert await found(services, agent_id, "¿…?") == []
    assert (await services.recall.search(agent_id, "¿…?")).hits == []


async def files(services: Services, agent_id: AgentId) -> None:
    await file(services, agent_id, "plays the theremin")


async def says(services: Services, agent_id: AgentId) -> None:
    said = {"role": "user", "created_at": datetime(2026, 11, 22, tzinfo=UTC), "conversation": "c"}
    await services.recall.append(agent_id, [NewMessage(content="plays the theremin", **said)])


async def fills_a_block(services: Services, agent_id: AgentId) -> None:
    await services.core_memory.append(agent_id, "project", "plays the theremin")
    for _ in range(4):
        await services.core_memory.append(agent_id, "project", "something else entirely " * 60)


async def puts_back(services: Services, agent_id: AgentId) -> None:
    await services.forgetting.restore(agent_id)


@pytest.mark.parametrize("writes", [files, says, fills_a_block, puts_back])
async def test_whatever_is_written_wakes_the_embedder_in_the_background(
    tmp_path: Path, agent: Agent, writes: Callable[[Services, AgentId], Any]
) -> None:
    following = HashEmbedder(inline=False)
    async with open_memory(tmp_path / "memory.db", embedder=following) as services:
        agent_id = await agent(services)
        if writes is puts_back:
            filed = await services.archival.file(
                agent_id, [NewPassage(content="plays the theremin")]
            )
            await services.indexing.catch_up()
            await services.forgetting.forget(agent_id, [filed[0].passage.id])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(services.indexing.keep_up)
            await file(services, agent_id, "something first")
            for _ in range(50):  # until it has looked, and waits to be woken
                await state(services, agent_id)
                await anyio.wait_all_tasks_blocked()

            await writes(services, agent_id)

            with anyio.fail_after(20):
                while (await state(services, agent_id)).waiting:  # noqa: ASYNC110 - a store's state
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        hits = (await services.archival.search(agent_id, MISSPELT)).hits
        said = (await services.recall.search(agent_id, MISSPELT)).hits
    assert hits or said


async def test_catching_up_goes_on_until_nothing_waits(tmp_path: Path, agent: Agent) -> None:
    following = HashEmbedder(inline=False)
    async with open_memory(tmp_path / "memory.db", embedder=following) as services:
        agent_id = await agent(services)
        await file(services, agent_id, *[f"note {n}" for n in range(450)])

        assert await services.indexing.catch_up() == 450


async def test_a_text_that_says_nothing_to_the_embedder_does_not_wait_for_ever(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, "?!…", "tea")

    assert (await state(services, agent_id)).waiting == 0
    assert await services.indexing.catch_up() == 0
    assert await found(services, agent_id, "tea") == ["tea"]


class TellingEmbedder(HashEmbedder):
    """An embedder that follows, and sets an event when it is asked for a certain text."""

    def __init__(self, awaited: str) -> None:
        super().__init__(inline=False)
        self._awaited = awaited
        self.asked = anyio.Event()

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        if self._awaited in texts:
            from_thread.run_sync(self.asked.set)
        return super().embed(texts)


async def test_keeping_up_makes_the_vector_of_what_took_long_to_be_committed(
    tmp_path: Path, agent: Agent
) -> None:
    path = tmp_path / "memory.db"
    embedder = TellingEmbedder("plays the theremin")
    async with (
        open_memory(path, embedder=embedder) as services,
        anyio.create_task_group() as background,
    ):
        agent_id = await agent(services)
        background.start_soon(services.indexing.keep_up)
        other = sqlite_module().connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # another process writes
        background.start_soon(file, services, agent_id, "plays the theremin")
        for _ in range(50):  # meanwhile there is nothing to be seen
            assert (await state(services, agent_id)).waiting == 0
        other.execute("COMMIT")
        other.close()

        with anyio.fail_after(5):
            await embedder.asked.wait()
        background.cancel_scope.cancel()


async def test_when_the_embedder_fails_memory_is_still_stored_and_found_by_its_words(
    tmp_path: Path, agent: Agent, message: Make
) -> None:
    broken = HashEmbedder()
    broken.broken = True
    async with open_memory(tmp_path / "memory.db", embedder=broken) as services:
        agent_id = await agent(services)
        await file(services, agent_id, "plays the theremin", "something else")
        await services.recall.append(agent_id, [message("I play the theremin")])

        assert await found(services, agent_id, "theremin") == ["plays the theremin"]
        assert len((await services.recall.search(agent_id, "theremin")).hits) == 1
        assert await services.indexing.catch_up() == 0


async def test_statistics_say_so_when_the_embedder_failed(tmp_path: Path, agent: Agent) -> None:
    broken = HashEmbedder()
    broken.broken = True
    async with open_memory(tmp_path / "memory.db", embedder=broken) as services:
        agent_id = await agent(services)
        await file(services, agent_id, "plays the theremin")

        told = await state(services, agent_id)

        assert told.waiting == 1
        assert "words only" in (told.note or "")


async def test_what_a_failed_embedder_left_waiting_gets_its_vector_in_the_next_process(
    tmp_path: Path, agent: Agent
) -> None:
    broken = HashEmbedder()
    broken.broken = True
    async with open_memory(tmp_path / "memory.db", embedder=broken) as services:
        await file(services, await agent(services), "plays the theremin")

    async with open_memory(tmp_path / "memory.db") as services:
        assert await services.indexing.catch_up() == 1
        assert await found(services, await agent(services), MISSPELT) == ["plays the theremin"]


async def test_without_an_embedder_search_is_by_words_and_says_so(
    words_only: Services, agent: Agent
) -> None:
    agent_id = await agent(words_only)
    await file(words_only, agent_id, "plays the theremin")

    told = await state(words_only, agent_id)

    assert await found(words_only, agent_id, MISSPELT) == []
    assert (told.embedder, told.vectors_scored_by, told.waiting) == (None, None, 1)
    assert told.note == "no embedder is set: search is by words only"


async def test_vectors_of_another_embedder_are_left_alone_until_a_rebuild(
    tmp_path: Path, agent: Agent
) -> None:
    async with open_memory(tmp_path / "memory.db", embedder=HashEmbedder("old", 64)) as services:
        await file(services, await agent(services), "plays the theremin")

    async with open_memory(tmp_path / "memory.db", embedder=HashEmbedder("new", 32)) as services:
        agent_id = await agent(services)
        await file(services, agent_id, "plays the zither")
        told = await state(services, agent_id)

        assert (told.embedder, told.store_embedder, told.waiting) == ("new", "old", 1)
        assert "the store's vectors are old's, this process runs new" in (told.note or "")
        assert await found(services, agent_id, MISSPELT) == []
        assert await found(services, agent_id, "theremin") == ["plays the theremin"]
        assert await services.indexing.catch_up() == 0

        assert await services.indexing.rebuild() == 2

        told = await state(services, agent_id)
        assert (told.store_embedder, told.waiting, told.note) == ("new", 0, None)
        assert (await found(services, agent_id, MISSPELT))[0] == "plays the theremin"

    async with open_memory(tmp_path / "memory.db", embedder=HashEmbedder("old", 64)) as services:
        assert (await state(services, await agent(services))).store_embedder == "new"


async def test_a_process_never_adds_its_vectors_to_those_of_an_embedder_adopted_meanwhile(
    tmp_path: Path, agent: Agent
) -> None:
    path = tmp_path / "memory.db"
    async with (
        open_memory(path, embedder=HashEmbedder("old", 64)) as stale,
        open_memory(path, embedder=HashEmbedder("new", 32)) as rebuilding,
    ):
        agent_id = await agent(stale)
        await file(stale, agent_id, "plays the zither")
        await rebuilding.indexing.rebuild()

        await file(stale, agent_id, "plays the theremin")

        assert (await state(rebuilding, agent_id)).waiting == 1
        assert await rebuilding.indexing.catch_up() == 1
        assert (await found(rebuilding, agent_id, MISSPELT))[0] == "plays the theremin"
        assert await found(stale, agent_id, "theremin") == ["plays the theremin"]


async def test_vectors_made_in_one_process_are_found_in_another_that_was_open_before(
    tmp_path: Path, agent: Agent
) -> None:
    path = tmp_path / "memory.db"
    async with open_memory(path) as ours, open_memory(path) as theirs:
        agent_id = await agent(ours)
        await file(ours, agent_id, "plays the theremin")
        assert await found(theirs, agent_id, MISSPELT) == ["plays the theremin"]

        await file(ours, agent_id, "plays the zither")
        assert (await found(theirs, agent_id, "zitter"))[0] == "plays the zither"

        await ours.indexing.rebuild()
        assert await found(theirs, agent_id, MISSPELT) == await found(ours, agent_id, MISSPELT)


words = st.sampled_from(["tea", "rye", "theremin", "zither", "walked", "東京"])
contents = st.lists(words, min_size=1, max_size=8).map(" ".join)
long_contents = contents.map(lambda content: f"{content} and so on. " * 30)
batches = st.lists(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["Ada", None]), contents | long_contents),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=6,
)


@given(batches=batches)
@settings(max_examples=25, deadline=None)
async def test_after_any_appends_search_finds_the_same_as_with_indexes_made_anew(
    tmp_path_factory: pytest.TempPathFactory,
    message: Make,
    agent: Agent,
    batches: list[list[tuple[str, str | None, str]]],
) -> None:
    at = datetime(2023, 5, 8, tzinfo=UTC)
    async with open_memory(tmp_path_factory.mktemp("store") / "memory.db") as services:
        agent_id = await agent(services)
        for number, batch in enumerate(batches):
            said = [
                message(content, conversation=where, name=who, created_at=at + timedelta(number))
                for where, who, content in batch
            ]
            await services.recall.append(agent_id, said)
            await file(services, agent_id, *[content for _, _, content in batch])
        queries = ["tea", "theremin Ada", "walking zither", "東京", "May 2023", "rhye"]
        before = [await scores(services, agent_id, query) for query in queries]

        await services.indexing.rebuild()

        after = [await scores(services, agent_id, query) for query in queries]
        assert after == [pytest.approx(found) for found in before]


async def test_a_date_that_came_with_a_refresh_is_in_the_vector_as_after_a_rebuild(
    services: Services, agent: Agent
) -> None:
    agent_id = await agent(services)
    await file(services, agent_id, "we met at the harbour", "we met at the station")
    dated = NewPassage(
        content="we met at the harbour", occurred_at=datetime(2023, 5, 8, tzinfo=UTC)
    )
    await services.archival.file(agent_id, [dated])
    await services.indexing.catch_up()
    before = await scores(services, agent_id, "May 2023")

    await services.indexing.rebuild()

    assert await scores(services, agent_id, "May 2023") == pytest.approx(before)


async def test_the_commonest_words_are_left_out_of_a_search_in_a_large_store_and_no_others(
    words_only: Services, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_mcp.storage.sqlite.search.POSTINGS_MAX", 10)
    agent_id = await agent(words_only)
    await file(words_only, agent_id, *[f"cup {n} of tea" for n in range(30)], "tea with rye", "rye")

    assert set(await found(words_only, agent_id, "tea rye zither")) == {"tea with rye", "rye"}
    assert len(await found(words_only, agent_id, "tea")) == 31
    assert len(await found(words_only, agent_id, "zither tea")) == 31
    assert await found(words_only, agent_id, "zither theremin") == []
