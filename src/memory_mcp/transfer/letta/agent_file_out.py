"""Agent files written: what a Letta server of version 0.16 takes in and runs.

The server checks more than the schema says: ids are numbered by kind, a tool's answer is JSON with
status, message and time (one that is not makes it refuse the agent's whole history), names have
few signs, and an agent without `llm_config` or tools does nothing. Where a field has no place for
what is set here, the agent's metadata keep it.
"""

import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

from memory_mcp.domain.copies import AgentCopy, BlockCopy, MessageCopy, PassageCopy
from memory_mcp.domain.json_values import as_object
from memory_mcp.domain.quoting import in_json
from memory_mcp.domain.times import to_iso
from memory_mcp.services.copies import Copies
from memory_mcp.transfer.letta.agents import MADE_BY, OURS, PROMPT_DEFAULT, plain_name
from memory_mcp.transfer.letta.messages import EPOCH
from memory_mcp.transfer.letta.tools import rule_out, tool_out, tools_of

IN_VIEW_MESSAGES = 20
WINDOW_DEFAULT = 32_000
WINDOW_LEAST = 16_000
"""With less there is no room for a conversation beside Letta's own prompt and its tools."""
_INTRODUCTION = "The following memory blocks are currently engaged in your core memory unit:"
_MODEL_DEFAULT = "openai/gpt-4o-mini"
_ENDPOINTS = {
    "anthropic": ("anthropic", "https://api.anthropic.com/v1"),
    "azure": ("azure", None),
    "bedrock": ("bedrock", None),
    "deepseek": ("deepseek", "https://api.deepseek.com/v1"),
    "gemini": ("google_ai", "https://generativelanguage.googleapis.com"),
    "google_ai": ("google_ai", "https://generativelanguage.googleapis.com"),
    "groq": ("groq", "https://api.groq.com/openai/v1"),
    "mistral": ("mistral", "https://api.mistral.ai/v1"),
    "ollama": ("ollama", "http://localhost:11434"),
    "openai": ("openai", "https://api.openai.com/v1"),
    "openrouter": ("openrouter", "https://openrouter.ai/api/v1"),
    "vertex_ai": ("google_vertex", None),
    "xai": ("xai", "https://api.x.ai/v1"),
}
"""How Letta calls who serves a model, and where, by the first part of a model's name here."""


async def written(copies: Copies, agents: Sequence[str] | None) -> AsyncGenerator[str]:
    """An agent file of these agents, in pieces; messages are read as they are written."""
    heads = await copies.heads(agents)
    chosen = [copy for copy in heads if isinstance(copy, AgentCopy)]
    blocks = [copy for copy in heads if isinstance(copy, BlockCopy)]
    block_ids = {block.id: f"block-{number}" for number, block in enumerate(blocks)}
    names = sorted({name for agent in chosen for name in tools_of(agent.tool_rules)})
    tool_ids = {name: f"tool-{number}" for number, name in enumerate(names)}
    yield '{"agents": ['
    count = 0
    kept: list[str] = []
    for number, agent in enumerate(chosen):
        yield ", " if number else ""
        mine = _blocks_of(agent, blocks)
        told = _agent_out(agent, f"agent-{number}", [block_ids[block.id] for block in mine])
        told["tool_ids"] = [tool_ids[name] for name in tools_of(agent.tool_rules)]
        yield _json(told)[:-1] + ', "messages": ['
        first = count
        system = _message_out(f"agent-{number}", "system", _prompt(agent, mine))
        yield _line({**system, "created_at": agent.created_at}, first)
        count += 1
        starts: list[int] = []
        async for copy in copies.rows("message", [agent.name]):
            assert isinstance(copy, MessageCopy)
            if copy.role != "tool":
                starts.append(count)
            for message in _messages_out(copy, count, f"agent-{number}"):
                yield ", " + _line(message, count)
                count += 1
            kept.append(f'"message-{count - 1}": {_kept(copy)}')
            del starts[:-IN_VIEW_MESSAGES]
        view = [first, *range(_view_start(starts, first + 1, count), count)]
        yield f'], "in_context_message_ids": {json.dumps([f"message-{at}" for at in view])}}}'
    tail: dict[str, Any] = {
        "groups": [],
        "blocks": [_block_out(block, block_ids[block.id]) for block in blocks],
        "files": [],
        "sources": [],
        "tools": [tool_out(name, tool_id) for name, tool_id in tool_ids.items()],
        "mcp_servers": [],
        "skills": [],
        "metadata": {"made_by": MADE_BY},
        "created_at": max((agent.created_at for agent in chosen), default=to_iso(EPOCH)),
    }
    yield "], " + _json(tail)[1:-1] + f', "{OURS}": {{"messages": {{'
    for at, each in enumerate(kept):
        yield f", {each}" if at else each
    yield '}}, "passages": ['
    separator = ""
    async for copy in copies.rows("passage", [agent.name for agent in chosen]):
        assert isinstance(copy, PassageCopy)
        told = {
            "id": copy.id,
            "text": copy.content,
            "tags": copy.tags,
            "created_at": copy.created_at,
            "refreshed_at": copy.refreshed_at,
            "occurred_at": copy.occurred_at,
            "origin": copy.origin,
            "source": copy.source,
            "external_id": copy.external_id,
            "supersedes": copy.supersedes,
            "metadata": copy.metadata,
            "agent": copy.agent,
        }
        yield separator + _json(told)
        separator = ", "
    yield "]}\n"


def _line(message: dict[str, Any], number: int) -> str:
    return _json({**message, "id": f"message-{number}"})


def _view_start(starts: list[int], first: int, count: int) -> int:
    """Where the messages in context begin: never with the answer to a call that is not there."""
    return next((at for at in starts if at >= count - IN_VIEW_MESSAGES), max(first, count))


# --- Agents and blocks ---


def _blocks_of(agent: AgentCopy, blocks: Sequence[BlockCopy]) -> list[BlockCopy]:
    places = {
        (attachment.position, number)
        for number, block in enumerate(blocks)
        for attachment in block.agents
        if attachment.agent == agent.name
    }
    return [blocks[number] for _, number in sorted(places)]


def _agent_out(agent: AgentCopy, agent_id: str, block_ids: list[str]) -> dict[str, Any]:
    kept = {"name": agent.name, "model": agent.model, "context_tokens": agent.context_tokens}
    return {
        "name": plain_name(agent.name),
        "memory_blocks": [],
        "tools": [],
        "source_ids": [],
        "folder_ids": None,
        "block_ids": block_ids,
        "tool_rules": [rule_out(rule) for rule in agent.tool_rules],
        "tags": agent.tags,
        "system": agent.system_prompt or PROMPT_DEFAULT,
        "agent_type": "letta_v1_agent",
        "initial_message_sequence": None,
        "include_base_tools": False,
        "include_multi_agent_tools": False,
        "include_base_tool_rules": False,
        "include_default_source": False,
        "description": agent.description or None,
        "metadata": {OURS: kept},
        "llm_config": _llm_config(agent),
        "embedding_config": None,
        "model": None,
        "embedding": None,
        "timezone": "UTC",
        "enable_sleeptime": False,
        "message_buffer_autoclear": False,
        "id": agent_id,
        "files_agents": [],
        "group_ids": [],
    }


def _llm_config(agent: AgentCopy) -> dict[str, Any]:
    """The model's configuration, which a server does without none; a person may choose another."""
    handle = agent.model or ""
    provider, _, model = handle.partition("/")
    if not model or provider not in _ENDPOINTS:
        handle = _MODEL_DEFAULT
        provider, _, model = handle.partition("/")
    kind, endpoint = _ENDPOINTS[provider]
    return {
        "model": model,
        "model_endpoint_type": kind,
        "model_endpoint": endpoint,
        "provider_name": provider,
        "provider_category": "base",
        "context_window": max(agent.context_tokens or WINDOW_DEFAULT, WINDOW_LEAST),
        "put_inner_thoughts_in_kwargs": False,
        "handle": handle,
        "temperature": 1.0,
        "enable_reasoner": False,
    }


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


def _prompt(agent: AgentCopy, blocks: Sequence[BlockCopy]) -> str:
    """The first message, which Letta writes anew as soon as a block changes."""
    parts = [agent.system_prompt or PROMPT_DEFAULT, f"<memory_blocks>\n{_INTRODUCTION}"]
    for block in blocks:
        facts = ["- read_only=true"] if block.read_only else []
        facts += [f"- chars_current={len(block.value)}", f"- chars_limit={block.limit}"]
        inner = "\n".join(["<metadata>", *facts, "</metadata>", "<value>", block.value, "</value>"])
        said = f"<description>\n{block.description}\n</description>\n"
        parts.append(f"<{block.label}>\n{said}{inner}\n</{block.label}>")
    return "\n\n".join([*parts, "</memory_blocks>"])


# --- Messages ---


def _message_out(agent_id: str, role: str, text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "role": role,
        "content": [{"type": "text", "text": text}] if text else [],
        "name": None,
        "otid": None,
        "sender_id": None,
        "batch_item_id": None,
        "group_id": None,
        "model": None,
        "agent_id": agent_id,
        "tool_calls": None,
        "tool_call_id": None,
        "tool_returns": [],
    }


def _messages_out(copy: MessageCopy, number: int, agent_id: str) -> Iterator[dict[str, Any]]:
    """A message; a tool's use as the call and the answer."""
    at = copy.created_at
    if copy.role != "tool":
        role, text = copy.role, copy.content
        if role == "system":  # there is one system message there, the first; others are alerts
            role, text = "user", _packed(type="system_alert", message=text, time=at)
        elif role == "user" and text.lstrip().startswith("{"):
            text = _packed(type="user_message", message=text, time=at)
        told = _message_out(agent_id, role, text)
        yield {**told, "name": _speaker(copy.name), "created_at": at}
        return
    call_id = f"call-{number}"
    kept = as_object(as_object(copy.metadata).get("letta"))
    name = _speaker(copy.name) or "tool"
    function = {"arguments": _json(kept.get("arguments") or {}), "name": name}
    asked = _message_out(agent_id, "assistant", "")
    asked["tool_calls"] = [{"id": call_id, "function": function, "type": "function"}]
    yield {**asked, "created_at": at}
    answer = _packed(status="OK", message=copy.content, time=at)
    returned = {"tool_call_id": call_id, "status": "success", "func_response": answer}
    told = _message_out(agent_id, "tool", answer)
    told |= {"name": name, "tool_call_id": call_id, "tool_returns": [returned]}
    yield {**told, "created_at": at}


def _kept(copy: MessageCopy) -> str:
    """Which message it is here: the ids it has in the file are good there only."""
    told: dict[str, Any] = {
        "id": copy.id,
        "conversation": copy.conversation,
        "external_id": copy.external_id,
    }
    return _json(told | {"aliases": copy.aliases} if copy.aliases else told)


def _packed(**told: str) -> str:
    return _json(told)


def _json(told: Any) -> str:
    """JSON that is safe on a terminal, too."""
    return in_json(json.dumps(told, ensure_ascii=False))


def _speaker(name: str | None) -> str | None:
    """A name as models' providers allow one."""
    return (re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or None) if name else None
