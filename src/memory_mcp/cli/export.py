"""`memory-mcp export`: take memory out, whole, for reading, or for another program."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.agents import DEFAULT_AGENT
from memory_mcp.domain.errors import ExportRefused, InvalidInput
from memory_mcp.domain.quoting import indented
from memory_mcp.domain.texts import counted

if TYPE_CHECKING:
    from memory_mcp.domain.agents import Agent
    from memory_mcp.services import Services
    from memory_mcp.services.copies import Taken

FORMATS = {
    "jsonl": "everything, one JSON object a line; import jsonl takes it in again as it was",
    "markdown": "a folder that people can read: blocks, passages, conversations",
    "af": "a Letta agent file",
}

NAMES = {
    "block_version": "version of blocks",
    "forgotten": "mark of a forgotten message",
    "forgotten_text": "mark of something that is gone",
    "superseded": "superseded passage",
    "session": "session of a host",
    "reflected": "mark of what was reflected on",
    "run_call": "call of a model",
    "run_change": "change by a run",
    "deleted": "deleted agent",
}
PLURALS = {
    "version of blocks": "versions of blocks",
    "mark of a forgotten message": "marks of forgotten messages",
    "mark of something that is gone": "marks of what is gone",
    "session of a host": "sessions of hosts",
    "summary": "summaries",
    "mark of what was reflected on": "marks of what was reflected on",
    "call of a model": "calls of models",
    "change by a run": "changes by runs",
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
    told, taken = anyio.run(_export, settings, arguments)
    # Standard output may be the export itself.
    out = sys.stderr if arguments.path == "-" else sys.stdout
    if arguments.path != "-":
        print(f"{told} written to {indented(arguments.path)}.", file=out)
    if taken is not None:
        print(f"It holds {_counts(taken)}.", file=out)
        if taken.left_behind:
            print("What stays behind:", file=out)
        for what, number in taken.left_behind.items():
            print(f"  {indented(what)}: {number:,}", file=out)
    return 0


def _counts(taken: "Taken") -> str:
    parts = [(NAMES.get(kind, kind), number) for kind, number in taken.kinds.items()]
    told = [
        counted(number, name)
        if number == 1 or name not in PLURALS
        else f"{number:,} {PLURALS[name]}"
        for name, number in parts
    ]
    return f"{', '.join(told[:-1])} and {told[-1]}" if told[1:] else (told or ["nothing"])[0]


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


async def _export(settings: Settings, arguments: argparse.Namespace) -> "tuple[str, Taken | None]":
    """How much was written, and of our own format what."""
    from memory_mcp.app import open_services
    from memory_mcp.services.copies import Taken
    from memory_mcp.transfer import json_lines, markdown
    from memory_mcp.transfer.letta import agent_file_out
    from memory_mcp.transfer.writing import write_file

    async with open_services(settings) as services:
        if services.encryption is not None:
            print("The store is encrypted; what is exported is plain text.", file=sys.stderr)
        agents = None
        if not arguments.all:
            agents = [(await _chosen(services, settings)).name]
        if arguments.format == "markdown":
            folder = Path(arguments.path).expanduser()
            files = await markdown.write_folder(
                services.copies, agents, folder, force=arguments.force, zone=settings.zone
            )
            return counted(files, "file"), None
        taken = Taken() if arguments.format == "jsonl" else None
        if taken is None:
            pieces = agent_file_out.written(services.copies, agents)
        else:
            pieces = json_lines.written(services.copies, agents, taken)
        size = await write_file(arguments.path, pieces, force=arguments.force)
        return f"{size:,} bytes", taken
