"""`memory-mcp blocks`: core memory."""

import argparse
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json, print_table
from memory_mcp.domain.errors import BlockNotFound
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import for_reading, from_iso

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.services import Services

SHOWN_CHARS = 300
"""Of each block in the list; `blocks LABEL` prints all of one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "List the core memory blocks of an agent, or print the value of one."
    parser.epilog = "example: memory-mcp blocks human"
    parser.add_argument("label", nargs="?", help="print this block's value only")
    parser.add_argument("--json", action="store_true", help="for scripts")


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Find them, all or the one."""
    from memory_mcp.server.answers import block_structure

    agent = await services.agents.choose(settings.agent)
    blocks = await services.core_memory.blocks(agent.id)
    wanted = [block for block in blocks if arguments.label in (None, block.label)]
    if not wanted:
        labels = ", ".join(block.label for block in blocks)
        raise BlockNotFound(f"there is no block {arguments.label!r}. The blocks are: {labels}.")
    return [block_structure(block) for block in wanted]


def show(blocks: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Print them."""
    if arguments.json:
        print_json(blocks)
    elif arguments.label:
        print(blocks[0]["value"])
    else:
        rows = [
            (
                block["label"],
                clip(block["value"], SHOWN_CHARS) or "(empty)",
                f"{block['chars']:,} of {block['limit']:,}",
                f"{for_reading(from_iso(block['updated_at']))} (version {block['version']})",
            )
            for block in blocks
        ]
        print_table("Core memory", ("block", "value", "characters", "changed"), rows)
