"""docs/clients.md, from what the tests saw."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from memory_mcp import __version__

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"
BEGIN, END = "<!-- just clients: begin -->", "<!-- just clients: end -->"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one library made of the server."""

    name: str
    version: str
    sends: str
    text: bool
    structure: bool
    resources: int
    note: str = ""


def keep(scratch: Path, seen: Seen) -> None:
    """Keep it until the table is written."""
    folder = scratch / "seen"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{seen.name.replace('/', '-')}.json").write_text(json.dumps(asdict(seen)), "utf-8")


def write(scratch: Path, names: Sequence[str], left_out: dict[str, str]) -> None:
    """Put the table into the document; `left_out` says what stopped a library."""
    today = datetime.now(UTC).date().isoformat()
    lines = [
        f"Seen on {today} with memory-mcp {__version__}.",
        "",
        "| library, version | of a result that has both, the model gets | an optional argument not "
        "given | resources read |",
        "|---|---|---|---|",
    ]
    for name in names:
        path = scratch / "seen" / f"{name.replace('/', '-')}.json"
        if not path.exists():
            reason = left_out.get(name, "its test did not pass")
            lines.append(f"| {name} | not seen: {' '.join(reason.split())[:120]} | | |")
            continue
        seen = Seen(**json.loads(path.read_text("utf-8")))
        shown = " and ".join(
            word for word, is_shown in (("text", seen.text), ("JSON", seen.structure)) if is_shown
        )
        more = f" ({seen.note})" if seen.note else ""
        count = f"{seen.resources} of 8" if seen.resources else "–"
        lines.append(
            f"| {seen.name}, {seen.version} | {shown or 'neither'} | {seen.sends} | {count}{more} |"
        )
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    told = "\n".join(lines)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{told}\n{END}{after}", "utf-8")
