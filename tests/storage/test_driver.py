"""Other SQLites: search finds the same without the vector extension and on the standard module."""

import logging
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.app import check_store, sqlite_build
from memory_mcp.config import Settings
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.storage.sqlite import driver
from memory_mcp.testing import open_memory

QUESTIONS = ["theremin", "theriminn", "What about the zither in May?", "harbour 7", "東京", "xyz"]


def has_fts5() -> bool:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(text)")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """As if the packages that the test names were not installed."""
    found = (driver.sqlite_module, driver.can_load_extensions, driver.vec_extension)
    for name in request.param:
        monkeypatch.setitem(sys.modules, name, None)
    for function in found:
        function.cache_clear()
    yield
    monkeypatch.undo()
    for function in found:
        function.cache_clear()


async def fill(services: Services) -> None:
    agent = await services.agents.choose(AgentChoice())
    at = datetime(2023, 5, 8, tzinfo=UTC)
    things = ["theremin", "zither", "harbour", "garden", "東京の町"]
    texts = [f"{things[n % 5]} {things[n // 5 % 5]} {n}" for n in range(60)]
    await services.archival.file(agent.id, [NewPassage(content=text) for text in texts])
    said = [
        NewMessage(
            role="user", content=text, created_at=at + timedelta(days=n), conversation=f"{n % 3}"
        )
        for n, text in enumerate(texts)
    ]
    await services.recall.append(agent.id, said)


async def answers(services: Services) -> list[list[tuple[str, Any]]]:
    """What is found for each question, best first, with its score."""
    agent = await services.agents.choose(AgentChoice())
    found: list[list[tuple[str, Any]]] = []
    for question in QUESTIONS:
        passages = await services.archival.search(agent.id, question, limit=20)
        messages = await services.recall.search(agent.id, question, limit=20, roles=["user"])
        found.append([(hit.passage.content, hit.score) for hit in passages.hits])
        found.append([(hit.message.content, hit.score) for hit in messages.hits])
    return found


def same(ours: list[list[tuple[str, Any]]], theirs: list[list[tuple[str, Any]]]) -> bool:
    """The same hits in the same order, with scores that differ by rounding only."""
    contents = [[content for content, _ in hits] for hits in ours]
    scores = [pytest.approx([score for _, score in hits], abs=1e-3) for hits in theirs]
    return contents == [[content for content, _ in hits] for hits in theirs] and scores == [
        [score for _, score in hits] for hits in ours
    ]


@pytest.fixture
async def expected(tmp_path: Path) -> list[list[tuple[str, Any]]]:
    """What is found with everything in place."""
    async with open_memory(tmp_path / "complete.db") as services:
        await fill(services)
        return await answers(services)


# The order of fixtures matters: `expected` is found before anything is missing.
@pytest.mark.parametrize("missing", [["sqlite_vec"]], ids=["no-extension"], indirect=True)
async def test_search_finds_the_same_without_the_vector_extension(
    expected: list[list[tuple[str, Any]]], missing: None, tmp_path: Path
) -> None:
    assert not sqlite_build().loads_extensions
    async with open_memory(tmp_path / "plain.db") as services:
        await fill(services)
        agent = await services.agents.choose(AgentChoice())
        statistics = await services.view.statistics(agent.id)

        assert statistics.index.vectors_scored_by == "python"
        assert same(await answers(services), expected)
    async with open_memory(tmp_path / "complete.db") as services:
        assert same(await answers(services), expected)


@pytest.mark.skipif(not has_fts5(), reason="this Python's SQLite has no FTS5")
@pytest.mark.plain("about the modules that those are opened with")
@pytest.mark.parametrize(
    "missing", [["pysqlite3"], ["pysqlite3", "sqlite_vec"]], ids=["standard", "bare"], indirect=True
)
async def test_search_finds_the_same_on_the_standard_module(
    expected: list[list[tuple[str, Any]]],
    missing: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert sqlite_build().module == "sqlite3"
    assert sqlite_build().version == sqlite3.sqlite_version
    async with open_memory(tmp_path / "standard.db") as services:
        await fill(services)
        assert same(await answers(services), expected)
    async with open_memory(tmp_path / "complete.db") as services:
        assert same(await answers(services), expected)

    old = sqlite3.sqlite_version_info < driver.WAL_RESET_FIXED
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("install pysqlite3" in record.message for record in warned) == old
    assert sqlite_build().safe_for_processes == (not old)


async def test_an_extension_that_does_not_load_is_a_warning_and_search_goes_on(
    expected: list[list[tuple[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "vec0.so").write_bytes(b"of another machine")
    damaged = str(tmp_path / "vec0")
    monkeypatch.setattr("memory_mcp.storage.sqlite.database.vec_extension", lambda: damaged)

    async with open_memory(tmp_path / "complete.db") as services:
        assert same(await answers(services), expected)

    assert "sqlite-vec cannot be loaded" in caplog.text


async def test_a_store_in_use_is_sound_by_sqlites_own_word(
    expected: list[list[tuple[str, Any]]], tmp_path: Path
) -> None:
    settings = Settings(database=tmp_path / "complete.db", agent=AgentChoice())

    assert expected
    assert await check_store(settings) == []


async def test_a_damaged_word_index_is_named_and_a_rebuild_mends_it(
    expected: list[list[tuple[str, Any]]], tmp_path: Path
) -> None:
    path = tmp_path / "complete.db"
    connection = driver.sqlite_module().connect(path, isolation_level=None)
    connection.execute("UPDATE passages_fts_data SET block = zeroblob(9) WHERE id > 1000")
    connection.close()
    settings = Settings(database=path, agent=AgentChoice())

    told = "; ".join(await check_store(settings))
    assert "the index passages_fts is damaged" in told
    assert "messages" not in told

    async with open_memory(path) as services:
        await services.indexing.rebuild()
        assert same(await answers(services), expected)
    assert await check_store(settings) == []


async def test_word_indexes_of_an_older_recipe_are_made_anew_when_the_store_is_opened(
    expected: list[list[tuple[str, Any]]], tmp_path: Path
) -> None:
    path = tmp_path / "complete.db"
    connection = driver.sqlite_module().connect(path, isolation_level=None)
    connection.execute("UPDATE settings SET value = 'older' WHERE name = 'index_recipe'")
    connection.execute("INSERT INTO passages_fts (passages_fts) VALUES ('delete-all')")
    connection.close()

    async with open_memory(path) as services:
        assert same(await answers(services), expected)
