"""`memory-mcp import`: bring in what was said or known before."""

import argparse
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, BinaryIO

import anyio

from memory_mcp.app import open_services
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.texts import counted
from memory_mcp.transfer.json_lines import MESSAGES, PASSAGES, Format, Report, import_lines

FORMATS: dict[str, tuple[Format[Any], str]] = {
    "jsonl": (MESSAGES, "message"),
    "passages": (PASSAGES, "passage"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Import messages (jsonl) or archival passages (passages), one JSON object a line.\n"
        "messages: role, content, created_at, conversation; optional name, external_id, metadata\n"
        "passages: content; optional tags, occurred_at, external_id, metadata\n"
        "The same file may be imported again: nothing is stored twice."
    )
    parser.epilog = "example: memory-mcp --agent work import jsonl chats.jsonl"
    parser.add_argument("format", choices=tuple(FORMATS), help="what the lines are")
    parser.add_argument("file", help="the file, or - for standard input")


def run(arguments: argparse.Namespace) -> int:
    """Import, with a progress bar and a closing report; 1 if a line was bad."""
    settings = load_settings(database=arguments.database, agent=arguments.agent)
    with _opened(arguments.file) as (file, size), _progress(size) as advance:
        report = anyio.run(_import, settings, arguments.format, file, advance)
    noun = FORMATS[arguments.format][1]
    print(f"{counted(report.stored, noun)} imported, {report.known:,} known already.")
    for name, lines in report.unknown_fields.most_common():
        print(f"field {name!r} has no place in memory and was left out ({counted(lines, 'line')}).")
    if report.bad:
        print(f"{counted(report.bad, 'bad line')}:")
        for number, reason in report.bad_lines:
            print(f"  line {number:,}: {reason}")
        if report.bad > len(report.bad_lines):
            print(f"  … and {report.bad - len(report.bad_lines):,} more")
    return 1 if report.bad else 0


async def _import(
    settings: Settings, name: str, file: BinaryIO, advance: Callable[[Report], None]
) -> Report:
    report = Report()
    async with open_services(settings) as services:
        agent = await services.agents.choose(settings.agent)
        async for report in import_lines(file, FORMATS[name][0], services, agent.id):
            advance(report)
            await services.eviction.evict(agent.id)
        await services.indexing.catch_up()
    return report


@contextmanager
def _opened(name: str) -> Generator[tuple[BinaryIO, int | None]]:
    if name == "-":
        yield sys.stdin.buffer, None
        return
    try:
        with open(name, "rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except OSError as error:
        raise ImportRefused(f"{name} cannot be read: {error.strerror or error}.") from error


@contextmanager
def _progress(size: int | None) -> Generator[Callable[[Report], None]]:
    """A progress bar on standard error, by bytes read; none where nobody watches."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("importing", total=size)
        yield lambda report: bar.update(task, completed=report.bytes)
