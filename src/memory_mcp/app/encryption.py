"""An encrypted store's key, and that nothing lies beside the store in plain text."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory_mcp.config import Settings
from memory_mcp.domain.errors import StoreError
from memory_mcp.keys import Key, in_file
from memory_mcp.rendezvous import NOT_THROUGH_LINKS, Rendezvous
from memory_mcp.seal import Seal, is_sealed, new_private, public_in, sealed
from memory_mcp.snapshots import Snapshots
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import cipher_module
from memory_mcp.storage.sqlite.encryption import access_to, kind_of
from memory_mcp.storage.sqlite.seals import forget_seal, last_private_seal, private_seal

logger = logging.getLogger(__name__)

KEYRING_SERVICE = "memory-mcp"
KEYRING = "the system keyring"


class StoreEncryption:
    """The `Encryption` port."""

    def __init__(self, key: Key, seal: Seal) -> None:
        self._key = key
        self._seal = seal

    @property
    def source(self) -> str:
        """Where the key came from."""
        return self._key.source

    @property
    def cipher(self) -> str:
        """What encrypts."""
        return cipher()

    def is_proven(self, proof: str) -> bool:
        """Whether whoever made this proof has the store's key."""
        return self._key.fits(proof)

    def opened(self, left: bytes) -> bytes:
        """What a hook left beside the store.

        Raises:
            ValueError: it was sealed for another store, or is damaged.
        """
        return self._seal.opened(left)


def cipher() -> str:
    """What encrypts, and its version."""
    module = cipher_module()
    if module is None:
        return "SQLCipher, which is not installed"
    connection = module.connect(":memory:")
    try:
        version = connection.execute("PRAGMA cipher_version").fetchone()[0]
    finally:
        connection.close()
    return f"SQLCipher {version.split()[0]} (SQLite {module.sqlite_version})"


# Where the key is.


def key_of(settings: Settings, path: Path | None = None) -> Key | None:
    """The store's key, wherever it is kept; `None` where there is none, or none is needed.

    `path`: a copy of the store, for which it is asked.

    What was set for this process goes first, then the key file that lies where every process looks
    for it, then, for a store that is encrypted, the system keyring.

    Raises:
        InvalidInput: a key file cannot be read, or holds no key.
    """
    if settings.key is not None:
        return settings.key
    if (kind := _kind_of(path or settings.database)) not in ("encrypted", "new"):
        return None
    if (path := settings.usual_key_file) is not None and os.path.lexists(path):
        return in_file(str(path), named=f"the key file {path}", is_chosen=False)
    return key_in_keyring(settings.database) if kind == "encrypted" else None


def _kind_of(path: Path) -> str:
    try:
        return kind_of(path)
    except OSError:  # whoever opens it will say so
        return "foreign"


def key_in_keyring(path: Path) -> Key | None:
    """The key that the system keyring has for a store, if there is one, and a keyring.

    While a store is being encrypted anew there are two: the one that opens it is meant.
    """
    found = [
        Key(secret, KEYRING, is_chosen=False)
        for user in keyring_users(path)
        if (secret := _from_keyring(user))
    ]
    for key in found[1:]:
        if access_to(path, key).reads(path):
            return key
    return found[0] if found else None


def keyring_users(path: Path) -> tuple[str, str]:
    """Under which names the keyring has a store's key, and the one that is to come."""
    name = os.path.realpath(path)
    return name, f"{name} (next)"


def keyring() -> Any:
    """The keyring's module.

    Raises:
        StoreError: there is no keyring here.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise StoreError(
            'the system keyring needs an extra: pip install "memory-mcp[encryption]"'
        ) from None
    try:
        keyring.get_password(KEYRING_SERVICE, "is there a keyring")
    except KeyringError as error:
        raise StoreError(
            f"there is no usable keyring on this machine ({type(error).__name__}); without a "
            "desktop Linux has none. Keep the key in a file: --key-file FILE."
        ) from None
    return keyring


def next_in_keyring(path: Path, made: str) -> str:
    """The key that a store is to have: `made`, or what an interrupted run has left there.

    Raises:
        StoreError: there is no keyring here.
    """
    ring, (_, coming) = keyring(), keyring_users(path)
    if left := ring.get_password(KEYRING_SERVICE, coming):
        return left
    ring.set_password(KEYRING_SERVICE, coming, made)
    return made


def settle_keyring(path: Path, secret: str) -> None:
    """The store has the key that was to come."""
    ring, (user, coming) = keyring(), keyring_users(path)
    ring.set_password(KEYRING_SERVICE, user, secret)
    ring.delete_password(KEYRING_SERVICE, coming)


def forget_in_keyring(path: Path) -> None:
    """The store has another key now, or none."""
    for user in keyring_users(path):
        if _from_keyring(user):
            keyring().delete_password(KEYRING_SERVICE, user)


def is_encrypted(path: Path) -> bool:
    """Whether the file there is an encrypted one."""
    return _kind_of(path) == "encrypted"


def _from_keyring(user: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(KEYRING_SERVICE, user)
    except KeyringError as error:
        logger.info("the system keyring cannot be asked: %s", type(error).__name__)
        return None


# Beside the store.


async def settle(database: Database, rendezvous: Rendezvous) -> StoreEncryption | None:
    """Have all that lies beside the store be as the store is: in no plain text if it is encrypted.

    What was kept beside it when it was not is sealed or removed here, and opened again when it is
    no longer.
    """
    if (key := database.key) is None:
        if public_in(rendezvous.seal) is not None:
            await _unseal(database, rendezvous)
        return None
    Snapshots(rendezvous.database).remove()
    seal = Seal(await private_seal(database, new_private))
    if public_in(rendezvous.seal) != seal.public:
        _write(rendezvous.seal, seal.public.hex().encode())
    _each_call(rendezvous, lambda told: told if is_sealed(told) else sealed(seal.public, told))
    return StoreEncryption(key, seal)


async def _unseal(database: Database, rendezvous: Rendezvous) -> None:
    private = await last_private_seal(database)
    if private is not None:
        _each_call(rendezvous, Seal(private).opened)
        await forget_seal(database)
    os.unlink(rendezvous.seal)


def _each_call(rendezvous: Rendezvous, become: Callable[[bytes], bytes]) -> None:
    """Write what hooks left anew, each whole or not at all."""
    try:
        names = os.listdir(rendezvous.spool)
    except OSError:  # no hook ever came
        return
    for name in names:
        path = os.path.join(rendezvous.spool, name)
        if name.endswith(".part"):
            continue
        try:
            with open(os.open(path, os.O_RDONLY | NOT_THROUGH_LINKS), "rb") as file:
                told = file.read()
            if (now := become(told)) != told:
                _write(path, now)
        except (OSError, ValueError) as error:  # taken in meanwhile, or sealed for another store
            logger.warning("%s stays as it is: %s", path, error)


def _write(path: str, data: bytes) -> None:
    part = f"{path}.{os.getpid()}.part"
    how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NOT_THROUGH_LINKS | getattr(os, "O_BINARY", 0)
    with open(os.open(part, how, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
