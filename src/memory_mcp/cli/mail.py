"""`memory-mcp mail`: what agents wrote to each other."""

import argparse
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json, print_table, shown_time
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import clip, counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.services import Services

TEXT_CHARS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "List the mail between all agents, or that of one (--agent), latest first. Looking at it "
        "here delivers nothing."
    )
    parser.epilog = "example: memory-mcp --agent work mail"
    parser.add_argument("--limit", type=int, default=100, help="how many at most (100)")
    parser.add_argument("--json", action="store_true", help="for scripts, with the whole texts")


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> dict[str, Any]:
    """Find it."""
    from memory_mcp.server.answers import letter_structure

    if arguments.limit < 1:
        raise InvalidInput(f"--limit {arguments.limit} must be 1 or more.")
    name = settings.agent.name
    agent = await services.agents.named(name) if name else None
    letters, total = await services.mail.all(agent.id if agent else None, arguments.limit)
    told = [letter_structure(letter) for letter in letters]
    return {"agent": agent.name if agent else None, "total": total, "mail": told}


def show(told: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print it."""
    if arguments.json:
        print_json(told)
        return
    rows = [
        (
            shown_time(mail["sent_at"]),
            mail["from"],
            mail["to"],
            mail["state"],
            clip(mail["text"], TEXT_CHARS),
            mail["id"] + (f"\nto {mail['in_reply_to']}" if mail["in_reply_to"] else ""),
        )
        for mail in told["mail"]
    ]
    of = f"{len(rows):,} of {counted(told['total'], 'mail')}"
    title = f"{of} of agent {told['agent']!r}" if told["agent"] else of
    print_table(title, ("sent", "from", "to", "state", "text", "id"), rows)
