"""`memory-mcp rekey`: a store, and all that lies beside it, under another key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anyio import to_thread

from memory_mcp.app.encryption import key_of, settle
from memory_mcp.config import Settings
from memory_mcp.domain.errors import InvalidInput, StoreError, StoreUnusable
from memory_mcp.keys import Key
from memory_mcp.rendezvous import Rendezvous
from memory_mcp.snapshots import Snapshots
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.encryption import access_to, kind_of, why_unreadable
from memory_mcp.storage.sqlite.rekeying import remove_parts, rewrite

Before = Literal["plain", "current", "new"]
"""What opens the store: nothing, the key it has now, or the one it is to have."""


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What became of a store and its copies."""

    before: Before
    copies: tuple[Path, ...]
    """Those of before a migration, which are under the new key too."""
    left: tuple[Path, ...]
    """Those that neither key opens."""


def opened_by(path: Path, current: Key | None, new: Key | None) -> Before:
    """Which key opens a file, as it is after whatever was interrupted.

    Raises:
        StoreUnusable: none of the two, or it is no store.
    """
    kind = kind_of(path)
    if kind == "plain":
        return "plain"
    if current is not None:
        access = access_to(path, current)
        if access.reads(path):
            return "current"
    if new is not None and new != current and access_to(path, new).reads(path):
        return "new"
    if current is None:
        access_to(path, None)  # says that there is no key
        raise InvalidInput(f"there is no store {path}.")
    raise StoreUnusable(why_unreadable(path, access_to(path, current)))


async def rekey(settings: Settings, new: Key | None, *, keep: Path | None) -> Rekeyed:
    """Have the store be under `new`; with `None` in plain text. No daemon may run.

    Raises:
        InvalidInput: there is no store, or it has that key already.
        StoreError: it cannot be done; the store is as it was.
    """
    path = Path(Rendezvous(str(settings.database)).database)
    done = await to_thread.run_sync(_rewrite_all, settings, path, new, keep)
    database = await Database.open(path, key=new)
    try:
        await settle(database, Rendezvous(str(path)))
    finally:
        await database.close()
    return done


def _rewrite_all(settings: Settings, path: Path, new: Key | None, keep: Path | None) -> Rekeyed:
    if not path.exists():
        raise InvalidInput(f"there is no store {path}.")
    current = key_of(settings)
    remove_parts(path)
    before = opened_by(path, current, new)
    if before == "current" and current == new:
        raise InvalidInput(f"{path} has this key already.")
    if before == "plain" and new is None:
        raise InvalidInput(f"{path} is not encrypted.")
    Snapshots(str(path)).remove()
    # Who is killed in between leaves no plain copy of an encrypted store.
    copies, left = _rewrite_copies(path, current, new) if new is not None else ([], [])
    if before != "new":
        rewrite(path, None if before == "plain" else current, new, keep=keep)
    if new is None:
        copies, left = _rewrite_copies(path, current, new)
    return Rekeyed(before, tuple(copies), tuple(left))


def _rewrite_copies(
    path: Path, current: Key | None, new: Key | None
) -> tuple[list[Path], list[Path]]:
    """The copies of before a migration or a restore with the new key; those that nobody opens."""
    copies: list[Path] = []
    left: list[Path] = []
    for copy in sorted(path.parent.glob(f"{path.name}.before-*")):
        if not copy.name.rpartition("-")[2].isdigit():  # a log or journal of one
            continue
        try:
            how = opened_by(copy, current, new)
            if how != ("plain" if new is None else "new"):
                rewrite(copy, None if how == "plain" else current, new)
                copies.append(copy)
        except StoreError:
            left.append(copy)
    return copies, left
