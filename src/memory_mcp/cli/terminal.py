"""Standard input and output as they are: any encoding, a reader that leaves, a full disk.

Nothing is imported that takes long: every command comes by here.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.quoting import printable

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import Any, TextIO

READER_LEFT = 0
"""The exit code when whoever read our output has left, as `head` does: that is no failure."""
PATHS = frozenset({"database", "file", "path"})
"""Arguments that are names of files, which may be in no encoding at all."""
_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)})
# What our own texts are written with, in ASCII. A quotation mark is not among them.
_SIGNS = {
    "→": "->", "←": "<-", "…": "...", "–": "-", "—": "-", "’": "'", "·": "-", "×": "x",
    "✓": "ok", "✗": "x", "•": "*", "\u00a0": " ", "\u202f": " ", "\ufffd": "?",
}  # fmt: skip


class Output:
    """Standard output or error, through which everything that a command says goes.

    Memories, models, files and other programs may say anything: titles, colours, links and
    clipboards of a terminal, lines over other lines. None of it comes through here, whoever prints
    it (a command, the log, a traceback), and whether a terminal or a pipe is at the other end.
    What is exact goes another way: JSON escapes, and exports are bytes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.styled = stream
        """For rich alone, which steers the terminal; what it shows must be printable already."""

    def write(self, text: str) -> int:
        """Write what can be read of it."""
        self.styled.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them, one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.styled, name)


def make_ready() -> None:
    """See that whatever is printed can be: what an output cannot show is spelled out.

    And that nothing of it steers the terminal.
    """
    codecs.register_error("memory-mcp", _spelled_out)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # `>&-`: the number must not go to the store's file
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a test's stand-in has no encoding
            stream.reconfigure(errors="memory-mcp")
    for name in ("stdout", "stderr"):
        if not isinstance(stream := getattr(sys, name), Output):
            setattr(sys, name, Output(stream))


def ended_by_output(error: BaseException) -> int | None:
    """The exit code when `error` came of an output that takes nothing more; else `None`.

    Such an output is let go, so that the interpreter's end does not stumble over it again.
    """
    told = [leaf for leaf in _leaves(error) if isinstance(leaf, OSError)]
    left = any(_says_left(leaf) for leaf in told)
    full = next((leaf for leaf in told if leaf.errno in _FULL and leaf.filename is None), None)
    broken = [
        stream
        for stream in (sys.stdout, sys.stderr)
        if (left and not is_read(stream)) or (told and not _flushed(stream))
    ]
    for stream in broken:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, ValueError):  # a stand-in without a number
            pass
    if left and broken:
        return READER_LEFT
    if full is None:
        return None
    print(f"memory-mcp: the output cannot be written: {full.strerror}.", file=sys.stderr)
    return 1


def is_read(stream: TextIO) -> bool:
    """Whether somebody may still read what is written; where that cannot be known, yes."""
    import select

    if not hasattr(select, "poll"):  # Windows: the next write tells
        return True
    waiting = select.poll()
    try:
        waiting.register(stream.fileno(), 0)  # nothing but hang-ups and errors
    except (OSError, ValueError):
        return True
    return not waiting.poll(0)


def text_on_input() -> str:
    """What comes on standard input, as text: UTF-8, else the terminal's own encoding.

    Raises:
        InvalidInput: it is neither.
    """
    told = sys.stdin.buffer.read()
    try:
        text = told.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        try:
            text = told.decode(sys.stdin.encoding)
        except (UnicodeDecodeError, LookupError):
            raise InvalidInput(
                f"standard input is not UTF-8: there is a byte 0x{told[error.start]:02x} at "
                f"position {error.start:,}. Convert it first, for example with iconv -t UTF-8."
            ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decoded(arguments: argparse.Namespace) -> None:
    """Read as UTF-8 what the locale made nothing of; names of files stay as they are.

    Raises:
        InvalidInput: an argument is no text.
    """
    from typing import cast

    for name, value in vars(arguments).items():
        if name in PATHS:
            continue
        if isinstance(value, str):
            setattr(arguments, name, _decoded(value))
        elif isinstance(value, list):
            words = cast("list[object]", value)
            told = [_decoded(each) if isinstance(each, str) else each for each in words]
            setattr(arguments, name, told)


def _decoded(word: str) -> str:
    if word.isascii() or not any("\ud800" <= char <= "\udfff" for char in word):
        return word
    try:
        return os.fsencode(word).decode()
    except UnicodeError:
        shown = word.encode("ascii", "backslashreplace").decode()
        raise InvalidInput(
            f"'{shown[:100]}' is no text: bytes in it are not UTF-8. Type it again, or convert it "
            "to UTF-8."
        ) from None


def _spelled_out(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    told = error.object[error.start : error.end]
    spelled = (
        _SIGNS.get(char) or char.encode("ascii", "backslashreplace").decode() for char in told
    )
    return "".join(spelled), error.end


def _flushed(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _says_left(error: OSError) -> bool:
    # On Windows a pipe that nobody reads is an invalid argument.
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def _leaves(error: BaseException) -> list[BaseException]:
    from typing import cast

    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for each in group.exceptions for leaf in _leaves(each)]
    return [error]
