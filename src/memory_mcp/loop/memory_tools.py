"""The shadow agent's tools. They read the memory, and write to its draft."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_mcp.domain import blocks
from memory_mcp.domain.drafts import Draft
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.quoting import indented, listed
from memory_mcp.domain.reasoning import without_reasoning
from memory_mcp.domain.texts import clip, counted
from memory_mcp.domain.times import for_reading, parse_moment
from memory_mcp.services import Services
from memory_mcp.services.archival import checked_passage

FINISH = "memory_finish_edits"
HIT_CHARS = 500
FOUND_MAX = 10
ORIGIN = "shadow"


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


Label = Annotated[str, Field(description="The block's label")]
Limit = Annotated[int, Field(ge=1, le=FOUND_MAX)]


class MemoryReplace(_Arguments):
    """Replace one exact piece of a block's text; it must stand there once. Empty deletes it."""

    label: Label
    old_string: str
    new_string: str


class MemoryInsert(_Arguments):
    """Add lines to a block."""

    label: Label
    new_string: str
    insert_line: Annotated[int, Field(description="After which line; 0: top, -1: end")] = -1


class MemoryRethink(_Arguments):
    """Rewrite a whole block, to put it in order or make it shorter. What is left out is lost."""

    label: Label
    new_memory: str


class ArchivalInsert(_Arguments):
    """File a text for good, outside the blocks: details, decisions with reasons, lessons."""

    content: Annotated[str, Field(description="Must make sense by itself; absolute dates")]
    tags: list[str] = Field(default_factory=list)
    occurred_at: Annotated[str | None, Field(description="ISO date of what it tells")] = None


class ArchivalSupersede(ArchivalInsert):
    """Replace a passage that is no longer true, or says the same as another, by a better one."""

    passage_id: Annotated[str, Field(description="The passage that goes, as archival_search told")]


class ArchivalSearch(_Arguments):
    """Search what was filed, by words and by meaning."""

    query: str
    tags: list[str] = Field(default_factory=list)
    limit: Limit = 5


class ConversationSearch(_Arguments):
    """Search everything that was ever said."""

    query: str
    start_date: str | None = None
    end_date: str | None = None
    limit: Limit = 5


class MemoryForget(_Arguments):
    """Forget passages for good. Only what is wrong or was asked to be forgotten."""

    ids: Annotated[list[str], Field(min_length=1, max_length=50)]


class MemoryFinishEdits(_Arguments):
    """End: everything worth keeping is kept. The changes are made now."""

    report: Annotated[str, Field(description="What was changed and why, in a sentence or two")] = ""


_TOOLS: dict[str, type[_Arguments]] = {
    "memory_replace": MemoryReplace,
    "memory_insert": MemoryInsert,
    "memory_rethink": MemoryRethink,
    "archival_insert": ArchivalInsert,
    "archival_supersede": ArchivalSupersede,
    "archival_search": ArchivalSearch,
    "conversation_search": ConversationSearch,
    "memory_forget": MemoryForget,
    FINISH: MemoryFinishEdits,
}
NAMES = tuple(_TOOLS)


class MemoryTools:
    """The `Tools` of one run. `draft` is what it has changed so far; `report`, its last word."""

    def __init__(
        self,
        services: Services,
        agent_id: AgentId,
        draft: Draft,
        *,
        report: str = "",
        forgets: Literal["passages", "all"] = "passages",
    ) -> None:
        self.draft = draft
        self.report = report
        self._services = services
        self._agent_id = agent_id
        self._forgets = forgets

    @property
    def names(self) -> tuple[str, ...]:
        """The tools' names."""
        return NAMES

    @property
    def schemas(self) -> Sequence[Mapping[str, Any]]:
        """The tools as a chat request takes them."""
        return [schema_of(name, arguments) for name, arguments in _TOOLS.items()]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """What the tool answers.

        Raises:
            MemoryMCPError: it did nothing; the text is for the model.
        """
        try:
            given = _TOOLS[name].model_validate(arguments)
        except ValidationError as error:
            raise InvalidInput(f"{name} was not called: {why(error)}. Send it again.") from None
        match given:
            case MemoryReplace(label=label, old_string=old, new_string=new):
                return self._edited(label, blocks.replace_text(old, new))
            case MemoryInsert(label=label, new_string=new, insert_line=line):
                return self._edited(label, blocks.insert(new, line))
            case MemoryRethink(label=label, new_memory=new):
                if not new.strip():
                    raise InvalidInput(
                        "new_memory is empty, which would clear the block. Lines that should go "
                        "are deleted one by one, with memory_replace."
                    )
                return self._edited(label, blocks.rethink(new))
            case ArchivalSupersede():
                return await self._supersede(given)
            case ArchivalInsert():
                self.draft = self.draft.with_passage(self._passage(given))
                return f"{counted(len(self.draft.passages), 'passage')} to file."
            case ArchivalSearch():
                return await found_passages(self._services, self._agent_id, given, self.draft.gone)
            case ConversationSearch():
                return await found_messages(self._services, self._agent_id, given)
            case MemoryForget():
                return await self._forget(given)
            case MemoryFinishEdits(report=report):
                self.report = without_reasoning(report).strip()
                return "Finished."
            case _:
                raise AssertionError(f"{name} has no function")

    def _edited(self, label: str, edit: blocks.Edit) -> str:
        before = self.draft.block(label)
        self.draft = self.draft.with_edit(label, edit)
        after = self.draft.block(label)
        if after.value == before.value:
            return f"Block {label} reads so already; nothing to change."
        return f"Block {label}: {len(after.value):,} of {after.limit_chars:,} characters."

    # Archival memory.

    async def _supersede(self, given: ArchivalSupersede) -> str:
        old_id = PassageId(given.passage_id)
        old = await self._services.archival.passage(self._agent_id, old_id)
        self.draft = self.draft.with_passage(self._passage(given, supersedes=old_id))
        return f"{old_id} goes: {clip(old.content, 80)!r}."

    # Forgetting.

    async def _forget(self, given: MemoryForget) -> str:
        for each in given.ids:
            if each.startswith("passage-"):
                await self._services.archival.passage(self._agent_id, PassageId(each))
            elif not each.startswith("message-") or self._forgets == "passages":
                raise InvalidInput(
                    f"{clip(each, 60)!r} cannot be forgotten here; passages can, by their id."
                )
        self.draft = self.draft.with_forgotten(given.ids)
        return f"Will be forgotten: {', '.join(self.draft.forgotten)}."

    def _passage(self, given: ArchivalInsert, supersedes: PassageId | None = None) -> NewPassage:
        at, zone = given.occurred_at, self._services.zone
        return checked_passage(
            NewPassage(
                content=given.content,
                tags=tuple(given.tags),
                occurred_at=parse_moment(at, "occurred_at", zone) if at else None,
                origin=ORIGIN,
                supersedes=supersedes,
            )
        )


async def found_passages(
    services: Services, agent_id: AgentId, given: ArchivalSearch, gone: Collection[str] = ()
) -> str:
    """What archival memory answers, a passage a line; those of `gone` are left out."""
    page = await services.archival.search(
        agent_id, given.query, tags=given.tags or None, limit=given.limit
    )
    lines = [
        f"[{for_reading(hit.passage.dated, services.zone)}] "
        f"{indented(clip(hit.passage.content, HIT_CHARS))}"
        f" (tags: {', '.join(map(listed, hit.passage.tags)) or 'none'}; {hit.passage.id})"
        for hit in page.hits
        if hit.passage.id not in gone
    ]
    return "\n".join([*lines, f"{len(lines)} of {counted(page.total, 'passage')}."])


async def found_messages(services: Services, agent_id: AgentId, given: ConversationSearch) -> str:
    """What recall answers, a message a line."""
    page = await services.recall.search(
        agent_id,
        given.query,
        start_date=given.start_date,
        end_date=given.end_date,
        zone=services.zone,
        limit=given.limit,
    )
    lines = [
        f"[{for_reading(hit.message.created_at, services.zone)}] {hit.message.speaker}: "
        f"{indented(clip(hit.message.content, HIT_CHARS))} ({hit.message.id})"
        for hit in page.hits
    ]
    return "\n".join([*lines, f"{len(lines)} of {counted(page.total, 'message')}."])


def schema_of(name: str, arguments: type[BaseModel]) -> dict[str, Any]:
    """A tool as a chat request takes it: titles are left out, as a model needn't read them."""
    schema = arguments.model_json_schema()
    properties = {key: _plain(told) for key, told in schema.get("properties", {}).items()}
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required := schema.get("required"):
        parameters["required"] = required
    parameters["additionalProperties"] = False
    description = " ".join((inspect.getdoc(arguments) or "").split())
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in told.items() if key not in ("title", "default")}
    if choices := [one for one in plain.pop("anyOf", []) if one != {"type": "null"}]:
        plain = {**choices[0], **plain}
    return plain


def why(error: ValidationError) -> str:
    """What is wrong with a call's arguments."""
    told = error.errors(include_url=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in told['loc'])}: {clip(told['msg'], 200)}"
