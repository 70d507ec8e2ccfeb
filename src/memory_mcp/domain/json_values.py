"""Another program's JSON, of unsure shape: what is missing or of another kind is empty."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import MESSAGE_CHARS_MAX, NAME_CHARS_MAX, SURROGATE
from memory_mcp.domain.times import parse_moment


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


def first_text(told: dict[str, Any], *names: str) -> str:
    """The first text under one of these names that is not blank; numbers count as texts."""
    for name in names:
        value = told.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


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


def name_of(told: Any) -> str | None:
    """A speaker's or tool's name: one printable line, or none."""
    plain = "".join(char for char in as_text(told) if char.isprintable()).strip()
    return SURROGATE.sub("", plain)[:NAME_CHARS_MAX].strip() or None


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
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)[:MESSAGE_CHARS_MAX]


def every_text(told: Any) -> Iterator[str]:
    """Every text in a JSON value, keys too, in its order."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict):
        for key, value in cast("dict[str, Any]", told).items():
            yield key
            yield from every_text(value)
    elif isinstance(told, list):
        for value in cast("list[Any]", told):
            yield from every_text(value)
