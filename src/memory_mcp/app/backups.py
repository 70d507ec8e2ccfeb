"""Backups: a store's whole file, out and in again, each step whole or not at all."""

import glob
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from memory_mcp.domain.backups import Manifest
from memory_mcp.domain.errors import BackupRefused, StoreBusy, StoreError, StoreUnusable
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.backup import (
    Examined,
    Progress,
    copy_for_restoring,
    examine,
    forgotten_since,
    manifest_of,
    require_store,
    write_backup,
)
from memory_mcp.storage.sqlite.driver import driver_errors
from memory_mcp.storage.sqlite.encryption import access_to
from memory_mcp.storage.sqlite.errors import translated_errors
from memory_mcp.storage.sqlite.reading import open_to_read
from memory_mcp.storage.sqlite.session import Session

__all__ = ["Examined", "Manifest", "Progress", "examine"]

STALE_SECONDS = 86_400
"""No backup takes so long: a part that old is of a process that was killed."""
ALONE_SECONDS = 5
"""How long a restore waits for commands that have the store open."""
_BESIDE = ("-wal", "-shm", "-journal")


def back_up(
    store: Path,
    target: Path,
    now: datetime,
    progress: Progress,
    *,
    force: bool,
    key: Key | None = None,
) -> Manifest:
    """Copy a store into a file that appears when it is whole and verified (0600).

    Raises:
        BackupRefused: it cannot be written there, or something is there.
        StoreError: the store cannot be read whole.
    """
    refuse_target(store, target, force=force, key=key)
    with _part_beside(target) as part:
        manifest = write_backup(store, part, now, progress, key)
        if force:
            os.replace(part, target)
        else:
            _named_if_free(part, target)
        _sync_folder(target.parent)
    return manifest


def refuse_target(store: Path, target: Path, *, force: bool, key: Key | None = None) -> None:
    """Refuse to back up over the store itself, what belongs to it, or unasked over what is there.

    Raises:
        BackupRefused: there is something; the text says what.
    """
    whole = Path(os.path.realpath(target))
    at = Path(os.path.realpath(store))
    if whole == at or (target.exists() and store.exists() and target.samefile(store)):
        raise BackupRefused(f"{target} is the store itself; give the backup another name.")
    if whole.parent == at.parent and whole.name in _names_beside(at):
        raise BackupRefused(f"{target} belongs to the store {store}; give the backup another name.")
    if target.is_dir():
        raise BackupRefused(f"{target} is a folder; give the name of a file.")
    if not (target.exists() or target.is_symlink()):
        return
    if not force:
        raise BackupRefused(f"{target} exists and was left alone. With --force it is replaced.")
    if _is_store(target, key):
        raise BackupRefused(
            f"{target} is a store that somebody may be using, and no backup; it was left alone. "
            "Give the backup another name."
        )


def forgotten_again(store: Path, backup: Path, key: Key | None = None) -> dict[str, int]:
    """What was forgotten in the store and stands in the backup, by noun; none where unknown."""
    try:
        return forgotten_since(store, backup, key)
    except StoreError:
        return {}
    except driver_errors("OperationalError"):  # one of them is of an older schema
        return {}


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    kept: Path | None
    """Where the store that was there lies now."""


@contextmanager
def prepared(
    backup: Path, store: Path, progress: Progress, key: Key | None = None
) -> Generator[Path]:
    """A copy of the backup beside the store, ready to take its place; it goes if it does not.

    Raises:
        BackupRefused: it cannot be written there.
        StoreError: the backup cannot be read.
    """
    try:
        store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupRefused(f"{store} cannot be made: {error.strerror or error}.") from error
    with _part_beside(store) as part:
        copy_for_restoring(backup, part, progress, key)
        yield part


def put_in_place(part: Path, store: Path, now: datetime, key: Key | None = None) -> Restored:
    """Give a prepared copy the store's name; the store that was there is kept under another.

    Nobody may be using the store. At each moment one of the two lies there whole.

    Raises:
        StoreBusy: somebody has it open; nothing was changed.
        BackupRefused: the folder cannot be written; nothing was changed.
    """
    try:
        with _alone(store, key):
            kept = _kept_beside(store, now) if store.exists() else None
            for end in _BESIDE:  # of a damaged store; else they are gone already
                with suppress(FileNotFoundError):
                    os.unlink(f"{store}{end}")
            os.replace(part, store)
            _sync_folder(store.parent)
    except OSError as error:
        raise BackupRefused(f"{store} cannot be replaced: {error.strerror or error}.") from error
    return Restored(kept)


@contextmanager
def _alone(store: Path, key: Key | None) -> Generator[None]:
    """Hold the store so that nobody else reads or writes it; its log is folded into it.

    A damaged one nobody can hold: its files are taken as they lie.
    """
    if not store.exists():
        yield
        return
    try:
        connection = access_to(store, key).connect(store, timeout=0)
    except StoreUnusable:  # of another key, or damaged: nobody can hold it
        yield
        return
    try:
        try:
            with translated_errors(store):
                _leave_wal(connection)
                connection.execute("BEGIN EXCLUSIVE")
        except StoreUnusable:
            pass
        except StoreBusy:
            raise StoreBusy(
                f"another process has {store} open: a server with --in-process or over HTTP, or a "
                "command. Nothing was changed. End it, then try again."
            ) from None
        yield
    finally:
        connection.close()


def _leave_wal(connection: object) -> None:
    """SQLite leaves WAL mode only where no other connection is."""
    deadline = time.monotonic() + ALONE_SECONDS
    session = Session(connection)
    while True:
        try:
            if session.value("PRAGMA journal_mode=DELETE") == "delete":
                return
        except driver_errors("OperationalError") as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise StoreBusy("the store is locked.")
        time.sleep(0.05)


def _kept_beside(store: Path, now: datetime) -> Path:
    """The store's file under a second, dated name, and what a damaged one has beside it."""
    for other in store.parent.glob(f"{glob.escape(store.name)}.before-restore-*"):
        if other.samefile(store):  # of a restore that was killed at this point
            other.unlink()
    stem = f"{store.name}.before-restore-{now:%Y%m%d-%H%M%S}"
    kept = next(
        place
        for number in range(1, 1_000)
        if not (place := store.with_name(stem if number == 1 else f"{stem}-{number}")).exists()
    )
    for end in ("", *_BESIDE):
        there = Path(f"{store}{end}")
        if there.exists():
            try:
                os.link(there, f"{kept}{end}")
            except OSError:  # a file system without second names
                shutil.copyfile(there, f"{kept}{end}")
                os.chmod(f"{kept}{end}", 0o600)
                with open(f"{kept}{end}", "rb") as file:
                    os.fsync(file.fileno())
    _sync_folder(store.parent)
    return kept


def _names_beside(store: Path) -> set[str]:
    ends = ("daemon.lock", "daemon.sock", "daemon.address", "daemon.log", "snapshots", "hooks")
    return {f"{store.name}{end}" for end in _BESIDE} | {f"{store.name}.{end}" for end in ends}


def _is_store(path: Path, key: Key | None) -> bool:
    try:
        with translated_errors(path), open_to_read(path, key) as connection:
            session = Session(connection)
            require_store(session, path)
            return manifest_of(session) is None
    except StoreError:
        return False


@contextmanager
def _part_beside(target: Path) -> Generator[Path]:
    """A new file (0600) in the same folder; whatever is left under its name goes."""
    for old in target.parent.glob(f".{glob.escape(target.name)}.*.part*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > STALE_SECONDS:
                old.unlink()
    try:
        number, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
    except OSError as error:
        reason = error.strerror or error
        raise BackupRefused(f"nothing can be written in {target.parent}: {reason}.") from error
    os.close(number)
    part = Path(name)
    try:
        yield part
    except OSError as error:
        raise BackupRefused(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        for end in ("", *_BESIDE):
            with suppress(FileNotFoundError):
                os.unlink(f"{part}{end}")


def _named_if_free(part: Path, target: Path) -> None:
    try:
        os.link(part, target)
    except FileExistsError:
        raise BackupRefused(f"{target} was made meanwhile, and was left alone.") from None
    except OSError:  # a file system without second names
        if target.exists():
            raise BackupRefused(f"{target} was made meanwhile, and was left alone.") from None
        os.replace(part, target)


def _sync_folder(folder: Path) -> None:
    """See that names outlive a loss of power."""
    with suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
