"""How commands print for people; rich is imported only when something is printed."""

import json
import sys
from collections.abc import Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One JSON value, for `--json`."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=str)
    print()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that fits the terminal."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=SIMPLE)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As plain text: square brackets in a memory are no markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
