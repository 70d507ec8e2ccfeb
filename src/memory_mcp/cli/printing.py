"""How commands print for people; rich is imported only when something is printed."""

import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from memory_mcp.config import zone_in
from memory_mcp.domain.plain import as_json
from memory_mcp.domain.quoting import in_json, one_line, printable, speaker
from memory_mcp.domain.times import Zone, for_reading, from_iso

if TYPE_CHECKING:
    from rich.console import Console


@cache
def own_zone() -> Zone:
    """Where the person is who called the command.

    Raises:
        InvalidInput: MEMORY_MCP_TIMEZONE names no zone.
    """
    return zone_in(os.environ)


def shown_time(stored: str) -> str:
    """A moment in stored form as the person's clocks show it."""
    return for_reading(from_iso(stored), own_zone())


def print_json(value: Any) -> None:
    """One JSON value, for `--json`."""
    print(encodable_json(as_json(value)))


def encodable_json(told: str) -> str:
    """The same JSON, without what steers a terminal; in ASCII where not all of it can be shown."""
    told = in_json(told)
    try:
        told.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return json.dumps(json.loads(told), indent=1 if "\n" in told else None)
    return told


def console(*, errors: bool = False) -> "Console":
    """Where rich prints: past what keeps a terminal safe, so only what is `printable`."""
    from rich.console import Console

    from memory_mcp.cli.terminal import Output

    class Printer(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # ours to deal with, not with exit code 1

    stream = sys.stderr if errors else sys.stdout
    return Printer(file=stream.styled if isinstance(stream, Output) else stream)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that fits the terminal."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(one_line(title)), title_justify="left", box=SIMPLE)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As plain text: square brackets in a memory are no markup.
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def print_messages(messages: Sequence[dict[str, Any]]) -> None:
    """Messages as in a chat, wrapped to the terminal: when, who, what; the id last."""
    from rich.padding import Padding
    from rich.text import Text

    printer = console()
    for message in messages:
        at = shown_time(message["at"])
        head = Text(f"{at}  {speaker(message['role'], message['name'])}", style="bold")
        printer.print(head.append(f"  {message['id']}", style="not bold dim"))
        printer.print(Padding(Text(printable(message["content"])), (0, 0, 1, 2)))
