"""`memory-mcp context`: exactly what memory puts in view."""

import argparse
from typing import TYPE_CHECKING

from memory_mcp.cli.printing import print_json

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Print, word for word, what the compiler puts in view of the model."
    parser.epilog = "example: memory-mcp context | pbcopy"
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="print the server's instructions (2,000 characters) instead",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


async def ask(services: "Services", settings: "Settings", arguments: argparse.Namespace) -> str:
    """Find it."""
    agent = await services.agents.find(settings.agent)
    if arguments.instructions:
        return await services.view.instructions(agent.id)
    return await services.view.context(agent.id, settings.zone)


def show(answer: str, arguments: argparse.Namespace) -> None:
    """Print it."""
    if arguments.json:
        print_json({"context": answer})
    else:
        print(answer)
