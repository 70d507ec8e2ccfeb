"""The official memory server's graph, and its forks': entities with observations, and relations.

JSON lines, as the servers write them; or one object or list of both, as `read_graph` answers and
people tidy it up. Forks give an observation an object with a time, entities a time and a weight;
texts and relations that stand in an entity, or beside the entities, are passages too.
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
_OBSERVED = ("observations", "contents")
_READ = {*_NAMES, *_FROM, *_TO, *_HOW, *_OBSERVED, "type", "entityType", "entity_type", "tags"}
_VECTORS = ("embedding", "embeddings", "vector", "vectors")
_WRAPS = ("structuredContent", "graph", "knowledgeGraph", "memory", "data", "result")
"""What a graph may stand under."""
_OF_FILE = (
    "version", "schema", "$schema", "format", "id", "exportedAt", "exported_at", "source",
    "timestamp", "createdAt", "created_at", "updatedAt", "updated_at", "date", "generator",
)  # fmt: skip
"""Texts beside the entities that say nothing of them."""


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
    elif kind == "relation" or (kind != "entity" and _is_relation(told)):
        yield from _relation(told, place, report)
    elif kind != "entity" and _is_graph(told):
        yield from _graph(told, place, report)
    elif kind == "entity" or any(name in told for name in (*_OBSERVED, "entityType")):
        yield from _entity(told, place, report)
    elif any(name in told for name in _HOW):
        yield from _relation(told, place, report)
    elif wrapped := next((as_object(told[name]) for name in _WRAPS if name in told), None):
        yield from _record(wrapped, place, report)
    else:
        says = f"records of the type {kind[:40]!r}" if kind else "records of an unknown kind"
        report.not_understand(says, place)


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
    for name in (name for name in told if name not in (*_LISTS, "type")):
        yield from _beside(name, told[name], place, report)


def _beside(name: str, value: Any, place: str, report: Report) -> Iterator[Item]:
    """What stands beside the entities: observations of some, or texts of none."""
    if isinstance(value, dict) and not first_text(as_object(value), *_TEXTS):
        value = [
            {"name": key, "observations": each}
            if isinstance(each, str | list)
            else {"name": key, **as_object(each)}
            for key, each in as_object(value).items()
        ]
    if value in (None, "", []):
        return
    if isinstance(value, bool | int | float) or (isinstance(value, str) and name in _OF_FILE):
        report.left_out["what a file says of itself"] += 1
        return
    for each in as_list(value) or [value]:
        told = as_object(each)
        if first_text(told, *_NAMES) and any(key in told for key in (*_OBSERVED, "entityType")):
            yield from _entity(told, place, report)
        elif _is_relation(told):
            yield from _relation(told, place, report)
        elif text := each if isinstance(each, str) else first_text(told, *_TEXTS):
            tags = tags_of(name, *as_list(told.get("tags")))
            at = dated(told, place, report, *_TIMES)
            yield Item(_passage(text, tags, report, at, None), place)
        else:
            report.not_understand(f"records under {name[:40]!r}", place)


def _is_graph(told: dict[str, Any]) -> bool:
    held = [name for name in _LISTS if isinstance(told.get(name), list | dict)]
    return "entities" in held or (bool(held) and not first_text(told, *_NAMES))


def _is_relation(told: dict[str, Any]) -> bool:
    return any(name in told for name in _TO) and any(name in told for name in (*_FROM, *_HOW))


def _entity(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    name = first_text(told, *_NAMES)
    if not name:
        report.refuse(place, "it is an entity without a name")
        return
    kind = first_text(told, "entityType", "entity_type")
    if not kind and as_text(told.get("type")).lower() != "entity":
        kind = first_text(told, "type")
    tags = tags_of(kind, name, *as_list(told.get("tags")))
    metadata, more = _more(told)
    observed = [told[key] for key in _OBSERVED if key in told]
    found = list(_observations(observed, place, report))
    for text, at in found or [("", None)]:
        content = f"{name}: {text}" if text else f"{name} is of the type {kind}." if kind else name
        yield Item(_passage(content, tags, report, at, metadata), place)
    yield from _nested(name, more, tags, place, report)


def _nested(
    about: str, told: dict[str, Any], tags: tuple[str, ...], place: str, report: Report
) -> Iterator[Item]:
    """A passage for each text and relation in the lists and objects of an entity or relation."""
    for field, value in told.items():
        if field in _VECTORS:
            report.left_out["vectors"] += 1
            continue
        said = field.replace("_", " ")
        plain = [str(each) for each in as_list(value) if isinstance(each, str | int | float)]
        if plain:
            content = f"{about}: {said}: {', '.join(plain)}"
            yield Item(_passage(content, tags, report, None, None), place)
        for each in as_list(value) or [value]:
            part = as_object(each)
            if not part:
                if not isinstance(each, str | int | float):
                    report.not_understand(f"records under {field[:40]!r}", place)
            elif _is_relation(part) or (
                field == "relations" and any(name in part for name in (*_FROM, *_TO))
            ):
                ends = {"to": about} if not any(part.get(name) for name in _TO) else {}
                if not ends and not any(part.get(name) for name in _FROM):
                    ends = {"from": about}
                yield from _relation({**part, **ends}, place, report)
            elif text := first_text(part, *_TEXTS):
                at = dated(part, place, report, *_TIMES)
                content = f"{about}: {said}: {text}"
                yield Item(_passage(content, tags, report, at, None), place)
            elif all(isinstance(each, str | int | float) for each in part.values()):
                text = ", ".join(f"{key} {each}" for key, each in part.items())
                content = f"{about}: {said}: {text}"
                yield Item(_passage(content, tags, report, None, None), place)
            else:
                report.not_understand(f"records under {field[:40]!r}", place)


def _observations(told: Any, place: str, report: Report) -> Iterator[tuple[str, datetime | None]]:
    """The texts of observations, however they are put together, with their times."""
    if isinstance(told, list):
        for each in as_list(told):
            yield from _observations(each, place, report)
    elif isinstance(told, dict):
        observation = as_object(told)
        if observation.get("superseded_by"):
            report.left_out["observations that a later one took the place of"] += 1
        elif text := first_text(observation, *_TEXTS):
            yield text, dated(observation, place, report, *_TIMES)
        elif observation and all(isinstance(each, dict | list) for each in observation.values()):
            for each in observation.values():
                yield from _observations(each, place, report)
        else:
            report.not_understand("observations of an unknown shape", place)
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
    at = dated(told, place, report, *_TIMES)
    content = f"{ends[0]} {how} {ends[1]}."
    metadata, more = _more(told)
    yield Item(_passage(content, tags, report, at, metadata), place)
    said = f"{ends[0]} {how} {ends[1]}"
    for text, when in _observations([told.get(key) or [] for key in _OBSERVED], place, report):
        yield Item(_passage(f"{said}: {text}", tags, report, when, None), place)
    yield from _nested(said, more, tags, place, report)


def _more(told: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What else a record says in words or numbers; and its lists and objects."""
    rest = {
        name: value
        for name, value in told.items()
        if name not in _READ and value not in (None, [], {})
    }
    kept = {name: value for name, value in rest.items() if isinstance(value, str | int | float)}
    return kept or None, {name: value for name, value in rest.items() if name not in kept}


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
