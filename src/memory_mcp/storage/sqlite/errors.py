"""SQLite's errors as ours, in one place."""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memory_mcp.domain.errors import StoreBusy, StoreError, StoreFull, StoreUnusable
from memory_mcp.storage.sqlite.driver import driver_errors

BUSY_TIMEOUT_MS = 15_000


@contextmanager
def translated_errors(path: Path) -> Generator[None]:
    """SQLite's errors as ours, in one place."""
    try:
        yield
    except driver_errors() as error:
        raise _translated(error, path) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(_FULL.format(path=path)) from error
        raise


def not_a_database(path: Path, reason: str) -> str:
    """What is said of a file that SQLite cannot read."""
    return (
        f"{path} is not a SQLite database, or it is damaged ({reason}); it was left alone. "
        "Restore a backup, or choose another file with --database or MEMORY_MCP_DATABASE."
    )


_FULL = "the disk that holds {path} is full; nothing was changed. Free some space, then try again."


def _translated(error: Exception, path: Path) -> Exception:
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreBusy(
            f"the store stayed locked by another process for {BUSY_TIMEOUT_MS // 1000} s; nothing "
            "was changed. Try again; if it goes on, look for a stuck memory-mcp process."
        )
    if "is full" in text:
        return StoreFull(_FULL.format(path=path))
    if "not a database" in text or "malformed" in text:
        return StoreUnusable(not_a_database(path, text))
    if "disk I/O" in text:
        return StoreUnusable(
            f"{path} could not be read or written ({text}); nothing was changed. The disk is full "
            "or failing, or a limit of file sizes (`ulimit -f`) or a quota is reached. Free some "
            "space or lift the limit, then try again."
        )
    if "already exists" in text or "duplicate column" in text:
        return StoreUnusable(
            f"{path} says that it is of an older schema than its tables are ({text}): the number "
            "in its first bytes is damaged. It was left alone. Restore a backup."
        )
    if "readonly" in text or "unable to open" in text:
        return StoreUnusable(
            f"{path} cannot be written ({text}). Give yourself the right to write it, or choose "
            "another place with --database or MEMORY_MCP_DATABASE."
        )
    if isinstance(error, driver_errors("IntegrityError")):
        return StoreError(f"the store refused the change: {text}. Nothing was changed.")
    # Anything else (a wrong statement) is a bug of ours and should look like one.
    return error
