"""Pages: how many hits at once, and where a search goes on.

A cursor is a place and a fingerprint of the search it belongs to, `20-1f3a9c07`. It carries no
state of the process, so it outlives a restart; a cursor of another search is refused rather than
answered with the wrong page.
"""

import re
import zlib

from memory_mcp.domain.errors import InvalidInput

LIMIT_MAX = 50

_FORM = re.compile(r"(\d{1,18})-([0-9a-f]{8})")


def cursor_at(place: int, *search: object) -> str:
    """The cursor for going on at `place` (an offset or a row) of the search described."""
    return f"{place}-{_fingerprint(search)}"


def place_of(cursor: str | None, *search: object) -> int | None:
    """The place a cursor stands for; `None` without a cursor.

    Raises:
        InvalidInput: it is no cursor, or another search's.
    """
    if cursor is None:
        return None
    found = _FORM.fullmatch(cursor.strip())
    if found is None or found[2] != _fingerprint(search):
        raise InvalidInput(
            f"cursor {cursor[:40]!r} does not belong to this search. Repeat the search without "
            "cursor, then pass on the cursor it answers with, all other arguments unchanged."
        )
    return int(found[1])


def require_limit(limit: int) -> None:
    """Whether that many hits can be asked for at once.

    Raises:
        InvalidInput: they cannot.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(
            f"limit {limit} is out of range; it goes from 1 to {LIMIT_MAX}. "
            "To read on, pass the cursor of the last answer."
        )


def _fingerprint(search: tuple[object, ...]) -> str:
    return f"{zlib.crc32(repr(search).encode('utf-8', 'surrogatepass')):08x}"
