"""The tables of the two pages: each promise, its tests in number, what the proof saw."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.proof.figure import Figure

BEGIN, END = "<!-- proof: begin -->", "<!-- proof: end -->"
HEADS = ("promise", "tests", "seen by `just proof`")
NOTHING = "–"

_PROMISE = re.compile(r"^### ([DS]\d+) (\S+)$", re.M)
_ROW = re.compile(r"^\| \[([DS]\d+)\]\([^)]*\) [^|]*\| [^|]*\| ([^|]*) \|$", re.M)
_SECTION = re.compile(r"^(?=### |## |- \*\*[DS]\d+\*\*)", re.M)


def write(page: Path, figures: Sequence[Figure], today: str | None = None) -> None:
    """Put the table between the page's markers; a promise not tried now keeps what was seen.

    Raises:
        ValueError: the page has no markers.
    """
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    seen = seen_in(text) | _seen_now(figures, today or datetime.now(UTC).date().isoformat())
    page.write_text(f"{before}{BEGIN}\n{table(text, seen)}{END}{after}", "utf-8")


def table(page: str, seen: Mapping[str, str]) -> str:
    """One row a promise, in the page's order; `seen` by the promise's id."""
    rows = [HEADS, ("---", "---", "---")]
    for promise, name in promises(page).items():
        link = f"[{promise}](#{promise.lower()}-{name}) {name}"
        rows.append((link, str(number_of_tests(page, promise)), seen.get(promise, NOTHING)))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def promises(page: str) -> dict[str, str]:
    """The name of each promise that a page gives, by its id."""
    return dict(_PROMISE.findall(page))


def seen_in(page: str) -> dict[str, str]:
    """What the page's table says was seen, by the promise's id."""
    return {row[1]: row[2].strip() for row in _ROW.finditer(page)}


def number_of_tests(page: str, promise: str) -> int:
    """How many tests the page names for a promise, under it or in its list at the end."""
    heads = f"### {promise} ", f"- **{promise}**"
    sections = [each for each in _SECTION.split(page) if each.startswith(heads)]
    return sum(len(re.findall(r"`test_\w+`", each)) for each in sections)


def _seen_now(figures: Sequence[Figure], today: str) -> dict[str, str]:
    cells: dict[str, list[str]] = {}
    for figure in figures:
        told = f"**broken**: {figure.seen}" if figure.broken else figure.seen
        cells.setdefault(figure.promise, []).append(told)
    return {promise: f"{'; '.join(told)} ({today})" for promise, told in cells.items()}
