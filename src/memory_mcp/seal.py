"""What must lie beside an encrypted store for a while is sealed: anybody may, the store opens it.

A hook has to leave what its host told before anybody answers, and has no key. So the store has a
pair of keys: the public one lies beside it, the private one in it. HPKE (RFC 9180) as
`cryptography` has it.
"""

from __future__ import annotations

import os

from memory_mcp.rendezvous import NOT_THROUGH_LINKS

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from typing import Any

MARK = b"memory-mcp sealed 1\n"
_PURPOSE = b"memory-mcp: beside the store"
KEY_BYTES = 32


def sealed(public: bytes, text: bytes) -> bytes:
    """A text that only the store can read."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import (
        X25519PublicKey,
    )

    return MARK + _suite().encrypt(text, X25519PublicKey.from_public_bytes(public), _PURPOSE)


def is_sealed(data: bytes) -> bool:
    """Whether this is none of the texts that are left for a plain store."""
    return data.startswith(MARK)


def new_private() -> bytes:
    """The private key of a new pair."""
    return os.urandom(KEY_BYTES)


class Seal:
    """A store's pair of keys."""

    def __init__(self, private: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import (
            X25519PrivateKey,
        )

        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public = self._private.public_key().public_bytes_raw()

    def opened(self, data: bytes) -> bytes:
        """The text of what was sealed; what was not is returned as it is.

        Raises:
            ValueError: it was sealed for another store, or is damaged.
        """
        from cryptography.exceptions import InvalidTag

        if not is_sealed(data):
            return data
        try:
            return _suite().decrypt(data.removeprefix(MARK), self._private, _PURPOSE)
        except InvalidTag:
            raise ValueError("it was sealed for another store, or is damaged") from None


def _suite() -> Any:
    # Here: hooks of plain stores don't wait for it, and installations without the extra lack it.
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


def public_in(path: str) -> bytes | None:
    """The public key in a file; `None` where there is none."""
    try:
        with open(os.open(path, os.O_RDONLY | NOT_THROUGH_LINKS), "rb") as file:
            key = bytes.fromhex(file.read(2 * KEY_BYTES + 1).decode())
    except (OSError, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
