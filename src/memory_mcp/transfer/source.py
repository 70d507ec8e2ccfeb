"""Where an import reads from: a file, a folder's files, a member of a zip, standard input.

Whatever lies under the path is read, or told of in the report. Nothing is read whole: the values of
a JSON file come one by one, each with a limit, and what is compressed is unpacked as it is read.
"""

import json
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO, RawIOBase
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.transfer.folder import Entry, entries, shown
from memory_mcp.transfer.json_stream import JsonStream, Value
from memory_mcp.transfer.packed import CHUNK, is_zip, plain_name, unpacked, watched
from memory_mcp.transfer.report import Report

LINE_BYTES_MAX = 16 * 1024 * 1024
WHOLE_BYTES_MAX = 128 * 1024 * 1024
"""The largest file of a format that can only be read whole."""

Known = Mapping[str, str]
"""Files that a format leaves out on purpose: an expression for their names, what they are."""
_MEDIA: Known = {
    r"(?i)\.(png|jpe?g|gif|webp|svg|bmp|tiff?|heic|avif|ico)$": "images",
    r"(?i)\.(mp3|wav|m4a|ogg|opus|flac|aac|mp4|m4v|mov|webm|mkv|avi)$": "sound and films",
    r"(^|/)(Thumbs\.db|desktop\.ini)$": "files of the file manager",
}
"""What no format has a text in."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that an import reads, or a member of a zip."""

    name: str
    """Its path below what is imported, without an ending that says how it is compressed."""
    opened: Callable[[], AbstractContextManager[BinaryIO]]
    """Opens it. Where it is one of several, what is broken in it is reported, and ends only it."""


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
        self._told = False
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
            return sum(entry.size for entry in entries(self.path))
        return self.path.stat().st_size

    def files(self, *suffixes: str, known: Known | None = None) -> Iterator[tuple[str, Path]]:
        """Itself, or the files below the folder with one of these endings; names, in order.

        `.jsonl` is an ending of `a.jsonl.zst` too, as `opened` gives what is compressed in it; what
        such a file is called otherwise, `plain_name` says. The report tells of every other file:
        those whose names (paths below the folder) match one of `known` are left out on purpose, the
        rest is not understood.

        Raises:
            ImportRefused: there is none.
        """
        if self.path is None:
            raise ImportRefused("this format is read from files, not from standard input.")
        if not self.is_folder:
            yield shown(self.path.name), self.path
            return
        found = False
        names: list[str] = []
        for entry in self._entries():
            if plain_name(entry.name).lower().endswith(suffixes):
                found = True
                yield entry.name, entry.path
            else:
                names.append(entry.name)
                self._tell(entry.name, known or {})
        self._told = True
        if not found:
            self._nothing(f"file ending in {' or '.join(suffixes)}", names)

    def documents(self, wanted: str, says: str, known: Known | None = None) -> Iterator[Document]:
        """Itself; of a folder or a zip the files whose names match the expression `wanted`.

        Zips below a folder are looked into. The report tells of every other file, as with `files`.

        Raises:
            ImportRefused: there is none, where `says` is what was looked for; or the zip cannot be
                read.
        """
        known = known or {}
        found = False
        names: list[str] = []
        for name, path in self._paths():
            # Documents of office programs are zips too, and not meant.
            if (
                path is not None
                and (not self.is_folder or name.lower().endswith(".zip"))
                and _holds_zip(path)
            ):
                with self.opened(path, zips=True) as file:
                    for told in self._members(name, file, wanted, known):
                        if isinstance(told, Document):
                            found = True
                            yield told
                        else:
                            names.append(told)
            elif not self.is_folder or re.search(wanted, plain_name(name)):
                found = True
                yield Document(plain_name(name), partial(self.opened, path))
            else:
                names.append(name)
                self._tell(name, known)
        self._told = True
        if not found:
            self._nothing(says, names)

    def _nothing(self, says: str, names: list[str]) -> None:
        """Nothing was found; what cannot be read, or is broken, is told of already."""
        if not self.report.bad:
            there = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            kind = "the folder " if self.is_folder else ""
            raise ImportRefused(
                f"there is no {says} in {kind}{self.name}; it has: {there or 'nothing'}."
            )

    def opened(
        self, path: Path | None = None, *, zips: bool = False
    ) -> AbstractContextManager[BinaryIO]:
        """A file to read from, whose bytes are counted; of a compressed one what is in it.

        In a folder, a file that cannot be read, or not to its end, is reported, and the body is
        left: the next file comes.

        Raises:
            ImportRefused: the only file cannot be read, is a folder, or a zip where none is read.
        """
        path = path or self.path
        name = "standard input" if path is None else self._below(path)
        return self._one(name, not self.is_folder, self._opened(path, name, zips))

    @contextmanager
    def _opened(self, path: Path | None, name: str, zips: bool) -> Generator[BinaryIO]:
        if path is None:
            yield self._plain(sys.stdin.buffer, name, None, zips)
            return
        try:
            with open(path, "rb") as file:
                size = path.stat().st_size if path.is_file() else None
                yield self._plain(file, name, size, zips)
        except OSError as error:
            raise ImportRefused(f"{path} cannot be read: {error.strerror or error}.") from error

    def _plain(self, file: Any, name: str, size: int | None, zips: bool) -> BinaryIO:
        head = file.peek(8)
        if is_zip(head) and not (zips and size is not None):
            raise ImportRefused(f"{name} is a zip. Unpack it, and import what is in it.")
        counted = _Counted(file, self.report)
        return unpacked(counted, head, name, lambda: counted.count if size is None else size)

    @contextmanager
    def _one(
        self, name: str, alone: bool, opening: AbstractContextManager[BinaryIO]
    ) -> Generator[BinaryIO]:
        """What is broken in one of several files is reported, and ends only that one."""
        began = False
        try:
            with opening as file:
                began = True
                yield file
        except ImportRefused as error:
            if alone:
                raise
            self.report.refuse(name, str(error).removeprefix(f"{name} "))
            if not began:
                with suppress(ImportRefused):  # that it is empty need not be told as well
                    yield BytesIO()

    def _entries(self) -> Iterator[Entry]:
        """The files below the folder that can be read; the report is told of the others."""
        assert self.path is not None
        for entry in entries(self.path):
            if entry.wrong:
                self._once(partial(self.report.refuse, entry.name, f"it {entry.wrong}"))
            elif entry.hidden:
                self._leave_out("hidden files and folders")
            elif entry.size == 0:
                self._leave_out("empty files")
            else:
                yield entry

    def _paths(self) -> Iterator[tuple[str, Path | None]]:
        if self.is_folder:
            yield from ((entry.name, entry.path) for entry in self._entries())
        else:
            yield shown(self.path.name) if self.path else "standard input", self.path

    def _members(
        self, name: str, file: BinaryIO, wanted: str, known: Known
    ) -> Iterator[Document | str]:
        """Of a zip what is wanted; of the rest the names, of which the report is told."""
        try:
            with zipfile.ZipFile(file) as archive:
                infos = sorted(archive.infolist(), key=lambda info: info.filename)
                infos = [each for each in infos if not each.is_dir()]
                below = f"{name}/" if self.is_folder else ""
                taken = {each for each in infos if re.search(wanted, plain_name(each.filename))}
                alone = len(taken) == 1 and not self.is_folder
                for each in infos:
                    inside = below + each.filename
                    if re.search(r"(^|/)(\.|__MACOSX/)", each.filename):
                        self._leave_out("hidden files and folders")
                    elif each in taken:
                        inside = plain_name(inside)
                        opened = partial(self._opened_member, archive, each, inside, alone)
                        yield Document(inside, opened)
                    else:
                        self._tell(inside, known)
                        yield each.filename
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise ImportRefused(
                f"{name} is no zip that can be read ({error}). Load it down again, or unpack it "
                "and import what is in it."
            ) from error

    def _opened_member(
        self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, alone: bool
    ) -> AbstractContextManager[BinaryIO]:
        return self._one(name, alone, _member(archive, info, name))

    def _tell(self, name: str, known: Known) -> None:
        """Tell the report of a file that is not read."""
        for expression, says in (*known.items(), *_MEDIA.items()):
            if re.search(expression, plain_name(name)):
                self._leave_out(says)
                return
        ending = PurePath(name).suffix.lower()
        says = f"files ending in {ending}" if ending else "files without an ending"
        if ending == ".zip":
            says = f"zip {name} (unpack it, and import the folder)"
        self._once(partial(self.report.not_understand, says, name))

    def _leave_out(self, says: str) -> None:
        self._once(lambda: self.report.left_out.update([says]))

    def _once(self, tell: Callable[[], None]) -> None:
        """Files are told of once, however often a reader goes through them."""
        if not self._told:
            tell()

    def _below(self, path: Path) -> str:
        if self.path is not None and self.is_folder and path.is_relative_to(self.path):
            path = path.relative_to(self.path)
        return shown(path.as_posix())


class _Counted(RawIOBase):
    """A file that tells the report how far it was read."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self.count = 0
        self._file = file
        self._report = report

    def read(self, size: int = -1) -> bytes:
        return self._tell(self._file.read(size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._tell(self._file.readline(-1 if size is None else size))

    def _tell(self, read: bytes) -> bytes:
        self.count += len(read)
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


@contextmanager
def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Generator[BinaryIO]:
    if info.flag_bits & 1:
        raise ImportRefused(f"{name} is encrypted. Unpack it, and import that.")
    try:
        member: Any = archive.open(info)
        head = member.peek(8)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, zlib.error) as error:
        raise ImportRefused(f"{name} cannot be unpacked ({error}).") from error
    with member:
        file = watched(member, name, lambda: info.compress_size)
        yield unpacked(file, head, name, lambda: info.compress_size)


def _holds_zip(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            return is_zip(file.read(4))
    except OSError:
        return False


# --- JSON ---


def objects_by_line(
    file: BinaryIO, report: Report, name: str = ""
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The objects of a file of JSON lines: the line each begins on, its place, the object.

    An object over several lines and the items of a list are read as if they were lines. What is no
    object is refused, and the rest comes.
    """
    before, lines = f"{name}, " if name else "", report.lines
    stream = JsonStream(file)
    for value in stream.values():
        report.lines = lines + value.line
        place = before + value.place
        if isinstance(told := value.told, dict):
            yield value.line, place, cast("dict[str, Any]", told)
        else:
            report.refuse(place, value.wrong or _NO_OBJECT)
    report.lines = lines + stream.lines


def values_of(file: BinaryIO, report: Report, name: str) -> Iterator[tuple[int, Value]]:
    """The objects of a JSON file with their numbers: a list's items, or one after another.

    What is no object, or longer than 32 MiB, is refused, and the rest comes.

    Raises:
        ImportRefused: it is empty, or no JSON from its beginning.
    """
    stream = JsonStream(file)
    first = stream.begins_with()
    if first not in ("[", "{"):
        reason = "begins with neither [ nor {, and so is no JSON" if first else "is empty"
        raise ImportRefused(f"{name} {reason}.")
    for number, value in enumerate(stream.values(), 1):
        if isinstance(value.told, dict):
            yield number, value
        else:
            report.refuse(f"{name}, {value.place}", value.wrong or _NO_OBJECT)


def items_of(file: BinaryIO, report: Report, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same without their places.

    Raises:
        ImportRefused: it is empty, or no JSON from its beginning.
    """
    for number, value in values_of(file, report, name):
        yield number, cast("dict[str, Any]", value.told)


_NO_OBJECT = "it is not a JSON object"


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


Reader = Callable[[Source, Report], Iterator[Any]]


def first_bytes(path: Path, size: int = 65_536) -> bytes:
    """The beginning of a file, unpacked where it is compressed; of a zip, of its first JSON member.

    Nothing of what can be read only once.
    """
    if not path.is_file():
        return b""
    try:
        with open(path, "rb") as file:
            head = file.peek(8)
            if not is_zip(head):
                return unpacked(file, head, path.name, lambda: size).read(size)
        with zipfile.ZipFile(path) as archive:
            names = [each for each in archive.namelist() if plain_name(each).endswith(".json")]
            chosen = [each for each in names if "conversations" in each] or names
            if not chosen:
                return b""
            member: Any = archive.open(chosen[0])
            with member:
                return unpacked(member, member.peek(8), chosen[0], lambda: size).read(size)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, zlib.error):
        return b""
    except ImportRefused:
        return b""
