"""`memory-mcp agents`: who owns memory here, and what holds for each."""

import argparse
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from memory_mcp.cli.printing import print_json, print_table
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.quoting import indented
from memory_mcp.domain.texts import clip, counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.domain.agents import Agent, AgentSettings
    from memory_mcp.domain.tool_rules import ToolRule
    from memory_mcp.services import Services

EPILOG = """examples:
  memory-mcp agents create ada --description "Reads papers" --tag research
  memory-mcp agents set work --context-tokens 16000
  memory-mcp agents tag bob research                joins the group, and gets its shared block
  memory-mcp agents move work --project ~/src/work  its repository lies there now
  memory-mcp agents delete ada                      says what would go; --yes deletes
  memory-mcp agents restore ada                     within 30 days

example: memory-mcp agents set work --context-tokens 16000
"""

Told = list[dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "List the agents of a store, make one, set what holds for one, put it into groups, give it "
        "another project, or delete it."
    )
    parser.epilog = EPILOG
    parser.add_argument("what", nargs="?", choices=tuple(ACTIONS), default="list")
    parser.add_argument("name", nargs="?", help="the agent's name or id")
    parser.add_argument("tags", nargs="*", metavar="TAG", help="tag, untag: the groups")
    parser.add_argument(
        "--description", metavar="TEXT", help="create, set: what it is for, as others read it"
    )
    parser.add_argument(
        "--tag",
        action="append",
        metavar="TAG",
        help="create, set: its groups, instead of those it is in; may be given more than once; "
        "none: no groups",
    )
    parser.add_argument("--system-prompt", metavar="TEXT", help="create, set: for its own model")
    parser.add_argument(
        "--persona", metavar="TEXT", help="create, set: its persona block, which is its own then"
    )
    parser.add_argument(
        "--model", metavar="MODEL", help="create, set: what it runs on by itself; none: nothing"
    )
    parser.add_argument(
        "--context-tokens",
        metavar="N",
        help="create, set: how many tokens its view may take; default: as "
        "MEMORY_MCP_CONTEXT_TOKENS says",
    )
    parser.add_argument(
        "--tool-rule",
        action="append",
        metavar="RULE",
        help="create, set: which tools may be called when, like init:archival_search; may be given "
        "more than once; none: no rules (docs/configuration.md has them all)",
    )
    parser.add_argument(
        "--project",
        metavar="FOLDER",
        help="move: where its repository lies now; sessions there have its memory from then on",
    )
    parser.add_argument("--yes", action="store_true", help="delete: do it")
    parser.add_argument("--json", action="store_true", help="for scripts")


def prepare(arguments: argparse.Namespace) -> None:
    """Find here which project is meant: a folder may be told from where this process is."""
    if arguments.what != "move":
        if arguments.project:
            raise InvalidInput(
                f"agents {arguments.what} takes no --project; agents move gives an agent another "
                "one, and a session makes one for the repository it is held in."
            )
        return
    if not arguments.name or not arguments.project:
        raise InvalidInput(
            "agents move wants the agent's name, and with --project the folder where its "
            "repository lies now: see --help."
        )
    arguments.project = _project(arguments.project, arguments)


def _project(told: str, arguments: argparse.Namespace) -> str:
    import os

    from memory_mcp.config import load_settings
    from memory_mcp.projects import project_of

    by = load_settings(database=arguments.database, project_by=arguments.project_by).project_by
    folder = os.path.abspath(os.path.expanduser(told))
    if not os.path.isdir(folder):
        raise InvalidInput(f"there is no folder {folder}. Give the one it lies in now.")
    if project := project_of(folder, by=by):
        return project
    if by == "folder":
        raise InvalidInput(f"a home folder and / are no projects; give another than {folder}.")
    raise InvalidInput(
        f"{folder} lies in no repository, or is a home folder's, so sessions there have the memory "
        "of 'default'. Make it one (git init); or give each folder a memory of its own: "
        "--project-by folder here, MEMORY_MCP_PROJECT_BY=folder where hosts start memory-mcp."
    )


def reads(arguments: argparse.Namespace) -> bool:
    """Whether nothing is changed by it."""
    return arguments.what in ("list", "show", "payload")


async def ask(services: "Services", _: "Settings", arguments: argparse.Namespace) -> Told:
    """Do what is to be done; the agents it concerns, with their numbers."""
    if arguments.what != "list" and not arguments.name:
        raise InvalidInput(
            f"agents {arguments.what} wants the agent's name, and what to set: see --help."
        )
    if arguments.tags and arguments.what not in ("tag", "untag"):
        raise InvalidInput(f"agents {arguments.what} takes one name; tags are given with --tag.")
    return await ACTIONS[arguments.what](services, arguments)


def show(agents: Told, arguments: argparse.Namespace) -> None:
    """Print them."""
    if arguments.json or arguments.what == "payload":
        print_json(agents)
    elif arguments.what == "delete":
        _show_deletion(agents[0], arguments)
    elif arguments.what == "move":
        _show_move(agents[0])
    elif arguments.what == "show":
        rows = [(name.replace("_", " "), _shown(value)) for name, value in agents[0].items()]
        print_table(f"Agent {agents[0]['name']!r}", ("what", ""), rows)
    else:
        rows = [
            (
                agent["name"],
                agent["description"],
                agent["model"] or "",
                ", ".join(agent["tags"]),
                agent["project"] or "",
                "\n".join(agent["tool_rules"]),
                f"{agent['context_tokens']:,} tokens",
                f"{agent['messages_in_view']:,} ({agent['messages_summarised']:,} more summarised)",
            )
            for agent in agents
        ]
        columns = (
            "agent", "description", "model", "tags", "project", "tool rules", "view",
            "messages in view",
        )  # fmt: skip
        print_table(counted(len(rows), "agent"), columns, rows)
        for told in filter(None, (agent.get("redacted") for agent in agents)):
            print(told)


def _show_deletion(agent: dict[str, Any], arguments: argparse.Namespace) -> None:
    held = agent["holdings"]
    what = (
        f"{counted(held['messages'], 'message')} in "
        f"{counted(held['conversations'], 'conversation')}, "
        f"{counted(held['passages'], 'passage')}, {counted(held['blocks'], 'block')} of its own, "
        f"{counted(held['unread'], 'unread mail')}"
    )
    name = agent["name"]
    if arguments.yes:
        print(
            f"Agent {name!r} was deleted with {what}. For 30 days `memory-mcp agents restore "
            f"{name}` brings all of it back; then it is gone for good."
        )
    else:
        print(
            f"Agent {name!r} would be deleted with {what}. Nothing was done yet: give --yes to do "
            "it. It could be restored for 30 days."
        )


def _show_move(agent: dict[str, Any]) -> None:
    project = indented(agent["project"])
    print(f"Sessions in {project} have the memory of agent {agent['name']!r} now.")
    if gone := agent["gave_way"]:
        print(
            f"Agent {gone!r}, which had that project and was empty, was deleted. Sessions that are "
            "open there have to be started anew."
        )


def _shown(value: Any) -> str:
    return "\n".join(cast("list[str]", value)) if isinstance(value, list) else str(value or "")


async def _list(services: "Services", _: argparse.Namespace) -> Told:
    return [await _told(services, agent) for agent in await services.agents.all()]


async def _agent(services: "Services", name: str, *, writes: bool) -> "Agent":
    """The one of that name; `default` is every store's, and made by the first who writes."""
    from memory_mcp.domain.agents import DEFAULT_AGENT, AgentChoice
    from memory_mcp.domain.names import name_key

    if name_key(name) != DEFAULT_AGENT:
        return await services.agents.named(name)
    look = services.agents.choose if writes else services.agents.find
    return await look(AgentChoice())


async def _show(services: "Services", arguments: argparse.Namespace) -> Told:
    agent = await _agent(services, arguments.name, writes=False)
    blocks = await services.core_memory.blocks(agent.id)
    more = {"system_prompt": agent.system_prompt, "blocks": [block.label for block in blocks]}
    return [{**await _told(services, agent), **more}]


async def _create(services: "Services", arguments: argparse.Namespace) -> Told:
    agent = await services.agents.create(arguments.name, _settings(arguments))
    return [{**await _told(services, agent), **_secrets(arguments)}]


async def _set(services: "Services", arguments: argparse.Namespace) -> Told:
    from memory_mcp.domain.agents import AgentSettings

    if (settings := _settings(arguments)) == AgentSettings():
        raise InvalidInput(
            "there is nothing to set; give --context-tokens or --tool-rule or another: see --help."
        )
    agent = await _agent(services, arguments.name, writes=True)
    agent = await services.agents.set(agent.id, settings)
    services.eviction.noticed(agent.id)
    return [{**await _told(services, agent), **_secrets(arguments)}]


async def _move(services: "Services", arguments: argparse.Namespace) -> Told:
    agent = await services.agents.named(arguments.name)
    moved = await services.agents.move(agent.id, arguments.project)
    told = await _told(services, moved.agent)
    return [{**told, "gave_way": moved.gave_way.name if moved.gave_way else None}]


async def _tag(services: "Services", arguments: argparse.Namespace) -> Told:
    return await _regroup(services, arguments, joins=True)


async def _untag(services: "Services", arguments: argparse.Namespace) -> Told:
    return await _regroup(services, arguments, joins=False)


async def _regroup(services: "Services", arguments: argparse.Namespace, *, joins: bool) -> Told:
    """Let it join the groups, or leave them; its memory stays with it."""
    from memory_mcp.domain.agents import AgentSettings
    from memory_mcp.domain.names import name_key
    from memory_mcp.domain.texts import require_tags

    if not arguments.tags:
        raise InvalidInput(f"agents {arguments.what} wants a tag: see --help.")
    told = require_tags(arguments.tags)
    agent = await _agent(services, arguments.name, writes=True)
    if not joins and (
        strange := [tag for tag in told if name_key(tag) not in map(name_key, agent.tags)]
    ):
        tags = ", ".join(agent.tags) or "none"
        raise InvalidInput(f"agent {agent.name!r} has no tag {strange[0]!r}. Its tags: {tags}.")
    named = set(map(name_key, told))
    kept = tuple(tag for tag in agent.tags if name_key(tag) not in named)
    tags = (*kept, *told) if joins else kept
    agent = await services.agents.set(agent.id, AgentSettings(tags=tags).require())
    services.eviction.noticed(agent.id)
    return [await _told(services, agent)]


async def _delete(services: "Services", arguments: argparse.Namespace) -> Told:
    agent = await services.agents.named(arguments.name)
    told = await _told(services, agent)
    holdings = asdict(await services.agents.holdings(agent.id))
    if arguments.yes:
        await services.agents.delete(agent.id)
    return [{**told, "holdings": holdings, "deleted": bool(arguments.yes)}]


async def _restore(services: "Services", arguments: argparse.Namespace) -> Told:
    return [await _told(services, await services.agents.restore(arguments.name))]


async def _told(services: "Services", agent: "Agent") -> dict[str, Any]:
    """An agent, with its numbers."""
    from memory_mcp.domain.tool_rules import rule_text
    from memory_mcp.server.resources import agent_structure

    window = (await services.view.statistics(agent.id)).window
    assert window
    return {
        **agent_structure(agent),
        "tool_rules": [rule_text(rule) for rule in agent.tool_rules],
        "context_tokens": window.limit_tokens,
        "messages_in_view": window.messages_in_view,
        "messages_summarised": window.messages_summarised,
    }


def _secrets(arguments: argparse.Namespace) -> dict[str, str]:
    """What was taken out of what is set, if anything was."""
    from memory_mcp.domain.redact import kinds_in, told_kinds

    given = (arguments.description, arguments.system_prompt, arguments.persona)
    told = told_kinds(kinds_in(given, arguments.tag or []))
    return {"redacted": told} if told else {}


def _settings(arguments: argparse.Namespace) -> "AgentSettings":
    """All that is to be set, if all of it can be meant."""
    from memory_mcp.domain.agents import AgentSettings
    from memory_mcp.domain.blocks import LIMIT_CHARS_MOST
    from memory_mcp.domain.texts import check_text, require_tags

    tags = None
    if arguments.tag:
        tags = () if arguments.tag == ["none"] else require_tags(arguments.tag)
    tokens = arguments.context_tokens
    check_text(arguments.persona or "", "the persona", LIMIT_CHARS_MOST)
    return AgentSettings(
        description=arguments.description,
        tags=tags,
        system_prompt=arguments.system_prompt,
        persona=arguments.persona,
        model="" if arguments.model == "none" else arguments.model,
        context_tokens=None if tokens is None else _tokens(tokens) or 0,
        tool_rules=_rules(arguments.tool_rule) if arguments.tool_rule else None,
    ).require()


def _rules(told: list[str]) -> "tuple[ToolRule, ...]":
    """The rules asked for, if they can be kept together."""
    from memory_mcp.domain.solver import check_rules
    from memory_mcp.domain.tool_rules import parse_rule
    from memory_mcp.loop import memory_tools, resident_tools
    from memory_mcp.server.tools import TOOL_SETS, names_of

    if told == ["none"]:
        return ()
    rules = tuple(parse_rule(text) for text in told)
    # A rule holds wherever all tools that it names are there: for a host, in the shadow agent's
    # runs, in turns of the agent's own.
    served = names_of(tuple(TOOL_SETS))
    check_rules(rules, {*served, *memory_tools.NAMES, *resident_tools.NAMES})
    return rules


def _tokens(told: str) -> int | None:
    """The limit asked for; `None` for the default."""
    from memory_mcp.config import CONTEXT_TOKENS_LEAST, CONTEXT_TOKENS_MOST

    if told == "default":
        return None
    usable = told.isascii() and told.isdigit() and len(told) <= len(str(CONTEXT_TOKENS_MOST))
    if not usable or not CONTEXT_TOKENS_LEAST <= int(told) <= CONTEXT_TOKENS_MOST:
        raise InvalidInput(
            f"--context-tokens {clip(told, 40)!r} must be a whole number from "
            f"{CONTEXT_TOKENS_LEAST:,} to {CONTEXT_TOKENS_MOST:,}, or default."
        )
    return int(told)


async def _payload(services: "Services", arguments: argparse.Namespace) -> Told:
    """Each call of the agent's latest turn, word for word."""
    from memory_mcp.domain.plain import as_json

    agent = await services.agents.named(arguments.name)
    record = await services.ledger.last_turn(agent.id)
    return json.loads(as_json([asdict(call) for call in record.calls]))


ACTIONS: dict[str, Callable[..., Awaitable[Told]]] = {
    "list": _list,
    "show": _show,
    "create": _create,
    "set": _set,
    "move": _move,
    "tag": _tag,
    "untag": _untag,
    "payload": _payload,
    "delete": _delete,
    "restore": _restore,
}
