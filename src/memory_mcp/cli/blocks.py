"""`memory-mcp blocks`: core memory."""

import argparse

import anyio

from memory_mcp.app import open_services
from memory_mcp.cli.printing import print_json, print_table
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.blocks import Block
from memory_mcp.domain.errors import BlockNotFound
from memory_mcp.domain.times import for_reading
from memory_mcp.server.answers import block_structure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "List the core memory blocks of an agent, or print the value of one."
    parser.epilog = "example: memory-mcp blocks human"
    parser.add_argument("label", nargs="?", help="print this block's value only")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> None:
    """Print them."""
    settings = load_settings(database=arguments.database, agent=arguments.agent)
    blocks = anyio.run(_blocks, settings)
    if arguments.label:
        blocks = [block for block in blocks if block.label == arguments.label] or _none(
            arguments.label, blocks
        )
    if arguments.json:
        print_json([block_structure(block) for block in blocks])
    elif arguments.label:
        print(blocks[0].value)
    else:
        rows = [
            (
                block.label,
                block.value or "(empty)",
                f"{len(block.value):,} of {block.limit_chars:,}",
                f"{for_reading(block.updated_at)} (version {block.version})",
            )
            for block in blocks
        ]
        print_table("Core memory", ("block", "value", "characters", "changed"), rows)


def _none(label: str, blocks: list[Block]) -> list[Block]:
    labels = ", ".join(block.label for block in blocks)
    raise BlockNotFound(f"there is no block {label!r}. The blocks are: {labels}.")


async def _blocks(settings: Settings) -> list[Block]:
    async with open_services(settings) as services:
        agent = await services.agents.choose(settings.agent)
        return await services.core_memory.blocks(agent.id)
