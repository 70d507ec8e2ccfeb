"""A person's days at the terminal: what is shown, what a date means, and what stays UTC."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import run
from tests.cli.conftest import lines

# Half an hour before midnight of the 28th there, in UTC.
PLACES = {
    "UTC": "2026-11-28T23:30:00.000Z",
    "America/Los_Angeles": "2026-11-29T07:30:00.000Z",
    "Asia/Kolkata": "2026-11-28T18:00:00.000Z",
    "Pacific/Kiritimati": "2026-11-28T09:30:00.000Z",
}
Command = Callable[..., str]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """Where the person is."""
    return request.param


@pytest.fixture
def command(tmp_path: Path, place: str) -> Command:
    """Runs a command there, on a store with one message and two passages of the 28th."""
    zone = {"MEMORY_MCP_TIMEZONE": place, "COLUMNS": "160"}
    database = ("--database", tmp_path / "memory.db")

    def call(*words: object, stdin: bytes = b"") -> str:
        ended = run(*database, *words, folder=tmp_path, stdin=stdin, more=zone)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    said = {"role": "user", "content": "Good night.", "conversation": "c"}
    filed: list[dict[str, Any]] = [
        {"content": "Ana's birthday.", "occurred_at": "2026-11-28", "tags": ["day"]},
        {"content": "The ferry left.", "occurred_at": PLACES[place], "tags": ["moment"]},
    ]
    call("import", "jsonl", "-", stdin=lines([{**said, "created_at": PLACES[place]}]))
    call("import", "passages", "-", stdin=lines(filed))
    return call


def test_a_date_is_the_persons_day_and_lines_show_it(command: Command) -> None:
    day = ("--from", "2026-11-28", "--to", "2026-11-28")
    assert command("recall", *day).startswith("2026-11-28 23:30  user")
    assert command("recall", "--from", "2026-11-29") == "0 of 0 messages.\n"
    found = command("search", "birthday ferry night", *day)
    assert "- 2026-11-28 (" in found
    assert found.count("- 2026-11-28 23:30 (") == 2
    assert "- 2026" not in command("search", "birthday ferry night", "--from", "2026-11-29")
    assert "- 2026" not in command("search", "birthday ferry night", "--to", "2026-11-27")
    assert "2026-11-28 23:30 to 2026-11-28 23:30" in command("stats")


def test_scripts_are_told_utc(command: Command, place: str) -> None:
    (message,) = json.loads(command("recall", "--json"))["messages"]
    assert message["at"] == PLACES[place]
    found = json.loads(command("search", "birthday ferry", "--json"))["archival"]["results"]
    dates = {each["tags"][0]: each["occurred_at"] for each in found}
    assert dates == {"day": "2026-11-28T00:00:00.000Z", "moment": PLACES[place]}
    assert PLACES[place] in command("export", "jsonl", "-")


def test_a_folder_for_people_has_the_persons_days(command: Command, tmp_path: Path) -> None:
    command("export", "markdown", tmp_path / "out")
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "out").rglob("*.md")}
    (conversation,) = (name for name in pages if name.startswith("2026-11-28-"))
    assert "**user**, 2026-11-28 23:30:" in pages[conversation]
    assert "## 2026-11-28 · day" in pages["2026-11.md"]
    assert "## 2026-11-28 23:30 · moment" in pages["2026-11.md"]


def test_what_an_import_brings_again_from_elsewhere_is_known(
    command: Command, tmp_path: Path
) -> None:
    command("export", "jsonl", tmp_path / "out.jsonl", "--all")
    for zone in PLACES:
        ended = run(
            *("--database", tmp_path / "memory.db", "import", "jsonl", tmp_path / "out.jsonl"),
            folder=tmp_path,
            more={"MEMORY_MCP_TIMEZONE": zone},
        )
        assert ended.returncode == 0, ended.stderr
    assert json.loads(command("stats", "--json"))["passages"] == 2


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("2026-11-28", "2026-11-28 ("),
        ("28 November 2026", "2026-11-28 ("),
        ("2026-11-28T23:30", "2026-11-28 23:30 ("),
        ("28 November 2026 00:30", "2026-11-28 00:30 ("),
        ("20261128T180000Z", "2026-11-28 23:30 ("),
    ],
)
def test_notes_tell_what_their_writers_clock_showed(tmp_path: Path, date: str, shown: str) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "tea.md").write_text(f"---\ndate: {date}\n---\nTea with Ana.\n")
    words = ("--database", tmp_path / "memory.db")
    more = {"TZ": "Asia/Kolkata"}
    for _ in range(2):
        ended = run(*words, "import", "markdown", notes, folder=tmp_path, more=more)
        assert ended.returncode == 0, ended.stderr
    found = run(
        *words,
        "search",
        "tea",
        "--from",
        "2026-11-28",
        "--to",
        "2026-11-28",
        folder=tmp_path,
        more=more,
    ).stdout
    assert f"- {shown}" in found
    assert "1 of 1 passage" in found


def test_a_zone_that_is_none_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    more = {"MEMORY_MCP_TIMEZONE": "Lisbon"}
    database = tmp_path / "memory.db"
    for words in (("recall",), ("serve",), ("import", "passages", "-")):
        ended = run("--database", database, *words, folder=tmp_path, more=more)
        assert ended.returncode == 1
        assert ended.stderr == (
            "memory-mcp: MEMORY_MCP_TIMEZONE is 'Lisbon'; it must be the name of a time zone, like "
            "Europe/Lisbon. Did you mean Europe/Lisbon?\n"
        )
