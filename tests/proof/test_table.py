"""The tables that the proof writes: a row for every promise; what was seen stays till seen anew."""

from pathlib import Path

import pytest
from tests.proof.figure import Figure
from tests.proof.table import BEGIN, END, number_of_tests, promises, seen_in, table, write

PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("durability.md", "security.md")]
PAGE = f"""# Durability

{BEGIN}
{END}

### D1 kill

Kept by: a commit.

### D2 whole

- **D1**
  - [tests/a.py](../tests/a.py):
    `test_one`
    `test_two`
- **D2**
  - `test_three`
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with two promises and an empty table."""
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_each_promise_is_a_row_with_the_number_of_its_tests_and_what_was_seen(page: Path) -> None:
    write(page, [Figure(promise="D1", seen="12 writes, none lost")], "2026-11-28")

    assert seen_in(page.read_text()) == {"D1": "12 writes, none lost (2026-11-28)", "D2": "–"}
    assert "| [D1](#d1-kill) kill | 2 |" in page.read_text()
    assert "| [D2](#d2-whole) whole | 1 |" in page.read_text()


def test_a_promise_that_was_not_tried_now_keeps_what_was_seen_and_the_rest_of_the_page_stays(
    page: Path,
) -> None:
    write(page, [Figure(promise="D1", seen="12 writes")], "2026-11-27")
    write(page, [Figure(promise="D2", seen="ok"), Figure(promise="D2", seen="sound")], "2026-11-28")

    told = page.read_text()
    assert seen_in(told) == {"D1": "12 writes (2026-11-27)", "D2": "ok; sound (2026-11-28)"}
    assert told.partition(END)[2] == PAGE.partition(END)[2]


def test_what_was_broken_stands_in_the_table(page: Path) -> None:
    write(page, [Figure(promise="D1", seen="1 lost", broken=["a write"])], "2026-11-28")

    assert seen_in(page.read_text())["D1"] == "**broken**: 1 lost (2026-11-28)"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_promise_of_the_real_pages_is_in_its_table_and_has_a_test(path: Path) -> None:
    told = path.read_text("utf-8")
    assert promises(told), "the page promises nothing"
    assert [promise for promise in promises(told) if not number_of_tests(told, promise)] == []
    assert seen_in(told).keys() == promises(told).keys()
    assert table(told, seen_in(told)) in told, "written by hand: `just proof --write` writes it"
