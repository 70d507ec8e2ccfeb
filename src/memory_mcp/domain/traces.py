"""The bytes by which a text is recognised in a file, in whatever form it was written there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

PART_BYTES = 256
"""A text is looked for in parts of that size besides: SQLite cuts a long one at its pages' ends."""
PART_BYTES_LEAST = 12
"""A shorter part stands in other texts too, by chance."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a text may stand in a file; small letters where they are ASCII."""

    how: str
    data: bytes


@lru_cache(maxsize=1_024)
def forms_of(text: str) -> tuple[Form, ...]:
    """Every form a text is written in: plain, on one line, in JSON, in JSON within JSON."""
    found: dict[bytes, str] = {}
    for how, written in _written(text):
        for cased in (written, written.lower(), written.upper()):
            data = cased.encode("utf-8", "surrogatepass").lower()
            found.setdefault(data, how)
    return tuple(Form(how, data) for data, how in found.items())


@lru_cache(maxsize=1_024)
def parts_of(text: str) -> tuple[bytes, ...]:
    """Parts of a text of which one stands whole in a page, if the text stands in several."""
    data = text.encode("utf-8", "surrogatepass").lower()
    size = min(PART_BYTES, (len(data) + 1) // 2)
    if size < PART_BYTES_LEAST:
        return ()
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return tuple(part for part in parts if len(part) >= PART_BYTES_LEAST)


def trace_in(data: bytes, text: str) -> tuple[str, int] | None:
    """In which form a text stands in `data`, and from which byte on."""
    low = data.lower()
    for form in forms_of(text):
        if (place := low.find(form.data)) >= 0:
            return form.how, place
    for part in parts_of(text):
        if (place := low.find(part)) >= 0:
            return "a part of it", place
    return None


def _written(text: str) -> Iterator[tuple[str, str]]:
    line = " ".join(text.split())
    for how, each in (("as it is", text), ("on one line", line)):
        yield how, each
        for ascii_only in (False, True):
            once = json.dumps(each, ensure_ascii=ascii_only)[1:-1]
            yield "in JSON", once
            for again in (False, True):
                yield "in JSON within JSON", json.dumps(once, ensure_ascii=again)[1:-1]
    yield "as Python writes it", repr(text)[1:-1]
