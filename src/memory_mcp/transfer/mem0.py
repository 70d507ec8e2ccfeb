"""mem0's export: a list of memories, bare or under `results` or `memories`."""

import hashlib
from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.json_values import as_list, as_object, as_text, moment_of, name_of, objects
from memory_mcp.domain.passages import NewPassage
from memory_mcp.transfer.report import Item, Report, storable
from memory_mcp.transfer.source import Source, items_of

_LISTS = ("results", "memories", "data")
_IDS = ("user_id", "agent_id", "app_id", "run_id", "actor_id")


def read(source: Source, report: Report) -> Iterator[Item]:
    """A passage for each memory and each relation."""
    with source.streams(r"\.json$") as streams:
        for name, stream in streams:
            number = 0
            for _, told in items_of(stream, report, name):
                page = as_object(told)
                found = next((as_list(page[each]) for each in _LISTS if each in page), None)
                for memory in [told] if found is None else found:
                    number += 1
                    yield from _memory(as_object(memory), f"{name}, memory {number:,}", report)
                for relation in objects(page.get("relations")):
                    yield from _relation(relation, name, report)


def _memory(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    text = next(
        (found for key in ("memory", "text", "data") if (found := as_text(told.get(key)))), ""
    )
    if not text.strip():
        report.refuse(place, "it has no text under memory")
        return
    metadata = dict(as_object(told.get("metadata")))
    metadata |= {key: told[key] for key in _IDS if told.get(key)}
    tags = [*as_list(told.get("categories")), *as_list(metadata.pop("categories", None))]
    # A memory keeps its id when its text is changed: the new text is another passage.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    key = as_text(told.get("id"))
    made = NewPassage(
        content=storable(text, report),
        tags=tuple(tag for each in tags if (tag := name_of(each))),
        occurred_at=moment_of(told.get("created_at")),
        origin="import:mem0",
        source=next((f"{each}:{name}" for each in _IDS if (name := name_of(told.get(each)))), None),
        external_id=f"mem0:{key}:{digest}" if key else None,
        metadata=metadata or None,
    )
    yield Item(made, place)


def _relation(told: dict[str, Any], name: str, report: Report) -> Iterator[Item]:
    ends = as_text(told.get("source")), as_text(told.get("target") or told.get("destination"))
    how = as_text(told.get("relationship") or told.get("relation")).replace("_", " ")
    if not all((*ends, how)):
        report.refuse(name, "a relation has no source, relationship and target")
        return
    tags = tuple(tag for each in ("relation", *ends) if (tag := name_of(each)))
    content = storable(f"{ends[0]} {how} {ends[1]}.", report)
    yield Item(NewPassage(content=content, tags=tags, origin="import:mem0"), name)
