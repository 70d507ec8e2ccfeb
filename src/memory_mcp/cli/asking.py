"""A person's question about a store: put to its daemon where one runs, else to the store itself.

A command that asks has two functions besides `add_arguments`. `ask(services, settings, arguments)`
finds the answer, a JSON value, in whichever process has the store open; `show(answer, arguments)`
prints it. One that needs this process (its standard input, its working folder) has
`prepare(arguments)`, which runs before. One that may change something has `reads(arguments)`, which
says whether it doesn't this time.
"""

import argparse
import importlib
from typing import TYPE_CHECKING, Any

from memory_mcp import __version__
from memory_mcp.domain.errors import InvalidInput, MemoryMCPError
from memory_mcp.rendezvous import Rendezvous, Silent, Unreachable, database_path

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.services import Services

ANSWER_SECONDS = 120
QUESTIONS = (
    "agents",
    "blocks",
    "context",
    "forget",
    "log",
    "mail",
    "recall",
    "search",
    "shadow",
    "stats",
)
"""The modules of commands that ask."""


def answer_to(module: str, arguments: argparse.Namespace) -> Any:
    """What the command's `ask` finds.

    Raises:
        MemoryMCPError: it cannot be answered; the text says why.
    """
    command = importlib.import_module(f"memory_mcp.cli.{module}")
    if hasattr(command, "prepare"):
        command.prepare(arguments)
    told = _asked_of_daemon(module, arguments)
    return _asked_of_store(module, arguments) if told is None else told["told"]


async def answer_in_daemon(
    module: str, arguments: dict[str, Any], services: "Services", settings: "Settings"
) -> Any:
    """The same, in the process that has the store open."""
    if module not in QUESTIONS:
        raise InvalidInput(f"{module!r} is no question that a daemon answers.")
    command = importlib.import_module(f"memory_mcp.cli.{module}")
    return await command.ask(services, settings, argparse.Namespace(**arguments))


def _asked_of_daemon(module: str, arguments: argparse.Namespace) -> dict[str, Any] | None:
    import os

    path = database_path(arguments.database or os.environ.get("MEMORY_MCP_DATABASE"))
    if path is None:
        return None
    rendezvous = Rendezvous(path)
    try:
        running = rendezvous.ask("status")
        if running is None or running.get("version") != __version__:
            return None  # another version may know other commands
        told = rendezvous.ask(
            "command",
            seconds=ANSWER_SECONDS,
            agent=arguments.agent,
            project_by=arguments.project_by,
            command=module,
            arguments=vars(arguments),
        )
    except Silent as silent:
        if silent.why:  # it may hold the store's lock
            _take_over(rendezvous, silent)
        return None
    except Unreachable:
        return None
    if told and (refused := told.get("refused")):
        raise MemoryMCPError(str(refused))
    return told


def _take_over(rendezvous: Rendezvous, silent: Silent) -> None:
    import sys

    try:
        if (lock := rendezvous.take_over(silent)) is not None:
            rendezvous.let_go(lock)
    except Unreachable as reason:
        print(f"memory-mcp: {reason}", file=sys.stderr)
    else:
        print(f"memory-mcp: {rendezvous.took_over or silent}", file=sys.stderr)


def _asked_of_store(module: str, arguments: argparse.Namespace) -> Any:
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    import anyio

    from memory_mcp.app import could_be_made, open_services
    from memory_mcp.config import load_settings

    settings = load_settings(
        database=arguments.database, agent=arguments.agent, project_by=arguments.project_by
    )

    async def ask(opened: "Settings") -> Any:
        async with open_services(opened) as services:
            return await answer_in_daemon(module, vars(arguments), services, settings)

    there = settings.database.exists() or not _only_reads(module, arguments)
    if there or not could_be_made(settings.database):  # then the reason is said
        return anyio.run(ask, settings)
    # Who only looks leaves no store behind: an empty one answers, and goes.
    with tempfile.TemporaryDirectory(prefix="memory-mcp-") as folder:
        return anyio.run(ask, replace(settings, database=Path(folder, "memory.db")))


def _only_reads(module: str, arguments: argparse.Namespace) -> bool:
    command = importlib.import_module(f"memory_mcp.cli.{module}")
    return not hasattr(command, "reads") or command.reads(arguments)
