"""Where an import reads from: a file, a folder's files, a member of a zip, standard input.

Nothing is read whole: lines and the items of a JSON list come one by one, each with a limit, and a
zip is unpacked as it is read, with a watch on how much comes out of it.
"""

import codecs
import json
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.transfer.report import Report

LINE_BYTES_MAX = 16 * 1024 * 1024
ITEM_BYTES_MAX = 32 * 1024 * 1024
"""The longest item of a list; of more, one would hold too much memory at once."""
WHOLE_BYTES_MAX = 128 * 1024 * 1024
"""The largest file of a format that can only be read whole."""
ZIP_RATIO_MAX = 200
ZIP_BYTES_FREE = 64 * 1024 * 1024
"""So much may come out of a zip however small it is."""
ZIP_BYTES_MAX = 20 * 1024**3
CHUNK = 1024 * 1024
NUMBER_CHARS = 400
_AFTER = tuple(",] \t\r\n")
"""What may follow a number that is whole."""
_BOM = b"\xef\xbb\xbf"


class Source:
    """What is imported."""

    def __init__(self, name: str, report: Report, agent: str | None = None) -> None:
        """`name` is a path, or `-` for standard input; `agent` the one a person named, if they did.

        Raises:
            ImportRefused: there is nothing, or it may not be read.
        """
        self.name = name
        self.report = report
        self.agent = agent
        self.path = None if name == "-" else Path(name).expanduser()
        if self.path is not None and not os.access(self.path, os.R_OK):
            reason = "Permission denied" if self.path.exists() else "No such file or directory"
            raise ImportRefused(f"{name} cannot be read: {reason}.")

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path is not None and self.path.is_dir()

    def size(self) -> int | None:
        """How many bytes there are to read in all, if that can be known before."""
        if self.path is None:
            return None
        if self.is_folder:
            return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
        return self.path.stat().st_size

    def files(self, *suffixes: str) -> Iterator[tuple[str, Path]]:
        """Itself, or the files below the folder with one of these endings; names, in order.

        What begins with a dot is no part of what a person keeps in a folder.
        """
        if self.path is None:
            raise ImportRefused("this format is read from files, not from standard input.")
        if not self.is_folder:
            yield self.path.name, self.path
            return
        for folder, folders, names in os.walk(self.path):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            for name in sorted(names):
                if name.lower().endswith(suffixes) and not name.startswith("."):
                    found = Path(folder) / name
                    yield str(found.relative_to(self.path)), found

    @contextmanager
    def opened(self, path: Path | None = None) -> Generator[BinaryIO]:
        """A file to read from, whose bytes are counted.

        Raises:
            ImportRefused: it cannot be read, or is a folder.
        """
        path = path or self.path
        if path is None:
            yield self._counted(sys.stdin.buffer)
            return
        try:
            with open(path, "rb") as file:
                yield self._counted(file)
        except OSError as error:
            raise ImportRefused(f"{path} cannot be read: {error.strerror or error}.") from error

    @contextmanager
    def streams(self, member: str) -> Generator[Iterator[tuple[str, BinaryIO]]]:
        """The file itself; of a zip or a folder the members whose names match the expression.

        Raises:
            ImportRefused: there is none, or the zip is broken, encrypted, or a bomb.
        """
        if self.is_folder:
            yield self._of_folder(member)
            return
        with self.opened() as file:
            if self.path is None or not _is_zip(file):
                yield iter([(self.path.name if self.path else "standard input", file)])
                return
            try:
                with zipfile.ZipFile(file) as archive:
                    yield self._members(archive, member)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                raise ImportRefused(
                    f"{self.name} is no zip that can be read ({error}). Load it down again, or "
                    "unpack it and import what is in it."
                ) from error

    def _of_folder(self, member: str) -> Iterator[tuple[str, BinaryIO]]:
        found = False
        for name, path in self.files(".json"):
            if re.search(member, name):
                found = True
                with self.opened(path) as file:
                    yield name, file
        if not found:
            raise ImportRefused(f"there is no {_plain(member)} in the folder {self.name}.")

    def _members(self, archive: zipfile.ZipFile, member: str) -> Iterator[tuple[str, BinaryIO]]:
        wanted = [each for each in archive.infolist() if re.search(member, each.filename)]
        if not wanted:
            names = ", ".join(each.filename for each in archive.infolist()[:5])
            raise ImportRefused(
                f"{self.name} has no {_plain(member)} in it; it has: {names or 'nothing'}."
            )
        for each in sorted(wanted, key=lambda info: info.filename):
            if each.flag_bits & 1:
                raise ImportRefused(f"{self.name} is encrypted. Unpack it, and import that.")
            with archive.open(each) as raw:
                yield each.filename, _Watched(raw, each, self)  # pyright: ignore[reportReturnType] - what is used of it is there

    def _counted(self, file: BinaryIO) -> BinaryIO:
        return _Counted(file, self.report)  # pyright: ignore[reportReturnType] - what is used of it is there


class _Counted(RawIOBase):
    """A file that tells the report how far it was read."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self._file = file
        self._report = report

    def read(self, size: int = -1) -> bytes:
        read = self._file.read(size)
        self._report.bytes += len(read)
        return read

    def readline(self, size: int | None = -1) -> bytes:
        read = self._file.readline(-1 if size is None else size)
        self._report.bytes += len(read)
        return read

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return self._file.seekable()

    def readable(self) -> bool:
        return True


class _Watched(RawIOBase):
    """A member of a zip, that ends the import when more comes out than can be meant."""

    def __init__(self, file: Any, info: zipfile.ZipInfo, source: Source) -> None:
        self._file = file
        self._info = info
        self._source = source
        self._out = 0

    def read(self, size: int = -1) -> bytes:
        return self._watch(self._file.read(CHUNK if size < 0 else size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._watch(self._file.readline(-1 if size is None else size))

    def _watch(self, read: bytes) -> bytes:
        self._out += len(read)
        packed = max(1, self._info.compress_size)
        if self._out > ZIP_BYTES_MAX or (
            self._out > ZIP_BYTES_FREE and self._out > ZIP_RATIO_MAX * packed
        ):
            raise ImportRefused(
                f"{self._source.name} looks like a zip bomb: {self._info.filename} has "
                f"{packed:,} bytes, and {self._out:,} came out of it already. If you trust it, "
                "unpack it and import what is in it."
            )
        return read


def _is_zip(file: BinaryIO) -> bool:
    if not file.seekable():
        return False
    head = file.read(4)
    file.seek(0)
    return head in (b"PK\x03\x04", b"PK\x05\x06")


def _plain(member: str) -> str:
    return re.sub(r"\\(.)|[$^]|\(\^\|/\)|\[.*?\]\*", r"\1", member)


# --- Lines ---


def lines_of(file: BinaryIO, report: Report) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers, without blank ones; `None` for one that is too long."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        report.lines += 1
        if len(line) > LINE_BYTES_MAX:
            while not line.endswith(b"\n") and (line := file.readline(CHUNK)):
                pass
            yield number, None
            continue
        if number == 1:
            line = line.removeprefix(_BOM)
        if line.strip():
            yield number, line


def object_in(line: bytes) -> dict[str, Any]:
    """The JSON object that a line is.

    Raises:
        ValueError: it is none; the text says why.
    """
    try:
        told: Any = json.loads(line)
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the line is not JSON ({error})") from None
    if not isinstance(told, dict):
        raise ValueError("the line is not a JSON object")
    return told  # pyright: ignore[reportUnknownVariableType] - JSON of unsure shape


TOO_LONG = f"the line is longer than {LINE_BYTES_MAX // 2**20} MiB"


def objects_by_line(
    file: BinaryIO, report: Report, name: str = ""
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The objects of a file of JSON lines: number, place, object. Other lines are bad ones."""
    before = f"{name}, " if name else ""
    for number, line in lines_of(file, report):
        place = f"{before}line {number:,}"
        try:
            if line is None:
                raise ValueError(TOO_LONG)
            yield number, place, object_in(line)
        except ValueError as error:
            report.refuse(place, str(error))


# --- JSON ---


def whole_json(file: BinaryIO, name: str) -> Any:
    """A file that is one JSON value, of at most 128 MiB.

    A text that holds JSON again, as some tools wrap it, is read as that.

    Raises:
        ImportRefused: it is too large, cut off, or no JSON.
    """
    read = BytesIO()
    while chunk := file.read(CHUNK):
        read.write(chunk)
        if read.tell() > WHOLE_BYTES_MAX:
            raise ImportRefused(
                f"{name} is larger than {WHOLE_BYTES_MAX // 2**20} MiB, and this format can only "
                "be read whole."
            )
    try:
        told: Any = json.loads(_decoded(read.getvalue()))
        return json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"{name} is not JSON ({error}). Is it whole?") from None


def _decoded(told: bytes) -> str:
    if told.startswith((b"\xff\xfe", b"\xfe\xff")):
        return told.decode("utf-16")
    return told.decode("utf-8-sig")


def items_of(file: BinaryIO, report: Report, name: str) -> Iterator[tuple[int, Any]]:
    """The items of a file that is one JSON list, with their numbers, one by one.

    One item is held at a time, and of at most 32 MiB; a longer one is reported and passed over. An
    object that is no list is its only item.

    Raises:
        ImportRefused: it is no JSON, or cut off in the middle.
    """
    reader = _Items(file, name)
    try:
        for number, item in enumerate(reader.items(), 1):
            if item is _Items.TOO_LONG:
                report.refuse(
                    f"{name}, item {number:,}",
                    f"it is longer than {ITEM_BYTES_MAX // 2**20} MiB, too long to be read at once",
                )
            else:
                yield number, item
    except UnicodeDecodeError:
        raise ImportRefused(f"{name} is not UTF-8; what came before is stored.") from None


class _Items:
    """The scanner behind `items_of`: it decodes from a buffer that grows until an item fits."""

    TOO_LONG = object()
    _SPACE = re.compile(r"[ \t\r\n]*")
    _STRUCTURE = re.compile(r'[\\"{}\[\],]')

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._text = ""
        self._place = 0
        self._ended = False
        self._characters = codecs.getincrementaldecoder("utf-8")()
        self._decoder = json.JSONDecoder()

    def items(self) -> Iterator[Any]:
        first = self._next()
        if first == "\ufeff":
            self._place += 1
            first = self._next()
        if first == "{":
            yield self._item()
            return
        if first != "[":
            raise self._wrong("it begins with neither [ nor {")
        self._place += 1
        if self._next() == "]":
            return
        while True:
            yield self._item()
            mark = self._next()
            self._place += 1
            if mark == "]":
                return
            if mark != ",":
                raise self._wrong("an item is followed by neither , nor ]")

    def _next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = self._SPACE.match(self._text, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more(CHUNK):
                return ""

    def _more(self, size: int) -> bool:
        """Read on; false at the end. What lies before the place at hand is let go."""
        text = ""
        while not text and not self._ended:  # a character may come in two pieces
            chunk = self._file.read(size)
            self._ended = not chunk
            text = self._characters.decode(chunk, self._ended)
        self._text = self._text[self._place :] + text
        self._place = 0
        return bool(text)

    def _item(self) -> Any:
        self._next()
        while True:
            try:
                item, end = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                held = len(self._text) - self._place
                near_end = error.pos >= len(self._text) - 20
                if not near_end and not error.msg.startswith("Unterminated"):
                    raise self._wrong(str(error)) from None
                if held > ITEM_BYTES_MAX:
                    self._pass_over()
                    return self.TOO_LONG
                if not self._more(max(CHUNK, held)):
                    raise self._wrong("it is cut off in the middle") from None
            except RecursionError:
                raise self._wrong("it is nested too deep") from None
            else:
                follows = self._text[end : end + 1]
                may_go_on = not isinstance(item, dict | list | str) and follows not in _AFTER
                if may_go_on and end - self._place < NUMBER_CHARS and self._more(CHUNK):
                    continue
                self._place = end
                return item  # pyright: ignore[reportUnknownVariableType] - JSON of unsure shape

    def _pass_over(self) -> None:
        """Go to the end of the item at hand, holding nothing of it."""
        depth, in_text = 0, False
        while True:
            found = self._STRUCTURE.search(self._text, self._place)
            if found is None:
                self._place = len(self._text)
                if not self._more(CHUNK):
                    raise self._wrong("it is cut off in the middle")
                continue
            self._place = found.end()
            match found[0]:
                case "\\":
                    if self._place >= len(self._text) and not self._more(CHUNK):
                        raise self._wrong("it is cut off in the middle")
                    self._place += 1
                case '"':
                    in_text = not in_text
                case "{" | "[" if not in_text:
                    depth += 1
                case "}" | "]" if not in_text:
                    depth -= 1
                    if depth == 0:
                        return
                case _:
                    pass

    def _wrong(self, reason: str) -> ImportRefused:
        return ImportRefused(
            f"{self._name} is not JSON as it should be: {reason}. What came before is stored."
        )


Reader = Callable[[Source, Report], Iterator[Any]]


def first_bytes(path: Path, size: int = 65_536) -> bytes:
    """The beginning of a file; of a zip, of its first JSON member."""
    with open(path, "rb") as file:
        head = file.read(size)
    if not head.startswith(b"PK\x03\x04"):
        return head
    try:
        with zipfile.ZipFile(path) as archive:
            names: Sequence[str] = [each for each in archive.namelist() if each.endswith(".json")]
            chosen = [each for each in names if "conversations" in each] or list(names)
            if not chosen:
                return b""
            with archive.open(chosen[0]) as member:
                return member.read(size)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, zlib.error):
        return b""
