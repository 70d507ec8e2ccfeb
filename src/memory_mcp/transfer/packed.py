"""Compressed files: what is in them is read as if it stood there.

How a file is compressed its first bytes say, whatever it is called. There is a watch on how much
comes out of it, since a few bytes may hold a disk full.
"""

import importlib
import sys
import zlib
from collections.abc import Callable
from io import RawIOBase
from pathlib import PurePath
from typing import Any, BinaryIO

from memory_mcp.domain.errors import ImportRefused

ENDINGS = (".gz", ".zst", ".zstd", ".bz2", ".xz")
RATIO_MAX = 200
BYTES_FREE = 64 * 1024 * 1024
"""So much may come out of a file however small it is."""
BYTES_MAX = 20 * 1024**3
CHUNK = 1024 * 1024

_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_KINDS = {"gzip": "gzip", "zstd": _ZSTD, "bzip2": "bz2", "xz": "lzma"}
"""The module that reads each kind; a Python may have been built without it."""
_DAMAGED = {"LZMAError", "ZstdError", "BadZipFile"}
"""Errors by name, as their modules may be missing."""


def plain_name(name: str) -> str:
    """A file's name without the ending that says how it is compressed."""
    path = PurePath(name)
    return name[: -len(path.suffix)] if path.suffix.lower() in ENDINGS else name


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip."""
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def unpacked(file: Any, head: bytes, name: str, packed: Callable[[], int]) -> BinaryIO:
    """The file itself, or, if its first bytes `head` say so, what is compressed in it.

    `packed` says how many bytes it has, or had so far where that is all that can be known.

    Raises:
        ImportRefused: there is nothing here that could read it; the text says what to install.
    """
    kind = _kind_of(head)
    if kind is None:
        return file
    module = _KINDS[kind]
    try:
        opened = importlib.import_module(module).open(file)
    except ImportError:
        advice = (
            "Install it (pip install backports.zstd)"
            if module.startswith("backports")
            else "This Python was built without it: take another one"
        )
        raise ImportRefused(
            f"{name} is compressed with {kind}, and {module} is not installed. {advice}, or "
            "unpack the file yourself, and import again."
        ) from None
    return watched(opened, name, packed)


def watched(file: Any, name: str, packed: Callable[[], int]) -> BinaryIO:
    """A file that is unpacked as it is read; reading ends when more comes out than can be meant.

    What is damaged raises ImportRefused when it is read.
    """
    return _Watched(file, name, packed)  # pyright: ignore[reportReturnType] - what is used of it is there


def _kind_of(head: bytes) -> str | None:
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    # A frame, or one to be skipped, which some programs put first.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5):
        return "zstd"
    if head.startswith(b"BZh") and head[4:7] == b"1AY":
        return "bzip2"
    return "xz" if head.startswith(b"\xfd7zXZ\0") else None


class _Watched(RawIOBase):
    """What comes out of a compressed file."""

    def __init__(self, file: Any, name: str, packed: Callable[[], int]) -> None:
        self._file = file
        self._name = name
        self._packed = packed
        self._out = 0

    def read(self, size: int = -1) -> bytes:
        return self._watch(self._file.read, CHUNK if size < 0 else size)

    def readline(self, size: int | None = -1) -> bytes:
        return self._watch(self._file.readline, -1 if size is None else size)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def _watch(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            told = read(size)
        except Exception as error:
            if isinstance(error, OSError | EOFError | zlib.error) or (
                type(error).__name__ in _DAMAGED
            ):
                raise ImportRefused(
                    f"{self._name} is damaged or cut off: it cannot be unpacked further ({error}). "
                    "What came before is stored."
                ) from error
            raise
        self._out += len(told)
        packed = max(1, self._packed())
        if self._out > BYTES_MAX or (self._out > BYTES_FREE and self._out > RATIO_MAX * packed):
            raise ImportRefused(
                f"{self._name} looks like a zip bomb: it has {packed:,} bytes, and {self._out:,} "
                "came out of it already. If you trust it, unpack it and import what is in it."
            )
        return told
