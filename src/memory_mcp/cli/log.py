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
from memory_mcp.domain.times import from_iso

if TYPE_CHECKING:
    from memory_mcp.config import Settings
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
        _show(told, arguments)
        return 0
    while is_read(sys.stdout):
        for change in told:
            print(_line(change) if not arguments.json else _json_line(change), flush=True)
        if told:
            arguments.after = told[-1]["seq"]
        elif arguments.after is None:
            arguments.after = 0
        time.sleep(LOOK_SECONDS)
        told = answer_to("log", arguments)
    return 0


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Find the changes: the latest, or those after the one last seen."""
    agents: dict[str, str] = {agent.id: agent.name for agent in await services.agents.all()}
    agent_id = None
    if not arguments.all:
        agent_id = (await services.agents.find(settings.agent)).id
    if arguments.after is None:
        found = await services.outbox.latest(agent_id, arguments.limit)
    else:
        found = await services.outbox.since(arguments.after)
        found = [
            each for each in found if agent_id in (None, *each.agent_ids) or each.noun == "store"
        ]
    from memory_mcp.domain.times import to_iso

    return [
        {
            "seq": each.seq,
            "at": to_iso(each.at),
            "what": each.noun,
            "id": each.noun_id,
            "operation": each.operation,
            "agents": [agents.get(agent, agent) for agent in each.agent_ids],
            "details": {
                name: agents.get(value, value) if isinstance(value, str) else value
                for name, value in each.details.items()
            },
        }
        for each in found
    ]


def _show(told: Sequence[dict[str, Any]], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(told)
        return
    for each in told:
        print(_line(each))


def _line(change: dict[str, Any]) -> str:
    what = f"{change['what']} {change['operation']}"
    agents = ", ".join(change["agents"])
    return "  ".join(
        part for part in (_at(change), agents, what, _details(change), change["id"]) if part
    )


def _json_line(change: dict[str, Any]) -> str:
    import json

    return encodable_json(json.dumps(change, ensure_ascii=False))


def _at(change: dict[str, Any]) -> str:
    return f"{own_zone().local(from_iso(change['at'])):%Y-%m-%d %H:%M:%S}"


def _details(change: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in change["details"].items())
