"""What all hosts' hooks have in common: payloads of unsure shape in, events and a text out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.times import parse_moment
from memory_mcp.transcripts.transcript import NewTranscript


class Payload:
    """A host's JSON: whatever is missing or of another kind than documented counts as empty."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def text(self, *names: str) -> str:
        """The first of these fields that is a text with something in it."""
        for name in names:
            value = self._told.get(name)
            if isinstance(value, str) and value:
                return value
        return ""

    def any(self, *names: str) -> Any:
        """The first of these fields that is there, whatever it is."""
        return next((self._told[name] for name in names if self._told.get(name) is not None), None)

    def inner(self, name: str) -> "Payload":
        """An object in a field; an empty one where there is none."""
        value = self._told.get(name)
        return Payload(cast("Mapping[str, Any]", value) if isinstance(value, dict) else {})

    def number(self, name: str) -> float | None:
        """A field that is a number."""
        value = self._told.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value)

    def moment(self, name: str) -> datetime | None:
        """A field that is a time: ISO 8601, or milliseconds since 1970."""
        value = self._told.get(name)
        try:
            if isinstance(value, str):
                return parse_moment(value, name)
            if (milliseconds := self.number(name)) is not None:
                return datetime.fromtimestamp(milliseconds / 1000, UTC)
        except (InvalidInput, ValueError, OverflowError, OSError):
            pass
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one call of a hook told."""

    hook: str
    """The host's name of the event."""
    events: tuple[HostEvent, ...] = ()
    session: str = ""
    folder: str | None = None
    listens: bool = False
    """Whether the host takes something for its model after this hook."""
    transcript: str | None = None
    """The host's own file of the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host's hooks."""

    name: str
    chars_max: int
    """The most it takes of a hook, in characters."""
    hear: Callable[[Payload], Heard]
    say: Callable[[str, str], str]
    """From its name of the event and a text to what it wants printed."""
    transcript: NewTranscript | None = None
    """How its own file of a session is read."""
    tools_in_transcript: bool = False
    """Whether its file alone tells whose a tool's use was, and by which id it is known."""


def additional_context(hook: str, text: str) -> str:
    """How most hosts are told something for their model."""
    told = {"hookEventName": hook, "additionalContext": text}
    return as_printed({"hookSpecificOutput": told})


def as_printed(told: Mapping[str, Any]) -> str:
    """JSON without a character too many; half a character becomes an escape."""
    try:
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(told, separators=(",", ":"))
    return text


def event(kind: HostEventKind, session: str, **more: Any) -> HostEvent:
    """One event; what is empty is not told."""
    told: dict[str, Any] = {name: value for name, value in more.items() if value not in (None, "")}
    return HostEvent(kind=kind, session=session, **told)


def plain(value: Any) -> str:
    """A value as one text: a text as it is, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
