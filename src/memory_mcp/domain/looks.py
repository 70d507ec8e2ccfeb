"""Texts that read the same and are not: where one stands in another, and what differs.

Two texts are the same when only their line ends or their normal forms (`é` as one character or as
two) differ: nobody can mean the one and not the other. They look the same when besides that spaces,
quotation marks, dashes or characters without width differ: those may be meant.
"""

import json
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

DIFFERENCES_TOLD = 3
JSON_CHARS = 400

_SPACES = " \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_NO_WIDTH = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
# A line break; a run of spaces; or a character with what combines with it.
_PIECE = re.compile(rf"\r\n|[\r\n]|[{_SPACES}]+|[{_NO_WIDTH}]+|.", re.S)
_SPACE = re.compile(rf"[{_SPACES}]+")
_LOOKS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | {"\u2026": "..."}
)
_NAMES = {
    " ": "space", "\t": "tab", "\n": "line break", "\r": "carriage return",
    "'": "straight quote", '"': "straight double quote",
    "\u2019": "curly quote", "\u2018": "curly quote",
    "\u201c": "curly double quote", "\u201d": "curly double quote", "-": "hyphen", "`": "backtick",
    "\ufeff": "byte order mark",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands in another: `start` is in it, `end` is not."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a text, and what stands for it when texts are compared."""

    text: str
    folded: str


def places(text: str, wanted: str) -> list[Place]:
    """Where `wanted` stands in `text`, whatever the line ends and normal forms of both."""
    if text.isascii() and wanted.isascii() and "\r" not in text and "\r" not in wanted:
        return []  # then they are what they are
    return _found(text, wanted, _same)


def contains(text: str, wanted: str) -> bool:
    """Whether `wanted` stands in `text`, in whatever line ends and normal forms."""
    return wanted in text or bool(places(text, wanted))


def lookalike(text: str, wanted: str) -> Place | None:
    """The first place in `text` that looks the same as `wanted`, if there is one."""
    return next(iter(_found(text, wanted, _looking)), None)


def difference(text: str, place: Place, wanted: str) -> list[tuple[int, str, str]]:
    """How the text at `place` and `wanted` differ: the line, what stands there, what is wanted.

    Both are told in words, such as `a no-break space (U+00A0)`.
    """
    told: list[tuple[int, str, str]] = []
    line = text.count("\n", 0, place.start) + 1
    mine = _looking(text[place.start : place.end])
    for here, there, passed in _unlike(mine, _looking(wanted)):
        at = line + passed.count("\n")
        told.append((at, _in_words(here), _in_words(there)))
    return told


def in_json(text: str) -> str | None:
    """A text as JSON in which nothing is invisible; `None` for a long one."""
    if len(text) > JSON_CHARS:
        return None
    plain = json.dumps(text, ensure_ascii=False)
    odd = (char for char in plain if not char.isalnum() and not char.isascii())
    for char in set(odd):
        plain = plain.replace(char, json.dumps(char)[1:-1])
    return plain


def _found(text: str, wanted: str, pieces_of: Callable[[str], Sequence[_Piece]]) -> list[Place]:
    pieces = pieces_of(text)
    sought = "".join(piece.folded for piece in pieces_of(wanted))
    if not sought.strip():
        return []
    told = "".join(piece.folded for piece in pieces)
    # Only whole pieces are found: an e is no part of an é.
    starts, ends = dict[int, int](), dict[int, int]()
    folded_at = [0, *accumulate(len(piece.folded) for piece in pieces)]
    text_at = [0, *accumulate(len(piece.text) for piece in pieces)]
    for number, piece in enumerate(pieces):
        if piece.folded:
            starts[folded_at[number]] = text_at[number]
            ends[folded_at[number + 1]] = text_at[number + 1]
    found: list[Place] = []
    at = told.find(sought)
    while at != -1:
        if at in starts and at + len(sought) in ends:
            found.append(Place(starts[at], ends[at + len(sought)]))
        at = told.find(sought, at + 1)
    return found


def _same(text: str) -> list[_Piece]:
    return [
        _Piece(each, "\n" if each[0] in "\r\n" else unicodedata.normalize("NFD", each))
        for each in _characters(text)
    ]


def _looking(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    told = _characters(text)
    for number, each in enumerate(told):
        if each[0] in "\r\n":
            folded = "\n"
        elif _SPACE.fullmatch(each):
            last = number + 1 == len(told) or told[number + 1][0] in "\r\n"
            folded = "" if last else " "
        elif re.fullmatch(rf"[{_NO_WIDTH}]+", each):
            folded = ""
        else:
            folded = unicodedata.normalize("NFKD", each.translate(_LOOKS)).translate(_LOOKS)
        pieces.append(_Piece(each, folded))
    return pieces


def _characters(text: str) -> list[str]:
    """The text in pieces, each character with what combines with it."""
    told: list[str] = []
    for match in _PIECE.finditer(text):
        each = match[0]
        if told and each[0] > "\u02ff" and told[-1][-1] not in "\r\n":
            if unicodedata.combining(unicodedata.normalize("NFD", each[0])[0]):
                told[-1] += each
                continue
        told.append(each)
    return told


def _unlike(mine: Sequence[_Piece], theirs: Sequence[_Piece]) -> Iterator[tuple[str, str, str]]:
    """The parts in which two texts differ that fold to the same; and what of mine stands before."""
    here, there, passed = _Parts(mine), _Parts(theirs), ""
    while here.left or there.left:
        one, other = here.unfolded(), there.unfolded()
        if not one and not other:
            one, other = here.next(), there.next()
            while here.length != there.length:
                if here.length < there.length:
                    one += here.next()
                else:
                    other += there.next()
        if one != other:
            yield one, other, passed
        passed += one


class _Parts:
    """The pieces of a text, one by one."""

    def __init__(self, pieces: Sequence[_Piece]) -> None:
        self.left = deque(pieces)
        self.length = 0
        """How long what was taken is when folded."""

    def next(self) -> str:
        piece = self.left.popleft()
        self.length += len(piece.folded)
        return piece.text

    def unfolded(self) -> str:
        """What comes next and folds to nothing."""
        told = ""
        while self.left and not self.left[0].folded:
            told += self.next()
        return told


def _in_words(text: str) -> str:
    """What stands there, in words."""
    names = [_name(char) for char in dict.fromkeys(text)]
    if not names:
        return "nothing"
    if len(text) > 1 and len(names) == 1:
        return f"{len(text)} × {names[0].split(' ', 1)[1]}"
    return " and ".join(names[:4])


def _name(char: str) -> str:
    name = _NAMES.get(char) or unicodedata.name(char, "").lower() or "character"
    article = "an" if name[0] in "aeio" else "a"
    return f"{article} {name} (U+{ord(char):04X})"
