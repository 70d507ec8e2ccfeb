"""Texts that read the same and are not: where one stands in another, and what differs.

Two texts are the same when only their line ends or their normal forms (`é` as one character or as
two) differ: nobody can mean the one and not the other. They look the same when besides that spaces,
quotation marks, dashes, characters that are not seen, or letters of two alphabets that are drawn
alike differ: those may be meant.
"""

import json
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from memory_mcp.domain.quoting import LATIN, shown

DIFFERENCES_TOLD = 3
JSON_CHARS = 400

_SPACES = frozenset("\t")
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and patterns that are drawn as a space."""
_BREAKS = frozenset("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
"""What ends a line in some programs, and in others is a space or nothing."""
_SELECTORS = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""What only chooses how the character before it is drawn."""
_LOOKS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4\u02b9\u02bb\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"')
    | dict.fromkeys("\u2043\u2212\u02d7\u30fc", "-")
    | dict.fromkeys("\u2044\u2215\u29f8\u2571", "/")
    | dict.fromkeys("\u2022\u2219\u22c5\u30fb", "\u00b7")
    | {"\u2026": "...", "\u2217": "*", "\u2236": ":", "\ua789": ":", "\u223c": "~"}
)
_NAMES = {
    " ": "space", "\t": "tab", "\n": "line break", "\r": "carriage return",
    "'": "straight quote", '"': "straight double quote",
    "\u2019": "curly quote", "\u2018": "curly quote",
    "\u201c": "curly double quote", "\u201d": "curly double quote", "-": "hyphen", "`": "backtick",
    "\ufeff": "byte order mark", "\x07": "bell", "\x08": "backspace", "\x0b": "vertical tab",
    "\x0c": "form feed", "\x1b": "escape", "\x85": "next line",
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


def places_as_shown(text: str, wanted: str) -> list[Place]:
    """Where `wanted` stands in `text` for whoever reads what is shown of both."""
    return [] if shown(text) == text else _found(text, wanted, _as_shown)


def contains(text: str, wanted: str) -> bool:
    """Whether `wanted` stands in `text`, in whatever line ends and normal forms."""
    return wanted in text or bool(places(text, wanted))


def lookalike(text: str, wanted: str) -> Place | None:
    """The first place in `text` that looks the same as `wanted`, if there is one."""
    unsure = (_BREAKS | _BLANK_LETTERS) & {*text, *wanted}
    for pieces_of in _WAYS if unsure else _WAYS[:1]:
        if found := _found(text, wanted, pieces_of):
            return found[0]
    return None


def difference(text: str, place: Place, wanted: str) -> list[tuple[int, str, str]]:
    """How the text at `place` and `wanted` differ: the line, what stands there, what is wanted.

    Both are told in words, such as `a no-break space (U+00A0)`.
    """
    told: list[tuple[int, str, str]] = []
    line = text.count("\n", 0, place.start) + 1
    here_is = text[place.start : place.end]
    both = ((pieces_of(here_is), pieces_of(wanted)) for pieces_of in _WAYS)
    mine, theirs = next(each for each in both if _folded(each[0]) == _folded(each[1]))
    for here, there, passed in _unlike(mine, theirs):
        at = line + passed.count("\n")
        told.append((at, _in_words(here), _in_words(there)))
    return told


def in_json(text: str) -> str | None:
    """A text as JSON in which nothing is invisible; `None` for a long one."""
    if len(text) > JSON_CHARS:
        return None
    plain = json.dumps(text, ensure_ascii=False)
    plain = re.sub(r"[^\W\d_]+", _unlike_latin, plain)
    odd = (char for char in plain if not char.isascii() and (
        not char.isalnum() or _kind(char) != _TEXT
    ))  # fmt: skip
    for char in set(odd):
        plain = plain.replace(char, json.dumps(char)[1:-1])
    return plain.replace("\x7f", "\\u007f")


def _unlike_latin(word: re.Match[str]) -> str:
    """The word; escaped where it reads as Latin letters and is none."""
    return word[0] if not word[0].translate(LATIN).isascii() else json.dumps(word[0])[1:-1]


def _found(text: str, wanted: str, pieces_of: Callable[[str], Sequence[_Piece]]) -> list[Place]:
    pieces = pieces_of(text)
    sought = _folded(pieces_of(wanted))
    if not sought.strip():
        return []
    told = _folded(pieces)
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


def _as_shown(text: str) -> list[_Piece]:
    return [_Piece(each, unicodedata.normalize("NFD", shown(each))) for each in _characters(text)]


def _folded(pieces: Sequence[_Piece]) -> str:
    return "".join(piece.folded for piece in pieces)


def _looking(text: str, unsure: str | None = None) -> list[_Piece]:
    """The pieces by how they look; `unsure` stands for what programs draw in different ways."""
    pieces: list[_Piece] = []
    told = _characters(text)
    for number, each in enumerate(told):
        kind = _kind(each[0])
        if unsure is not None and (_BREAKS | _BLANK_LETTERS).issuperset(each):
            folded = unsure
        elif kind == _BREAK:
            folded = "\n"
        elif kind == _SPACE:
            last = number + 1 == len(told) or _kind(told[number + 1][0]) == _BREAK
            folded = "" if last else " "
        elif kind == _NOTHING:
            folded = ""
        elif each.isascii():
            folded = each.translate(_LOOKS)
        else:
            folded = _plain(unicodedata.normalize("NFKD", _plain(each)))
        pieces.append(_Piece(each, folded))
    return pieces


_WAYS = (_looking, partial(_looking, unsure=" "), partial(_looking, unsure=""))
"""How a text may look, the likeliest first."""


def _plain(text: str) -> str:
    """The text with the commonest of the characters that look the same."""
    told = text.translate(_LOOKS).translate(LATIN)
    return "".join("-" if unicodedata.category(char) == "Pd" else char for char in told)


_BREAK, _SPACE, _NOTHING, _TEXT = "break", "space", "nothing", "text"


def _kind(char: str) -> str:
    if " " < char < "\x7f":
        return _TEXT
    if char in "\r\n" or char in _BREAKS:
        return _BREAK
    category = unicodedata.category(char)
    if char in _SPACES or char in _BLANK_LETTERS or category == "Zs":
        return _SPACE
    return _NOTHING if category in ("Cf", "Cc") or _SELECTORS.match(char) else _TEXT


def _characters(text: str) -> list[str]:
    """The text in pieces: line breaks, runs of what is not seen, characters with their marks."""
    told: list[str] = []
    last = _BREAK
    for char in text:
        kind = _kind(char)
        joined = (kind == last and kind in (_SPACE, _NOTHING)) or (
            told[-1:] == ["\r"] and char == "\n"
        )
        if kind == _TEXT and char > "\u02ff" and last == _TEXT and told:
            joined = unicodedata.combining(unicodedata.normalize("NFD", char)[0]) != 0
        if joined:
            told[-1] += char
        else:
            told.append(char)
            last = kind
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
