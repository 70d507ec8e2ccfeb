"""`memory-mcp doctor`."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.processes import run

from memory_mcp.storage.sqlite.driver import sqlite_module


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Path:
    """A store with a few messages and passages, which the test may damage."""
    return Path(shutil.copy(filled, tmp_path / "memory.db"))


def doctor(
    database: Path, *words: str, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Have the store looked at."""
    return run("--database", database, "doctor", *words, folder=database.parent, more=more)


def hits(database: Path) -> list[str]:
    """What a search finds, in order."""
    asked = ("search", "tides of Porto", "--json")
    told = json.loads(run("--database", database, *asked, folder=database.parent).stdout)
    return [hit["content"] for part in ("archival", "recall") for hit in told[part]["results"]]


def test_a_sound_store_is_found_sound(database: Path) -> None:
    ended = doctor(database)
    assert ended.returncode == 0, ended.stdout
    assert all(line.startswith("ok   ") for line in ended.stdout.splitlines())
    assert f"the store {database} can be opened and written" in ended.stdout
    assert "ok   no daemon runs; the next session starts one\n" in ended.stdout
    assert ended.stdout.endswith("ok   SQLite finds the store sound\n")


def test_a_rebuild_leaves_every_search_as_it_was(database: Path) -> None:
    before = hits(database)
    ended = doctor(database, "--rebuild")
    assert ended.returncode == 0, ended.stdout
    assert "the indexes were made anew, with 4 vectors" in ended.stdout
    assert hits(database) == before
    assert len(before) >= 3


def test_a_damaged_index_is_found_and_mended(database: Path) -> None:
    before = hits(database)
    connection = sqlite_module().connect(database)
    connection.execute("DELETE FROM passages_fts_data WHERE id > 10")
    connection.commit()
    connection.close()
    found = doctor(database)
    assert found.returncode == 1
    (failed,) = [line for line in found.stdout.splitlines() if line.startswith("FAIL")]
    assert "passages_fts" in failed
    assert "doctor --rebuild mends it" in failed
    assert doctor(database, "--rebuild").returncode == 0
    assert doctor(database).returncode == 0
    assert hits(database) == before


def test_without_an_embedder_search_goes_on_by_words_and_the_doctor_says_so(
    database: Path,
) -> None:
    ended = doctor(database, more={"MEMORY_MCP_EMBEDDER": "none"})
    assert "search is by words only" in ended.stdout
    assert "Traceback" not in ended.stderr
