"""What is new in a host's own file of a session: JSON lines, read from where we left off."""

import json
import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from memory_mcp.domain.host_events import HostEvent
from memory_mcp.transcripts.transcript import NewTranscript

BYTES_MAX = 64 * 1024 * 1024
"""Of more than that at once, only the end is read."""
HEAD_BYTES_MAX = 1024 * 1024
BYTES_WAITED_FOR = 1024 * 1024
"""So much may follow a tool's call before its answer is no longer waited for."""


@dataclass(frozen=True, slots=True)
class News:
    """What came to a file."""

    events: list[HostEvent]
    offset: int
    """How far it was read now, in bytes: before a tool's call whose answer has not come."""


def new_events(
    begin: NewTranscript, session: str, path: str, start: int, bytes_max: int = BYTES_MAX
) -> News:
    """The events in the lines that came since `start`; none yet where more came than `bytes_max`.

    A line that is still being written is left for the next time.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if start > size or not _ends_line(file, start):  # it was written anew
            start = 0
        if size - start > bytes_max:
            if bytes_max < BYTES_MAX:
                return News([], start)
            start = size - bytes_max
        file.seek(start)
        read = file.read(size - start)
    transcript = begin(session, Counter(), Counter())
    transcript.whole = start == 0
    events: list[HostEvent] = []
    place = answered = start
    for line in read[: read.rfind(b"\n") + 1].splitlines(keepends=True):
        place += len(line)
        record = _record(line)
        if record is not None:
            events += transcript.events(record)
        if not transcript.waits:
            answered = place
    offset = place if place - answered > BYTES_WAITED_FOR else answered
    if transcript.has_lost_context:
        events.append(HostEvent(kind="compaction", session=session, name="done"))
    return News([_here(event, session) for event in events], offset)


def _here(event: HostEvent, session: str) -> HostEvent:
    """An event as the session's that the hook names; a copy stays where it was said."""
    return event if event.copy and not event.key else replace(event, session=session)


def parent_of(begin: NewTranscript, path: str) -> str | None:
    """The session that a file says its own was forked from; `None` where it says nothing."""
    try:
        with open(path, "rb") as file:
            first = file.readline(HEAD_BYTES_MAX)
    except OSError:
        return None
    transcript = begin("", Counter(), Counter())
    if (record := _record(first)) is not None:
        for _ in transcript.events(record):
            pass
    return transcript.parent


def size_of(path: str) -> int:
    """How long a file is, in bytes; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _ends_line(file: BinaryIO, place: int) -> bool:
    if place == 0:
        return True
    file.seek(place - 1)
    return file.read(1) == b"\n"


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", told) if isinstance(told, dict) else None
