"""Whose memory it is: from a folder to the project whose agent is meant. One rule for everybody.

Standard library only, and little of that: a host waits while the bridge imports this. Servers,
bridges, hooks, importers and commands all ask here, so that they agree.

The project of a folder is the repository it lies in. A git worktree is its repository's, a
submodule is a repository of its own, and a bare repository is that of its worktrees. Files are
looked at and git is not run: its own variables (`GIT_DIR`) say what one command works on, not where
a person is. A `.git` file is somebody's word, and may come out of an archive: it makes a folder a
part of a repository only where that repository lists the folder among its worktrees.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECTS = ("repository", "folder")
"""What counts as a project: the repository around a folder, or the folder itself."""
STARTED_IN = (
    "CLAUDE_PROJECT_DIR",
    "GEMINI_PROJECT_DIR",
    "QWEN_PROJECT_DIR",
    "COPILOT_PROJECT_DIR",
)
"""Where a host was started, as it tells its servers and hooks; not the repository's root."""
HOME = "USERPROFILE" if sys.platform == "win32" else "HOME"
"""The variable that names the home folder."""
_FILE_BYTES_MAX = 65_536
"""Of a `.git` file or a repository's settings; more than that is none of git's."""


def chosen(
    agent: str | None, given: Mapping[str, str], folder: str | None, by: str | None = None
) -> tuple[str | None, str | None]:
    """Whom a process speaks for: an agent's name, or a project's folder, or neither (`default`).

    `agent` and `by` come from the command line and go before the variables in `given`; `folder` is
    where the process was started, if that is known.
    """
    if name := agent or given.get("MEMORY_MCP_AGENT"):
        return name, None
    folder = started_in(given) or folder
    by = by or given.get("MEMORY_MCP_PROJECT_BY")
    return None, project_of(folder, by=by, home=home_in(given)) if folder else None


def started_in(given: Mapping[str, str]) -> str | None:
    """The folder that the host says a session was started in."""
    return next((folder for name in STARTED_IN if (folder := given.get(name))), None)


def home_in(given: Mapping[str, str]) -> str:
    """The home folder of whoever has these variables."""
    return given.get(HOME) or os.path.expanduser("~")


def project_of(folder: str, *, by: str | None = None, home: str | None = None) -> str | None:
    """The project of a folder, as text that can be stored; `None` where it has none.

    A home folder and `/` are no projects. A folder that isn't there any more is looked for where it
    was: it may have lain in a repository that is still there.
    """
    try:
        found = os.path.realpath(os.path.expanduser(folder))
        if by != "folder":
            found = _repository_around(found, _real_home(home))
    except (OSError, ValueError):  # a name with NUL in it
        return None
    if found is None or _is_no_project(found, _real_home(home)):
        return None
    # A folder's name may be no UTF-8; the store holds text.
    return os.fsencode(found).decode("utf-8", "backslashreplace")


def gone(folder: str) -> tuple[str, ...]:
    """Of a folder and those around it, the ones that aren't there any more, innermost first."""
    try:
        missing: list[str] = []
        for each in _upwards(os.path.realpath(os.path.expanduser(folder))):
            if not _is_missing(each):
                break
            missing.append(os.fsencode(each).decode("utf-8", "backslashreplace"))
    except (OSError, ValueError):
        return ()
    return tuple(missing)


def _is_missing(path: str) -> bool:
    """Whether it surely isn't there: one that may not be looked at may be."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _real_home(home: str | None) -> str:
    return os.path.realpath(home or os.path.expanduser("~"))


def _is_no_project(folder: str, home: str) -> bool:
    return folder in (home, os.path.dirname(folder))


def _upwards(folder: str) -> Iterator[str]:
    while True:
        yield folder
        around = os.path.dirname(folder)
        if around == folder:
            return
        folder = around


def _repository_around(folder: str, home: str) -> str | None:
    for each in _upwards(folder):
        if each == home:  # some keep their dot files in a repository; what lies in it is not theirs
            return None
        if root := _repository_at(each):
            return root
    return None


def _repository_at(folder: str) -> str | None:
    """The repository whose working tree begins in this folder, or which is this folder."""
    git = os.path.join(folder, ".git")
    kind = _kind(git)
    if kind == stat.S_IFDIR:
        return folder
    if kind == stat.S_IFREG:
        return _repository_of_worktree(git) or folder
    return _working_tree(folder) if _is_bare(folder) else None


def _repository_of_worktree(git: str) -> str | None:
    """The repository that the `.git` file of a linked worktree points to, if it agrees.

    Its folder for the worktree lies in the repository itself, and names that very file.
    """
    told = _pointed_to(git)
    if told is None:
        return None
    worktrees, name = os.path.split(told)
    common, middle = os.path.split(worktrees)
    if middle != "worktrees" or not name:  # a submodule, or a repository kept elsewhere
        return None
    there = os.path.realpath(told)
    common = os.path.realpath(common)
    if os.path.dirname(os.path.dirname(there)) != common or not _is_bare(common):
        return None
    back = _first_line(os.path.join(there, "gitdir"))
    if back is None or not _is_same(os.path.join(there, back), git):
        return None
    return _working_tree(common)


def _working_tree(common: str) -> str:
    """The folder that stands for a repository, given where its objects are."""
    around, name = os.path.split(common)
    if name == ".git":
        return around
    # A submodule's lies in its superproject's, and says where its working tree is; a bare one may
    # lie in a folder whose `.git` file points to it.
    for tree in (_configured_tree(common), around):
        if tree and _is_same(_pointed_to(os.path.join(tree, ".git")), common):
            return os.path.realpath(tree)
    return around if name.startswith(".") else common


def _configured_tree(common: str) -> str | None:
    """What a repository's settings say of its working tree."""
    section = ""
    for line in (_text(os.path.join(common, "config")) or "").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[] \t").lower()
        elif section == "core" and line.partition("=")[0].strip().lower() == "worktree":
            told = line.partition("=")[2].strip().strip('"')
            return os.path.join(common, told) if told and not _is_remote(told) else None
    return None


def _pointed_to(git: str) -> str | None:
    """Where a `.git` file says that the repository is."""
    line = _first_line(git)
    if line is None or not line.startswith("gitdir:"):
        return None
    told = line.removeprefix("gitdir:").strip()
    if not told or _is_remote(told):
        return None
    return os.path.normpath(os.path.join(os.path.dirname(git), told))


def _is_remote(path: str) -> bool:
    """Whether looking at it would greet another machine, with our name (Windows)."""
    return sys.platform == "win32" and path.replace("\\", "/").startswith("//")


def _is_bare(folder: str) -> bool:
    """Whether a folder is a repository without a working tree, or the inside of one with it."""
    return (
        _kind(os.path.join(folder, "HEAD")) == stat.S_IFREG
        and _kind(os.path.join(folder, "objects")) == stat.S_IFDIR
        and _kind(os.path.join(folder, "refs")) == stat.S_IFDIR
    )


def _is_same(path: str | None, other: str) -> bool:
    try:
        return path is not None and os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def _kind(path: str) -> int | None:
    """What there is at a path, links followed; `None` for nothing, or nothing we may see."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return None


def _first_line(path: str) -> str | None:
    text = _text(path)
    return text.partition("\n")[0].rstrip("\r") if text else None


def _text(path: str) -> str | None:
    """A small file's text; `None` for anything else. Never waits, as a pipe would make us."""
    if _kind(path) != stat.S_IFREG:
        return None
    try:
        how = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, how), "rb") as file:
            read = file.read(_FILE_BYTES_MAX + 1)
    except (OSError, ValueError):
        return None
    if len(read) > _FILE_BYTES_MAX or b"\0" in read:
        return None
    return os.fsdecode(read)
