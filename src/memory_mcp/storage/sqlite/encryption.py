"""How connections to a store's file are made, which is a question of whether it is encrypted.

An encrypted store is a SQLCipher file: every page, in the file and in its log, is encrypted with
AES-256 and carries an HMAC-SHA512; the file's first 16 bytes are a salt, and nothing in it can be
told from noise. A passphrase is derived once a process and store, not once a connection: 256,000
rounds take as long as 200 commits.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from memory_mcp.domain.errors import StoreUnusable
from memory_mcp.keys import FILE_VARIABLE, VARIABLE, Key
from memory_mcp.storage.sqlite.driver import cipher_module, driver_errors, sqlite_module
from memory_mcp.storage.sqlite.errors import not_a_database
from memory_mcp.storage.sqlite.heads import head_of

INSTALL = 'pip install "memory-mcp[encryption]"'
SALT_BYTES = 16
PAGE_BYTES = 4096
_HEAD = b"SQLite format 3\0"
_MAC_BYTES = 64
_ROUNDS = 256_000
_MAC_ROUNDS = 2
_MAC_SALT = 0x3A
"""These four as in SQLCipher 4 (zetetic.net/sqlcipher/design)."""
_NOISE = 200
"""A page of noise has about 256 different bytes, one of texts and numbers far fewer."""
_PAGES_TRIED = 64

Kind = Literal["new", "plain", "encrypted", "foreign"]


def kind_of(path: Path) -> Kind:
    """What lies there, by its first page.

    Raises:
        OSError: it cannot be read.
    """
    try:
        head, size = head_of(path, PAGE_BYTES)
    except FileNotFoundError:
        return "new"
    if not head:
        return "new"
    if head.startswith(_HEAD):
        return "plain"
    is_whole = len(head) == PAGE_BYTES and size % PAGE_BYTES == 0
    return "encrypted" if is_whole and len(set(head)) >= _NOISE else "foreign"


@dataclass(frozen=True, slots=True)
class Access:
    """How to connect to one file, as it was when this was found out."""

    module: ModuleType
    identity: tuple[int, int] | None
    """Device and number of the file."""
    key: Key | None = None
    raw: str | None = field(default=None, repr=False)
    """The key that pages are encrypted with, as SQLCipher takes it."""

    @property
    def is_encrypted(self) -> bool:
        """Whether it needs a key."""
        return self.key is not None

    def connect(self, path: Path | str, **options: Any) -> Any:
        """A new connection; nothing was read yet.

        Raises:
            DatabaseError: of the module.
        """
        connection = self.module.connect(path, isolation_level=None, **options)
        if self.raw is not None:
            try:
                # It says on standard error what an exception says too.
                connection.execute("PRAGMA cipher_log_level=NONE")
                connection.execute(f'PRAGMA key = "{self.raw}"')
            except BaseException:
                connection.close()
                raise
        return connection

    def is_current(self, path: Path) -> bool:
        """Whether the same file still lies there."""
        return self.identity == identity_of(path)

    def reads(self, path: Path) -> bool:
        """Whether the file can be read in this way."""
        try:
            connection = self.connect(path)
        except driver_errors():
            return False
        try:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
        except driver_errors() as error:
            return not is_unreadable(error)
        finally:
            connection.close()
        return True


def access_to(path: Path, key: Key | None) -> Access:
    """How to connect to the file there; one that is not there yet is made as the key says.

    Raises:
        StoreUnusable: the file and the key don't go together, or it is no store at all.
    """
    try:
        kind, identity = kind_of(path), identity_of(path)
    except OSError:  # a folder, or not ours to read: SQLite will say so
        return Access(sqlite_module(), None)
    if kind == "foreign":
        raise StoreUnusable(not_a_database(path, "wrong first bytes"))
    if kind == "plain":
        if key is not None and key.is_chosen:
            raise StoreUnusable(
                f"{path} is not encrypted, but there is a key ({key.source}); it was left alone. "
                "memory-mcp rekey encrypts it with that key; without the setting it is opened as "
                "it is."
            )
        return Access(sqlite_module(), identity)
    if key is None:
        if kind == "new":
            return Access(sqlite_module(), identity)
        raise StoreUnusable(
            f"{path} is encrypted, and there is no key; or it is no memory-mcp store. It was left "
            f"alone. Set {VARIABLE} or {FILE_VARIABLE}, put the key file where every process finds "
            "it (docs/configuration.md), or choose another file with --database or "
            "MEMORY_MCP_DATABASE."
        )
    salt = _salt_of(path) if kind == "encrypted" else os.urandom(SALT_BYTES)
    return keyed(key, salt, identity)


def keyed(key: Key, salt: bytes, identity: tuple[int, int] | None = None) -> Access:
    """How to connect to an encrypted file with this salt.

    Raises:
        StoreUnusable: the extra is not installed.
    """
    if (module := cipher_module()) is None:
        raise StoreUnusable(f"encrypted stores need an extra that is not installed: {INSTALL}")
    raw = key.raw or _derived(key.passphrase, salt)
    return Access(module, identity, key, f"x'{raw.hex()}{salt.hex()}'")


def is_unreadable(error: BaseException) -> bool:
    """Whether SQLite met a file that it cannot make sense of: another key, or no database."""
    return "not a database" in str(error)


def why_unreadable(path: Path, access: Access) -> str:
    """What is so with a file that cannot be read with its key, in words for whoever has it."""
    assert access.key is not None
    looked_at, fitting = _fitting_pages(path, access)
    if fitting:
        return (
            f"{path} is damaged: of its first {looked_at} pages {fitting} fit the key "
            f"({access.key.source}), and the first does not. It was left alone. Restore a backup."
        )
    return (
        f"{path} cannot be opened with the key that is given ({access.key.source}): it is "
        "encrypted with another one, or damaged, or no memory-mcp store. It was left alone. Give "
        "the right key; after memory-mcp rekey that is the new one."
    )


def identity_of(path: Path) -> tuple[int, int] | None:
    """Device and number of the file there."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_dev, told.st_ino


def _salt_of(path: Path) -> bytes:
    return head_of(path, SALT_BYTES)[0]


@lru_cache(maxsize=8)
def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", passphrase, salt, _ROUNDS, 32)


def _fitting_pages(path: Path, access: Access) -> tuple[int, int]:
    """How many of the first pages were looked at, and how many were written with the key."""
    assert access.raw is not None
    told = bytes.fromhex(access.raw[2:-1])
    salt = bytes(each ^ _MAC_SALT for each in told[32:])
    key = hashlib.pbkdf2_hmac("sha512", told[:32], salt, _MAC_ROUNDS, 32)
    looked_at = fitting = 0
    with path.open("rb") as file:
        while looked_at < _PAGES_TRIED and len(page := file.read(PAGE_BYTES)) == PAGE_BYTES:
            looked_at += 1
            text = page[SALT_BYTES if looked_at == 1 else 0 : -_MAC_BYTES]
            mac = hmac.new(key, text + looked_at.to_bytes(4, "little"), "sha512").digest()
            fitting += hmac.compare_digest(mac, page[-_MAC_BYTES:])
    return looked_at, fitting
