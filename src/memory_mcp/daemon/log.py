"""The daemon's log: a file beside the store, renewed when it is full."""

import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler

from memory_mcp.logs import LogLines
from memory_mcp.rendezvous import NOT_THROUGH_LINKS

FILE_BYTES_MAX = 1_000_000
FILES_KEPT = 3
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class DaemonLog(RotatingFileHandler):
    """Readable by its owner alone; takes what is printed or said by a crash as well."""

    def __init__(self, path: str) -> None:
        super().__init__(path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8")
        self.setFormatter(LogLines(FORMAT))

    def _open(self) -> TextIOWrapper:
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NOT_THROUGH_LINKS
        descriptor = os.open(self.baseFilename, how, 0o600)
        for standard in (1, 2) if sys.platform != "win32" else ():  # there it could not be renamed
            os.dup2(descriptor, standard)
        return os.fdopen(descriptor, "a", encoding="utf-8")


def log_to(path: str) -> None:
    """From now on everything that would be said on standard output or error goes to that file."""
    sys.stdout.flush()
    sys.stderr.flush()
    logging.basicConfig(handlers=[DaemonLog(path)], level=logging.getLogger().level, force=True)
    logging.getLogger("memory_mcp.daemon").setLevel(logging.INFO)
