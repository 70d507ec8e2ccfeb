"""`memory-mcp search`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import run


def search(filled: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Search the filled store."""
    return run("--database", filled, "search", *words, folder=filled.parent)


def found(filled: Path, *words: str) -> dict[str, list[str]]:
    """The contents found, by section."""
    ended = search(filled, *words, "--json")
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return {name: [hit["content"] for hit in part["results"]] for name, part in told.items()}


DECISION = "Decision: the tides are kept in SQLite."
LEIXOES = "The tides of Porto come from Leixões."
ASKED = "When are the tides high in Porto?"


def test_it_searches_what_was_filed_and_what_was_said(filled: Path) -> None:
    ended = search(filled, "tides of Porto")
    assert ended.returncode == 0
    archival, _, recall = ended.stdout.partition("\nrecall:\n")
    assert archival.startswith("archival:\n- ")
    assert LEIXOES in archival
    assert DECISION in archival
    assert ASKED in recall
    assert "2 of 2 passages; tags:" in archival


@pytest.mark.parametrize(
    ("words", "sections"),
    [
        (("tides", "--in", "archival"), {"archival"}),
        (("tides", "--in", "recall"), {"recall"}),
        (("tides",), {"archival", "recall"}),
    ],
)
def test_it_searches_where_it_is_told_to(
    filled: Path, words: tuple[str, ...], sections: set[str]
) -> None:
    assert set(found(filled, *words)) == sections


def test_filters_narrow_what_is_found(filled: Path) -> None:
    assert found(filled, "tides", "--tag", "decision")["archival"] == [DECISION]
    both = found(filled, "tides", "--tag", "decision", "--tag", "tides")["archival"]
    assert set(both) == {DECISION, LEIXOES}
    assert found(filled, "tides", "--to", "2026-11-18") == {"archival": [DECISION], "recall": []}
    assert found(filled, "tides", "--in", "recall", "--from", "2026-11-20", "--to", "2026-11-20")
    assert found(filled, "tides", "--from", "2999-01-01") == {"archival": [], "recall": []}
    assert len(found(filled, "tides", "--limit", "1")["archival"]) == 1


def test_nothing_found_says_among_how_much(filled: Path) -> None:
    ended = search(filled, "tides", "--from", "2999-01-01")
    assert ended.returncode == 0
    assert "Nothing found for 'tides' among 0 passages" in ended.stdout
    assert "Nothing found for 'tides' among 0 messages" in ended.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tides", "--limit", "0"), "limit 0 is out of range"),
        (("tides", "--from", "yesterday"), "'yesterday' is not a date"),
        (("tides", "--from", "2026-02-02", "--to", "2026-02-01"), "lies before"),
        (("",), "query is empty"),
        (("x" * 10_001,), "query has 10,001 characters"),
        (("tides", "--tag", ""), "tag"),
    ],
    ids=["limit", "date", "window", "empty", "long", "tag"],
)
def test_what_cannot_be_meant_is_refused(filled: Path, words: tuple[str, ...], told: str) -> None:
    ended = search(filled, *words)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("memory-mcp: ")
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_limit_that_is_no_number_is_refused_by_name(filled: Path) -> None:
    ended = search(filled, "tides", "--limit", "five")
    assert ended.returncode == 2
    assert "argument --limit: invalid int value: 'five'" in ended.stderr


def test_a_tag_for_messages_is_not_passed_over_in_silence(filled: Path) -> None:
    ended = search(filled, "tides", "--in", "recall", "--tag", "tides")
    assert ended.stdout + ended.stderr, "messages have no tags: it should say so"
