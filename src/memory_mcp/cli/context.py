"""`memory-mcp context`: exactly what memory puts in view."""

import argparse

import anyio

from memory_mcp.app import open_services
from memory_mcp.config import Settings, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Print, word for word, what the compiler puts in view of the model."
    parser.epilog = "example: memory-mcp context | pbcopy"
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="print the server's instructions (2,000 characters) instead",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print it."""
    settings = load_settings(database=arguments.database, agent=arguments.agent)
    print(anyio.run(_view, settings, arguments.instructions))


async def _view(settings: Settings, instructions: bool) -> str:
    async with open_services(settings) as services:
        agent = await services.agents.choose(settings.agent)
        if instructions:
            return await services.view.instructions(agent.id)
        return await services.view.context(agent.id)
