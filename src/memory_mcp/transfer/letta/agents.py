"""Agents with their blocks and passages, as any of Letta's doors tells them.

What has no counterpart here is counted in the report under its name; what nobody knows is said not
to be understood.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from memory_mcp.config import CONTEXT_TOKENS_DEFAULT, CONTEXT_TOKENS_LEAST, CONTEXT_TOKENS_MOST
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.blocks import LIMIT_CHARS_DEFAULT, PROJECT, fitting_label
from memory_mcp.domain.copies import AgentCopy, Attachment, BlockCopy, BlockVersionCopy
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import PassageId, new_id
from memory_mcp.domain.json_values import as_list, as_object, as_text, moment_of, name_of, objects
from memory_mcp.domain.names import name_key
from memory_mcp.domain.passages import Copied, NewPassage
from memory_mcp.domain.solver import check_rules
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import to_iso
from memory_mcp.domain.tool_rules import rules_from_json, rules_to_json
from memory_mcp.transfer.letta.messages import EPOCH, History, Kept, is_id
from memory_mcp.transfer.letta.tools import BUILT_IN, OUR_TOOLS, is_memory_tool, with_our_names
from memory_mcp.transfer.report import Item, Report, storable

OURS = "memory_mcp"
"""Under this a file of ours, and an agent's metadata, hold what an agent file has no field for."""
MADE_BY = "memory-mcp"
"""Who made a file of ours, as its metadata tell."""
PROMPT_DEFAULT = (
    "You are an assistant with a memory of your own. What you must always know stands in the "
    "memory blocks below; core_memory_append and core_memory_replace edit them. "
    "conversation_search finds what was said before. archival_memory_insert keeps what should be "
    "found later, and archival_memory_search finds it."
)
"""What an agent without a prompt gets in a file: a host tells it here what a prompt says there."""
_TAKEN = {
    "agent", "agents", "archival_memory", "base_template_id", "block_ids", "blocks", "core_memory",
    "created_at", "created_by_id", "deployment_id", "description", "entity_id", "files_agents",
    "folder_ids", "group_ids", "groups", "hidden", "id", "identities", "identity_ids",
    "in_context_message_ids", "in_context_message_indices", "last_updated_by_id", "managed_group",
    "memory", "memory_blocks", "message_ids", "messages", "model", "multi_agent_group", "name",
    "organization_id", "passages", "pending_approval", "project", "project_id", "source_ids",
    "sources", "system", "tags", "template_id", "tool_ids", "tool_rules", "tools", "updated_at",
    "version",
}  # fmt: skip
_SETTINGS = {
    "agent_type", "compaction_settings", "context_window_limit", "embedding",
    "embedding_chunk_size", "embedding_config", "enable_reasoner", "enable_sleeptime",
    "from_template", "include_base_tool_rules", "include_base_tools", "include_default_source",
    "include_multi_agent_tools", "initial_message_sequence", "last_run_completion",
    "last_run_duration_ms", "last_stop_reason", "llm_config", "max_files_open",
    "max_reasoning_tokens", "max_tokens", "memory_variables", "message_buffer_autoclear",
    "metadata", "metadata_", "model_settings", "parallel_tool_calls",
    "per_file_view_window_char_limit", "reasoning", "response_format", "secrets", "template",
    "timezone", "tool_exec_environment_variables",
}  # fmt: skip
NAMED_EACH = 5
"""So many of a kind are counted each by its name."""
NAMED_FIRST = 3
_EMPTY: tuple[Any, ...] = (None, False, "", [], {})
_ROOM_TOKENS = 4_000
"""What an agent has at least beside its blocks, for messages, their summary and its rules."""
_BYTES_A_TOKEN = 2
"""So few bytes a token has at the least, in texts as people and models write them."""


@dataclass(frozen=True, slots=True)
class Told:
    """One agent as Letta tells it, and its name here."""

    fields: dict[str, Any]
    name: str

    @property
    def choice(self) -> AgentChoice:
        """Whose its messages and passages are."""
        return AgentChoice(name=self.name)

    @property
    def has_own_name(self) -> bool:
        """Whether it is called here as it was in the store of ours that a file is of."""
        own = as_text(_ours(self.fields).get("name")) or as_text(self.fields.get("name"))
        return name_key(own) == name_key(self.name)


@dataclass(slots=True)
class Household:
    """The agents that one door tells of, with the blocks they share."""

    place: str
    """Where they are told, for the report."""
    report: Report
    at: datetime = EPOCH
    """What stands in for a time that is missing."""
    agents: list[Told] = field(default_factory=list[Told])
    left: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])
    """Names of what is to be counted: by what it is, and why it has no place here."""

    def take(self, fields: dict[str, Any], rename: str | None = None) -> Told:
        """One more agent; the name it gets here is like no other's of them."""
        told = Told(fields, self._free_name(fields, rename))
        self.agents.append(told)
        return told

    def heads(self, blocks: Sequence[dict[str, Any]]) -> Iterator[Item]:
        """The agents, then the blocks of theirs; those may stand in the agents as well."""
        placed = self._placed({as_text(each.get("id")): each for each in blocks})
        sizes: dict[str, int] = {}
        for block, attached in placed:
            for each in attached:
                sizes[each.agent] = sizes.get(each.agent, 0) + _bytes_in_view(block)
        for number, told in enumerate(self.agents, 1):
            place = f"{self.place}, agent {number}"
            yield Item(self._agent(told, sizes[told.name]), place, is_viewless=True)
        for block, attached in placed:
            yield from self._block(block, attached)

    def history(self, told: Told, kept: Mapping[str, Kept] | None = None) -> History:
        """What reads the agent's messages; a file of ours has `kept` of them what they are here."""
        return History(
            agent=told.name,
            kind=as_text(told.fields.get("agent_type")),
            system=as_text(told.fields.get("system")),
            report=self.report,
            at=moment_of(told.fields.get("created_at")) or self.at,
            kept=kept or {},
        )

    def passage(
        self, told: dict[str, Any], choice: AgentChoice, place: str, *, copied: bool = False
    ) -> Iterator[Item]:
        """An archival passage; nothing where it is empty.

        Of one that is `copied`, from a store of ours, the file tells which it is there.
        """
        text = as_text(told.get("text")) or as_text(told.get("content"))
        if not text.strip():
            self.report.left_out["passages without words"] += 1
            return
        metadata = as_object(told.get("metadata") or told.get("metadata_"))
        is_ours = "occurred_at" in told  # where one without a date has none
        made = NewPassage(
            content=storable(text, self.report),
            tags=tuple(tag for tag in map(name_of, as_list(told.get("tags"))) if tag),
            occurred_at=moment_of(told.get("occurred_at" if is_ours else "created_at")),
            origin="import:letta",
            source=(as_text(told.get("source")) or None) if is_ours else None,
            external_id=(as_text(told.get("external_id")) or None) if is_ours else None,
            metadata=metadata or None,
        )
        if copied and (same := _copied(told)):
            made = replace(made, origin=as_text(told.get("origin")) or made.origin, copied=same)
        yield Item(made, place, choice)

    def tell_tools(self, tools: Sequence[dict[str, Any]]) -> None:
        """Count the tools that people made, whose code has no place here."""
        for tool in tools:
            if not as_text(tool.get("tool_type")).startswith(BUILT_IN):
                self.leave("tool", tool, "its code")

    def leave(self, noun: str, told: dict[str, Any], why: str | None = None) -> None:
        """Something without a counterpart, to be counted by its name."""
        name = next(
            (found for at in ("file_name", "name", "server_name", "label", "id")
             if (found := as_text(told.get(at)))), "?",
        )  # fmt: skip
        said = f" ({why})" if why else ""
        self.left.setdefault((noun, said), []).append(repr(clip(name, 60)))

    def tell(self) -> None:
        """Count what was left: each by its name, of many of a kind the first."""
        for (noun, said), names in self.left.items():
            if len(names) <= NAMED_EACH:
                self.report.left_out.update(f"{noun} {name}{said}" for name in names)
            else:
                first = ", ".join(names[:NAMED_FIRST])
                more = f"{first} and {len(names) - NAMED_FIRST:,} more"
                self.report.left_out[f"{noun} {more}{said}"] += len(names)

    # Agents.

    def _free_name(self, fields: dict[str, Any], rename: str | None) -> str:
        number = len(self.agents) + 1
        kept = as_text(_ours(fields).get("name"))
        name = as_text(fields.get("name"))
        if kept and plain_name(kept) == name:
            name = kept
        plain = "".join("-" if char in "/\\?#%" else char for char in rename or name)
        name = (name_of(plain) or f"agent-{number}")[:90].strip()
        taken = {name_key(each.name) for each in self.agents}
        if name_key(name) not in taken:
            return name
        # Ids of a server are its own for good; in a file agents are only numbered.
        own_id = as_text(fields.get("id")).removeprefix("agent-")
        return f"{name}-{own_id[:8] if len(own_id) > 8 else number}"

    def _agent(self, told: Told, block_bytes: int) -> AgentCopy:
        fields, name = told.fields, told.name
        config = as_object(fields.get("llm_config"))
        model = as_text(fields.get("model")) or as_text(config.get("handle"))
        if OURS in as_object(fields.get("metadata")):
            model = as_text(_ours(fields).get("model"))
        elif not model:
            model = as_text(config.get("model"))
        tags = [
            tag
            for each in as_list(fields.get("tags"))
            if (tag := name_of(as_object(each).get("tag") if isinstance(each, dict) else each))
        ]
        self._tell_fields(fields)
        system = as_text(fields.get("system"))
        return AgentCopy(
            id=new_id("agent"),
            name=name,
            description=storable(as_text(fields.get("description")), self.report),
            tags=tags,
            system_prompt=storable("" if system == PROMPT_DEFAULT else system, self.report),
            project=None,
            context_tokens=self._window(told, block_bytes),
            model=model or None,
            tool_rules=self._rules(fields, name),
            created_at=to_iso(self._moment(fields)),
        )

    def _tell_fields(self, fields: dict[str, Any]) -> None:
        for key, value in fields.items():
            if key in _TAKEN or value in _EMPTY:
                continue
            if key in ("metadata", "metadata_") and set(as_object(value)) == {OURS}:
                continue
            if key in _SETTINGS:
                kept = ", but for model and context window" if key == "llm_config" else ""
                self.report.left_out[f"setting {key}{kept}"] += 1
            else:
                self.report.not_understood[f"field {clip(key, 60)!r} of an agent"] += 1

    def _window(self, told: Told, block_bytes: int) -> int | None:
        """The agent's context limit: its window there, raised where its blocks would fill it."""
        fields = told.fields
        config = as_object(fields.get("llm_config"))
        window = _whole(fields.get("context_window_limit")) or _whole(config.get("context_window"))
        if OURS in as_object(fields.get("metadata")):
            window = _whole(_ours(fields).get("context_tokens"))
        least = max(CONTEXT_TOKENS_LEAST, block_bytes // _BYTES_A_TOKEN + _ROOM_TOKENS)
        if window is not None:
            window = min(window, CONTEXT_TOKENS_MOST)
        if (window or CONTEXT_TOKENS_DEFAULT) >= least or not block_bytes:
            return None if window is None else max(window, CONTEXT_TOKENS_LEAST)
        raised = min(-(-least // 1_000) * 1_000, CONTEXT_TOKENS_MOST)
        had = f"its context window of {window:,} tokens" if window else "the usual context limit"
        self.report.left_out[
            f"agent {told.name!r}: {had} has no room for messages beside its blocks; "
            f"its context limit is {raised:,} tokens"
        ] += 1
        return raised

    def _rules(self, fields: dict[str, Any], name: str) -> list[dict[str, Any]]:
        kept: list[Any] = []
        for rule in objects(fields.get("tool_rules")):
            what = f"{as_text(rule.get('type'))} on {as_text(rule.get('tool_name'))}"
            try:
                (made,) = rules_from_json([with_our_names(rule)])
                foreign = [tool for tool in made.named if tool not in OUR_TOOLS]
                if foreign and all(map(is_memory_tool, foreign)):
                    self.report.left_out["tool rules on memory tools that are not here"] += 1
                    continue
                if foreign:
                    self.report.left_out[
                        f"agent {name!r}: tool rule {clip(what, 60)} "
                        f"(about {clip(foreign[0], 40)}, which is no tool here)"
                    ] += 1
                    continue
            except InvalidInput as error:
                self.report.left_out[f"agent {name!r}: tool rule {clip(what, 60)} ({error})"] += 1
                continue
            kept.append(made)
        try:
            check_rules(kept, OUR_TOOLS)
        except InvalidInput as error:
            self.report.left_out[f"agent {name!r}: tool rules ({clip(str(error), 200)})"] += 1
            return []
        return rules_to_json(kept)

    # Blocks.

    def _placed(
        self, shared: dict[str, dict[str, Any]]
    ) -> list[tuple[dict[str, Any], list[Attachment]]]:
        """The blocks that agents have, each with whose they are."""
        order: dict[str, dict[str, Any]] = {}
        attached: dict[str, list[Attachment]] = {}
        for told in self.agents:
            found = [
                (each, shared[each])
                for each in map(as_text, as_list(told.fields.get("block_ids")))
                if each in shared
            ]
            own = enumerate(_own_blocks(told.fields))
            found += [(f"{told.name}/{at}", block) for at, block in own]
            labels: set[str] = set()
            for key, block in found:
                label = self._label(block)
                if label in labels:
                    self.report.left_out[f"agent {told.name!r}: a second block {label!r}"] += 1
                    continue
                order.setdefault(key, block)
                places = attached.setdefault(key, [])
                places.append(Attachment(agent=told.name, label=label, position=len(labels)))
                labels.add(label)
            if not labels:  # without a block it could note nothing down
                key = f"{told.name}/own"
                order[key] = {"label": PROJECT.label, "description": PROJECT.description}
                attached[key] = [Attachment(agent=told.name, label=PROJECT.label, position=0)]
        for key in (each for each in shared if each not in order):
            self.leave("block", shared[key], "no agent's")
        return [(block, attached[key]) for key, block in order.items()]

    def _label(self, block: dict[str, Any]) -> str:
        told = name_of(block.get("label")) or "block"
        if (label := fitting_label(told)) != told:
            self.report.interpret("a block's label, as one here", f"{told!r} as {label!r}")
        return label

    def _block(self, told: dict[str, Any], attached: list[Attachment]) -> Iterator[Item]:
        value = storable(as_text(told.get("value")), self.report)
        limit = _whole(told.get("limit"))
        limit = limit if limit and limit <= 10_000_000 else LIMIT_CHARS_DEFAULT
        if len(value) > limit:
            self.report.left_out["blocks over their limit, whose limit was raised"] += 1
        at = to_iso(self._moment(told))
        label = attached[0].label
        tags = [tag for tag in as_list(told.get("tags")) if isinstance(tag, str)]
        metadata = as_object(told.get("metadata") or told.get("metadata_"))
        made = BlockCopy(
            id=new_id("block"),
            label=label,
            value=value,
            description=storable(as_text(told.get("description")), self.report),
            limit=max(limit, len(value)),
            read_only=told.get("read_only") is True,
            on_overflow="evict",
            version=1,
            metadata={**metadata, "tags": tags} if tags else metadata,
            created_at=at,
            updated_at=at,
            agents=attached,
        )
        place = f"{self.place}, block {label!r}"
        yield Item(made, place)
        version = BlockVersionCopy(
            block=made.id, version=1, value=value, changed_by="import", changed_at=at
        )
        yield Item(version, place)

    def _moment(self, told: dict[str, Any]) -> datetime:
        return moment_of(told.get("created_at")) or self.at


def plain_name(name: str) -> str:
    """An agent's name as Letta allows it: letters, digits, spaces, and `_`, `-` or `'`."""
    return "".join(char if char.isalnum() or char in " _-'" else "-" for char in name)


def _copied(told: dict[str, Any]) -> Copied | None:
    created_at = moment_of(told.get("created_at"))
    if not is_id(told.get("id"), "passage") or created_at is None:
        return None
    supersedes = told.get("supersedes")
    return Copied(
        id=PassageId(as_text(told.get("id"))),
        created_at=created_at,
        refreshed_at=moment_of(told.get("refreshed_at")) or created_at,
        supersedes=PassageId(as_text(supersedes)) if is_id(supersedes, "passage") else None,
    )


def _ours(fields: dict[str, Any]) -> dict[str, Any]:
    return as_object(as_object(fields.get("metadata")).get(OURS))


def _whole(value: Any) -> int | None:
    """A whole number above nothing, also where a text holds it."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _bytes_in_view(block: dict[str, Any]) -> int:
    """About how much a block takes in view, with its frame."""
    texts = (as_text(block.get(key)) for key in ("label", "value", "description"))
    return sum(len(text.encode("utf-8", "replace")) for text in texts) + 200


def _own_blocks(agent: dict[str, Any]) -> list[dict[str, Any]]:
    """Blocks that stand in the agent itself, in any of the ways there were."""
    found = [*objects(agent.get("memory_blocks")), *objects(agent.get("core_memory"))]
    for label, block in as_object(agent.get("core_memory")).items():
        found.append({"label": label, **(as_object(block) or {"value": block})})
    memory = as_object(agent.get("memory"))
    found += [*objects(agent.get("blocks")), *objects(memory.get("blocks"))]
    for label, block in as_object(memory.get("memory")).items():
        found.append({"label": label, **as_object(block)})
    return found
