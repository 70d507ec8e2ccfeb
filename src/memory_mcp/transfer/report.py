"""What an import reads, and how it went: the words all formats share."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import Copy
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.texts import MESSAGE_CHARS_MAX, NAME_CHARS_MAX, SURROGATE, clip
from memory_mcp.domain.times import parse_moment

BAD_TOLD = 20
TOOL_CHARS = 400
"""As much of what a tool was asked, and as much of what it answered, is kept of a transcript."""


@dataclass(frozen=True, slots=True)
class HeldIn:
    """The folder that a session was held in: it belongs to that folder's agent."""

    folder: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be stored, and where in the source it stands."""

    what: NewMessage | NewPassage | Copy
    place: str
    owner: AgentChoice | HeldIn | None = None
    """Whose it is, where the source says so."""


@dataclass(slots=True)
class Report:
    """How an import went so far."""

    lines: int = 0
    bytes: int = 0
    """How far the file is read."""
    read: int = 0
    """Things found in it that may be stored."""
    stored: int = 0
    known: int = 0
    nouns: Counter[str] = field(default_factory=Counter[str])
    """What was stored, by noun; of a dry run what was read."""
    bad: int = 0
    bad_places: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The first things that could not be stored: where they stand, and what is wrong."""
    unknown_fields: Counter[str] = field(default_factory=Counter[str])
    """Fields that have no place in memory, with how often they came."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """What was left out on purpose, or has no counterpart, with how often it came."""
    seconds: Counter[str] = field(default_factory=Counter[str])
    """Where the time went, by stage."""

    def refuse(self, place: str, reason: str) -> None:
        """Count what could not be imported."""
        self.bad += 1
        if len(self.bad_places) < BAD_TOLD:
            self.bad_places.append((place, reason))


# --- Values of unsure shape ---


def as_object(value: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list; an empty one for anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none for anything else."""
    return [cast("dict[str, Any]", each) for each in as_list(value) if isinstance(each, dict)]


def as_text(value: Any) -> str:
    """A text; an empty one for anything else."""
    return value if isinstance(value, str) else ""


def moment_of(value: Any) -> datetime | None:
    """A time in any of the ways exports write one: ISO 8601, or seconds or milliseconds.

    `None` for what is none, and for what lies outside the years 1 to 9999.
    """
    try:
        if isinstance(value, str):
            return parse_moment(value, "time")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
    except (InvalidInput, ValueError, OverflowError, OSError):
        pass
    return None


def storable(text: str, report: Report) -> str:
    """Another program's text as memory can hold it; half characters and NUL are replaced.

    Nobody can be asked to write the export again. A text too long for a message stays as it is, and
    is refused with its place: what is cut off it would be missed by nobody.
    """
    plain = SURROGATE.sub("\ufffd", text.replace("\0", "\ufffd")) if _is_odd(text) else text
    if plain != text:
        report.left_out["messages with NUL or half a character, replaced by \ufffd"] += 1
    return plain


def _is_odd(text: str) -> bool:
    if "\0" in text:
        return True
    return not text.isascii() and SURROGATE.search(text) is not None


def name_of(told: Any) -> str | None:
    """A speaker's or tool's name: one printable line, or none."""
    plain = "".join(char for char in as_text(told) if char.isprintable()).strip()
    return SURROGATE.sub("", plain)[:NAME_CHARS_MAX].strip() or None


def tool_in_short(name: str, asked: str, answered: str) -> str:
    """What is kept of a tool's use: how it was called, and how its answer begins."""
    call = clip(" ".join(asked[: TOOL_CHARS * 20].split()), TOOL_CHARS)
    answer = clip(" ".join(answered[: TOOL_CHARS * 20].split()), TOOL_CHARS)
    return f"{name}({call})" + (f"\n→ {answer}" if answer else "")


def told_of(arguments: Any) -> str:
    """A call's arguments as `name=value, …`; a text that holds them as JSON is unpacked."""
    if isinstance(arguments, str) and arguments.startswith("{"):
        arguments = unpacked(arguments)
    if isinstance(arguments, dict):
        parts = cast("dict[str, Any]", arguments).items()
        return ", ".join(f"{name}={_plain(value)}" for name, value in parts)
    return _plain(arguments)


def unpacked(text: str) -> Any:
    """The JSON that a text holds; the text where it holds none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def text_in(content: Any) -> str:
    """The text of a content: a text, or parts some of which are texts."""
    if isinstance(content, str):
        return content
    parts = [
        each if isinstance(each, str) else as_text(as_object(each).get("text"))
        for each in as_list(content)
    ]
    return "\n".join(part for part in parts if part)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)[:MESSAGE_CHARS_MAX]
