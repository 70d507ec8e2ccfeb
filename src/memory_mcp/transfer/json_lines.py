"""JSON lines, in and out: one object a line.

Our own export has a first line that says so, and then lines with a `kind`, whose fields are those
of `domain/copies.py`; they come back with their ids, so that an export of the copy reads the same.
Its last line says that it is whole.

A line without `kind` is a message or a passage, as people and scripts write them. Messages: `role`,
`content`, `created_at` (ISO 8601), `conversation`; optional `name` (the speaker), `external_id`,
`metadata`. Passages: `content`; optional `tags`, `occurred_at`, `source`, `external_id`,
`metadata`. One without `external_id` gets one from what it says, so that the same file may be
imported again, after an interruption or by mistake, without storing anything twice.
"""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import (
    MessageCopy,
    PassageCopy,
    fields_of,
    from_line,
    to_line,
)
from memory_mcp.domain.errors import ImportRefused, InvalidInput
from memory_mcp.domain.ids import MessageId, PassageId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import Copied, NewPassage
from memory_mcp.domain.quoting import in_json
from memory_mcp.domain.texts import SURROGATE
from memory_mcp.domain.times import from_iso, parse_moment
from memory_mcp.services.copies import Copies, Taken
from memory_mcp.transfer.report import Item, Report
from memory_mcp.transfer.source import Source, objects_by_line

FORMAT = 2
"""Rises when an older memory-mcp could not take in an export as it is meant.

2: whole stores, with deleted agents, mail, the ledger and hosts' sessions; and a last line.
"""
HEADER = {"kind": "memory-mcp", "format": FORMAT}
END = "end"
"""The kind of the last line, which says how many copies came before it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line without `kind` is: its fields, and how it is read."""

    fields: frozenset[str]
    read: Callable[[dict[str, Any]], NewMessage | NewPassage]


def read_messages(source: Source, report: Report) -> Iterator[Item]:
    """An export of ours, or messages."""
    with source.opened() as file:
        yield from items_in(file, MESSAGES, report)


def read_passages(source: Source, report: Report) -> Iterator[Item]:
    """Passages."""
    with source.opened() as file:
        yield from items_in(file, PASSAGES, report)


def items_in(file: BinaryIO, usual: Line, report: Report) -> Iterator[Item]:
    """What the lines of a file tell; a bad line is noted and passed over."""
    seen: Counter[str] = Counter()
    whole: _Whole | None = None
    for _, place, told in objects_by_line(file, report):
        try:
            if told.get("kind") == HEADER["kind"]:
                if whole is not None:
                    whole.check(report)
                whole = _Whole(_checked_format(told))
            elif whole is not None and told.get("kind") == END:
                whole.said = told.get("copies")
            elif "kind" in told:
                if whole is not None:
                    whole.copies += 1
                yield _copy(told, place, report)
            else:
                report.unknown_fields.update(_said(told) - usual.fields)
                told.setdefault("external_id", None)
                if told["external_id"] is None:
                    told["external_id"] = _derived_id(told, seen)
                yield Item(usual.read(told), place)
        except InvalidInput as error:
            report.refuse(place, str(error))
    if whole is not None:
        whole.check(report)


@dataclass(slots=True)
class _Whole:
    """How much of an export came, and how much there was to come."""

    format: int
    copies: int = 0
    said: Any = None

    def check(self, report: Report) -> None:
        """Note that something of it is missing, if that is so."""
        if self.format == 1:  # which has no last line
            return
        if self.said is None:
            report.refuse(
                "its end",
                "the export is cut off: its last line is missing. What came before was taken; "
                "export again, and import that.",
            )
        elif isinstance(self.said, int) and self.copies < self.said:
            report.refuse(
                "its end", f"the export had {self.said:,} lines, and {self.copies:,} came"
            )


def _checked_format(told: dict[str, Any]) -> int:
    made = told.get("format")
    if not isinstance(made, int) or not 1 <= made <= FORMAT:
        raise ImportRefused(
            f"the file is an export of format {made!r}, and this memory-mcp reads formats 1 to "
            f"{FORMAT}. A newer one made it: upgrade, then import again. Nothing was stored."
        )
    return made


def _copy(told: dict[str, Any], place: str, report: Report) -> Item:
    copy = from_line(told)
    report.unknown_fields.update(_said(told) - fields_of(told["kind"]))
    match copy:
        case MessageCopy():
            made = NewMessage(
                id=MessageId(copy.id),
                role=cast("Any", copy.role),
                content=copy.content,
                created_at=from_iso(copy.created_at),
                conversation=copy.conversation,
                name=copy.name,
                external_id=copy.external_id,
                metadata=copy.metadata,
                aliases=tuple(copy.aliases or ()),
            )
            return Item(made, place, AgentChoice(name=copy.agent))
        case PassageCopy():
            supersedes = PassageId(copy.supersedes) if copy.supersedes else None
            passage = NewPassage(
                content=copy.content,
                tags=tuple(copy.tags),
                occurred_at=from_iso(copy.occurred_at) if copy.occurred_at else None,
                origin=copy.origin,
                source=copy.source,
                external_id=copy.external_id,
                metadata=copy.metadata,
                copied=Copied(
                    id=PassageId(copy.id),
                    created_at=from_iso(copy.created_at),
                    refreshed_at=from_iso(copy.refreshed_at),
                    supersedes=supersedes,
                ),
            )
            return Item(passage, place, AgentChoice(name=copy.agent))
        case _:
            return Item(copy, place)


def _said(told: dict[str, Any]) -> set[str]:
    """The fields that hold something."""
    return {name for name, value in told.items() if value not in (None, "", [], {})}


def _derived_id(told: dict[str, Any], seen: Counter[str]) -> str:
    """The same line gets the same id in every import; the same line twice in a file, two."""
    whole = json.dumps(told, sort_keys=True).encode()
    digest = hashlib.sha256(whole).hexdigest()[:24]
    seen[digest] += 1
    return f"line-{digest}-{seen[digest]}"


def _text(told: dict[str, Any], name: str, *, required: bool = True) -> Any:
    value = told.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is missing" if value is None else f"{name} must be text")
    return value


def _metadata(told: dict[str, Any]) -> dict[str, Any] | None:
    metadata = told.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise InvalidInput("metadata must be an object")
    return cast("dict[str, Any] | None", metadata)


def _read_message(told: dict[str, Any]) -> NewMessage:
    return NewMessage(
        role=_text(told, "role"),
        content=_text(told, "content"),
        created_at=parse_moment(_text(told, "created_at"), "created_at"),
        conversation=_text(told, "conversation"),
        name=_text(told, "name", required=False),
        external_id=_text(told, "external_id"),
        metadata=_metadata(told),
    )


def _read_passage(told: dict[str, Any]) -> NewPassage:
    tags = cast("list[Any]", told.get("tags") or [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):  # pyright: ignore[reportUnnecessaryIsInstance] - it is the file's word
        raise InvalidInput("tags must be a list of texts")
    occurred_at = _text(told, "occurred_at", required=False)
    return NewPassage(
        content=_text(told, "content"),
        tags=tuple(tags),
        occurred_at=parse_moment(occurred_at, "occurred_at") if occurred_at else None,
        origin="import",
        source=_text(told, "source", required=False),
        external_id=_text(told, "external_id"),
        metadata=_metadata(told),
    )


MESSAGES = Line(
    frozenset({"role", "content", "created_at", "conversation", "name", "external_id", "metadata"}),
    _read_message,
)
PASSAGES = Line(
    frozenset({"content", "tags", "occurred_at", "source", "external_id", "metadata"}),
    _read_passage,
)


async def written(
    copies: Copies, agents: Sequence[str] | None, taken: Taken | None = None
) -> AsyncGenerator[str]:
    """Everything of these agents, as lines that `read_messages` takes in; `taken` counts it."""
    yield _line(HEADER)
    lines = 0
    async with aclosing(copies.all(agents, taken)) as everything:
        async for copy in everything:
            lines += 1
            yield _line(to_line(copy))
    yield _line({"kind": END, "copies": lines})


def _line(told: dict[str, Any]) -> str:
    line = in_json(json.dumps(told, ensure_ascii=False))
    # Half a character in metadata can be written escaped alone.
    if not line.isascii() and SURROGATE.search(line):
        line = json.dumps(told)
    return line + "\n"
