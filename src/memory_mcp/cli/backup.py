"""`memory-mcp backup`: the whole store in one file, made while others use it."""

import argparse
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from memory_mcp.cli.printing import console, print_json, printable, shown_time
from memory_mcp.config import load_settings
from memory_mcp.domain.errors import BackupRefused
from memory_mcp.domain.texts import counted

if TYPE_CHECKING:
    from memory_mcp.app.backups import Examined, Progress
    from memory_mcp.keys import Key

NAMES = {
    "block_versions": "version of blocks",
    "mail": "mail",
    "model_calls": "call of models",
    "deleted_agents": "deleted agent",
    "line": "line of blocks",
}
PLURALS = {
    "version of blocks": "versions of blocks",
    "call of models": "calls of models",
    "summary": "summaries",
    "line of blocks": "lines of blocks",
}
SINGULARS = {"summaries": "summary"}
SHOWN_BYTES = 16 << 20
"""A store that is smaller is copied before anybody looks for a progress bar."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Copy the whole store into one file, while others go on using it: every agent, everything\n"
        "that was committed before. The copy is compared with the store, and appears when it is\n"
        "whole; only you can read it. What you forget later stays in it: delete old backups.\n"
        "`memory-mcp restore FILE` puts it back."
    )
    parser.epilog = (
        "example: memory-mcp backup ~/backups            # a dated file in that folder\n"
        "         memory-mcp backup memory-monday.db\n"
        "         memory-mcp backup --show memory-monday.db"
    )
    parser.add_argument("file", metavar="FILE", help="the file, or a folder for a dated one")
    parser.add_argument(
        "--show", action="store_true", help="say what is in a backup, and whether it is whole"
    )
    parser.add_argument("--force", action="store_true", help="replace an older backup")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Make a backup, or show one; 1 if that is not whole."""
    from memory_mcp.app import backups
    from memory_mcp.app.encryption import key_of

    path = Path(arguments.file).expanduser()
    settings = load_settings(
        database=arguments.database, agent=arguments.agent, project_by=arguments.project_by
    )
    if arguments.show:
        return _show(existing(path), key_of(settings, path), as_json=arguments.json)
    store = settings.database
    if not store.exists():
        raise BackupRefused(f"there is no store {store}; nothing was backed up.")
    now = datetime.now(UTC)
    if path.is_dir():
        path = path / f"{store.stem}-{now:%Y%m%d-%H%M%S}.backup.db"
    with progress("Copying", store) as tell:
        manifest = backups.back_up(
            store, path, now, tell, force=arguments.force, key=key_of(settings)
        )
    size = path.stat().st_size
    if arguments.json:
        print_json({"file": str(path), "bytes": size, "manifest": asdict(manifest)})
        return 0
    print(f"{size:,} bytes written to {path}, compared with the store and found whole.")
    _print_contents(manifest.counts, manifest.to_go)
    print("What you forget from now on stays in this file; a restore brings it back.")
    return 0


def _show(path: Path, key: "Key | None", *, as_json: bool) -> int:
    from memory_mcp.app import backups

    examined = backups.examine(path, key)
    if as_json:
        manifest = examined.manifest
        told = {"manifest": asdict(manifest) if manifest else None}
        print_json({"file": str(path), "ok": not examined.problems, **asdict(examined), **told})
        return int(bool(examined.problems))
    print_examined(path, examined)
    return int(bool(examined.problems))


def existing(path: Path) -> Path:
    """A file that is to be read.

    Raises:
        BackupRefused: it is none.
    """
    if not path.exists():
        raise BackupRefused(f"there is no file {path}.")
    if not path.is_file():
        raise BackupRefused(f"{path} is no file.")
    return path


def print_examined(path: Path, examined: "Examined") -> None:
    """What is in a backup, for people."""
    if manifest := examined.manifest:
        print(f"{path}: a backup of {printable(manifest.path)}")
        print(f"made {shown_time(manifest.made_at)} by memory-mcp {printable(manifest.program)}")
        print(f"store {printable(manifest.store or 'without an id')}, schema {manifest.schema}")
        print(f"digest {manifest.digest}")
    else:
        print(f"{path}: a store without a manifest (schema {examined.schema})")
    _print_contents(examined.counts, examined.to_go)
    for problem in examined.problems:
        print(f"FAIL {printable(problem)}")
    if not examined.problems:
        told = "it is whole" if examined.manifest else "SQLite finds it sound"
        print(told)


def _print_contents(counts: Mapping[str, int], to_go: Mapping[str, int]) -> None:
    print(f"It holds {listed(counts)}.")
    if any(to_go.values()):
        kept = [
            told
            for noun, told in (
                ("forgotten", f"{counted(to_go.get('forgotten', 0), 'forgotten thing')}"),
                ("superseded", f"{counted(to_go.get('superseded', 0), 'superseded passage')}"),
                ("deleted_agents", f"{counted(to_go.get('deleted_agents', 0), 'deleted agent')}"),
            )
            if to_go.get(noun)
        ]
        print(f"Kept to be put back, until they go for good: {', '.join(kept)}.")


def listed(counts: Mapping[str, int]) -> str:
    """Numbers of nouns in words, those that there are."""
    parts: list[str] = []
    for noun, number in counts.items():
        if not number:
            continue
        name = NAMES.get(noun) or SINGULARS.get(noun) or noun.removesuffix("s")
        many = number != 1 and name in PLURALS
        parts.append(f"{number:,} {PLURALS[name]}" if many else counted(number, name))
    if not parts:
        return "nothing"
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if parts[1:] else parts[0]


@contextmanager
def progress(what: str, store: Path) -> "Generator[Progress]":
    """A bar on standard error, where somebody watches and the store is large."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    quiet = not sys.stderr.isatty() or store.stat().st_size < SHOWN_BYTES
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=console(errors=True),
        transient=True,
        disable=quiet,
    )
    with bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)
