"""What the wires have in common."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Events = list[tuple[str | None, dict[str, Any] | str]]
"""Server-sent events: name, if it has one, and data."""

Reply = dict[str, Any] | Events
"""JSON, or events one after the other."""


def text_of(content: Any) -> str:
    """The text of content that is a text, or parts of which some have one."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(
            part if isinstance(part, str) else str(part.get("text") or "")
            for part in content
            if isinstance(part, str | dict)
        )
    return ""


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value, in order; names of fields are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from texts_in(inner)
