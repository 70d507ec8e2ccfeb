"""Letta's agent files (`.af`), read: the schema of 2025 and after, and the older one.

The newer has lists of agents, blocks and tools that name each other by ids like `block-0`; the
older is one agent with its `core_memory` in it. A real one holds no archival passages, and of the
messages only those in the agent's context; `passages` is our own addition.
"""

from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.ids import MessageId
from memory_mcp.domain.json_values import as_list, as_object, as_text, moment_of, objects
from memory_mcp.domain.texts import clip
from memory_mcp.transfer.letta.agents import MADE_BY, OURS, Household
from memory_mcp.transfer.letta.messages import EPOCH, Kept, is_id
from memory_mcp.transfer.report import Item, Report
from memory_mcp.transfer.source import Source, whole_json

_NAMED = {
    "files": "file",
    "sources": "source",
    "mcp_servers": "MCP server",
    "skills": "skill",
}
_FIELDS = {
    *_NAMED, OURS, "agents", "archives", "blocks", "created_at", "groups", "metadata",
    "passages", "tools",
}  # fmt: skip


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
    household = Household(name, report, moment_of(told.get("created_at")) or EPOCH)
    for agent in agents:
        household.take(agent, source.agent)
    yield from household.heads(objects(told.get("blocks")))
    is_ours = as_object(told.get("metadata")).get("made_by") == MADE_BY
    # Under another name it is another agent, with memory of its own.
    is_same = is_ours and all(agent.has_own_name for agent in household.agents)
    kept = _kept(told, is_same=is_same) if is_ours else {}
    for agent in household.agents:
        history = household.history(agent, kept)
        for number, message in enumerate(objects(agent.fields.get("messages")), 1):
            place = f"{name}, message {number:,} of {agent.name}"
            for made in history.read(message):
                yield Item(made, place, agent.choice)
        for made in history.rest():
            yield Item(made, f"{name}, the last message of {agent.name}", agent.choice)
        for key in ("passages", "archival_memory"):
            yield from _passages(household, agent.choice, agent.fields.get(key))
    for key in ("passages", "archives"):
        yield from _passages(household, household.agents[0].choice, told.get(key), copied=is_same)
    _tell_what_is_left(household, told)


def _kept(told: dict[str, Any], *, is_same: bool) -> dict[str, Kept]:
    """Which message is which, as a file of ours tells."""
    found: dict[str, Kept] = {}
    for number, each in as_object(as_object(told.get(OURS)).get("messages")).items():
        kept = as_object(each)
        own_id = MessageId(as_text(kept.get("id")))
        found[number] = Kept(
            id=own_id if is_same and is_id(own_id, "message") else None,
            conversation=as_text(kept.get("conversation")),
            external_id=as_text(kept.get("external_id")) or None,
            aliases=tuple(filter(None, map(as_text, as_list(kept.get("aliases"))))),
        )
    return found


def _passages(
    household: Household, owner: AgentChoice, told: Any, *, copied: bool = False
) -> Iterator[Item]:
    names = {agent.name for agent in household.agents}
    for number, each in enumerate(objects(told), 1):
        if inner := objects(each.get("passages")):
            yield from _passages(household, owner, inner)
            continue
        name = as_text(each.get("agent"))
        choice = AgentChoice(name=name) if name in names else owner
        place = f"{household.place}, passage {number:,}"
        yield from household.passage(each, choice, place, copied=copied)


def _tell_what_is_left(household: Household, told: dict[str, Any]) -> None:
    household.tell_tools(objects(told.get("tools")))
    for key, noun in _NAMED.items():
        for each in objects(told.get(key)):
            household.leave(noun, each)
    report = household.report
    if groups := len(as_list(told.get("groups"))):
        report.left_out["groups of agents (all agents here may talk to each other)"] += groups
    for key, value in told.items():
        if key not in _FIELDS and value not in (None, False, "", [], {}):
            report.not_understood[f"field {clip(key, 60)!r} of the file"] += 1
    household.tell()
