"""`memory-mcp rekey`: encrypt a store, give it another key, or decrypt it."""

import argparse
import getpass
import os
import secrets
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.errors import InvalidInput, MemoryMCPError, StoreError
from memory_mcp.keys import FILE_VARIABLE, VARIABLE, Key, in_file, usual_file
from memory_mcp.rendezvous import Rendezvous, Unreachable

NEW_VARIABLE = "MEMORY_MCP_NEW_KEY"
TRIES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Encrypt the store, give an encrypted one another key, or decrypt it. The new key comes "
        f"from {NEW_VARIABLE}, a file or the system keyring, or is asked for; for a store that is "
        f"not encrypted, {VARIABLE} or {FILE_VARIABLE} will do. No key is ever an argument."
    )
    parser.epilog = "example: memory-mcp rekey --keyring"
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--key-file", metavar="FILE", help="the new key is in this file; made if it isn't there"
    )
    where.add_argument(
        "--keyring", action="store_true", help="make a new key and keep it in the system keyring"
    )
    where.add_argument("--decrypt", action="store_true", help="have the store in plain text again")
    parser.add_argument(
        "--keep", metavar="FILE", help="keep a copy of the store as it was, under its old key"
    )


@dataclass(frozen=True, slots=True)
class NewKey:
    """The key that the store is to have, and what is to be done once it has it."""

    key: Key | None
    settled: Callable[[], None]
    then: str
    """What its user has to do, so that hosts find it."""


def run(arguments: argparse.Namespace) -> int:
    """Do it, while no daemon serves the store."""
    from memory_mcp.app.encryption import cipher
    from memory_mcp.app.rekey import rekey

    settings = load_settings(database=arguments.database)
    keep = Path(arguments.keep).expanduser() if arguments.keep else None
    if keep is not None and os.path.lexists(keep):
        raise InvalidInput(f"--keep: there is something at {keep} already.")
    if not settings.database.exists():
        raise InvalidInput(
            f"there is no store {settings.database} yet; set {VARIABLE} or {FILE_VARIABLE}, and it "
            "is made encrypted."
        )
    new = _new_key(settings, arguments)
    with _without_daemon(Rendezvous(str(settings.database))):

        async def do() -> None:
            done = await rekey(settings, new.key, keep=keep)
            if done.before == "new":
                print("The store was under the new key already: an earlier run had come so far.")
            for copy in done.copies:
                print(f"{copy} too.")
            for copy in done.left:
                print(f"{copy} was left as it is: neither key opens it. Remove it, if you can.")

        anyio.run(do)
    new.settled()
    if new.key is None:
        print(f"{settings.database} is in plain text. Unset {VARIABLE} and {FILE_VARIABLE}.")
    else:
        print(f"{settings.database} is encrypted by {cipher()}.\nIts key: {new.key.source}.")
        print("Keep a copy of the key elsewhere: without it nobody reads the store any more.")
    if new.then:
        print(new.then)
    if keep is not None:
        print(f"The store as it was: {keep}")
    return 0


def _new_key(settings: Settings, arguments: argparse.Namespace) -> NewKey:
    from memory_mcp.app.encryption import forget_in_keyring, is_encrypted

    path = settings.database

    def forget() -> None:
        forget_in_keyring(path)

    if arguments.decrypt:
        return NewKey(None, forget, "")
    if arguments.keyring:
        return _in_keyring(path)
    if arguments.key_file:
        return _in_file(Path(arguments.key_file).expanduser().absolute(), forget)
    then = (
        f"Set {VARIABLE} to it, or {FILE_VARIABLE} to a file with it, where hosts start the server."
    )
    if secret := os.environ.get(NEW_VARIABLE):
        return NewKey(Key(secret, NEW_VARIABLE), forget, then)
    if not is_encrypted(path):
        if settings.key is not None:
            return NewKey(settings.key, forget, "")
        if os.path.lexists(usual := usual_file(os.environ)):
            return _in_file(Path(usual), forget)
    if not sys.stdin.isatty():
        raise InvalidInput(
            f"there is no new key: set {NEW_VARIABLE}, or give --key-file FILE or --keyring."
        )
    secret = getpass.getpass("The new key: ")
    if getpass.getpass("Once more: ") != secret:
        raise InvalidInput("these were two different keys; nothing was changed.")
    return NewKey(Key(secret, "what you typed"), forget, then)


def _in_keyring(path: Path) -> NewKey:
    """A key of the keyring, which has it as the next one until the store has it too."""
    from memory_mcp.app.encryption import KEYRING, next_in_keyring, settle_keyring

    secret = next_in_keyring(path, secrets.token_hex(32))

    def settled() -> None:
        settle_keyring(path, secret)

    then = "Every process of yours finds it there; one without your desktop's session may not."
    return NewKey(Key(secret, KEYRING), settled, then)


def _in_file(path: Path, forget: Callable[[], None]) -> NewKey:
    if not os.path.lexists(path):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            how = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(path, how, 0o600), "w", encoding="ascii") as file:
                file.write(f"{secrets.token_hex(32)}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InvalidInput(
                f"--key-file {path} cannot be made: {error.strerror or error}."
            ) from None
    key = in_file(str(path), named=f"the key file {path}")
    if str(path) == usual_file(os.environ):
        return NewKey(key, forget, "Every process of yours finds it there.")
    return NewKey(key, forget, f"Set {FILE_VARIABLE}={path} where hosts start the server.")


@contextmanager
def _without_daemon(rendezvous: Rendezvous) -> Generator[None]:
    """No daemon serves the store meanwhile; sessions wait for the next one.

    Raises:
        StoreError: one stands, or does not end.
    """
    try:
        running = rendezvous.ask("status")
        if running and running["standing"]:
            raise StoreError(
                f"process {running['pid']} serves this store at {running['http']}; end it first."
            )
        for _ in range(TRIES):
            if (lock := rendezvous.replace()[1]) is not None:
                break
        else:
            raise StoreError("sessions start a new daemon again and again; end them first.")
    except Unreachable as reason:
        raise MemoryMCPError(f"{reason}.") from reason
    try:
        yield
    finally:
        rendezvous.let_go(lock)
