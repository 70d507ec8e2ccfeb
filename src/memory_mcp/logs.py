"""How everything that is logged is written, wherever it goes: one entry, one line of ours."""

import logging

from memory_mcp.domain.quoting import indented, printable


class LogLines(logging.Formatter):
    """Entries may quote names, paths and other programs' words: their further lines are indented.

    So no entry can hold another one, and nothing in it steers the terminal that shows the log.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The entry, with its traceback."""
        return indented(printable(super().format(record)))
