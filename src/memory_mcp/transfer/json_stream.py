"""A file's JSON values, one by one: lines, a list, objects over several lines, one after another.

Memory stays bounded however long the file is: at most one value is held, and a list's items come as
if they stood by themselves. What is broken is told of where it stands, and reading goes on behind
it as soon as a line begins a value again.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from memory_mcp.transfer.packed import CHUNK

ITEM_BYTES_MAX = 32 * 1024 * 1024
"""The longest value; of more, one would hold too much memory at once."""
NUMBER_CHARS = 400
_AFTER = tuple(",] \t\r\n")
"""What may follow a number that is whole."""
_SPACE = re.compile("[ \t\r\n\ufeff]*")
"""Between values; a byte order mark stands wherever files were put one behind another."""
_STRUCTURE = re.compile(r'[\\"{}\[\]]')
_NO_UTF_8 = re.compile("[\udc80-\udcff]")
"""Bytes that are no UTF-8, as the decoder marks them."""


class Value(NamedTuple):
    """A value, and where it stands."""

    told: Any
    line: int
    """The line that it begins on."""
    item: int | None = None
    """Its number in the list that it stands in."""
    wrong: str | None = None
    """Why it cannot be read, with `told` being None then."""

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        item = "" if self.item is None else f", item {self.item:,}"
        return f"line {self.line:,}{item}"


class _Wrong(Exception):
    """What stands here is no JSON."""


class JsonStream:
    """A file that is read value by value, decoded from a buffer that grows until one fits."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._text = ""
        self._place = 0
        self._lines = 1
        """The line that the character at `_marked` stands on."""
        self._marked = 0
        self._ended = False
        self._broken_list = False
        self._not_utf_8 = False
        self._characters: codecs.IncrementalDecoder | None = None
        self._decoder = json.JSONDecoder()

    @property
    def lines(self) -> int:
        """How many lines were read, as far as that is known now; all of them at the end."""
        return self._line() - (self._ended and self._text[-1:] in ("", "\n"))

    def begins_with(self) -> str:
        """The first character that is no space; empty at the end of the file."""
        return self._next()

    def values(self) -> Iterator[Value]:
        """Every value; of a list, at the top, its items."""
        while first := self._next():
            if first == "[":
                yield from self._list()
            elif first == "{":
                yield self._value()
            elif first == "," or (first == "]" and self._broken_list):
                self._place += 1
            else:
                yield self._neither()

    def _value(self, item: int | None = None) -> Value:
        """The value that begins here. At the top, what is broken is passed over."""
        line = self._line()
        try:
            return self._item(line, item)
        except _Wrong as wrong:
            if item is not None:
                raise
            self._go_to(_OBJECT)
            return Value(None, line, wrong=f"the line is not JSON ({wrong})")

    def _list(self) -> Iterator[Value]:
        self._place += 1
        number, line = 1, self._line()
        try:
            if self._next() == "]":
                self._place += 1
                return
            while True:
                self._next()
                line = self._line()
                yield self._value(number)
                mark = self._next()
                if mark not in ("]", ","):
                    raise _Wrong(_CUT_OFF if not mark else "it is followed by neither , nor ]")
                self._place += 1
                if mark == "]":
                    return
                number += 1
        except _Wrong as wrong:
            self._broken_list = True
            self._go_to(_OBJECT)
            left = "" if wrong.args == (_CUT_OFF,) else "; the list is read no further"
            yield Value(None, line, number, f"it is not JSON ({wrong}){left}")

    def _neither(self) -> Value:
        """A line that begins neither an object nor a list, passed over."""
        line, wrong = self._line(), "the line is not a JSON object"
        while len(self._text) - self._place < NUMBER_CHARS and self._more(CHUNK):
            pass
        told = self._text[self._place : self._place + NUMBER_CHARS].split("\n", 1)[0]
        try:
            json.loads(told)
        except ValueError as error:
            wrong = f"the line is not JSON ({getattr(error, 'msg', error)})"
        if _NO_UTF_8.search(told):
            wrong = "the line is not UTF-8"
        self._go_to("\n")
        return Value(None, line, wrong=wrong)

    def _next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more(CHUNK):
                return ""

    def _line(self) -> int:
        """The line that the place at hand is on."""
        self._lines += self._text.count("\n", self._marked, self._place)
        self._marked = self._place
        return self._lines

    def _more(self, size: int) -> bool:
        """Read on; false at the end. What lies before the place at hand is let go."""
        text = ""
        while not text and not self._ended:  # a character may come in two pieces
            chunk = self._file.read(size)
            self._ended = not chunk
            if self._characters is None:
                while 0 < len(chunk) < 3 and (more := self._file.read(size)):
                    chunk += more
                self._characters = _decoder_of(chunk)
            try:
                text = self._characters.decode(chunk, self._ended)
            except UnicodeDecodeError:  # from here on bytes that are none are marked
                self._characters.errors = "surrogateescape"
                text = self._characters.decode(chunk, self._ended)
                self._not_utf_8 = True
        if not text:
            return False
        self._line()
        self._text = self._text[self._place :] + text
        self._place = self._marked = 0
        return True

    def _item(self, line: int, number: int | None) -> Value:
        while True:
            try:
                told, end = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                held = len(self._text) - self._place
                near_end = error.pos >= len(self._text) - 20
                if not near_end and not error.msg.startswith("Unterminated"):
                    at = error.pos - self._place + 1
                    raise _Wrong(f"{error.msg}, at its character {at:,}") from None
                if held > ITEM_BYTES_MAX:
                    self._pass_over()
                    return Value(None, line, number, _too_long())
                if not self._more(max(CHUNK, held)):
                    cut_off = error.msg.startswith("Unterminated") or not (
                        self._text[error.pos :].strip()
                    )
                    raise _Wrong(_CUT_OFF if cut_off else error.msg) from None
            except RecursionError:
                raise _Wrong("it is nested too deep") from None
            except ValueError as error:  # a number of thousands of digits
                raise _Wrong(str(error)) from None
            else:
                follows = self._text[end : end + 1]
                may_go_on = not isinstance(told, dict | list | str) and follows not in _AFTER
                if may_go_on and end - self._place < NUMBER_CHARS and self._more(CHUNK):
                    continue
                begin, self._place = self._place, end
                if end - begin > ITEM_BYTES_MAX:
                    return Value(None, line, number, _too_long())
                if self._not_utf_8 and _NO_UTF_8.search(self._text, begin, end):
                    what = "the line" if number is None else "it"
                    return Value(None, line, number, f"{what} is not UTF-8")
                return Value(told, line, number)

    def _pass_over(self) -> None:
        """Go to the end of the item at hand, holding nothing of it."""
        depth, in_text = 0, False
        while True:
            found = _STRUCTURE.search(self._text, self._place)
            if found is None:
                self._place = len(self._text)
                if not self._more(CHUNK):
                    raise _Wrong(_CUT_OFF)
                continue
            self._place = found.end()
            match found[0]:
                case "\\":
                    if self._place >= len(self._text) and not self._more(CHUNK):
                        raise _Wrong(_CUT_OFF)
                    self._place += 1
                case '"':
                    in_text = not in_text
                case "{" | "[" if not in_text:
                    depth += 1
                case "}" | "]" if not in_text:
                    depth -= 1
                case _:
                    pass
            if depth == 0 and not in_text:
                return

    def _go_to(self, what: str) -> None:
        """Go on behind the next line end; with `_OBJECT` one that a value follows, unindented."""
        while True:
            place = self._text.find("\n", self._place)
            if place < 0:
                self._place = len(self._text)
            elif place + 1 < len(self._text) or self._ended:
                self._place = place + 1
                if what != _OBJECT or self._text[self._place : self._place + 1] in ("{", "["):
                    return
                continue
            else:
                self._place = place
            if not self._more(CHUNK):
                self._place = len(self._text)
                return


def _too_long() -> str:
    return f"it is longer than {ITEM_BYTES_MAX // 2**20} MiB, too long to be read at once"


_OBJECT = "{["
_CUT_OFF = "it is cut off in the middle"


def _decoder_of(begin: bytes) -> codecs.IncrementalDecoder:
    """The decoder for a file that begins so; a byte order mark is no part of it."""
    if begin.startswith((b"\xff\xfe", b"\xfe\xff")):
        return codecs.getincrementaldecoder("utf-16")("replace")
    return codecs.getincrementaldecoder("utf-8-sig")()
