"""What text may enter memory, and how numbers and texts are worded in answers."""

import re
from collections.abc import Iterable

from memory_mcp.domain.errors import InvalidInput

# Past these a text is a document, not a memory; the error says how to go on.
PASSAGE_CHARS_MAX = 100_000
MESSAGE_CHARS_MAX = 1_000_000
QUERY_CHARS_MAX = 10_000
NAME_CHARS_MAX = 100
EXTERNAL_ID_CHARS_MAX = 500
SOURCE_CHARS_MAX = 5_000
TAG_CHARS_MAX = 100
TAGS_MAX = 50

SURROGATE = re.compile("[\ud800-\udfff]")


def require_text(text: str, field: str, chars_max: int) -> str:
    """`text` unchanged, if it can be stored and found again.

    Raises:
        InvalidInput: it is blank, too long, or holds NUL or an unpaired surrogate.
    """
    if not text or text.isspace():
        raise InvalidInput(f"{field} is empty. Give it some text.")
    return check_text(text, field, chars_max)


def check_text(text: str, field: str, chars_max: int) -> str:
    """As `require_text`, but an empty text may pass."""
    if len(text) > chars_max:
        raise InvalidInput(
            f"{field} has {len(text):,} characters; the limit is {chars_max:,}. "
            "Split it into several smaller pieces, or keep what matters."
        )
    if "\0" in text:
        raise InvalidInput(
            f"{field} holds a NUL character at position {text.index(chr(0))}. "
            "Take it out: memory is text."
        )
    # ASCII is told by the string itself; a million characters are not gone through for it.
    if not text.isascii() and (found := SURROGATE.search(text)):
        raise InvalidInput(
            f"{field} holds an unpaired surrogate (\\u{ord(found.group()):04x}) at position "
            f"{found.start()}, half of a character. Send the whole character, or leave it out."
        )
    return text


def whole(text: str) -> str:
    """`text` with a mark for each NUL and each half of a character: what a model says is kept."""
    return SURROGATE.sub("\ufffd", text.replace("\0", "\ufffd"))


def require_name(name: str, field: str) -> str:
    """A name for an agent, block or speaker: one line, trimmed, at most 100 characters."""
    trimmed = require_text(name, field, NAME_CHARS_MAX).strip()
    if not trimmed.isprintable():
        raise InvalidInput(f"{field} {trimmed!r} spans lines or holds control characters.")
    return trimmed


def require_tags(tags: list[str] | None) -> tuple[str, ...]:
    """Tags trimmed, in the order given, without repeats.

    Raises:
        InvalidInput: one is blank or too long, or there are too many.
    """
    if not tags:
        return ()
    if len(tags) > TAGS_MAX:
        raise InvalidInput(f"{len(tags)} tags are too many; the limit is {TAGS_MAX}.")
    return tuple(dict.fromkeys(_require_tag(tag) for tag in tags))


def _require_tag(tag: str) -> str:
    trimmed = require_text(tag, "tags: each tag", TAG_CHARS_MAX).strip()
    if not trimmed.isprintable():
        raise InvalidInput(f"the tag {trimmed!r} spans lines or holds control characters.")
    return trimmed


def clip(text: str, chars: int) -> str:
    """`text`, or its first `chars` characters with an ellipsis that says it was cut."""
    return text if len(text) <= chars else text[: max(0, chars - 1)].rstrip() + "…"


def counted(number: int, noun: str) -> str:
    """`1 passage`, `4,118 passages`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def either(names: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return _listed(list(names), "or")


def each(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return _listed(list(names), "and")


def _listed(names: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
