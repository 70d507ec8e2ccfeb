"""`memory-mcp search`: what a model would find."""

import argparse
from datetime import UTC, datetime
from typing import Any

import anyio

from memory_mcp.app import open_services
from memory_mcp.cli.printing import print_json
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.server.answers import Answer, Budget, message_answer, passage_answer


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


def run(arguments: argparse.Namespace) -> None:
    """Print the hits."""
    if arguments.tag and arguments.where == "recall":
        raise InvalidInput("--tag is for passages; messages have no tags. Leave out --in recall.")
    settings = load_settings(database=arguments.database, agent=arguments.agent)
    answers: dict[str, Answer] = anyio.run(_search, settings, arguments)
    if arguments.json:
        print_json({name: answer.structured for name, answer in answers.items()})
        return
    for name, answer in answers.items():
        print(f"{name}:\n{answer.text}\n")


async def _search(settings: Settings, arguments: argparse.Namespace) -> dict[str, Answer]:
    asked: dict[str, Any] = {
        "limit": arguments.limit,
        "start_date": arguments.start_date,
        "end_date": arguments.end_date,
    }
    answers: dict[str, Answer] = {}
    now = datetime.now(UTC)
    async with open_services(settings) as services:
        agent = await services.agents.choose(settings.agent)
        budget = Budget(settings.result_tokens, services.tokens)
        if arguments.where != "recall":
            passages = await services.archival.search(
                agent.id, arguments.query, tags=arguments.tag, **asked
            )
            answers["archival"] = passage_answer(passages, arguments.query, budget, now)
        if arguments.where != "archival" and not arguments.tag:
            messages = await services.recall.search(agent.id, arguments.query, **asked)
            answers["recall"] = message_answer(messages, arguments.query, budget, now)
    return answers
