"""Long texts in pieces, as a passage has a limit and is found best when it is about one thing."""

import re
import unicodedata
from collections.abc import Iterator

PIECE_CHARS = 20_000
_FENCE = re.compile(r"[\s>]*(?:[-*+]\s+)?(`{3,}|~{3,})(.*)")
_SENTENCE = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+|\n")


def fenced(line: str, fence: str) -> str:
    """The fence of the code that the next line is in; empty outside."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    if not fence:
        return "" if found[1][0] == "`" and "`" in found[2] else found[1]
    return "" if found[1].startswith(fence) and not found[2].strip() else fence


def pieces(text: str) -> Iterator[str]:
    """A section; a very long one in pieces that end with a paragraph, with nothing changed."""
    if len(text) <= PIECE_CHARS:
        yield text
        return
    piece = ""
    for part in _paragraphs(text):
        if piece.strip() and len(piece) + len(part) > PIECE_CHARS:
            yield piece.rstrip()
            piece = ""
        start = 0
        while len(piece) + len(part) - start > PIECE_CHARS:
            end = start + _end_within(part[start : start + PIECE_CHARS + 1])
            yield part[start:end].rstrip()
            start = end
        piece += part[start:]
    if piece.strip():
        yield piece.rstrip()


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs, lists, tables, and code whole, each with the blank lines behind it."""
    part: list[str] = []
    fence, blank = "", False
    for line in text.splitlines(keepends=True):
        if blank and line.strip() and not fence:
            yield "".join(part)
            part = []
        part.append(line)
        blank = not line.strip()
        fence = fenced(line.rstrip("\n"), fence)
    yield "".join(part)


def _end_within(text: str) -> int:
    """Where a text that is too long is cut: behind a sentence or a line, else a word."""
    ends = [found.end() for found in _SENTENCE.finditer(text, 0, PIECE_CHARS)]
    if ends and ends[-1] > PIECE_CHARS // 2:
        return ends[-1]
    if (space := text.rfind(" ", PIECE_CHARS // 2, PIECE_CHARS)) != -1:
        return space + 1
    end = PIECE_CHARS
    while end > PIECE_CHARS // 2 and unicodedata.combining(text[end]):
        end -= 1
    return end
