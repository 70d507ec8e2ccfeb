"""The key that a store is encrypted with: what the environment says of it, and proof that it fits.

Standard library only: a bridge that is given a key proves to the daemon that it has the right one.
A key is a passphrase, or 64 hexadecimal digits: those are the key itself, and cost no derivation.
It is never printed: of a key only its source has a text.
"""

from __future__ import annotations

import os
import re
import stat
import sys

from memory_mcp.domain.errors import InvalidInput

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "MEMORY_MCP_KEY"
FILE_VARIABLE = "MEMORY_MCP_KEY_FILE"
CHARS_MIN = 8
BYTES_MAX = 4096
_RAW = re.compile(r"[0-9a-fA-F]{64}")
_NONCE_BYTES = 16


class Key:
    """A key and where it came from."""

    __slots__ = ("_secret", "is_chosen", "source")

    def __init__(self, secret: str, source: str, *, is_chosen: bool = True) -> None:
        """`is_chosen`: somebody set it for this very process, it doesn't just lie there.

        Raises:
            InvalidInput: nobody can mean such a key; the text names its source.
        """
        try:
            secret.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"{source}: the key is not UTF-8.") from None
        if len(secret) < CHARS_MIN or "\0" in secret:
            raise InvalidInput(
                f"{source}: a key has {CHARS_MIN} characters or more, and no zero among them. "
                "The strongest are 64 hexadecimal digits, as `openssl rand -hex 32` makes."
            )
        self._secret = secret
        self.source = source
        self.is_chosen = is_chosen

    def __repr__(self) -> str:
        return f"Key(from {self.source})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._as_used == other._as_used

    def __hash__(self) -> int:
        return hash(self._as_used)

    def __reduce__(self) -> str:
        raise TypeError("a key is never written down")

    @property
    def _as_used(self) -> str:
        return self._secret.lower() if self.raw is not None else self._secret

    @property
    def raw(self) -> bytes | None:
        """The 32 bytes of one that is given as they are."""
        return bytes.fromhex(self._secret) if _RAW.fullmatch(self._secret) else None

    @property
    def passphrase(self) -> bytes:
        """What a key is derived from, where it is not `raw`."""
        return self._secret.encode()

    def revealed(self) -> str:
        """The text itself: for the place where it is kept, and for nothing else."""
        return self._secret

    def proof(self) -> str:
        """Shows who has the same key that we have it too."""
        nonce = os.urandom(_NONCE_BYTES)
        return f"{nonce.hex()}:{self._mac(nonce)}"

    def fits(self, proof: str) -> bool:
        """Whether who made this proof has the same key."""
        import hmac  # noqa: PLC0415 - as in `_mac`

        nonce, _, mac = proof.partition(":")
        try:
            return hmac.compare_digest(self._mac(bytes.fromhex(nonce)), mac)
        except (ValueError, TypeError):
            return False

    def _mac(self, nonce: bytes) -> str:
        import hmac  # noqa: PLC0415 - bridges without a key need not wait for it

        return hmac.new(self._as_used.encode(), b"memory-mcp " + nonce, "sha256").hexdigest()


def given(environment: Mapping[str, str]) -> Key | None:
    """The key that was set for this process.

    Raises:
        InvalidInput: it cannot be meant, or not be read.
    """
    secret, path = environment.get(VARIABLE) or "", environment.get(FILE_VARIABLE) or ""
    if secret and path:
        raise InvalidInput(f"{VARIABLE} and {FILE_VARIABLE} are both set; keep one of them.")
    if path:
        return in_file(os.path.expanduser(path), named=f"{FILE_VARIABLE} ({path})")
    return Key(secret, VARIABLE) if secret else None


def usual_file(environment: Mapping[str, str]) -> str:
    """Where a key may lie for every process of the user, whatever its environment says."""
    if sys.platform == "win32":
        folder = environment.get("APPDATA") or os.path.expanduser(r"~\AppData\Roaming")
    else:
        folder = environment.get("XDG_CONFIG_HOME", "").strip() or os.path.expanduser("~/.config")
    return os.path.join(folder, "memory-mcp", "key")


def in_usual_file(environment: Mapping[str, str]) -> Key | None:
    """The key there, if there is one.

    Raises:
        InvalidInput: it cannot be meant, or not be read.
    """
    path = usual_file(environment)
    if not os.path.lexists(path):
        return None
    return in_file(path, named=f"the key file {path}", is_chosen=False)


def in_file(path: str, *, named: str, is_chosen: bool = True) -> Key:
    """The key in a file that its owner alone may read.

    Raises:
        InvalidInput: it cannot be meant, or not be read.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            told = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise InvalidInput(f"{named} cannot be read: {error.strerror or error}.") from None
    if sys.platform != "win32" and stat.S_ISREG(mode) and mode & 0o077:
        raise InvalidInput(f"{named} can be read by others: chmod 600 it.")
    if len(told) > BYTES_MAX:
        raise InvalidInput(f"{named} is longer than any key.")
    try:
        secret = told.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"{named} is not UTF-8; a key is text.") from None
    return Key(secret, named, is_chosen=is_chosen)


def proof_in(environment: Mapping[str, str]) -> str | None:
    """Proof of the key that was set for this process; `None` where none was, or no usable one."""
    try:
        key = given(environment)
    except InvalidInput:  # it is said by whoever has to open the store
        return None
    return None if key is None else key.proof()
