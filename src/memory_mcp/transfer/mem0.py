"""mem0's memories, as its clients, its servers and its vector stores write them out.

A list of memories, bare, an object a line, or under `results`, `memories` or the like, with graph
relations beside it; the backup of an OpenMemory server (a zip of `memories.json` and
`memories.jsonl.gz`); points of a vector store, with the memory under `payload`. A profile, as its
export by a schema writes one, becomes a passage of its fields.

Whose a memory is, its tags say (`user:alice`, `run:r3`), and it stays apart from others' with the
same words.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from memory_mcp.domain.json_values import (
    as_list,
    as_object,
    as_text,
    first_text,
    moment_of,
    objects,
)
from memory_mcp.domain.passages import NewPassage
from memory_mcp.transfer.report import Item, Report, dated, storable, tags_of
from memory_mcp.transfer.source import Source, values_of

_LISTS = ("results", "memories", "items", "points", "data", "result")
_TEXTS = ("memory", "text", "data", "content")
_OWNERS = {
    "user_id": "user", "agent_id": "agent", "app_id": "app", "run_id": "run", "actor_id": "actor",
}  # fmt: skip
"""Whose a memory is, and what its tag begins with."""
_IN_TYPESCRIPT = {
    "userId": "user_id", "agentId": "agent_id", "appId": "app_id", "runId": "run_id",
    "actorId": "actor_id", "createdAt": "created_at", "updatedAt": "updated_at",
    "expirationDate": "expiration_date",
}  # fmt: skip
"""How mem0's TypeScript side calls the same fields."""
_KEPT = ("role", "state", "expiration_date", "updated_at", "type", "owner")
"""What is kept beside a memory, in its metadata."""
_DERIVED = ("hash", "score", "event", "organization", "org_id", "project_id", "immutable")
"""What says nothing that is not known, or nothing outside of mem0."""
_OTHER = {
    "input": "conversations that memories were made of",
    "messages": "conversations that memories were made of",
    "embedding": "vectors",
    "vector": "vectors",
    "vectors": "vectors",
    "structured_attributes": "attributes that mem0 derived of times",
}
_MEMORY = {*_TEXTS, *_OWNERS, *_KEPT, *_DERIVED, *_OTHER, "id", "memory_id", "metadata"} | {
    "payload", "categories", "category_ids", "created_at", "archived_at", "deleted_at", "app",
    "app_name",
}  # fmt: skip
_BESIDE = {
    "apps": "apps of the server",
    "memory_categories": "links of memories and categories",
    "status_history": "states that memories had before",
    "access_controls": "rights of apps",
}
"""What a backup holds beside the memories."""
_PAGE = {"count", "total", "next", "previous", "page", "page_size", "size", "pages", "status"} | {
    "usage", "time", "next_page_offset", "user", "categories", "export_meta", "relations",
}  # fmt: skip


def read(source: Source, report: Report) -> Iterator[Item]:
    """A passage for each memory and each relation."""
    reader = _Memories("", report)
    for document in source.documents(r"\.jsonl?$", "JSON file"):
        if PurePath(document.name).parent != PurePath(reader.name).parent:
            reader = _Memories("", report)  # a backup says whose it is in one of its files
        reader.begin(document.name)
        with document.opened() as stream:
            for _, value in values_of(stream, report, document.name):
                yield from reader.of_page(value.told, alone=value.item is None)


class _Memories:
    """The files of a folder or a zip, as far as they were read."""

    def __init__(self, name: str, report: Report) -> None:
        self.name = name
        self._report = report
        self._number = 0
        self._user: dict[str, Any] = {}
        self._apps: dict[str, str] = {}
        self._categories: dict[str, str] = {}

    def begin(self, name: str) -> None:
        """Another file begins, of the same folder or zip."""
        self.name, self._number = name, 0

    def of_page(self, told: dict[str, Any], *, alone: bool) -> Iterator[Item]:
        """What an object of the file tells: a page of memories, a relation, or one memory.

        One that stands `alone`, in no list, may be a profile.
        """
        found = next((key for key in _LISTS if isinstance(told.get(key), list | dict)), None)
        if found is None or first_text(told, *_TEXTS):
            if alone and not told.keys() & _MEMORY and (profile := _profile(told)):
                told = {"memory": profile}
            yield from self._one(told)
            return
        self._read_backup(told)
        if isinstance(told[found], dict):
            page = as_object(told[found])
            if all(isinstance(value, dict) for value in page.values()):  # by their ids
                told = {**told, found: [{"id": key, **value} for key, value in page.items()]}
        if isinstance(told[found], dict):
            yield from self.of_page(as_object(told[found]), alone=False)
        else:
            for each in told[found]:
                if isinstance(each, dict):
                    yield from self._one(as_object(each))
                else:
                    self._number += 1
                    self._report.refuse(self._place, "it is not a JSON object")
        yield from self._relations(told.get("relations"))
        for key in (key for key in told if key != found and key not in _PAGE):
            self._tell_beside(key, told[key])
        if told.get("next"):
            self._report.left_out["pages that follow, and are not in the file"] += 1

    @property
    def _place(self) -> str:
        return f"{self.name}, memory {self._number:,}"

    def _read_backup(self, told: dict[str, Any]) -> None:
        """Whose the memories of a backup are; what its ids of apps and categories mean."""
        self._user = as_object(told.get("user")) or self._user
        for key, names in (("apps", self._apps), ("categories", self._categories)):
            names |= {as_text(each.get("id")): as_text(each.get("name")) for each in
                      objects(told.get(key))}  # fmt: skip

    def _tell_beside(self, key: str, value: Any) -> None:
        count = len(as_list(value))
        if key in _BESIDE:
            if count:
                self._report.left_out[_BESIDE[key]] += count
        elif count or not isinstance(value, list):
            self._report.not_understand(f"records under {key[:40]!r}", self.name, max(1, count))

    def _relations(self, told: Any) -> Iterator[Item]:
        if isinstance(told, dict):  # what was added is there, what was deleted is not
            told = as_object(told).get("added_entities")
        for each in as_list(told):
            if isinstance(each, list):
                yield from self._relations(each)
            elif isinstance(each, dict):
                yield from self._relation(as_object(each))
            else:
                self._report.not_understand("relations of an unknown shape", self.name)

    def _one(self, told: dict[str, Any]) -> Iterator[Item]:
        payload = as_object(told.get("payload"))
        memory = {**told, **payload} if payload else told
        memory = {_IN_TYPESCRIPT.get(key, key): value for key, value in memory.items()}
        if "source" in memory and ("relationship" in memory or "relation" in memory):
            yield from self._relation(memory)
            return
        self._number += 1
        if "new_memory" in memory or "old_memory" in memory:
            self._report.left_out["versions of memories (their history)"] += 1
        elif memory.get("deleted_at") or memory.get("state") == "deleted" or (
            as_text(memory.get("event")).upper() == "DELETE"
        ):  # fmt: skip
            self._report.left_out["memories that were deleted in mem0"] += 1
        else:
            yield from self._memory(memory)

    def _memory(self, told: dict[str, Any]) -> Iterator[Item]:
        text = first_text(told, *_TEXTS)
        for key in _TEXTS:
            text = text or first_text(as_object(told.get(key)), *_TEXTS, "value", "fact")
        if not text:
            shape = next((key for key in _TEXTS if isinstance(told.get(key), dict | list)), None)
            if shape is not None and told[shape]:
                what = f"memories with an unknown shape of {shape!r}"
                self._report.not_understand(what, self._place)
            elif told.keys() & _MEMORY:
                self._report.refuse(self._place, "it has no text under memory")
            else:
                self._report.not_understand("records that are no memories", self._place)
            return
        owner = {**self._owner_of(told)}
        metadata = dict(as_object(told.get("metadata")))
        categories = [*as_list(told.get("categories")), *as_list(metadata.pop("categories", None))]
        categories += [
            self._categories.get(as_text(key)) for key in as_list(told.get("category_ids"))
        ]
        app = self._apps.get(as_text(told.get("app_id"))) or first_text(told, "app", "app_name")
        owned = tuple(f"{_OWNERS[key]}:{name}" for key, name in owner.items())
        metadata |= {key: told[key] for key in (*_OWNERS, *_KEPT) if told.get(key)} | owner
        for key in (key for key in told if key in _OTHER):
            if told[key]:
                self._report.left_out[_OTHER[key]] += 1
        for key in (key for key in told if key not in _MEMORY):
            if isinstance(told[key], str | int | float):
                metadata.setdefault(key, told[key])
            elif told[key]:
                self._report.unknown_fields[key] += 1
        # A memory keeps its id when its text is changed: the new text is another passage.
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        key = first_text(told, "id", "memory_id")
        made = NewPassage(
            content=storable(text, self._report),
            tags=tags_of(*owned, *([f"app:{app}"] if app else []), *map(_category, categories)),
            occurred_at=dated(told, self._place, self._report, "created_at", "updated_at"),
            origin="import:mem0",
            source=_source(owned),
            external_id=f"mem0:{key}:{digest}"[:500] if key else None,
            metadata=metadata or None,
        )
        yield Item(made, self._place)

    def _owner_of(self, told: dict[str, Any]) -> dict[str, str]:
        found = {key: first_text(told, key) for key in _OWNERS if first_text(told, key)}
        if self._user and found.get("user_id") in (None, as_text(self._user.get("id"))):
            found["user_id"] = first_text(self._user, "user_id", "name", "id")
        if found.get("app_id") in self._apps:
            del found["app_id"]
        return found

    def _relation(self, told: dict[str, Any]) -> Iterator[Item]:
        ends = first_text(told, "source"), first_text(told, "target", "destination")
        how = first_text(told, "relationship", "relation").replace("_", " ")
        if not all((*ends, how)):
            self._report.refuse(self.name, "a relation has no source, relationship and target")
            return
        owned = [f"{tag}:{first_text(told, key)}" for key, tag in _OWNERS.items() if told.get(key)]
        made = NewPassage(
            content=storable(f"{ends[0]} {how} {ends[1]}.", self._report),
            tags=tags_of("relation", *ends, *owned),
            occurred_at=moment_of(told.get("created_at")),
            origin="import:mem0",
            source=_source(owned),
        )
        yield Item(made, self.name)


def _source(owned: Iterable[str]) -> str:
    """What memories of these owners are taken from; those of nobody are apart from everybody's."""
    return " ".join(("mem0", *owned))


def _category(told: Any) -> str:
    return as_text(told) or first_text(as_object(told), "name")


def _profile(told: Any, name: str = "") -> str:
    """The fields of an object, a line each."""
    if isinstance(told, dict):
        lines = [
            _profile(value, f"{name} {key}".strip().replace("_", " "))
            for key, value in as_object(told).items()
        ]
        return "\n".join(line for line in lines if line)
    if isinstance(told, list):
        lines = [_profile(value, name) for value in as_list(told)]
        return "\n".join(line for line in lines if line)
    return f"{name}: {told}" if told not in (None, "") else ""
