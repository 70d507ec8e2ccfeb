"""Writing an export: whole or not at all, readable by its owner alone, over nothing unasked."""

import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

from memory_mcp.domain.errors import ExportRefused


async def write_file(name: str, pieces: AsyncGenerator[str], *, force: bool) -> int:
    """Write a file, or to standard output for `-`; how many bytes.

    Raises:
        ExportRefused: there is one and `force` is not given, or it cannot be written.
    """
    if name == "-":
        written = 0
        async with aclosing(pieces):
            async for piece in pieces:
                written += sys.stdout.buffer.write(piece.encode())
        sys.stdout.buffer.flush()
        return written
    path = Path(name).expanduser()
    refuse_existing(path, force=force)
    written = 0
    with replaced(path) as temporary, os.fdopen(temporary, "wb") as file:
        async with aclosing(pieces):
            async for piece in pieces:
                written += file.write(piece.encode())
        file.flush()
        os.fsync(file.fileno())
    return written


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to write over what is there.

    Raises:
        ExportRefused: there is something.
    """
    if path.is_dir():
        raise ExportRefused(f"{path} is a folder; give the name of a file.")
    if path.exists() and not force:
        raise ExportRefused(f"{path} exists and was left alone. With --force it is replaced.")


@contextmanager
def replaced(path: Path) -> Generator[int]:
    """A new file (0600), which takes its name when it is whole, and else goes.

    Raises:
        ExportRefused: it cannot be written there.
    """
    try:
        number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        yield number
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, BrokenPipeError):
            raise
        raise _refused(path, error) from error
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _refused(path: Path, error: OSError) -> ExportRefused:
    return ExportRefused(f"{path} cannot be written: {error.strerror or error}.")
