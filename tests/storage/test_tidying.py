"""What only grows stays within bounds, and says the same as before."""

import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory_mcp.app import open_all
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.agents import AgentSettings
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.storage.sqlite import tidying
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.flips import EVERY_ROW, flipped
from memory_mcp.storage.sqlite.history import VERSIONS, prepare
from memory_mcp.storage.sqlite.outbox import SqliteOutbox, record_change
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.tidying import tidy

NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        """The moment it shows."""
        return self.at


def lines_of(days: list[int]) -> Callable[[Session], None]:
    """A job that enters a change for each of these days ago."""

    def enter(session: Session) -> None:
        for ago in days:
            at = (NOW - timedelta(days=ago)).isoformat()
            record_change(session, at, "passage", "passage-1", "filed", ["agent-1"])

    return enter


async def tidied(database: Database, now: datetime = NOW) -> None:
    while await tidy(database, now):
        pass


async def test_old_changes_go_and_whoever_was_away_is_told_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "CHANGES_LEAST", 5)
    outbox = SqliteOutbox(database)
    start = await outbox.last_seq()
    await database.write(lines_of([40] * 10 + [31] * 10 + [1] * 3))
    reader = await outbox.last_seq() - 2

    await tidied(database)

    assert len(await outbox.since(reader)) == 2
    told = await outbox.since(start)
    assert (told[0].noun, told[0].operation) == ("store", "pruned")
    assert [change.noun for change in told[1:]] == ["passage"] * 5
    assert told[1].seq == told[0].seq + 1


async def test_changes_are_bounded_however_young_they_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "CHANGES_LEAST", 5)
    monkeypatch.setattr(tidying, "CHANGES_MOST", 50)
    await database.write(lines_of([0] * 200))

    await tidied(database)

    assert await database.read(lambda s: s.value("SELECT count(*) FROM changes")) == 50


async def test_a_store_at_rest_is_left_alone(database: Database) -> None:
    before = await database.read(lambda s: s.value("SELECT count(*) FROM changes"))
    assert await tidy(database, NOW) is False
    assert await database.others_committed() is False
    assert await database.read(lambda s: s.value("SELECT count(*) FROM changes")) == before


async def test_a_log_that_a_reader_made_long_is_cut_when_it_leaves(database: Database) -> None:
    async with database.snapshot() as moment:
        for _ in range(30):
            await database.write(
                lambda s: s.run("REPLACE INTO settings VALUES ('a', hex(randomblob(500000)))")
            )
        assert database.log_bytes() > 25_000_000
        await tidied(database)
        assert await moment.read(lambda s: s.value("SELECT count(*) FROM settings")) == 0

    await tidied(database)

    assert database.log_bytes() == 0


async def test_free_pages_are_given_back_to_the_disk(database: Database) -> None:
    await database.write(
        lambda s: s.run("INSERT INTO settings VALUES ('big', hex(randomblob(20000000)))")
    )
    await database.fold_log()
    before = database.path.stat().st_size
    await database.write(lambda s: s.run("DELETE FROM settings"))

    await tidied(database)
    await database.fold_log()

    assert before > 40_000_000
    assert database.path.stat().st_size < 12_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a new store, without vectors."""
    return load_settings(
        database=str(tmp_path / "memory.db"),
        agent="writer",
        environment={"MEMORY_MCP_EMBEDDER": "none"},
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    """Everything on that store."""
    async with open_all(settings, Hand(), None) as (services, _):
        yield services


async def write_much(services: Services, versions: int) -> tuple[AgentId, list[str]]:
    """A block of many versions; every value it had, oldest first."""
    chance = random.Random(7)
    agent = await services.agents.create("writer", AgentSettings())
    lines = [f"line {number}: {chance.random()} {'tide ' * 8}" for number in range(60)]
    values: list[str] = [""]
    for number in range(versions):
        lines[chance.randrange(60)] = f"changed {number}: {chance.random()} {'tide ' * 8}"
        values.append("\n".join(lines))
        await services.core_memory.set(agent.id, "persona", values[-1], None)
    return agent.id, values


async def test_packed_versions_are_read_undone_and_exported_as_if_they_were_whole(
    services: Services, settings: Settings
) -> None:
    agent_id, values = await write_much(services, 300)
    database = await Database.open(settings.database)
    try:
        size = "SELECT sum(length(value)) FROM block_history"
        before = await database.read(lambda s: s.value(size))
        await tidied(database)
        left = await database.read(lambda s: s.value(size))
        packs = await database.read(
            lambda s: s.value("SELECT sum(length(packed)) FROM block_packs")
        )
        assert packs < before / 50
        assert left < before / 5
        assert await flipped(database, EVERY_ROW) == []
    finally:
        await database.close()

    shown = await services.core_memory.history(agent_id, "persona")
    assert [version.value for version in reversed(shown)] == values
    undone = await services.core_memory.undo(agent_id, "persona", 17)
    assert undone.after.value == values[16]


async def test_what_is_forgotten_leaves_packed_versions_too(
    services: Services, settings: Settings
) -> None:
    agent_id, values = await write_much(services, 200)
    clock = services.clock
    assert isinstance(clock, Hand)
    await services.core_memory.set(agent_id, "persona", f"{values[-1]}\nthe secret garden", None)
    for number in range(120):
        value = f"{values[number + 1]}\nthe secret garden"
        await services.core_memory.set(agent_id, "persona", value, None)
    await services.upkeep.round(rested=False)
    preview = await services.forgetting.preview(agent_id, "the secret garden")
    assert preview.code
    await services.forgetting.confirm(agent_id, preview.code)
    clock.at += timedelta(days=31)
    await services.upkeep.round(rested=False)

    database = await Database.open(settings.database)
    try:
        rows = await database.read(lambda s: s.all("SELECT packed FROM block_packs"))
        assert rows
    finally:
        await database.close()
    connection = sqlite_module().connect(settings.database)
    prepare(Session(connection))
    kept = [row[0] for row in connection.execute(f"SELECT value FROM {VERSIONS}")]
    connection.close()
    assert len(kept) > 300
    assert not [value for value in kept if "secret garden" in value]


@pytest.mark.parametrize("noun", ["messages", "passages", "blocks", "block_history"])
async def test_a_flipped_bit_is_found_and_its_row_is_named(
    services: Services, settings: Settings, noun: str
) -> None:
    agent = await services.agents.create("writer", AgentSettings())
    await services.core_memory.set(agent.id, "persona", "zebra block", None)
    message = NewMessage(conversation="c", role="user", content="zebra message", created_at=NOW)
    await services.recall.append(agent.id, [message])
    await services.archival.file(agent.id, [NewPassage(content="zebra passage")])
    database = await Database.open(settings.database)
    try:
        assert await flipped(database, EVERY_ROW) == []

        def flip(session: Session) -> None:
            column = "value" if noun.startswith("block") else "content"
            session.run("DROP TRIGGER messages_never_change")
            session.run(
                f"UPDATE {noun} SET {column} = replace({column}, 'zebra', 'zebsa') "
                f"WHERE {column} LIKE 'zebra%'"
            )

        await database.write(flip)
        (told,) = await flipped(database, EVERY_ROW)
        assert told.endswith("is not what was stored")
        assert {"messages": "message-", "passages": "passage-"}.get(noun, "block-") in told
    finally:
        await database.close()


async def test_what_leaves_a_block_that_many_share_is_found_by_each_and_filed_in_few(
    services: Services,
) -> None:
    writer = await services.agents.create("writer", AgentSettings())
    lines = [f"word{number:03} {'tide ' * 4}" for number in range(170)]
    await services.core_memory.set(writer.id, "human", "\n".join(lines), None)
    others = [await services.agents.create(f"a{number}", AgentSettings()) for number in range(30)]

    await services.core_memory.append(writer.id, "human", "x" * 4_000)

    assert await services.archival.count(writer.id) > 100
    for agent in others:
        assert 0 < await services.archival.count(agent.id) < 10
        found = await services.archival.search(agent.id, "word007")
        assert "word007" in found.hits[0].passage.content
