"""`memory-mcp stats`: how much memory holds."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json, print_table, shown_time
from memory_mcp.cli.shadow import spent_today
from memory_mcp.domain.plain import as_json

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Print how much an agent's memory holds, and the state of the indexes."
    parser.epilog = "example: memory-mcp --agent work stats --json"
    parser.add_argument("--json", action="store_true", help="for scripts")


async def ask(services: "Services", settings: "Settings", _: argparse.Namespace) -> dict[str, Any]:
    """Find the numbers."""
    agent = await services.agents.find(settings.agent)
    told = asdict(await services.view.statistics(agent.id))
    if not settings.database.exists():  # nothing was written yet: no file had to answer this
        told |= {"database": str(settings.database), "database_bytes": 0}
    return json.loads(as_json({**told, "shadow": asdict(await services.ledger.state())}))


def show(told: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print them."""
    if arguments.json:
        print_json(told)
        return
    title = f"Memory of agent {told['agent']!r}"
    print_table(title, ("what", "how much", "more"), list(_rows(told)))


def _rows(told: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    index = told["index"]
    yield "messages", f"{told['messages']:,}", _span(told, "message")
    yield "conversations", f"{told['conversations']:,}", ""
    yield "passages", f"{told['passages']:,}", _span(told, "passage")
    if near := told["near_duplicates"]:
        yield "near-duplicates", f"{near:,}", "pairs of passages that say nearly the same"
    yield "tags", "", ", ".join(f"{tag['tag']} ({tag['passages']:,})" for tag in told["tags"])
    for block in told["blocks"]:
        yield "block", block["label"], f"{block['chars']:,} of {block['limit_chars']:,} characters"
    yield "agents", f"{told['agents']:,}", ""
    waiting = f"{index['embedder']}; {index['waiting']:,} waiting for a vector"
    yield "search", index["vectors_scored_by"] or "words only", index["note"] or waiting
    yield "shadow agent", told["shadow"]["doing"], spent_today(told["shadow"])
    for problem in told["problems"]:
        yield "problem", "", problem
    yield "store", f"{told['database_bytes'] / 1e6:,.1f} MB", told["database"]


def _span(told: dict[str, Any], noun: str) -> str:
    first, last = told[f"first_{noun}_at"], told[f"last_{noun}_at"]
    if not first or not last:
        return ""
    return f"{shown_time(first)} to {shown_time(last)}"
