"""`memory-mcp stats`: how much memory holds."""

import argparse
from collections.abc import Iterator
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
    title = f"Memory of agent {statistics.agent!r}"
    print_table(title, ("what", "how much", "more"), list(_rows(statistics)))


def _rows(told: Statistics) -> Iterator[tuple[str, str, str]]:
    index = told.index
    yield "messages", f"{told.messages:,}", _span(told.first_message_at, told.last_message_at)
    yield "conversations", f"{told.conversations:,}", ""
    yield "passages", f"{told.passages:,}", _span(told.first_passage_at, told.last_passage_at)
    yield "tags", "", ", ".join(f"{tag.tag} ({tag.passages:,})" for tag in told.tags)
    for block in told.blocks:
        yield "block", block.label, f"{block.chars:,} of {block.limit_chars:,} characters"
    yield "agents", f"{told.agents:,}", ""
    waiting = f"{index.embedder}; {index.waiting:,} waiting for a vector"
    yield "search", index.vectors_scored_by or "words only", index.note or waiting
    yield "store", f"{told.database_bytes / 1e6:,.1f} MB", told.database


async def _statistics(settings: Settings) -> Statistics:
    async with open_services(settings) as services:
        agent = await services.agents.choose(settings.agent)
        return await services.view.statistics(agent.id)


def _span(first: datetime | None, last: datetime | None) -> str:
    return f"{for_reading(first)} to {for_reading(last)}" if first and last else ""
