"""How commands print for people; rich is imported only when something is printed."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from memory_mcp.domain.plain import as_json
from memory_mcp.domain.times import for_reading, from_iso


def printable(text: str) -> str:
    """A text without what would steer the terminal: memories and models may say anything."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def print_json(value: Any) -> None:
    """One JSON value, for `--json`."""
    print(encodable_json(as_json(value)))


def encodable_json(told: str) -> str:
    """The same JSON, in ASCII where standard output cannot show all of it."""
    try:
        told.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return json.dumps(json.loads(told), indent=1 if "\n" in told else None)
    return told


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that fits the terminal."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Printer(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # ours to deal with, not with exit code 1

    table = Table(title=title, title_justify="left", box=SIMPLE)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As plain text: square brackets in a memory are no markup.
        table.add_row(*(Text(printable(cell)) for cell in row))
    Printer().print(table)


def print_messages(messages: Sequence[dict[str, Any]]) -> None:
    """Messages as in a chat, wrapped to the terminal: when, who, what; the id last."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    class Printer(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    printer = Printer()
    for message in messages:
        at = for_reading(from_iso(message["at"]))
        head = Text(f"{at}  {message['name'] or message['role']}", style="bold")
        printer.print(head.append(f"  {message['id']}", style="not bold dim"))
        printer.print(Padding(Text(message["content"]), (0, 0, 1, 2)))
