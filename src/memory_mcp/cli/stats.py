"""`memory-mcp stats`: how much memory holds."""

import argparse
from dataclasses import asdict
from datetime import datetime

import anyio

from memory_mcp.app import open_services
from memory_mcp.cli.printing import print_json, print_table
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.statistics import Statistics
from memory_mcp.domain.times import for_reading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Print how much an agent's memory holds, and the state of the indexes."
    parser.epilog = "example: memory-mcp --agent work stats --json"
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> None:
    """Print it."""
    settings = load_settings(database=arguments.database, agent=arguments.agent)
    statistics = anyio.run(_statistics, settings)
    if arguments.json:
        print_json(asdict(statistics))
        return
    index = statistics.index
    rows = [
        ("messages", f"{statistics.messages:,}", _span(statistics.first_message_at, statistics.last_message_at)),
        ("conversations", f"{statistics.conversations:,}", ""),
        ("passages", f"{statistics.passages:,}", _span(statistics.first_passage_at, statistics.last_passage_at)),
        ("tags", f"{len(statistics.tags)}", ", ".join(f"{tag.tag} ({tag.passages:,})" for tag in statistics.tags)),
        *(("block", block.label, f"{block.chars:,} of {block.limit_chars:,} characters") for block in statistics.blocks),
        ("agents", f"{statistics.agents:,}", ""),
        ("search", index.vector_index, index.note or f"{index.embedder}; {index.waiting:,} waiting for a vector"),
        ("store", f"{statistics.database_bytes / 1e6:,.1f} MB", statistics.database),
    ]  # fmt: skip
    print_table(f"Memory of agent {statistics.agent!r}", ("what", "how much", "more"), rows)


async def _statistics(settings: Settings) -> Statistics:
    async with open_services(settings) as services:
        agent = await services.agents.choose(settings.agent)
        return await services.view.statistics(agent.id)


def _span(first: datetime | None, last: datetime | None) -> str:
    return f"{for_reading(first)} to {for_reading(last)}" if first and last else ""
