"""Which project a process works for. Standard library only: the bridge asks while a host waits."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Mapping


def project_of(environment: Mapping[str, str], folder: str | None) -> str | None:
    """The project's folder, whole: the host's word for it, or the git root around `folder`.

    `None` where there is none; a home folder or `/` is none.
    """
    if told := environment.get("CLAUDE_PROJECT_DIR"):
        return _as_project(told)
    root = _git_root(folder) if folder else None
    return _as_project(root) if root else None


def _as_project(folder: str) -> str | None:
    try:
        resolved = os.path.realpath(os.path.expanduser(folder))
        home = os.path.realpath(os.path.expanduser("~"))
    except (OSError, ValueError):
        return None
    if resolved == home or os.path.dirname(resolved) == resolved:
        return None
    # A folder's name may be no UTF-8; the store holds text.
    return os.fsencode(resolved).decode("utf-8", "backslashreplace")


def _git_root(folder: str) -> str | None:
    while True:
        if os.path.exists(os.path.join(folder, ".git")):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
