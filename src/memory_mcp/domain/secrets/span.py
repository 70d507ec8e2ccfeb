"""Where a secret stands in a text."""

from typing import NamedTuple


class Span(NamedTuple):
    """From its first character up to the one after its last, and what kind of secret it is."""

    start: int
    end: int
    kind: str


def apart(spans: list[Span]) -> list[Span]:
    """The spans in order, none within another: the first that was found of those that overlap.

    What overlaps a span is made part of it, so that nothing of a secret stays.
    """
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: each[:2]):
        if found and span.start < found[-1].end:
            last = found[-1]
            found[-1] = Span(last.start, max(last.end, span.end), last.kind)
        else:
            found.append(span)
    return found
