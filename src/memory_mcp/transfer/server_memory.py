"""The official memory server's graph, and its forks': entities with observations, and relations.

JSON lines, as the servers write them; or one object or list of both, as `read_graph` answers and
people tidy it up. Forks give an observation an object with a time, entities a time and a weight.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from memory_mcp.domain.json_values import as_list, as_object, as_text, first_text
from memory_mcp.domain.passages import NewPassage
from memory_mcp.transfer.report import Item, Report, dated, storable, tags_of
from memory_mcp.transfer.source import Source, objects_by_line

_TEXTS = ("content", "text", "observation", "value", "fact", "description", "body")
_TIMES = ("timestamp", "occurredAt", "occurred_at", "createdAt", "created_at", "date", "time")
_NAMES = ("name", "entityName")
_FROM, _TO = ("from", "source"), ("to", "target")
_HOW = ("relationType", "relation", "relation_type")
_LISTS = ("entities", "relations")
_READ = {*_NAMES, *_FROM, *_TO, *_HOW, "type", "entityType", "entity_type", "observations", "tags"}
_WRAPS = ("structuredContent", "graph", "knowledgeGraph", "memory", "data", "result")
"""What a graph may stand under."""


def read(source: Source, report: Report) -> Iterator[Item]:
    """A passage for each observation and each relation."""
    for document in source.documents(r"\.jsonl?$", "memory.jsonl"):
        name = document.name if source.is_folder else ""
        with document.opened() as file:
            for _, place, told in objects_by_line(file, report, name):
                yield from _record(told, place, report)


def _record(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    kind = as_text(told.get("type")).lower()
    if kind == "_aim":
        report.left_out["marks at the beginning of a file"] += 1
    elif kind == "entity" or "observations" in told or (not kind and "entityType" in told):
        yield from _entity(told, place, report)
    elif kind == "relation" or any(name in told for name in _HOW):
        yield from _relation(told, place, report)
    elif any(isinstance(told.get(name), list | dict) for name in _LISTS):
        yield from _graph(told, place, report)
    elif wrapped := next((as_object(told[name]) for name in _WRAPS if name in told), None):
        yield from _record(wrapped, place, report)
    else:
        says = f"records of the type {kind[:40]!r}" if kind else "records of an unknown kind"
        report.not_understood[says] += 1


def _graph(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    for name, kind in (("entities", "entity"), ("relations", "relation")):
        records = told.get(name)
        if isinstance(records, dict):  # by their names
            records = [
                {"name": key, **as_object(value)}
                if isinstance(value, dict)
                else {"name": key, "observations": value}
                for key, value in as_object(records).items()
            ]
        for number, each in enumerate(as_list(records), 1):
            where = f"{place}, {kind} {number:,}"
            if isinstance(each, dict):
                yield from _record({**as_object(each), "type": kind}, where, report)
            else:
                report.refuse(where, "it is not a JSON object")
    report.unknown_fields.update(name for name in told if name not in (*_LISTS, "type"))


def _entity(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    name = first_text(told, *_NAMES)
    if not name:
        report.refuse(place, "it is an entity without a name")
        return
    kind = first_text(told, "entityType", "entity_type")
    if not kind and as_text(told.get("type")).lower() != "entity":
        kind = first_text(told, "type")
    tags = tags_of(kind, name, *as_list(told.get("tags")))
    metadata = _metadata(told, report)
    found = list(_observations(told.get("observations", []), report))
    for text, at in found or [("", None)]:
        content = f"{name}: {text}" if text else f"{name} is of the type {kind}." if kind else name
        yield Item(_passage(content, tags, report, at, metadata), place)


def _observations(told: Any, report: Report) -> Iterator[tuple[str, datetime | None]]:
    """The texts of observations, however they are put together, with their times."""
    if isinstance(told, list):
        for each in as_list(told):
            yield from _observations(each, report)
    elif isinstance(told, dict):
        observation = as_object(told)
        if observation.get("superseded_by"):
            report.left_out["observations that a later one took the place of"] += 1
        elif text := first_text(observation, *_TEXTS):
            yield text, dated(observation, report, *_TIMES)
        elif observation and all(isinstance(each, dict | list) for each in observation.values()):
            for each in observation.values():
                yield from _observations(each, report)
        else:
            report.not_understood["observations of an unknown shape"] += 1
    elif told is None or not str(told).strip():
        report.left_out["empty observations"] += 1
    else:
        yield told if isinstance(told, str) else str(told), None


def _relation(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    ends = [
        first_text(told, *names) or next(
            (text for name in names if (text := first_text(as_object(told.get(name)), *_NAMES))), ""
        )
        for names in (_FROM, _TO)
    ]  # fmt: skip
    if not all(ends):
        report.refuse(place, "it is a relation without two ends")
        return
    how = first_text(told, *_HOW).replace("_", " ") or "is related to"
    tags = tags_of("relation", *ends, *as_list(told.get("tags")))
    at = dated(told, report, *_TIMES)
    content = f"{ends[0]} {how} {ends[1]}."
    yield Item(_passage(content, tags, report, at, _metadata(told, report)), place)


def _metadata(told: dict[str, Any], report: Report) -> dict[str, Any] | None:
    """What else a record says in words or numbers; lists and objects have no place."""
    kept: dict[str, Any] = {}
    for name in (name for name in told if name not in _READ):
        if isinstance(told[name], str | int | float):
            kept[name] = told[name]
        elif told[name] not in (None, [], {}):
            report.unknown_fields[name] += 1
    return kept or None


def _passage(
    text: str,
    tags: tuple[str, ...],
    report: Report,
    at: datetime | None,
    metadata: dict[str, Any] | None,
) -> NewPassage:
    return NewPassage(
        content=storable(text, report),
        tags=tags,
        occurred_at=at,
        origin="import:server-memory",
        metadata=metadata,
    )
