"""Dates as people and their programs write them; what may be two days is none."""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from dateutil import parser

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.json_values import moment_of
from memory_mcp.domain.times import parse_moment

CHARS_MAX = 100
_LINK = re.compile(r"\[\[(?:[^\]|]*/)?([^\]|#]*)(?:[|#][^\]]*)?\]\]")
_YEAR_FIRST = re.compile(r"(\d{4})([-/._ ])(\d{1,2})\2(\d{1,2})(?!\d)")
_DOTTED = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?!\d)")
_COMPACT = re.compile(r"((?:1[6-9]|2[01])\d\d)(\d\d)(\d\d)(?:[T_]?(\d\d)(\d\d)(\d\d)?)?Z?")
_ASIAN = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")
_UNIX = re.compile(r"-?\d{9,10}(\.\d+)?|-?\d{12,13}")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_PLACEHOLDER = re.compile(r"\{\{|<%|%>|\}\}")
# A day is wanted whole: what a text leaves out would be filled from these, and they differ.
_FILLED = (datetime(2000, 1, 1), datetime(2004, 2, 2))


class AmbiguousDate(ValueError):
    """A date that may be read as two days."""


def is_placeholder(text: str) -> bool:
    """Whether it is a template's mark, which stands where a date will be."""
    return _PLACEHOLDER.search(text) is not None


def date_in(value: Any) -> datetime | None:
    """The moment that a text or a number stands for; `None` when it stands for none.

    ISO 8601 and what is like it, days with a month's name, `5.1.2024` (the day first, as wherever
    dots are written), seconds and milliseconds since 1970, a link to a day's note, the beginning of
    a span. Without a zone it is as `parse_moment` reads it.

    Raises:
        AmbiguousDate: day and month may be either way round, as in `05/01/2024`.
    """
    if not isinstance(value, str):
        return moment_of(value)
    text = _LINK.sub(r"\1", value).split("→")[0].strip().strip("\"'<>")
    if not text or len(text) > CHARS_MAX:
        return None
    text = re.sub(r"\(([^)]*)\)", r" \1 ", text).strip()  # (Friday), (GMT+1)
    try:
        if _UNIX.fullmatch(text) and not _COMPACT.fullmatch(text):
            return moment_of(float(text))
        if compact := _COMPACT.fullmatch(text):
            year, month, day, *time = (each or "" for each in compact.groups())
            text = f"{year}-{month}-{day}" + (
                f"T{time[0]}:{time[1]}:{time[2] or '00'}" * bool(time[0])
            )
        else:
            text = _ASIAN.sub(r"\1-\2-\3", text)
            text = _YEAR_FIRST.sub(lambda m: f"{m[1]}-{m[3]:0>2}-{m[4]:0>2}", text, count=1)
            text = _DOTTED.sub(lambda m: f"{m[3]}-{m[2]:0>2}-{m[1]:0>2}", text, count=1)
        if re.fullmatch(r"\d{4}-\d\d-\d\d([T ].*)?", text):
            try:
                return parse_moment(text, "date")
            except InvalidInput:
                pass
        return _in_words(text)
    except AmbiguousDate:
        raise
    except (ValueError, OverflowError, InvalidInput):
        return None


def date_of_name(name: str) -> datetime | None:
    """The day, or minute, that a note's path (without its ending) names; `None` for none.

    Raises:
        AmbiguousDate: day and month may be either way round.
    """
    stem = name.rsplit("/", 1)[-1]
    if found := re.match(r"(\d{4})([-_. ]?)(\d\d)\2(\d\d)(?!\d)", stem):
        return date_in(f"{found[1]}-{found[3]}-{found[4]}")
    if found := re.match(r"\d{12}(?:\d\d)?(?!\d)", stem):
        return date_in(found[0]) if _COMPACT.fullmatch(found[0]) else None
    if found := re.search(r"(?:^|/)(\d{4})/(?:[^/]*/)?(?:\d{4}-)?(\d\d)[-/](\d\d)$", name):
        return date_in(f"{found[1]}-{found[2]}-{found[3]}")
    days = re.findall(r"(?<!\d)\d{4}[-_.]\d\d[-_.]\d\d(?!\d)", stem)
    if len(days) == 1:
        return date_in(re.sub(r"[_.]", "-", days[0]))
    return date_in(stem) if _YEAR.search(stem) and not stem.isdigit() else None


def _in_words(text: str) -> datetime | None:
    """A date with names of months, or in parts whose order only its numbers tell."""
    if not _YEAR.search(text):
        return None
    orders = (False,) if re.match(r"\d{4}-\d\d-\d\d", text) else (False, True)
    one, other = (
        {parser.parse(text, default=each, dayfirst=order, tzinfos=_zone) for order in orders}
        for each in _FILLED
    )
    if one != other:  # a part of it is missing
        return None
    if len(one) > 1:
        raise AmbiguousDate
    return parse_moment(one.pop().isoformat(), "date")


def _zone(name: str | None, offset: int | None) -> tzinfo | None:
    if name is None and offset is None:
        return None
    if offset is None:  # EST, IST and others: several places call theirs so
        raise ValueError(name)
    return timezone(timedelta(seconds=offset))
