"""JSON lines: our own import format, one object a line.

Messages: `role`, `content`, `created_at` (ISO 8601), `conversation`; optional `name` (the speaker),
`external_id`, `metadata`. Passages: `content`; optional `tags`, `occurred_at`, `external_id`,
`metadata`. A line without `external_id` gets one from what it says, so that the same file may be
imported again, after an interruption or by mistake, without storing anything twice.
"""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.times import parse_moment
from memory_mcp.services import Services
from memory_mcp.services.archival import checked_passage
from memory_mcp.services.recall import checked_message

BATCH_ROWS = 200
LINE_BYTES_MAX = 16 * 1024 * 1024
BAD_LINES_TOLD = 20

Item = TypeVar("Item", NewMessage, NewPassage)


@dataclass(slots=True)
class Report:
    """How an import went so far."""

    lines: int = 0
    bytes: int = 0
    stored: int = 0
    known: int = 0
    bad: int = 0
    bad_lines: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """The first bad lines: number, and what is wrong with it."""
    unknown_fields: Counter[str] = field(default_factory=Counter[str])
    """Fields that have no place in memory, with the number of lines that had them."""

    def refuse(self, line: int, reason: str) -> None:
        """Count a line that could not be imported."""
        self.bad += 1
        if len(self.bad_lines) < BAD_LINES_TOLD:
            self.bad_lines.append((line, reason))


@dataclass(frozen=True, slots=True)
class Format(Generic[Item]):
    """One kind of line: its fields, how a line is read, how a batch is stored."""

    fields: frozenset[str]
    read: Callable[[dict[str, Any]], Item]
    store: Callable[[Services, AgentId, Sequence[Item]], Any]


async def import_lines(
    lines: Iterable[bytes], kind: "Format[Any]", services: Services, agent_id: AgentId
) -> AsyncIterator[Report]:
    """Import lines in batches; yields the report after each. A bad line is noted and passed over.

    Each batch is one transaction, so an interrupted import has stored whole batches.
    """
    report = Report()
    batch: list[Any] = []
    for item in _items(lines, kind, report):
        batch.append(item)
        if len(batch) == BATCH_ROWS:
            await _store(batch, kind, services, agent_id, report)
            batch = []
            yield report
    if batch:
        await _store(batch, kind, services, agent_id, report)
    yield report


async def _store(
    batch: Sequence[Any], kind: "Format[Any]", services: Services, agent_id: AgentId, report: Report
) -> None:
    stored: int = await kind.store(services, agent_id, batch)
    report.stored += stored
    report.known += len(batch) - stored


def _items(lines: Iterable[bytes], kind: "Format[Any]", report: Report) -> Iterator[Any]:
    seen: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        report.lines = number
        report.bytes += len(line)
        if not line.strip():
            continue
        try:
            told = _object(line)
            report.unknown_fields.update(told.keys() - kind.fields)
            told.setdefault("external_id", None)
            if told["external_id"] is None:
                told["external_id"] = _derived_id(told, seen)
            yield kind.read(told)
        except InvalidInput as error:
            report.refuse(number, str(error))


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LINE_BYTES_MAX:
        raise InvalidInput(f"the line is longer than {LINE_BYTES_MAX // 2**20} MiB")
    try:
        told: Any = json.loads(line)
    except UnicodeDecodeError:
        raise InvalidInput("the line is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the line is not JSON ({error})") from None
    if not isinstance(told, dict):
        raise InvalidInput("the line is not a JSON object")
    return cast("dict[str, Any]", told)


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
    return checked_message(
        NewMessage(
            role=_text(told, "role"),
            content=_text(told, "content"),
            created_at=parse_moment(_text(told, "created_at"), "created_at"),
            conversation=_text(told, "conversation"),
            name=_text(told, "name", required=False),
            external_id=_text(told, "external_id"),
            metadata=_metadata(told),
        )
    )


def _read_passage(told: dict[str, Any]) -> NewPassage:
    tags = cast("list[Any]", told.get("tags") or [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):  # pyright: ignore[reportUnnecessaryIsInstance] - it is the file's word
        raise InvalidInput("tags must be a list of texts")
    occurred_at = _text(told, "occurred_at", required=False)
    return checked_passage(
        NewPassage(
            content=_text(told, "content"),
            tags=tuple(tags),
            occurred_at=parse_moment(occurred_at, "occurred_at") if occurred_at else None,
            origin="import",
            external_id=_text(told, "external_id"),
            metadata=_metadata(told),
        )
    )


async def _store_messages(
    services: Services, agent_id: AgentId, batch: Sequence[NewMessage]
) -> int:
    return len((await services.recall.append(agent_id, batch, "import")).stored)


async def _store_passages(
    services: Services, agent_id: AgentId, batch: Sequence[NewPassage]
) -> int:
    filed = await services.archival.file(agent_id, batch)
    return sum(not one.refreshed for one in filed)


MESSAGES = Format(
    frozenset({"role", "content", "created_at", "conversation", "name", "external_id", "metadata"}),
    _read_message,
    _store_messages,
)
PASSAGES = Format(
    frozenset({"content", "tags", "occurred_at", "external_id", "metadata"}),
    _read_passage,
    _store_passages,
)
