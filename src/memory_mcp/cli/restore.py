"""`memory-mcp restore`: a backup in the place of the store."""

import argparse
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from memory_mcp.cli.backup import existing, listed, print_examined, progress
from memory_mcp.cli.printing import print_json
from memory_mcp.config import load_settings
from memory_mcp.domain.errors import BackupRefused, MemoryMCPError
from memory_mcp.rendezvous import Rendezvous, Unreachable

if TYPE_CHECKING:
    from memory_mcp.app.backups import Examined

TRIES = 20
"""How often a daemon is ended that a session was quick to start again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Put a backup in the place of the store. It is looked at first; a damaged one, a newer\n"
        "one, another program's file is refused. The store that is there is kept beside it under\n"
        "a dated name. A running daemon is ended; the next call of a session starts another, on\n"
        "what was restored. What was forgotten since the backup comes back."
    )
    parser.epilog = "example: memory-mcp restore memory-monday.db"
    parser.add_argument("file", metavar="FILE", help="what `memory-mcp backup` made")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument(
        "--force",
        action="store_true",
        help="also what SQLite finds sound and is not what its manifest says",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Restore it."""
    from memory_mcp.app import backups
    from memory_mcp.app.encryption import key_of

    backup = existing(Path(arguments.file).expanduser())
    settings = load_settings(
        database=arguments.database, agent=arguments.agent, project_by=arguments.project_by
    )
    store = Path(os.path.realpath(settings.database))
    if store.exists() and backup.samefile(store):
        raise BackupRefused(f"{backup} is the store itself; nothing was changed.")
    if store.is_dir():
        raise BackupRefused(f"{store} is a folder; nothing was changed.")
    key = key_of(settings, backup)
    examined = backups.examine(backup, key)
    _require_whole(backup, examined, force=arguments.force)
    back = backups.forgotten_again(store, backup, key) if store.exists() else {}
    if not arguments.json:
        print_examined(backup, examined)
    if store.exists() and not arguments.yes:
        _ask(store)
    with progress("Copying", backup) as tell, backups.prepared(backup, store, tell, key) as part:
        with _without_daemon(store) as ended:
            restored = backups.put_in_place(part, store, datetime.now(UTC), key)
    if arguments.json:
        print_json(
            {
                "store": str(store),
                "kept": str(restored.kept) if restored.kept else None,
                "schema": examined.schema,
                "counts": dict(examined.counts),
                "forgotten_again": back,
                "daemon_ended": ended,
            }
        )
        return 0
    print(f"{store} is what was backed up.")
    if restored.kept:
        print(f"The store that was there is {restored.kept}; delete it when you are sure.")
    if back:
        print(f"Forgotten since the backup, and back now: {listed(back)}. Forget it again.")
    if ended:
        print(f"The daemon (process {ended}) has ended; the next call of a session starts another.")
    return 0


def _require_whole(backup: Path, examined: "Examined", *, force: bool) -> None:
    if not examined.problems:
        return
    told = "; ".join(examined.problems)
    if any(each.startswith("SQLite: ") or "point to rows" in each for each in examined.problems):
        raise BackupRefused(f"{backup} is damaged ({told}). Nothing was changed; take another one.")
    if not force:
        raise BackupRefused(
            f"{backup} is not what was backed up ({told}): a program has written in it, or it is "
            "damaged. Nothing was changed. SQLite finds it sound, and --force takes it as it is."
        )


def _ask(store: Path) -> None:
    if not (sys.stdin and sys.stdin.isatty()):
        raise BackupRefused(
            f"there is a store {store}; nothing was changed. With --yes the backup takes its "
            "place, and the store is kept beside it."
        )
    print(f"There is a store {store}. It will be kept beside the restored one.")
    if input("Restore? [y/N] ").strip().lower() not in ("y", "yes"):
        raise BackupRefused("nothing was changed.")


@contextmanager
def _without_daemon(store: Path) -> Generator[int | None]:
    """The daemon ended, and its lock held, so that no session starts another; its process."""
    rendezvous = Rendezvous(str(store))
    ended: int | None = None
    try:
        running = rendezvous.ask("status")
        if running and running.get("standing"):
            raise BackupRefused(
                f"process {running['pid']} serves {running['http']} in the foreground; nothing was "
                "changed. End it there, then restore."
            )
        for _ in range(TRIES):
            told, lock = rendezvous.replace()
            ended = ended or (told["pid"] if told else None)
            if lock is not None:
                break
        else:
            raise MemoryMCPError("sessions start the daemon again and again; end them first.")
    except Unreachable as reason:
        raise BackupRefused(f"{reason}; nothing was changed.") from reason
    try:
        yield ended
    finally:
        rendezvous.let_go(lock)
