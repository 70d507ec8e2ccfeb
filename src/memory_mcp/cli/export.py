"""`memory-mcp export`: take memory out, whole, for reading, or for another program."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.agents import DEFAULT_AGENT
from memory_mcp.domain.errors import ExportRefused, InvalidInput
from memory_mcp.domain.texts import counted

if TYPE_CHECKING:
    from memory_mcp.domain.agents import Agent
    from memory_mcp.services import Services

FORMATS = {
    "jsonl": "everything, one JSON object a line; import jsonl takes it in again as it was",
    "markdown": "a folder that people can read: blocks, passages, conversations",
    "af": "a Letta agent file",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    width = max(map(len, FORMATS))
    listed = "\n".join(f"  {name:<{width}}  {says}" for name, says in FORMATS.items())
    parser.description = (
        f"Export an agent's memory, or with --all every agent's. The formats:\n{listed}\n"
        "Nothing is written over without --force, and a file appears only when it is whole."
    )
    parser.epilog = (
        "example: memory-mcp export jsonl memory.jsonl --all\n"
        "         memory-mcp --agent work export markdown work-notes\n"
        "         memory-mcp export jsonl - | gzip > memory.jsonl.gz"
    )
    parser.add_argument("format", choices=tuple(FORMATS), metavar="format", help="one of these")
    parser.add_argument(
        "path", help="the file, for markdown the folder; - for standard output (not markdown)"
    )
    parser.add_argument("--all", action="store_true", help="every agent of the store")
    parser.add_argument("--force", action="store_true", help="write over what is there")


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    settings = load_settings(
        database=arguments.database, agent=arguments.agent, project_by=arguments.project_by
    )
    if arguments.all and arguments.agent:
        raise InvalidInput("--all is every agent, and --agent one of them; give one of the two.")
    if arguments.format == "markdown" and arguments.path == "-":
        raise ExportRefused("markdown is a folder, and cannot go to standard output.")
    if not settings.database.exists():
        raise ExportRefused(f"there is no store {settings.database}; nothing was exported.")
    if arguments.path != "-" and arguments.format != "markdown":
        from memory_mcp.transfer.writing import refuse_existing

        refuse_existing(Path(arguments.path).expanduser(), force=arguments.force)
    told = anyio.run(_export, settings, arguments)
    if arguments.path != "-":
        print(f"{told} written to {arguments.path}.", file=sys.stdout)
    return 0


async def _chosen(services: "Services", settings: Settings) -> "Agent":
    """The agent meant; looked up, not made, as an export changes nothing."""
    if settings.agent.name:
        return await services.agents.named(settings.agent.name)
    if settings.agent.project is None:
        return await services.agents.named(DEFAULT_AGENT)
    for agent in await services.agents.all():
        if agent.project == settings.agent.project:
            return agent
    raise ExportRefused(
        f"the folder {settings.agent.project} has no agent in this store. Name one with --agent, "
        "or give --all."
    )


async def _export(settings: Settings, arguments: argparse.Namespace) -> str:
    from memory_mcp.app import open_services
    from memory_mcp.transfer import json_lines, markdown
    from memory_mcp.transfer.letta import agent_file_out
    from memory_mcp.transfer.writing import write_file

    async with open_services(settings) as services:
        agents = None
        if not arguments.all:
            agents = [(await _chosen(services, settings)).name]
        if arguments.format == "markdown":
            folder = Path(arguments.path).expanduser()
            files = await markdown.write_folder(
                services.copies, agents, folder, force=arguments.force
            )
            return counted(files, "file")
        written = {"jsonl": json_lines.written, "af": agent_file_out.written}[arguments.format]
        pieces = written(services.copies, agents)
        return f"{await write_file(arguments.path, pieces, force=arguments.force):,} bytes"
