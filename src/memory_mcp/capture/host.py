"""What all hosts' hooks have in common: payloads of unsure shape in, events and a text out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.host_events import HostEvent, HostEventKind, own_tool, tool_in_short
from memory_mcp.domain.times import parse_moment

Shows = Literal["context", "changes"]
"""What a host is told after this hook: everything, or what changed since it was last told.

A session that was told nothing yet is told everything in either case.
"""


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

    def any(self, name: str) -> Any:
        """A field, whatever it is."""
        return self._told.get(name)

    def inner(self, name: str) -> "Payload":
        """An object in a field; an empty one where there is none."""
        value = self._told.get(name)
        return Payload(cast("Mapping[str, Any]", value) if isinstance(value, dict) else {})

    def plain(self, name: str) -> str:
        """A field as one text: a text as it is, anything else as JSON."""
        return plain(self._told.get(name))

    def moment(self, name: str) -> datetime | None:
        """A field that is a time: ISO 8601, or milliseconds since 1970."""
        value = self._told.get(name)
        try:
            if isinstance(value, str):
                return parse_moment(value, name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value / 1000, UTC)
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
    shows: Shows | None = None
    transcript: str | None = None
    """Read what is new in there: the payload itself tells less than it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host's hooks."""

    name: str
    chars_max: int
    """The most it takes of a hook, in characters."""
    hear: Callable[[Payload], Heard]
    say: Callable[[str, str], str]
    """From its name of the event and a text to what it wants printed."""
    line: Callable[[Payload, str], HostEvent | None] | None = None
    """One line of its transcript, of that session, as an event."""


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


def tool_event(
    session: str, name: str, asked: Any, answered: Any, *, key: str | None, **more: Any
) -> HostEvent | None:
    """A tool's use in short; of our own tools only which block was edited."""
    if not name:
        return None
    if tool := own_tool(name):
        label = Payload(as_object(asked)).text("label")
        if not tool.startswith("core_memory") or not label:
            return None
        return HostEvent(kind="tool", session=session, label=label, name=name, **more)
    text = tool_in_short(name, _in_words(asked), plain(answered))
    return HostEvent(kind="tool", session=session, text=text, name=name, key=key, **more)


def event(kind: HostEventKind, session: str, **more: Any) -> HostEvent:
    """One event; empty texts that stand for nothing become `None`."""
    told = {name: value or None for name, value in more.items() if name != "text"}
    return HostEvent(kind=kind, session=session, text=more.get("text") or "", **told)


def as_object(value: Any) -> dict[str, Any]:
    """An object, or the object a text holds as JSON; else an empty one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def plain(value: Any) -> str:
    """A value as one text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def said_in(content: Any) -> str:
    """The text of a message's content: a text, or parts of which some are texts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [Payload(as_object(part)) for part in cast("list[Any]", content)]
    texts = [part.text("text") for part in parts if part.text("type") in _TEXT_PARTS]
    return "\n".join(text for text in texts if text)


_TEXT_PARTS = ("text", "output_text", "input_text")


def _in_words(asked: Any) -> str:
    """A call's arguments as `name=value, …`."""
    if told := as_object(asked):
        return ", ".join(f"{name}={plain(value)}" for name, value in told.items())
    return plain(asked)
