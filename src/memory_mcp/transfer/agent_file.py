"""Letta agent files (`.af`), in and out: the schema of 2025 and after, and the older one.

The newer has lists of agents, blocks and tools that name each other by ids like `block-0`; the
older is one agent with its `core_memory` in it. Anything that has no counterpart here is counted in
the report under its name. Ids in a file are good in that file only, so a message is known by what
it says and when it was said: a later export of the same agent brings only what is new.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.blocks import LIMIT_CHARS_DEFAULT, PROJECT
from memory_mcp.domain.copies import (
    AgentCopy,
    Attachment,
    BlockCopy,
    BlockVersionCopy,
    MessageCopy,
    PassageCopy,
)
from memory_mcp.domain.errors import ImportRefused, InvalidInput
from memory_mcp.domain.host_events import tool_in_short
from memory_mcp.domain.ids import new_id
from memory_mcp.domain.json_values import (
    as_list,
    as_object,
    as_text,
    moment_of,
    name_of,
    objects,
    told_of,
)
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.solver import check_rules
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import to_iso
from memory_mcp.domain.tool_rules import rules_from_json, rules_to_json
from memory_mcp.services.copies import Copies
from memory_mcp.transfer.report import Item, Report, storable
from memory_mcp.transfer.source import Source, whole_json

OUR_TOOLS = {
    "archival_insert": "archival_memory_insert",
    "archival_search": "archival_memory_search",
    "conversation_search": "conversation_search",
    "core_memory_append": "core_memory_append",
    "core_memory_replace": "core_memory_replace",
    "send_message": "send_message",
    "send_to_agent": "send_message_to_agent_async",
}
"""Tools of ours that tool rules may be about, by what they are called in agent files."""
_FROM_LETTA = {theirs: ours for ours, theirs in OUR_TOOLS.items()} | {
    "archival_insert": "archival_insert",
    "archival_search": "archival_search",
    "send_message_to_agent_and_wait_for_reply": "send_to_agent",
}
_OUT_KINDS = {
    "init": "run_first",
    "child": "constrain_child_tools",
    "parent": "parent_last_tool",
    "continue": "continue_loop",
    "terminal": "exit_loop",
}
_BUILT_IN = ("letta_", "memgpt_")
_AGENT_FIELDS = {
    "id", "name", "description", "system", "tags", "tool_rules", "tool_ids", "tools", "block_ids",
    "memory_blocks", "core_memory", "memory", "messages", "in_context_message_ids",
    "in_context_message_indices", "message_ids", "created_at", "updated_at", "version", "passages",
    "archival_memory", "group_ids", "groups", "files_agents", "source_ids", "folder_ids",
    "project_id", "template_id", "base_template_id", "agents", "blocks",
}  # fmt: skip
_FILE_FIELDS = {
    "agents", "blocks", "tools", "files", "sources", "groups", "mcp_servers", "metadata",
    "created_at", "passages", "archives",
}  # fmt: skip
_NOISE = {"heartbeat", "login"}
_SPEECH = "send_message"
_COMPILED = re.compile(r"<memory_metadata>|<memory_blocks>|^### Memory \[last modified", re.M)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# --- In ---


def read(source: Source, report: Report) -> Iterator[Item]:
    """The agents with their blocks, then their messages and passages."""
    name = source.path.name if source.path else "standard input"
    with source.opened() as file:
        told = as_object(whole_json(file, name))
    agents = objects(told.get("agents"))
    if not agents and ("core_memory" in told or ("name" in told and "messages" in told)):
        agents, told = [told], {"tools": told.get("tools"), "created_at": told.get("created_at")}
    if not agents:
        raise ImportRefused(
            f"{name} holds no agent: it has neither agents nor core_memory, as an agent file does."
        )
    if source.agent and len(agents) > 1:
        raise ImportRefused(f"{name} holds {len(agents)} agents; --agent can rename only one.")
    yield from _File(told, agents, source.agent, name, report).items()


@dataclass(slots=True)
class _File:
    """A file, being read."""

    told: dict[str, Any]
    agents: list[dict[str, Any]]
    rename: str | None
    file: str
    report: Report
    names: list[str] = field(default_factory=list[str])

    def items(self) -> Iterator[Item]:
        for number, agent in enumerate(self.agents, 1):
            self.names.append(self._free_name(agent, number))
            yield Item(self._agent(agent, self.names[-1]), f"{self.file}, agent {number}")
        yield from self._blocks()
        for name, agent in zip(self.names, self.agents, strict=True):
            yield from self._messages(name, agent)
            for key in ("passages", "archival_memory"):
                yield from self._passages(name, agent.get(key))
        for key in ("passages", "archives"):
            yield from self._passages(self.names[0], self.told.get(key))
        self._tell_what_is_left()

    def _free_name(self, agent: dict[str, Any], number: int) -> str:
        told = self.rename or as_text(agent.get("name")) or f"agent-{number}"
        plain = "".join("-" if char in "/\\?#%" else char for char in told)
        name = (name_of(plain) or f"agent-{number}")[:90].strip()
        taken = {each.casefold() for each in self.names}
        return f"{name}-{number}" if name.casefold() in taken else name

    def _agent(self, told: dict[str, Any], name: str) -> AgentCopy:
        now = _moment_in(told, self.told) or _EPOCH
        config = as_object(told.get("llm_config"))
        model = as_text(told.get("model")) or as_text(config.get("handle"))
        tags = [
            tag
            for each in as_list(told.get("tags"))
            if (tag := name_of(as_object(each).get("tag") if isinstance(each, dict) else each))
        ]
        known = _AGENT_FIELDS | {"model"}
        for key, value in told.items():
            if key not in known and value not in (None, False, "", [], {}):
                self.report.left_out[f"agent {name!r}: {key}"] += 1
        return AgentCopy(
            id=new_id("agent"),
            name=name,
            description=storable(as_text(told.get("description")), self.report),
            tags=tags,
            system_prompt=storable(as_text(told.get("system")), self.report),
            project=None,
            context_tokens=None,
            model=model or as_text(config.get("model")) or None,
            tool_rules=self._rules(told, name),
            created_at=to_iso(now),
        )

    def _rules(self, told: dict[str, Any], name: str) -> list[dict[str, Any]]:
        kept: list[Any] = []
        for rule in objects(told.get("tool_rules")):
            what = f"{as_text(rule.get('type'))} on {as_text(rule.get('tool_name'))}"
            try:
                (made,) = rules_from_json([_with_our_names(rule)])
                foreign = [tool for tool in made.named if tool not in OUR_TOOLS]
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

    def _blocks(self) -> Iterator[Item]:
        shared = {as_text(block.get("id")): block for block in objects(self.told.get("blocks"))}
        order: dict[str, dict[str, Any]] = {}
        attached: dict[str, list[Attachment]] = {}
        for name, agent in zip(self.names, self.agents, strict=True):
            found = [
                (each, shared[each])
                for each in map(as_text, as_list(agent.get("block_ids")))
                if each in shared
            ]
            own = _own_blocks(agent)
            found += [(f"{name}/{at}", block) for at, block in enumerate(own)]
            labels: set[str] = set()
            for key, block in found:
                label = name_of(block.get("label")) or "block"
                if label in labels:
                    self.report.left_out[f"agent {name!r}: a second block {label!r}"] += 1
                    continue
                order.setdefault(key, block)
                places = attached.setdefault(key, [])
                places.append(Attachment(agent=name, label=label, position=len(labels)))
                labels.add(label)
            if not labels:  # without a block it could note nothing down
                block = {"label": PROJECT.label, "description": PROJECT.description, "value": ""}
                order[f"{name}/own"] = block
                attached[f"{name}/own"] = [Attachment(agent=name, label=PROJECT.label, position=0)]
        for key in shared.keys() - order.keys():
            self.report.left_out[f"block {as_text(shared[key].get('label'))!r} of no agent"] += 1
        for key, block in order.items():
            yield from self._block(block, attached[key])

    def _block(self, told: dict[str, Any], attached: list[Attachment]) -> Iterator[Item]:
        value = storable(as_text(told.get("value")), self.report)
        limit = told.get("limit")
        limit = limit if isinstance(limit, int) and 0 < limit <= 10_000_000 else LIMIT_CHARS_DEFAULT
        if len(value) > limit:
            self.report.left_out["blocks over their limit, whose limit was raised"] += 1
        at = to_iso(_moment_in(told, self.told) or _EPOCH)
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
        place = f"{self.file}, block {label!r}"
        yield Item(made, place)
        version = BlockVersionCopy(
            block=made.id, version=1, value=value, changed_by="import", changed_at=at
        )
        yield Item(version, place)

    # Messages.

    def _messages(self, name: str, agent: dict[str, Any]) -> Iterator[Item]:
        owner = AgentChoice(name=name)
        at = _moment_in(agent, self.told) or _EPOCH
        calls: dict[str, dict[str, Any]] = {}
        seen: Counter[str] = Counter()
        for number, told in enumerate(objects(agent.get("messages")), 1):
            at = moment_of(told.get("created_at")) or at
            said = self._said(told, as_text(agent.get("system")), calls)
            for role, who, text, metadata in said:
                content = storable(text, self.report)
                whole = json.dumps([role, to_iso(at), content]).encode()
                digest = hashlib.sha256(whole).hexdigest()[:24]
                seen[digest] += 1
                made = NewMessage(
                    role=role,
                    content=content,
                    created_at=at,
                    conversation=f"letta:{name}",
                    name=who,
                    external_id=f"af-{digest}-{seen[digest]}",
                    metadata=metadata,
                )
                yield Item(made, f"{self.file}, message {number:,} of {name}", owner)
        if calls:
            self.report.left_out["calls of tools without an answer"] += len(calls)

    def _said(
        self, told: dict[str, Any], system: str, calls: dict[str, dict[str, Any]]
    ) -> Iterator[tuple[Role, str | None, str, dict[str, Any] | None]]:
        role = as_text(told.get("role"))
        text = _text(told, self.report)
        who = name_of(told.get("name"))
        match role:
            case "user":
                unpacked, noise = _unpacked(text)
                if noise:
                    self.report.left_out["heartbeats and logins"] += 1
                elif unpacked.strip():
                    yield ("system" if noise is None else "user"), who, unpacked, None
            case "assistant":
                spoken = ""
                for call in _calls(told):
                    if call["name"] == _SPEECH:
                        spoken = as_text(as_object(call["arguments"]).get("message"))
                        calls[call["id"]] = {**call, "spoken": True}
                    else:
                        calls[call["id"]] = call
                if spoken and text.strip():
                    self.report.left_out["thoughts"] += 1
                if spoken or text.strip():
                    yield "assistant", who, spoken or text, None
            case "tool" | "function":
                for call_id, returned in _returns(told, text):
                    call = calls.pop(call_id, {"name": who or "tool", "arguments": {}})
                    if call.get("spoken"):
                        self.report.left_out["answers of send_message"] += 1
                        continue
                    tool = name_of(call["name"]) or "tool"
                    short = tool_in_short(tool, told_of(call["arguments"]), returned)
                    kept = returned if returned.startswith(f"{tool}(") else short
                    yield "tool", tool, kept, {"letta": {"arguments": call["arguments"]}}
            case "system":
                if (system and text.startswith(system[:200])) or _COMPILED.search(text):
                    self.report.left_out["compiled prompts"] += 1
                elif text.strip():
                    yield "system", who, text, None
            case "summary" if text.strip():
                yield "system", who, text, None
            case _:
                self.report.left_out[f"messages of the role {role[:40]!r}"] += 1

    def _passages(self, name: str, told: Any) -> Iterator[Item]:
        for number, each in enumerate(objects(told), 1):
            inner = objects(each.get("passages"))
            if inner:
                yield from self._passages(name, inner)
                continue
            text = as_text(each.get("text")) or as_text(each.get("content"))
            if not text.strip():
                continue
            owner = as_text(each.get("agent"))
            made = NewPassage(
                content=storable(text, self.report),
                tags=tuple(tag for tag in map(name_of, as_list(each.get("tags"))) if tag),
                occurred_at=moment_of(each.get("occurred_at")) or moment_of(each.get("created_at")),
                origin="import:af",
                metadata=as_object(each.get("metadata") or each.get("metadata_")) or None,
            )
            choice = AgentChoice(name=owner if owner in self.names else name)
            yield Item(made, f"{self.file}, passage {number:,}", choice)

    def _tell_what_is_left(self) -> None:
        left = self.report.left_out
        for tool in objects(self.told.get("tools")):
            if not as_text(tool.get("tool_type")).startswith(_BUILT_IN):
                left[f"tool {clip(as_text(tool.get('name')), 60)!r} (its code)"] += 1
        for key, noun in (("files", "file"), ("sources", "source"), ("mcp_servers", "MCP server")):
            for each in objects(self.told.get(key)):
                name = next(
                    (found for at in ("file_name", "name", "server_name", "id")
                     if (found := as_text(each.get(at)))), "?",
                )  # fmt: skip
                left[f"{noun} {clip(name, 60)!r}"] += 1
        if groups := len(as_list(self.told.get("groups"))):
            left["groups of agents (all agents here may talk to each other)"] += groups
        for key, value in self.told.items():
            if key not in _FILE_FIELDS and value not in (None, False, "", [], {}):
                left[f"file: {clip(key, 60)}"] += 1


def _moment_in(*told: dict[str, Any]) -> datetime | None:
    return next((at for each in told if (at := moment_of(each.get("created_at")))), None)


def _with_our_names(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule with our tools under our names."""

    def ours(value: Any) -> Any:
        if isinstance(value, str):
            return _FROM_LETTA.get(value, value)
        if isinstance(value, list):
            return [ours(each) for each in cast("list[Any]", value)]
        if isinstance(value, dict):
            return {key: ours(each) for key, each in cast("dict[str, Any]", value).items()}
        return value

    names = ("tool_name", "children", "child_output_mapping", "default_child")
    return {key: ours(value) if key in names else value for key, value in rule.items()}


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


def _text(told: dict[str, Any], report: Report) -> str:
    content = told.get("content")
    if content is None:
        content = told.get("text")
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for part in objects(content):
        match as_text(part.get("type")):
            case "text" | "":
                parts.append(as_text(part.get("text")))
            case "reasoning" | "redacted_reasoning" | "omitted_reasoning" | "summarized_reasoning":
                report.left_out["thoughts"] += 1
            case "image":
                report.left_out["images and files"] += 1
            case _:
                pass  # calls and returns, which `_calls` and `_returns` read
    return "\n".join(part for part in parts if part)


def _unpacked(text: str) -> tuple[str, bool | None]:
    """A user's message as they wrote it; true for noise, `None` for what the system said."""
    if not text.lstrip().startswith("{"):
        return text, False
    try:
        told = as_object(json.loads(text))
    except (ValueError, RecursionError):
        return text, False
    kind, message = as_text(told.get("type")), as_text(told.get("message"))
    if kind in _NOISE:
        return "", True
    if kind == "system_alert" and message:
        return message, None
    return (message, False) if kind and message else (text, False)


def _calls(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for call in objects(told.get("tool_calls")):
        function = as_object(call.get("function")) or call
        yield {
            "id": as_text(call.get("id")),
            "name": as_text(function.get("name")),
            "arguments": _arguments(function.get("arguments")),
        }
    if told.get("tool_calls"):
        return
    for part in objects(told.get("content")):
        if part.get("type") in ("tool_call", "tool_use"):
            yield {
                "id": as_text(part.get("id")),
                "name": as_text(part.get("name")),
                "arguments": _arguments(part.get("input")),
            }


def _arguments(told: Any) -> Any:
    if isinstance(told, str):
        try:
            return json.loads(told)
        except (ValueError, RecursionError):
            return {"arguments": told}
    return as_object(told)


def _returns(told: dict[str, Any], text: str) -> Iterator[tuple[str, str]]:
    """What tools gave back: the id of the call, and the answer without its wrapping."""
    returns = objects(told.get("tool_returns"))
    parts = [each for each in objects(told.get("content")) if each.get("type") == "tool_return"]
    if len(returns) > 1 or (returns and not text):
        for each in returns:
            yield as_text(each.get("tool_call_id")), _answer(as_text(each.get("func_response")))
    elif parts and not text:
        for each in parts:
            yield as_text(each.get("tool_call_id")), _answer(as_text(each.get("content")))
    else:
        yield as_text(told.get("tool_call_id")), _answer(text)


def _answer(text: str) -> str:
    try:
        told = as_object(json.loads(text))
    except (ValueError, RecursionError):
        return text
    message = told.get("message")
    return as_text(message) if "status" in told and isinstance(message, str) else text


# --- Out ---

IN_VIEW_MESSAGES = 20


async def written(copies: Copies, agents: Sequence[str] | None) -> AsyncGenerator[str]:
    """An agent file of these agents, in pieces; messages are read as they are written."""
    heads = await copies.heads(agents)
    chosen = [copy for copy in heads if isinstance(copy, AgentCopy)]
    blocks = [copy for copy in heads if isinstance(copy, BlockCopy)]
    ids = {block.id: f"block-{number}" for number, block in enumerate(blocks)}
    yield '{"agents": ['
    count = 0
    for number, agent in enumerate(chosen):
        yield ", " if number else ""
        head = json.dumps(_agent_out(agent, f"agent-{number}", blocks, ids), ensure_ascii=False)
        yield head[:-1] + ', "messages": ['
        first = count
        system = _message_out(count, f"agent-{number}", "system", agent.system_prompt or " ", None)
        yield json.dumps({**system, "created_at": agent.created_at}, ensure_ascii=False)
        count += 1
        async for copy in copies.rows("message", [agent.name]):
            assert isinstance(copy, MessageCopy)
            for message in _messages_out(copy, count, f"agent-{number}", agent.model):
                yield ", " + json.dumps(message, ensure_ascii=False)
                count += 1
        view = [first, *range(max(first + 1, count - IN_VIEW_MESSAGES), count)]
        yield f'], "in_context_message_ids": {json.dumps([f"message-{at}" for at in view])}}}'
    tail: dict[str, Any] = {
        "groups": [],
        "blocks": [_block_out(block, ids[block.id]) for block in blocks],
        "files": [],
        "sources": [],
        "tools": [],
        "mcp_servers": [],
        "metadata": {"made_by": "memory-mcp"},
        "created_at": max((agent.created_at for agent in chosen), default=to_iso(_EPOCH)),
    }
    yield "], " + json.dumps(tail, ensure_ascii=False)[1:-1] + ', "passages": ['
    separator = ""
    async for copy in copies.rows("passage", [agent.name for agent in chosen]):
        assert isinstance(copy, PassageCopy)
        told = {
            "text": copy.content,
            "tags": copy.tags,
            "created_at": copy.created_at,
            "occurred_at": copy.occurred_at,
            "metadata": copy.metadata,
            "agent": copy.agent,
        }
        yield separator + json.dumps(told, ensure_ascii=False)
        separator = ", "
    yield "]}\n"


def _agent_out(
    agent: AgentCopy, agent_id: str, blocks: Sequence[BlockCopy], ids: dict[str, str]
) -> dict[str, Any]:
    mine = sorted(
        (attachment.position, ids[block.id])
        for block in blocks
        for attachment in block.agents
        if attachment.agent == agent.name
    )
    return {
        "name": agent.name,
        "memory_blocks": [],
        "tools": [],
        "tool_ids": [],
        "source_ids": [],
        "folder_ids": None,
        "block_ids": [block_id for _, block_id in mine],
        "tool_rules": [_rule_out(rule) for rule in agent.tool_rules],
        "tags": agent.tags,
        "system": agent.system_prompt,
        "agent_type": "letta_v1_agent",
        "initial_message_sequence": None,
        "include_base_tools": False,
        "include_multi_agent_tools": False,
        "include_base_tool_rules": False,
        "include_default_source": False,
        "description": agent.description or None,
        "metadata": None,
        "llm_config": None,
        "embedding_config": None,
        "model": agent.model,
        "embedding": None,
        "timezone": "UTC",
        "enable_sleeptime": False,
        "message_buffer_autoclear": False,
        "id": agent_id,
        "files_agents": [],
        "group_ids": [],
    }


def _rule_out(rule: dict[str, Any]) -> dict[str, Any]:
    def theirs(value: Any) -> Any:
        if isinstance(value, str):
            return OUR_TOOLS.get(value, value)
        if isinstance(value, list):
            return [theirs(each) for each in cast("list[Any]", value)]
        if isinstance(value, dict):
            return {key: theirs(each) for key, each in cast("dict[str, Any]", value).items()}
        return value

    names = ("tool_name", "children", "child_output_mapping", "default_child")
    told = {key: theirs(value) if key in names else value for key, value in rule.items()}
    return {**told, "type": _OUT_KINDS.get(rule["type"], rule["type"]), "prompt_template": None}


def _block_out(block: BlockCopy, block_id: str) -> dict[str, Any]:
    metadata = dict(block.metadata)
    return {
        "value": block.value,
        "limit": block.limit,
        "project_id": None,
        "template_name": None,
        "is_template": False,
        "preserve_on_migration": False,
        "label": block.label,
        "read_only": block.read_only,
        "description": block.description or None,
        "tags": metadata.pop("tags", None),
        "metadata": metadata,
        "hidden": None,
        "id": block_id,
    }


def _message_out(
    number: int, agent_id: str, role: str, text: str, model: str | None
) -> dict[str, Any]:
    return {
        "type": "message",
        "role": role,
        "content": [{"type": "text", "text": text}],
        "name": None,
        "otid": None,
        "sender_id": None,
        "batch_item_id": None,
        "group_id": None,
        "id": f"message-{number}",
        "model": model,
        "agent_id": agent_id,
        "tool_calls": None,
        "tool_call_id": None,
        "tool_returns": [],
    }


def _messages_out(
    copy: MessageCopy, number: int, agent_id: str, model: str | None
) -> Iterator[dict[str, Any]]:
    """A message; a tool's use as the call and the answer."""
    told = {
        **_message_out(number, agent_id, copy.role, copy.content, model),
        "created_at": copy.created_at,
    }
    if copy.role != "tool":
        yield {**told, "name": copy.name}
        return
    call_id = f"call-{number}"
    kept = as_object(as_object(copy.metadata).get("letta"))
    name = copy.name or "tool"
    arguments = json.dumps(kept.get("arguments") or {}, ensure_ascii=False)
    call = {"id": call_id, "function": {"arguments": arguments, "name": name}, "type": "function"}
    yield {**told, "role": "assistant", "content": [], "tool_calls": [call]}
    returned = {"tool_call_id": call_id, "status": "success", "func_response": copy.content}
    yield {
        **told,
        "id": f"message-{number + 1}",
        "name": name,
        "tool_call_id": call_id,
        "tool_returns": [returned],
    }
