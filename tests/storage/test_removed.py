"""What is forgotten leaves every derived table, and coming back leaves it as if never gone."""

import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.ids import AgentId, MessageId
from memory_mcp.domain.messages import SHORT_TURN_CHARS, NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.storage.sqlite.agents import SqliteAgents
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.messages import SqliteMessages
from memory_mcp.storage.sqlite.passages import SqlitePassages
from memory_mcp.storage.sqlite.removed import purge, remove_messages, remove_passages, restore
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import TEXTS, make_texts
from memory_mcp.testing import HashEmbedder, ManualClock

NOW = "2026-11-22T14:05:00.000Z"
AT = datetime(2026, 11, 22, tzinfo=UTC)
LONG = "long " * (SHORT_TURN_CHARS // 4)
WORDS = ["tea", "rye", "jam", f"{LONG}fig", f"{LONG}oat"]

Listing = dict[str, list[tuple[Any, ...]]]


class Store:
    """The stores on a file, and what its derived tables hold."""

    def __init__(self, database: Database, indexes: Indexes, agent_id: AgentId) -> None:
        self.database = database
        self.indexes = indexes
        self.agent_id = agent_id
        self.messages = SqliteMessages(database, indexes, ManualClock())
        self.passages = SqlitePassages(database, indexes, ManualClock())

    async def say(self, texts: list[str]) -> list[MessageId]:
        told = [
            NewMessage(role="user", content=text, created_at=AT, conversation="one")
            for text in texts
        ]
        vectors = HashEmbedder().embed(texts)
        return list((await self.messages.append(self.agent_id, told, vectors, None)).stored)

    async def forget(self, ids: list[MessageId]) -> None:
        def job(session: Session) -> None:
            remove_messages(session, self.indexes, self.agent_id, ids, "user", NOW)

        await self.database.write(job)

    async def restore(self, ids: list[Any]) -> list[str]:
        return await self.database.write(lambda session: restore(session, self.indexes, ids, NOW))

    async def listing(self, *, anew: bool = False) -> Listing:
        """Every word of every index with its place; of indexes made anew if so wished."""

        def look(session: Session) -> Listing:
            if anew:
                make_texts(session)
            told: Listing = {}
            for index in TEXTS:
                session.run(
                    f"CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, {index.fts}, "
                    "instance)"
                )
                told[index.fts] = session.all("SELECT * FROM temp.vocabulary ORDER BY 1, 2, 3, 4")
                session.run("DROP TABLE temp.vocabulary")
            return told

        return await self.database.write(look)

    async def tables(self, *names: str) -> Listing:
        return {
            name: await self.database.read(
                lambda session, name=name: session.all(f"SELECT * FROM {name} ORDER BY 1, 2")
            )
            for name in names
        }


async def opened(path: Path) -> Store:
    database = await Database.open(path)
    indexes = Indexes(database, HashEmbedder().name)
    await indexes.prepare()
    agent = await SqliteAgents(database, ManualClock()).choose(AgentChoice())
    return Store(database, indexes, agent.id)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """Stores on a new file."""
    store = await opened(path)
    yield store
    await store.database.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)),
        st.tuples(st.just("forget"), st.lists(st.integers(0, 11), min_size=1, max_size=3)),
        st.tuples(st.just("restore"), st.lists(st.integers(0, 11), min_size=1, max_size=3)),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_comes_goes_and_returns_the_word_indexes_are_as_made_anew(
    steps: list[tuple[str, list[Any]]],
) -> None:
    async def run(path: Path) -> None:
        store = await opened(path)
        ids: list[MessageId] = []
        for what, told in steps:
            if what == "say":
                ids += await store.say(told)
                continue
            meant = [ids[place] for place in told if place < len(ids)]
            await (store.forget(meant) if what == "forget" else store.restore(meant))
        kept = await store.listing()
        assert kept == await store.listing(anew=True)
        await store.database.close()

    with tempfile.TemporaryDirectory() as folder:
        anyio.run(run, Path(folder) / "memory.db")


DERIVED = ("message_vectors", "message_signs", "passage_vectors", "passage_signs", "waiting")
CANONICAL = ("messages", "passages", "passage_tags", "conversations", "counts", "forgotten")


async def test_what_is_removed_is_in_no_derived_table_and_what_returns_waits_for_its_vector(
    store: Store,
) -> None:
    ids = await store.say(["tea", "rye", LONG])
    new = [NewPassage(content="tea", tags=("food",)), NewPassage(content="rye")]
    filed = await store.passages.file(store.agent_id, new, HashEmbedder().embed(["tea", "rye"]))
    passage_ids = [one.passage.id for one in filed]
    before = await store.tables(*CANONICAL)

    def remove(session: Session) -> None:
        told = (session, store.indexes, store.agent_id)
        gone = remove_passages(*told, [*passage_ids, "passage-0"], "run", NOW)
        assert gone == [one.passage for one in filed]
        assert [one.id for one in remove_messages(*told, ids, "run", NOW)] == ids

    await store.database.write(remove)

    left = await store.tables(*DERIVED, "messages", "passages", "passage_tags")
    assert [name for name, rows in left.items() if rows] == []
    assert all(rows == [] for rows in (await store.listing()).values())

    assert await store.restore([*ids, *passage_ids, "message-0"]) == [*ids, *passage_ids]

    after = await store.tables(*CANONICAL, "waiting", "removed")
    waiting = after.pop("waiting")
    assert after.pop("removed") == []
    assert after == before
    assert waiting == [
        ("message", 1),
        ("message", 2),
        ("message", 3),
        ("passage", 1),
        ("passage", 2),
    ]


async def test_a_removal_that_fails_removes_nothing(store: Store) -> None:
    ids = await store.say(["tea", "rye"])
    before = await store.tables(*CANONICAL, *DERIVED, "removed", "changes")

    def fail(session: Session) -> None:
        remove_messages(session, store.indexes, store.agent_id, ids, "user", NOW)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await store.database.write(fail)

    assert await store.tables(*CANONICAL, *DERIVED, "removed", "changes") == before


async def test_purging_takes_what_went_before_and_leaves_the_rest(store: Store) -> None:
    first, second = await store.say(["tea", "rye"])

    def at(message_id: MessageId, now: str) -> Any:
        return lambda session: remove_messages(
            session, store.indexes, store.agent_id, [message_id], "user", now
        )

    await store.database.write(at(first, "2026-10-01T00:00:00.000Z"))
    await store.database.write(at(second, NOW))

    purged = await store.database.write(lambda session: purge(session, NOW))

    assert purged == 1
    assert await store.restore([first, second]) == [second]
    assert await store.tables("conversations") != {"conversations": []}


async def test_an_empty_conversation_goes_once_nothing_of_it_can_be_put_back(
    store: Store,
) -> None:
    ids = await store.say(["tea", "rye"])
    await store.forget(ids[:1])
    await store.database.write(lambda session: purge(session, "9999"))
    assert len((await store.tables("conversations"))["conversations"]) == 1
    await store.forget(ids[1:])
    await store.database.write(lambda session: purge(session, "9999"))
    assert await store.tables("conversations", "removed") == {"conversations": [], "removed": []}
