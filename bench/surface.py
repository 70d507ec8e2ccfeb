"""What the tool definitions cost a model before it has called one."""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench import ours, peers
from bench.contenders import Contender
from bench.report import Bar, Report, print_table
from bench.tokens import token_counter

TOKENS_BAR = 900
OURS = "memory-mcp"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vocabulary", type=Path, help="folder with tiktoken's o200k_base file")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    counter = token_counter(options.vocabulary)
    print(f"tokens: {counter.method}\n")
    listed = {each.name: list_tools(each) for each in _contenders(options, scratch)}
    figures = {name: _cost(tools, counter.count) for name, tools in listed.items()}
    rows = [(name, *costs.values()) for name, costs in figures.items()]
    print_table(("server", "tools", "tokens", "characters"), rows)
    _print_tools(listed[OURS], counter.count)
    bar = Bar(
        what=f"tools/list of the six tools ({counter.method})",
        measured=figures[OURS]["tokens"],
        limit=TOKENS_BAR,
        unit="tokens",
    )
    return Report(figures={"method": counter.method, "servers": figures}, bars=[bar])


def list_tools(contender: Contender) -> list[dict[str, Any]]:
    """The server's tools, as tools/list gives them."""
    with contender.start() as client:
        client.initialize()
        return client.request("tools/list", {})["tools"]


def definition_text(tools: Iterable[dict[str, Any]]) -> str:
    """What a host passes on to its model: compact JSON of names, descriptions and input schemas."""
    kept = [
        {field: tool[field] for field in ("name", "description", "inputSchema") if field in tool}
        for tool in tools
    ]
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def _contenders(options: argparse.Namespace, scratch: Path) -> list[Contender]:
    found = [ours.find(options.command).contender(scratch / "ours.db", name=OURS)]
    if peer := peers.server_memory(options.peers_dir):
        found.append(peer.contender(scratch / "server-memory.jsonl"))
    return found


def _cost(tools: list[dict[str, Any]], count: Callable[[str], int]) -> dict[str, int]:
    text = definition_text(tools)
    return {"tools": len(tools), "tokens": count(text), "characters": len(text)}


def _print_tools(tools: list[dict[str, Any]], count: Callable[[str], int]) -> None:
    rows = [
        (tool["name"], count(definition_text([tool])), count(tool["description"])) for tool in tools
    ]
    print_table(("tool", "tokens", "of which description"), rows)
