"""What to think of a daemon that lets somebody wait, and what is left to do about one.

Standard library only: a bridge may need this.

It answers pings from its event loop, while jobs run in threads of their own, so that a long job is
not taken for a silent daemon. Where it was stopped (SIGSTOP, a shell's Ctrl-Z, a debugger), the
system says so at once, and nobody needs to wait.
"""

from __future__ import annotations

import os
import time

from memory_mcp import __version__
from memory_mcp.holder import NOT_THROUGH_LINKS, holder_of, locked, sign

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable

    from memory_mcp.holder import Holder

LOOK_SECONDS = 0.1
"""How often the system is asked at most."""
STOPPED_LOOKS = 2
"""A shell or a debugger stops a process for a moment."""
PING_AFTER_SECONDS = 2.0
PING_SECONDS = 2.0
SILENT_SECONDS = 10.0
"""How long its event loop may answer nothing: a machine that is short of memory or processors keeps
a sound one busy for seconds, and to replace that costs every session a second."""


class Watch:
    """Whether the daemon that lets somebody wait will ever answer."""

    def __init__(
        self,
        holder: Callable[[], Holder | None],
        answers: Callable[[float], bool] | None = None,
        *,
        counts: bool = False,
    ) -> None:
        """`counts`: that nothing comes for long means something.

        Where what is waited for may take long, `answers` asks the event loop something else.
        """
        self._holder = holder
        self._answers = answers
        self._counts = counts
        self._began = self._heard = self._looked = time.monotonic()
        self._stops = 0

    def look(self) -> str:
        """Why it will not answer, in words; empty where it may. May take `PING_SECONDS`."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return ""
        self._looked = now
        holder = self._holder()
        if holder is not None and holder.is_stopped():
            self._stops += 1
            return "was stopped and answers nothing" if self._stops >= STOPPED_LOOKS else ""
        self._stops = 0
        if not self._counts:
            return ""
        if self._answers is not None and now - self._began > PING_AFTER_SECONDS:
            if self._answers(PING_SECONDS):
                self._began = self._heard = time.monotonic()
                return ""
        if (silent := time.monotonic() - self._heard) > SILENT_SECONDS:
            return f"has answered nothing for {silent:.0f} s"
        return ""


def replace_lock(path: str, holder: Holder) -> int | None:
    """A lock of ours in the place of one that cannot be had, unless somebody was quicker.

    One at a time, and only if it is still that lock: the next one must not be replaced.
    """
    how = os.O_RDWR | os.O_CREAT | NOT_THROUGH_LINKS
    takers = os.open(f"{path}.takers", how, 0o600)
    try:
        if not locked(takers):
            return None
        now = holder_of(path)
        if now is None or now.number != holder.number:
            return None
        part = f"{path}.{os.getpid()}"
        lock = os.open(part, how, 0o600)
        if not locked(lock):
            os.close(lock)
            return None
        sign(lock, __version__)
        os.rename(part, path)
        return lock
    finally:
        os.close(takers)


def note(log: str, what: str) -> None:
    """Say it in the daemon's log, in whose form everything there is."""
    try:
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NOT_THROUGH_LINKS
        with open(os.open(log, how, 0o600), "a", encoding="utf-8") as file:
            at = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"{at},000 WARNING memory_mcp.silence: {what}\n")
    except OSError:  # the disk is full
        pass
