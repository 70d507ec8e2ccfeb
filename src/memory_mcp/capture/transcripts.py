"""What is new in a host's file of a conversation: JSON lines, read from where we left off."""

import json
import os
from typing import Any, cast

from memory_mcp.capture.host import Host, Payload
from memory_mcp.domain.host_events import HostEvent, HostSession

BYTES_MAX = 64 * 1024 * 1024
"""Of more than that at once, only the end is read."""


def new_events(
    host: Host, session: str, path: str, known: HostSession
) -> tuple[list[HostEvent], int]:
    """The events in the lines that came since, and how far was read now.

    A line that is still being written is left for the next time.

    Raises:
        OSError: the file cannot be read.
    """
    if host.line is None:
        return [], 0
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = known.offset if known.transcript == path and known.offset <= size else 0
        start = max(start, size - BYTES_MAX)
        file.seek(start)
        read = file.read(size - start)
    whole = read[: read.rfind(b"\n") + 1]
    events = [
        event
        for line in whole.splitlines()
        if (entry := _entry(line)) is not None and (event := host.line(entry, session)) is not None
    ]
    return events, start + len(whole)


def _entry(line: bytes) -> Payload | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return Payload(cast("dict[str, Any]", told)) if isinstance(told, dict) else None
