"""The tables of the two pages: each promise, its tests in number, what the proof saw."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.proof.figure import Figure

BEGIN, END = "<!-- proof: begin -->", "<!-- proof: end -->"
HEADS = ("promise", "tests", "seen by `just proof`")

_PROMISE = re.compile(r"^### ([DS]\d+) (\S+)$", re.M)
_ROW = re.compile(r"^\| \[([DS]\d+)\]\([^)]*\) [^|]*\| [^|]*\| ([^|]*) \|$", re.M)


def write(page: Path, figures: Sequence[Figure], today: str | None = None) -> None:
    """Put the table between the page's markers; a promise not tried now keeps what was seen before.

    Raises:
        ValueError: the page has no markers.
    """
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    seen = {found[1]: found[2].strip() for found in _ROW.finditer(inside)}
    seen |= seen_now(figures, today or datetime.now(UTC).date().isoformat())
    page.write_text(f"{before}{BEGIN}\n{table(text, seen)}{END}{after}", "utf-8")


def seen_now(figures: Sequence[Figure], today: str) -> dict[str, str]:
    """For each promise that was tried, what was seen and when; several figures are one cell."""
    cells: dict[str, list[str]] = {}
    for figure in figures:
        told = f"**broken**: {figure.seen}" if figure.broken else figure.seen
        cells.setdefault(figure.promise, []).append(told)
    return {promise: f"{'; '.join(told)} ({today})" for promise, told in cells.items()}


def table(page: str, seen: dict[str, str]) -> str:
    """One row a promise, in the page's order."""
    rows = [HEADS, ("---", "---", "---")]
    for promise, name in _PROMISE.findall(page):
        anchor = f"#{promise}-{name}".lower()
        rows.append(
            (f"[{promise}]({anchor}) {name}", str(tests_of(page, promise)), seen.get(promise, "–"))
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def tests_of(page: str, promise: str) -> int:
    """How many tests the page names for a promise, under it or in its list at the end."""
    found = 0
    for block in re.split(r"^(?=### |## |- \*\*[DS]\d+\*\*)", page, flags=re.M):
        if block.startswith((f"### {promise} ", f"- **{promise}**")):
            found += len(re.findall(r"`(test_\w+)`", block))
    return found
