"""`memory-mcp log`: what happened in the store, newest last."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.asking import answer_to
from memory_mcp.cli.printing import encodable_json, own_zone, print_json
from memory_mcp.cli.terminal import is_read
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.quoting import listed, one_line
from memory_mcp.domain.times import from_iso, to_iso

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.ports import Change
    from memory_mcp.services import Services

LIMIT_MOST = 1_000
LOOK_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Print what happened: which blocks were edited, what was filed, said, summarised,\n"
        "forgotten; that it happened and whose doing it was, not the texts."
    )
    parser.epilog = "example: memory-mcp log --limit 50\n         memory-mcp log --all --follow"
    parser.add_argument("--all", action="store_true", help="of every agent")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many, 1 to 1000")
    parser.add_argument("--follow", action="store_true", help="go on with what happens from now on")
    parser.add_argument("--json", action="store_true", help="for scripts; --follow: a line each")
    parser.set_defaults(after=None)


def run(arguments: argparse.Namespace) -> int:
    """Print it; with --follow until interrupted, or until nobody reads it any more."""
    if not 1 <= arguments.limit <= LIMIT_MOST:
        raise InvalidInput(f"--limit {arguments.limit} is out of range; it goes from 1 to 1,000.")
    told = answer_to("log", arguments)
    if not arguments.follow:
        _show(told["changes"], arguments)
        return 0
    while is_read(sys.stdout):
        for change in told["changes"]:
            print(_line(change) if not arguments.json else _json_line(change), flush=True)
        if arguments.after == told["looked_at"] or not told["changes"]:
            time.sleep(LOOK_SECONDS)
        arguments.after = told["looked_at"]
        told = answer_to("log", arguments)
    return 0


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> dict[str, Any]:
    """Find the changes: the latest, or those after the last one looked at; and which that is now.

    Others' changes are looked at too, and never told: without them one would go through them again.
    """
    agents: dict[str, str] = {agent.id: agent.name for agent in await services.agents.all()}
    agent_id = None
    if not arguments.all:
        agent_id = (await services.agents.find(settings.agent)).id
    outbox = services.outbox
    if arguments.after is None:
        looked_at = await outbox.last_seq()  # first, or what comes meanwhile is passed over
        found = await outbox.latest(agent_id, arguments.limit)
    elif agent_id is None:
        looked_at, found = arguments.after, await outbox.since(arguments.after)
    else:
        found, looked_at = await outbox.of_agent_since(agent_id, arguments.after)
    looked_at = max(looked_at, *(each.seq for each in found), 0)
    return {"changes": [_told(each, agents) for each in found], "looked_at": looked_at}


def _told(change: "Change", agents: dict[str, str]) -> dict[str, Any]:
    """A change for scripts, with the names of agents in place of their ids."""
    return {
        "seq": change.seq,
        "at": to_iso(change.at),
        "what": change.noun,
        "id": change.noun_id,
        "operation": change.operation,
        "agents": [agents.get(agent, agent) for agent in change.agent_ids],
        "details": {
            name: agents.get(value, value) if isinstance(value, str) else value
            for name, value in change.details.items()
        },
    }


def _show(told: Sequence[dict[str, Any]], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(told)
        return
    for each in told:
        print(_line(each))


def _line(change: dict[str, Any]) -> str:
    what = f"{change['what']} {change['operation']}"
    agents = ", ".join(map(listed, change["agents"]))
    return "  ".join(
        part for part in (_at(change), agents, what, _details(change), change["id"]) if part
    )


def _json_line(change: dict[str, Any]) -> str:
    import json

    return encodable_json(json.dumps(change, ensure_ascii=False))


def _at(change: dict[str, Any]) -> str:
    return f"{own_zone().local(from_iso(change['at'])):%Y-%m-%d %H:%M:%S}"


def _details(change: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {one_line(str(value))}" for name, value in change["details"].items())
