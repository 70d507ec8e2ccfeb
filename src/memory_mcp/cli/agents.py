"""`memory-mcp agents`: who owns memory here, and what holds for each."""

import argparse
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json, print_table
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "List the agents of a store, or set what holds for one."
    parser.epilog = "example: memory-mcp agents set work --context-tokens 16000"
    parser.add_argument("what", nargs="?", choices=("list", "set"), default="list")
    parser.add_argument("name", nargs="?", help="set: the agent's name or id")
    parser.add_argument(
        "--context-tokens",
        metavar="N",
        help="set: how many tokens its view may take; default: as MEMORY_MCP_CONTEXT_TOKENS says",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


async def ask(
    services: "Services", _: "Settings", arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Set what is to be set; the agents it concerns, with their numbers."""
    from memory_mcp.server.resources import agent_structure

    agents = await services.agents.all()
    if arguments.what == "set":
        if not arguments.name:
            raise InvalidInput("agents set wants the agent's name, and what to set: see --help.")
        agent = await services.agents.named(arguments.name)
        if arguments.context_tokens is None:
            raise InvalidInput("there is nothing to set; give --context-tokens.")
        tokens = _tokens(arguments.context_tokens)
        agents = [await services.agents.set_context_tokens(agent.id, tokens)]
        services.eviction.noticed(agent.id)
    told: list[dict[str, Any]] = []
    for agent in agents:
        window = (await services.view.statistics(agent.id)).window
        assert window
        told.append(
            {
                **agent_structure(agent),
                "context_tokens": window.limit_tokens,
                "messages_in_view": window.messages_in_view,
                "messages_summarised": window.messages_summarised,
            }
        )
    return told


def show(agents: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Print them."""
    if arguments.json:
        print_json(agents)
        return
    rows = [
        (
            agent["name"],
            agent["project"] or "",
            f"{agent['context_tokens']:,} tokens",
            f"{agent['messages_in_view']:,} ({agent['messages_summarised']:,} more summarised)",
        )
        for agent in agents
    ]
    print_table(counted(len(rows), "agent"), ("agent", "project", "view", "messages in view"), rows)


def _tokens(told: str) -> int | None:
    """The limit asked for; `None` for the default."""
    from memory_mcp.config import CONTEXT_TOKENS_LEAST

    if told == "default":
        return None
    if not told.isascii() or not told.isdigit() or int(told) < CONTEXT_TOKENS_LEAST:
        raise InvalidInput(
            f"--context-tokens {told!r} must be a whole number from {CONTEXT_TOKENS_LEAST:,} on, "
            "or default."
        )
    return int(told)
