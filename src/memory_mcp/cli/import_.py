"""`memory-mcp import`: bring in what was said or known before."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from memory_mcp.cli.printing import console, print_json
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.quoting import indented
from memory_mcp.domain.redact import put_in_force, told_kinds
from memory_mcp.domain.texts import counted

if TYPE_CHECKING:
    from memory_mcp.transfer.report import Report
    from memory_mcp.transfer.source import Source

LEFT_OUT_TOLD = 30
NICENESS = 10
"""Sessions, whose answers somebody waits for, get the processor first."""
NOUNS = (
    "agent", "block", "conversation", "message", "passage", "superseded", "summary", "mail", "run"
)  # fmt: skip
NAMES = {"superseded": "superseded passage"}
PASSAGES = ("passages", "markdown", "mem0", "server-memory")
"""Formats whose things are passages, where nothing came of which the noun could be told."""
TOKEN_VARIABLE = "MEMORY_MCP_LETTA_TOKEN"
PLURALS = {"summary": "summaries"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    from memory_mcp.transfer.formats import FORMATS

    width = max(map(len, FORMATS))
    listed = "\n".join(f"  {name:<{width}}  {each.says}" for name, each in FORMATS.items())
    parser.description = (
        f"Import what was said or known elsewhere. The formats:\n{listed}\n"
        "The same file may be imported again, after an interruption or when there is more in it:\n"
        "nothing is stored twice."
    )
    parser.epilog = (
        "example: memory-mcp import chatgpt export.zip --dry-run\n"
        "         memory-mcp import claude-code ~/.claude/projects\n"
        "         memory-mcp --agent work import jsonl chats.jsonl\n"
        "         memory-mcp import letta http://localhost:8283"
    )
    parser.add_argument("format", choices=tuple(FORMATS), metavar="format", help="one of these")
    parser.add_argument(
        "file", metavar="path", help="the file or folder, - for standard input; of letta an address"
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"what a Letta server wants to see; {TOKEN_VARIABLE} may hold it too",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read it, say what would come, store nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--timings", action="store_true", help="say where the time went")


def run(arguments: argparse.Namespace) -> int:
    """Import, with a progress bar and a closing report; 1 unless everything was understood.

    Raises:
        ImportRefused: nothing was read; there is no report then.
    """
    from memory_mcp.domain.errors import StoreError
    from memory_mcp.transfer.formats import source_of
    from memory_mcp.transfer.report import Report

    if hasattr(os, "nice"):
        os.nice(max(0, NICENESS - os.nice(0)))
    settings = load_settings(
        database=arguments.database, agent=arguments.agent, project_by=arguments.project_by
    )
    report = Report(zone=settings.zone)
    token = _token(arguments.token_file)
    source = source_of(arguments.format, arguments.file, report, settings.agent.name, token)
    try:
        with _progress(source.size()) as advance:
            _import(settings, arguments, source, advance)
    except KeyboardInterrupt:
        print(
            f"memory-mcp: stopped; {_told(report.nouns) or 'nothing'} came in so far. Run the same "
            "command again: it goes on where this ended, and stores nothing twice.",
            file=sys.stderr,
        )
        return 130
    except StoreError as error:  # a full disk, most likely
        if not report.stored:
            raise
        print(
            f"memory-mcp: {error}\nBefore that, {_told(report.nouns)} came in, and stay. Run the "
            "same command again: it goes on where this ended, and stores nothing twice.",
            file=sys.stderr,
        )
        return 1
    except ImportRefused as error:
        if not report.read and report.is_whole:
            raise
        report.refuse(source.name, str(error).removeprefix(f"{source.name} "))
    _print_report(report, arguments)
    return 0 if report.is_whole else 1


def _token(file: str | None) -> str | None:
    """What a server wants to see; never an argument, which other users of the machine can read."""
    told = os.environ.get(TOKEN_VARIABLE, "")
    if file:
        try:
            told = Path(file).expanduser().read_text("utf-8")
        except (OSError, ValueError) as error:
            raise ImportRefused(f"--token-file {file} cannot be read: {error}.") from error
    token = told.strip()
    if token and not (token.isascii() and token.isprintable()):
        raise ImportRefused("the token has signs that none can have; is it the right file?")
    return token or None


def _import(
    settings: Settings,
    arguments: argparse.Namespace,
    source: "Source",
    advance: "Callable[[Report], None]",
) -> None:
    from memory_mcp.transfer.formats import FORMATS, items_of
    from memory_mcp.transfer.importing import count_items, import_items

    items = items_of(arguments.format, source, source.report)
    if arguments.dry_run:
        put_in_force(settings.redaction)
        count_items(items, source.report, advance)
        return

    async def store() -> None:
        from memory_mcp.app import open_services

        host = FORMATS[arguments.format].host or "import"
        async with open_services(settings, bulk=True) as services:
            await import_items(
                items,
                services,
                settings.agent,
                source.report,
                host=host,
                project_by=settings.project_by,
                advance=advance,
            )

    anyio.run(store)


def _print_report(report: "Report", arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(_as_json(report, dry_run=arguments.dry_run))
        return
    noun = "passage" if arguments.format in PASSAGES else "message"
    told = _told(report.nouns) or f"0 {noun}s"
    if arguments.dry_run:
        print(f"{told} would come in; nothing was stored (dry run).")
    else:
        print(f"{told} imported, {report.known:,} known already.")
    if report.redacted:
        print(told_kinds(report.redacted))
    for name, times in report.unknown_fields.most_common():
        print(f"field {name!r} has no place in memory and was left out ({counted(times, 'line')}).")
    for what, times in report.interpreted.most_common(LEFT_OUT_TOLD):
        more = f", and {times - 1:,} more" if times > 1 else ""
        print(f"{indented(what)}: {indented(report.examples[what])}{more}.")
    _print_counts("left out, or without a counterpart here:", report.left_out)
    _print_counts("not understood, and not imported:", report.not_understood, report.examples)
    if report.bad:
        noun = "bad line" if report.lines else "bad thing"
        print(f"{counted(report.bad, noun)}:")
        for place, reason in report.bad_places:
            print(f"  {indented(place)}: {indented(reason)}")
        if report.bad > len(report.bad_places):
            print(f"  … and {report.bad - len(report.bad_places):,} more")
    if arguments.timings and report.seconds:
        whole = sum(report.seconds.values())
        shares = ", ".join(
            f"{stage} {spent / whole:.1%}" for stage, spent in report.seconds.items()
        )
        print(f"time: {whole:.1f} s of work, some of it at once: {shares}")


def _as_json(report: "Report", *, dry_run: bool) -> dict[str, Any]:
    """The report for scripts; `read` is what was found, the counts are by kind, commonest first."""
    return {
        "dry_run": dry_run,
        "whole": report.is_whole,
        "read": report.read,
        "stored": dict(report.nouns),
        "known": report.known,
        "redacted": dict(report.redacted.most_common()),
        "interpreted": dict(report.interpreted.most_common()),
        "unknown_fields": dict(report.unknown_fields.most_common()),
        "left_out": dict(report.left_out.most_common()),
        "not_understood": dict(report.not_understood.most_common()),
        "examples": dict(report.examples),
        "refused": report.bad,
        "refused_first": [
            {"place": place, "reason": reason} for place, reason in report.bad_places
        ],
        "seconds": {stage: round(spent, 3) for stage, spent in report.seconds.items()},
    }


def _print_counts(title: str, counts: Counter[str], places: dict[str, str] | None = None) -> None:
    if not counts:
        return
    print(title)
    for what, times in counts.most_common(LEFT_OUT_TOLD):
        place = (places or {}).get(what)
        where = (
            ""
            if place is None or place in what
            else f" ({'the first: ' if times > 1 else ''}{indented(place)})"
        )
        print(f"  {indented(what)}" + (f": {times:,}" if times > 1 else "") + where)
    if (more := len(counts) - LEFT_OUT_TOLD) > 0:
        print(f"  … and {more:,} more kinds")


def _told(nouns: Counter[str]) -> str:
    return ", ".join(
        f"{nouns[noun]:,} {PLURALS[noun]}"
        if noun in PLURALS and nouns[noun] > 1
        else counted(nouns[noun], NAMES.get(noun, noun))
        for noun in NOUNS
        if nouns[noun]
    )


@contextmanager
def _progress(size: int | None) -> "Generator[Callable[[Report], None]]":
    """A progress bar on standard error, by bytes read; none where nobody watches."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("importing"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[read]:,} read, {task.fields[rate]:,.0f}/s{task.fields[vectors]}"),
        TimeRemainingColumn(),
        console=console(errors=True),
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("importing", total=size, read=0, rate=0.0, vectors="")

        def advance(report: "Report") -> None:
            elapsed = bar.tasks[task].elapsed or 0.0
            rate = report.read / elapsed if elapsed else 0.0
            vectors = f", {report.vectors:,} vectors" if report.vectors else ""
            bar.update(task, completed=report.bytes, read=report.read, rate=rate, vectors=vectors)

        yield advance
