"""What lies under a folder: every file once, links followed, and what cannot be read."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """Something under a folder."""

    name: str
    """Its path from the folder, with slashes, as it can be shown."""
    path: Path
    size: int = 0
    hidden: bool = False
    """Whether its name begins with a dot; a hidden folder is one entry, and not looked into."""
    wrong: str | None = None
    """Why it cannot be read."""


def entries(root: Path) -> Iterator[Entry]:
    """Everything under a folder, by name; what links lead to comes last, and each file once.

    A folder that is reached by a link as well as by its own path has its own path's name, so that
    it is called the same whatever links there are.
    """
    links: list[tuple[str, Path]] = []
    folders: list[tuple[str, Path]] = [("", root)]
    seen: set[tuple[int, int]] = set()
    while folders or links:
        name, folder = folders.pop() if folders else links.pop(0)
        try:
            status = folder.stat()
            if not stat.S_ISDIR(status.st_mode):  # a link led to it
                yield from _file(name, folder, seen)
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            found = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            dangling = isinstance(error, FileNotFoundError) and folder.is_symlink()
            reason = "No such file or directory" if dangling else error.strerror or str(error)
            wrong = "is a link that points nowhere" if dangling else f"cannot be read: {reason}"
            yield Entry(name or ".", folder, wrong=wrong)
            continue
        within: list[tuple[str, Path]] = []
        for entry in found:
            inside = f"{name}/{shown(entry.name)}" if name else shown(entry.name)
            path = folder / entry.name
            if entry.name.startswith("."):
                yield Entry(inside, path, hidden=True)
            elif entry.is_symlink():
                links.append((inside, path))
            elif entry.is_dir():
                within.append((inside, path))
            else:
                yield from _file(inside, path, seen)
        folders += reversed(within)


def _file(name: str, path: Path, seen: set[tuple[int, int]]) -> Iterator[Entry]:
    try:
        status = path.stat()
    except OSError as error:
        yield Entry(name, path, wrong=f"cannot be read: {error.strerror or error}")
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    if not stat.S_ISREG(status.st_mode):
        yield Entry(name, path, wrong="is neither a file nor a folder")
    elif not os.access(path, os.R_OK):
        yield Entry(name, path, wrong="cannot be read: Permission denied")
    else:
        yield Entry(name, path, status.st_size)


def shown(name: str) -> str:
    """The name of a file as it can be shown: the same in every locale, as names are bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
