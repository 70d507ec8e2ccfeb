"""`memory-mcp blocks`: core memory, and who shares it."""

import argparse
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json, print_table, shown_time
from memory_mcp.cli.terminal import text_on_input
from memory_mcp.domain.errors import BlockNotFound, InvalidInput
from memory_mcp.domain.quoting import quoted
from memory_mcp.domain.texts import clip, counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.domain.blocks import BlockSettings
    from memory_mcp.domain.ids import AgentId
    from memory_mcp.services import Services

VALUE_CHARS = 200
EPILOG = """examples:
  memory-mcp blocks                                        all blocks of an agent
  memory-mcp --agent work blocks show human                the value of one
  memory-mcp blocks create team --group research           for every agent tagged research
  memory-mcp --agent work blocks attach plan --to home     home sees and edits work's plan
  memory-mcp blocks undo human                             the value before the last change

example: memory-mcp blocks show human
"""

Told = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "List the core memory blocks of an agent (--agent), show or change one, share one between "
        "agents, or go back to what one said before."
    )
    parser.epilog = EPILOG
    parser.add_argument("what", nargs="?", choices=tuple(ACTIONS), default="list")
    parser.add_argument(
        "label", nargs="?", help="the block's label; attach: its label or its id (block-…)"
    )
    parser.add_argument("--to", metavar="NAME", help="attach: the agent that gets it too")
    parser.add_argument(
        "--group", metavar="TAG", help="create: for all agents with the tag, now and later"
    )
    value = parser.add_mutually_exclusive_group()
    value.add_argument("--value", metavar="TEXT", help="create, set: what it says")
    value.add_argument("--stdin", action="store_true", help="create, set: read that from input")
    parser.add_argument("--description", metavar="TEXT", help="create, set: what belongs into it")
    parser.add_argument("--limit", type=int, metavar="N", help="create, set: characters at most")
    parser.add_argument(
        "--read-only",
        action=argparse.BooleanOptionalAction,
        help="create, set: no agent may edit it",
    )
    parser.add_argument(
        "--on-overflow",
        choices=("evict", "error"),
        help="create, set: what happens when it is full: its oldest lines move to archival memory "
        "(evict), or the edit is refused (error)",
    )
    parser.add_argument(
        "--to-version", type=int, metavar="N", help="undo: the version to go back to"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def prepare(arguments: argparse.Namespace) -> None:
    """Read here what only this process can: its standard input."""
    if arguments.stdin:
        arguments.value = text_on_input().removesuffix("\n")


async def ask(services: "Services", settings: "Settings", arguments: argparse.Namespace) -> Told:
    """Do it, and say what it came to."""
    if arguments.what != "list" and not arguments.label:
        raise InvalidInput(f"blocks {arguments.what} wants a block's label: see --help.")
    look = services.agents.find if reads(arguments) else services.agents.choose
    agent = await look(settings.agent)
    return await ACTIONS[arguments.what](services, agent.id, arguments)


def reads(arguments: argparse.Namespace) -> bool:
    """Whether nothing is changed by it."""
    return arguments.what in ("list", "show", "history")


def show(told: Told, arguments: argparse.Namespace) -> None:
    """Print it."""
    if arguments.json:
        print_json(told["blocks"] if arguments.what in ("list", "show") else told)
    elif arguments.what == "show":
        print(told["blocks"][0]["value"])
    elif arguments.what == "list":
        rows = [
            (
                block["label"],
                clip(block["value"], VALUE_CHARS) or "(empty)",
                f"{block['chars']:,} of {block['limit']:,}",
                f"{shown_time(block['updated_at'])} (version {block['version']})",
                counted(block["shared_with"], "agent") if block["shared_with"] else "",
            )
            for block in told["blocks"]
        ]
        columns = ("block", "value", "characters", "changed", "shared with")
        print_table("Core memory", columns, rows)
    elif arguments.what == "history":
        rows = [
            (
                str(version["version"]),
                shown_time(version["changed_at"]),
                version["changed_by"],
                clip(version["value"], VALUE_CHARS) or "(empty)",
            )
            for version in told["history"]
        ]
        print_table(f"History of {arguments.label}", ("version", "changed", "by", "value"), rows)
    else:
        print(told["said"])


async def _list(services: "Services", agent_id: "AgentId", _: argparse.Namespace) -> Told:
    from memory_mcp.server.answers import block_structure

    blocks = await services.core_memory.blocks(agent_id)
    return {"blocks": [block_structure(block) for block in blocks]}


async def _show(services: "Services", agent_id: "AgentId", arguments: argparse.Namespace) -> Told:
    blocks = (await _list(services, agent_id, arguments))["blocks"]
    wanted = [block for block in blocks if block["label"] == arguments.label]
    if not wanted:
        labels = ", ".join(block["label"] for block in blocks)
        raise BlockNotFound(f"there is no block {arguments.label!r}. The blocks are: {labels}.")
    return {"blocks": wanted}


async def _create(services: "Services", agent_id: "AgentId", arguments: argparse.Namespace) -> Told:
    block = await services.core_memory.create(
        agent_id,
        arguments.label,
        arguments.value or "",
        _settings(arguments),
        group=arguments.group,
    )
    shared = f", shared by {block.shared_with + 1} agents" if block.shared_with else ""
    said = f"Block {block.label!r} was made{shared}. [{block.id}]"
    return {"id": block.id, "said": f"{said}{_secrets(arguments)}"}


async def _attach(services: "Services", agent_id: "AgentId", arguments: argparse.Namespace) -> Told:
    other = await services.agents.named(arguments.to) if arguments.to else None
    block = await services.core_memory.attach(
        arguments.label, agent_id, other.id if other else agent_id
    )
    owners = counted(block.shared_with + 1, "agent")
    return {"id": block.id, "said": f"Block {block.label!r} is attached to {owners} now."}


async def _detach(services: "Services", agent_id: "AgentId", arguments: argparse.Namespace) -> Told:
    block = await services.core_memory.detach(agent_id, arguments.label)
    said = (
        f"Block {block.label!r} was taken from the agent; it is kept with its history. "
        f"`memory-mcp blocks attach {block.id}` brings it back."
    )
    return {"id": block.id, "said": said}


async def _set(services: "Services", agent_id: "AgentId", arguments: argparse.Namespace) -> Told:
    settings = _settings(arguments)
    if settings is None and arguments.value is None:
        raise InvalidInput("there is nothing to set; give --value, --stdin, --limit or another.")
    block = await services.core_memory.set(agent_id, arguments.label, arguments.value, settings)
    said = (
        f"Block {block.label!r} is at version {block.version}: {len(block.value):,} of "
        f"{block.limit_chars:,} characters."
    )
    return {"id": block.id, "version": block.version, "said": f"{said}{_secrets(arguments)}"}


def _secrets(arguments: argparse.Namespace) -> str:
    """What was taken out of what is set, on a line of its own."""
    from memory_mcp.domain.redact import kinds_in, told_kinds

    told = told_kinds(kinds_in(arguments.value, arguments.description))
    return f"\n{told}" if told else ""


async def _history(
    services: "Services", agent_id: "AgentId", arguments: argparse.Namespace
) -> Told:
    from memory_mcp.domain.times import to_iso

    versions = await services.core_memory.history(agent_id, arguments.label)
    return {
        "history": [
            {
                "version": one.version,
                "changed_at": to_iso(one.changed_at),
                "changed_by": one.changed_by,
                "value": one.value,
            }
            for one in versions
        ]
    }


async def _undo(services: "Services", agent_id: "AgentId", arguments: argparse.Namespace) -> Told:
    edited = await services.core_memory.undo(agent_id, arguments.label, arguments.to_version)
    block = edited.after
    said = f"Block {block.label!r} (version {block.version}) reads again:\n{quoted(block.value)}"
    if block.version == edited.before.version:
        said = f"Block {block.label!r} reads so already; nothing was changed."
    return {"id": block.id, "version": block.version, "said": said}


def _settings(arguments: argparse.Namespace) -> "BlockSettings | None":
    """What is to be set besides the value, if anything is."""
    from memory_mcp.domain.blocks import BlockSettings

    settings = BlockSettings(
        description=arguments.description,
        limit_chars=arguments.limit,
        read_only=arguments.read_only,
        on_overflow=arguments.on_overflow,
    )
    return None if settings == BlockSettings() else settings


ACTIONS: dict[str, Callable[..., Awaitable[Told]]] = {
    "list": _list,
    "show": _show,
    "create": _create,
    "attach": _attach,
    "detach": _detach,
    "set": _set,
    "history": _history,
    "undo": _undo,
}
