"""`memory-mcp agents`: who owns memory here, and what holds for each."""

import argparse
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json, print_table
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import clip, counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.domain.agents import Agent
    from memory_mcp.domain.tool_rules import ToolRule
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
    parser.add_argument(
        "--tool-rule",
        action="append",
        metavar="RULE",
        help="set: which tools may be called when, like init:archival_search; may be given more "
        "than once; none: no rules (docs/configuration.md has them all)",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


async def ask(
    services: "Services", _: "Settings", arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Set what is to be set; the agents it concerns, with their numbers."""
    from memory_mcp.domain.tool_rules import rule_text
    from memory_mcp.server.resources import agent_structure

    agents = await services.agents.all()
    if arguments.what == "set":
        if not arguments.name:
            raise InvalidInput("agents set wants the agent's name, and what to set: see --help.")
        agents = [await _set(services, arguments)]
    told: list[dict[str, Any]] = []
    for agent in agents:
        window = (await services.view.statistics(agent.id)).window
        assert window
        told.append(
            {
                **agent_structure(agent),
                "tool_rules": [rule_text(rule) for rule in agent.tool_rules],
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
            "\n".join(agent["tool_rules"]),
            f"{agent['context_tokens']:,} tokens",
            f"{agent['messages_in_view']:,} ({agent['messages_summarised']:,} more summarised)",
        )
        for agent in agents
    ]
    columns = ("agent", "project", "tool rules", "view", "messages in view")
    print_table(counted(len(rows), "agent"), columns, rows)


async def _set(services: "Services", arguments: argparse.Namespace) -> "Agent":
    """Set all that is to be set, or nothing if one of it cannot be meant."""
    if arguments.context_tokens is None and not arguments.tool_rule:
        raise InvalidInput("there is nothing to set; give --context-tokens or --tool-rule.")
    agent = await services.agents.named(arguments.name)
    tokens = _tokens(arguments.context_tokens) if arguments.context_tokens else None
    rules = _rules(arguments.tool_rule) if arguments.tool_rule else ()
    if arguments.context_tokens:
        agent = await services.agents.set_context_tokens(agent.id, tokens)
        services.eviction.noticed(agent.id)
    if arguments.tool_rule:
        agent = await services.agents.set_tool_rules(agent.id, rules)
    return agent


def _rules(told: list[str]) -> "tuple[ToolRule, ...]":
    """The rules asked for, if they can be kept together."""
    from memory_mcp.domain.solver import check_rules
    from memory_mcp.domain.tool_rules import parse_rule
    from memory_mcp.server.tools import TOOL_SETS, names_of

    if told == ["none"]:
        return ()
    rules = tuple(parse_rule(text) for text in told)
    check_rules(rules, names_of(tuple(TOOL_SETS)))
    return rules


def _tokens(told: str) -> int | None:
    """The limit asked for; `None` for the default."""
    from memory_mcp.config import CONTEXT_TOKENS_LEAST, CONTEXT_TOKENS_MOST

    if told == "default":
        return None
    usable = told.isascii() and told.isdigit() and len(told) <= len(str(CONTEXT_TOKENS_MOST))
    if not usable or not CONTEXT_TOKENS_LEAST <= int(told) <= CONTEXT_TOKENS_MOST:
        raise InvalidInput(
            f"--context-tokens {clip(told, 40)!r} must be a whole number from "
            f"{CONTEXT_TOKENS_LEAST:,} to {CONTEXT_TOKENS_MOST:,}, or default."
        )
    return int(told)
