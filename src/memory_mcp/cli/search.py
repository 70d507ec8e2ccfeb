"""`memory-mcp search`: what a model would find."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json
from memory_mcp.domain.errors import InvalidInput

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Search what was filed (archival memory) and what was said (recall)."
    parser.epilog = 'example: memory-mcp search "when did we choose Postgres?" --in archival'
    parser.add_argument("query", help="words or a question")
    parser.add_argument("--in", dest="where", choices=("archival", "recall"), help="only there")
    parser.add_argument("--limit", type=int, default=5, metavar="N", help="hits of each, 1 to 50")
    parser.add_argument("--tag", action="append", metavar="TAG", help="only passages so tagged")
    parser.add_argument("--from", dest="start_date", metavar="DATE", help="from that day on")
    parser.add_argument("--to", dest="end_date", metavar="DATE", help="to the end of that day")
    parser.add_argument("--json", action="store_true", help="for scripts")


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> dict[str, Any]:
    """Find the hits: for each place searched, what a model reads, and the same for scripts."""
    from memory_mcp.server.answers import Budget, message_answer, passage_answer

    if arguments.tag and arguments.where == "recall":
        raise InvalidInput("--tag is for passages; messages have no tags. Leave out --in recall.")
    asked: dict[str, Any] = {
        "limit": arguments.limit,
        "start_date": arguments.start_date,
        "end_date": arguments.end_date,
        "zone": settings.zone,
    }
    query, now = arguments.query, services.clock.now()
    answers: dict[str, Any] = {}
    agent = await services.agents.find(settings.agent)
    budget = Budget(settings.result_tokens, services.tokens)
    if arguments.where != "recall":
        passages = await services.archival.search(agent.id, query, tags=arguments.tag, **asked)
        answers["archival"] = asdict(passage_answer(passages, query, budget, now, settings.zone))
    if arguments.where != "archival" and not arguments.tag:
        messages = await services.recall.search(agent.id, query, **asked)
        answers["recall"] = asdict(message_answer(messages, query, budget, now, settings.zone))
    return answers


def show(answers: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print the hits."""
    if arguments.json:
        print_json({name: answer["structured"] for name, answer in answers.items()})
        return
    for name, answer in answers.items():
        print(f"{name}:\n{answer['text']}\n")
