"""Dates as people and their programs write them; what may be two days is none."""

import re
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import parser

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.json_values import moment_of
from memory_mcp.domain.times import UTC_ZONE, Zone, parse_moment

CHARS_MAX = 100
_LINK = re.compile(r"\[\[(?:[^\]|]*/)?([^\]|#]*)(?:[|#][^\]]*)?\]\]")
_YEAR_FIRST = re.compile(r"(\d{4})([-/._ ])(\d{1,2})\2(\d{1,2})(?!\d)")
_DOTTED = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?!\d)")
_COMPACT = re.compile(r"((?:1[6-9]|2[01])\d\d)(\d\d)(\d\d)(?:[T_]?(\d\d)(\d\d)(\d\d)?)?Z?")
_ASIAN = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")
_DATED = re.compile(r".*\d{4}|\d{1,2}([-/.])\d{1,2}\1\d\d")
_SHORT_YEAR = re.compile(r"(?<![\d./-])(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d\d)(?!\d)")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
# In a name, among other words.
_NAMED_DAY = re.compile(
    rf"(?<![^\W_])(?:{_DAY}\.?[ _-](?:of[ _])?{_MONTH},?[ _-]|{_MONTH}[ _-]{_DAY},?[ _-])\d{{4}}"
    r"(?![^\W_])|(?<![^\W_])(?<![.-])\d{1,2}(?:\.\d{1,2}\.|-\d{1,2}-|_\d{1,2}_)\d{4}(?![.-]?\d)",
    re.I,
)
# A span: two dates with a word or a dash between, or an interval of ISO 8601.
_SPAN = re.compile(
    r"\s*→|\s+(?:to|until|till|through|bis|-+)\s+|\s*[\u2013\u2014]\s*|/(?=\d{4}-\d\d-\d\d|P[T\d])"
)
_OFFSET = re.compile(r"\b(?:GMT|UTC)\s?(?=[+-]\d)")
_OFFSET_NAMED = re.compile(r"(?:(?<=[+-]\d{4})|(?<=[+-]\d\d:\d\d))\s*\([^)]*\)$")
_PLACE = re.compile(r"(?<=\d)\s*\[?\b((?:[A-Z]\w+/)+[A-Z][\w+-]+)\]?$")
_OFFSETS = {
    "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "EDT": -4, "PDT": -7,
}  # fmt: skip
"""Zones whose names only one offset has, in hours."""
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


def date_in(value: Any, zone: Zone = UTC_ZONE) -> datetime | None:
    """The moment that a text or a number stands for; `None` when it stands for none.

    ISO 8601 and what is like it, days with a month's name, `5.1.2024` (the day first, as wherever
    dots are written), `1/15/24`, what JavaScript prints, seconds and milliseconds since 1970, a
    link to a day's note, the beginning of a span. `CET` and `Europe/Berlin` are understood as
    zones; a time without an offset is one of `zone`, as people write them.

    Raises:
        AmbiguousDate: day and month may be either way round, as in `05/01/2024`.
    """
    if not isinstance(value, str):
        return moment_of(value)
    text = _LINK.sub(r"\1", value).strip().strip("\"'<>")
    if not text or len(text) > CHARS_MAX:
        return None
    begin = _SPAN.split(text, maxsplit=1)[0]
    if begin != text and _DATED.match(begin) and (found := date_in(begin, zone)) is not None:
        return found
    text, zone = _placed(_OFFSET.sub("", _OFFSET_NAMED.sub("", text)), zone)
    text = re.sub(r"\(([^)]*)\)", r" \1 ", text).strip()  # (Friday), (GMT+1)
    try:
        if _UNIX.fullmatch(text) and not _COMPACT.fullmatch(text):
            return moment_of(float(text))
        if compact := _COMPACT.fullmatch(text):
            year, month, day, *clock = (each or "" for each in compact.groups())
            text, told_in_utc = f"{year}-{month}-{day}", text.endswith("Z")
            if clock[0]:
                text += f"T{clock[0]}:{clock[1]}:{clock[2] or '00'}{'Z' * told_in_utc}"
        else:
            text = _ASIAN.sub(r"\1-\2-\3", text)
            text = _YEAR_FIRST.sub(lambda m: f"{m[1]}-{m[3]:0>2}-{m[4]:0>2}", text, count=1)
            text = _SHORT_YEAR.sub(_long_year, text, count=1)
            text = _DOTTED.sub(lambda m: f"{m[3]}-{m[2]:0>2}-{m[1]:0>2}", text, count=1)
        if re.fullmatch(r"\d{4}-\d\d-\d\d([T ].*)?", text):
            try:
                return parse_moment(text, "date", zone)
            except InvalidInput:
                pass
        return _in_words(text, zone)
    except AmbiguousDate:
        raise
    except (ValueError, OverflowError, InvalidInput):
        return None


def is_span(text: str) -> bool:
    """Whether a text that stands for a moment tells more than that one."""
    return len([part for part in _SPAN.split(text) if part.strip()]) > 1


def date_of_name(name: str, zone: Zone = UTC_ZONE) -> datetime | None:
    """The day, or minute, that a note's path (without its ending) names; `None` for none.

    Raises:
        AmbiguousDate: day and month may be either way round.
    """
    stem = name.rsplit("/", 1)[-1]
    if found := re.match(r"(\d{4})([-_. ]?)(\d\d)\2(\d\d)(?!\d)", stem):
        return date_in(f"{found[1]}-{found[3]}-{found[4]}")
    if found := re.match(r"\d{12}(?:\d\d)?(?!\d)", stem):
        return date_in(found[0], zone) if _COMPACT.fullmatch(found[0]) else None
    if found := re.search(r"(?:^|/)(\d{4})/(?:[^/]*/)?(?:\d{4}-)?(\d\d)[-/](\d\d)$", name):
        return date_in(f"{found[1]}-{found[2]}-{found[3]}")
    days = re.findall(r"(?<!\d)\d{4}[-_.]\d\d[-_.]\d\d(?!\d)", stem)
    if len(days) == 1:
        return date_in(re.sub(r"[_.]", "-", days[0]))
    days = _NAMED_DAY.findall(stem)
    if len(days) == 1:
        return date_in(days[0].replace("_", " "), zone)
    return date_in(stem, zone) if _YEAR.search(stem) and not stem.isdigit() else None


def _placed(text: str, zone: Zone) -> tuple[str, Zone]:
    """The text without the zone that it names at its end, as in `10:00 Europe/Berlin`."""
    if (found := _PLACE.search(text)) is None:
        return text, zone
    try:
        return text[: found.start()], Zone(ZoneInfo(found[1]), found[1])
    except (ZoneInfoNotFoundError, ValueError):
        return text, zone


def _long_year(match: re.Match[str]) -> str:
    """A day with a year of two digits, where only one day can be meant."""
    one, mark, two, year = int(match[1]), match[2], int(match[3]), int(match[4])
    century = 2000 if year < 69 else 1900  # as POSIX has it
    if mark == "." or (one > 12 and year > 31):
        day, month = one, two
    elif two > 12:
        day, month = two, one
    else:
        raise AmbiguousDate
    return f"{century + year}-{month:02}-{day:02}"


def _in_words(text: str, zone: Zone) -> datetime | None:
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
    found = one.pop()
    if found.tzinfo is None and found.time() == time():
        return parse_moment(found.date().isoformat(), "date")  # a day
    return parse_moment(found.isoformat(), "date", zone)


def _zone(name: str | None, offset: int | None) -> tzinfo | None:
    if name is None and offset is None:
        return None
    if offset is None and name in _OFFSETS:
        return timezone(timedelta(hours=_OFFSETS[name]))
    if offset is None:  # EST, IST and others: several places call theirs so
        raise ValueError(name)
    return timezone(timedelta(seconds=offset))
