"""The table of docs/hosts.md: what of each promise was seen in which host, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.real_hosts.promises import PROMISES, Finding

BEGIN = "<!-- real hosts: begin -->"
END = "<!-- real hosts: end -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One host's findings."""

    title: str
    version: str
    findings: Sequence[Finding]
    limits: Mapping[str, str]
    """Promises that the host lets nobody keep, and why."""


def write(page: Path, rows: Sequence[Row], today: str | None = None) -> None:
    """Put the rows between the markers; rows of hosts that were not run now stay.

    Raises:
        ValueError: the page has no markers.
    """
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{table(inside, rows, today)}{END}{after}", "utf-8")


def table(before: str, rows: Sequence[Row], today: str | None = None) -> str:
    """The table, one row a promise and one column a host."""
    seen = _read(before)
    date = today or datetime.now(UTC).date().isoformat()
    for row in rows:
        found = {each.promise: each for each in row.findings}
        seen[row.title] = {"": f"{row.version}, {date}"} | {
            name: _cell(found.get(name), row.limits.get(name)) for name in PROMISES
        }
    hosts = list(seen)
    lines = [
        _line(["promise", *hosts]),
        _line(["---"] * (len(hosts) + 1)),
        _line(["version, seen on", *(seen[host].get("", "–") for host in hosts)]),
    ]
    lines += [_line([name, *(seen[host].get(name, "–") for host in hosts)]) for name in PROMISES]
    return "\n".join(lines) + "\n"


def _cell(finding: Finding | None, limit: str | None) -> str:
    if finding is None or finding.verdict == "–":
        return "–"
    if finding.verdict == "yes":
        return "yes"
    return f"no, {limit or finding.why}".replace("|", "\\|").replace("\n", " ")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _read(text: str) -> dict[str, dict[str, str]]:
    """The table that is there, by host and promise."""
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in text.splitlines()
        if line.strip().startswith("|")
    ]
    if len(lines) < 3:
        return {}
    hosts = lines[0][1:]
    found: dict[str, dict[str, str]] = {host: {} for host in hosts}
    for name, *cells in lines[2:]:
        for host, cell in zip(hosts, cells, strict=False):
            found[host]["" if name == "version, seen on" else name] = cell
    return found
