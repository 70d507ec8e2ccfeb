"""The official memory server's graph: JSON lines of entities and relations, or one JSON object."""

from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.json_values import as_list, as_text, name_of, objects
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.texts import TAG_CHARS_MAX
from memory_mcp.transfer.report import Item, Report, storable
from memory_mcp.transfer.source import Source, objects_by_line


def read(source: Source, report: Report) -> Iterator[Item]:
    """A passage for each observation and each relation."""
    with source.opened() as file:
        for _, place, told in objects_by_line(file, report):
            if "type" not in told and ("entities" in told or "relations" in told):
                for name, kind in (("entities", "entity"), ("relations", "relation")):
                    for number, each in enumerate(objects(told.get(name)), 1):
                        yield from _passages(
                            {**each, "type": kind}, f"{place}, {kind} {number:,}", report
                        )
                continue
            yield from _passages(told, place, report)


def _passages(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    match told.get("type"):
        case "entity" if name := as_text(told.get("name")):
            kind = as_text(told.get("entityType"))
            tags = _tags(kind, name)
            texts = [f"{name}: {text}" for text in _observations(told)]
            for text in texts or [f"{name} is of the type {kind}." if kind else name]:
                yield Item(_passage(text, tags, report), place)
        case "relation" if told.get("from") and told.get("to"):
            ends = (as_text(told["from"]), as_text(told["to"]))
            how = as_text(told.get("relationType")).replace("_", " ") or "is related to"
            passage = _passage(f"{ends[0]} {how} {ends[1]}.", _tags("relation", *ends), report)
            yield Item(passage, place)
        case _:
            report.refuse(place, "it is neither an entity with a name nor a relation of two")


def _observations(told: dict[str, Any]) -> list[str]:
    found = as_list(told.get("observations"))
    return [each for each in found if isinstance(each, str) and each.strip()]


def _tags(*told: str) -> tuple[str, ...]:
    return tuple(tag[:TAG_CHARS_MAX] for each in told if (tag := name_of(each)))


def _passage(text: str, tags: tuple[str, ...], report: Report) -> NewPassage:
    return NewPassage(content=storable(text, report), tags=tags, origin="import:server-memory")
