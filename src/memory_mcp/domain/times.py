"""Moments, days and windows: stored in UTC, told and understood in a person's time zone.

The stored form `2026-11-22T14:05:00.000Z` sorts as text, so windows are compared as text.

A date without a time (a birthday, the date of a note) is a day, the same one in every zone. It is
stored as midnight UTC, which therefore stands for that day and for no moment. A moment that falls
there is stored a millisecond later.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from memory_mcp.domain.errors import InvalidInput

DAY_ENDING = "T00:00:00.000Z"
"""How the stored form of a day ends, and of nothing else."""
_INSTANT = timedelta(milliseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def to_iso(moment: datetime) -> str:
    """The stored form of `moment` (an aware datetime): UTC, milliseconds, `Z`."""
    return f"{moment.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"  # for +00:00


def from_iso(stored: str) -> datetime:
    """The moment a stored form stands for."""
    return datetime.fromisoformat(stored)


def is_day(moment: datetime) -> bool:
    """Whether it stands for a day, of which no time is known."""
    utc = moment.astimezone(UTC)
    return (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Zone:
    """Where a person is: which day a moment is on there, and which moments a day has."""

    rules: tzinfo
    name: str
    """How people and models are told of it: `Europe/Lisbon`."""

    def local(self, moment: datetime) -> datetime:
        """The moment as clocks there show it; in UTC at the ends of the calendar."""
        try:
            return moment.astimezone(self.rules)
        except OverflowError:
            return moment.astimezone(UTC)

    def day_of(self, moment: datetime) -> date:
        """The day it is there at that moment; a day is itself everywhere."""
        return moment.astimezone(UTC).date() if is_day(moment) else self.local(moment).date()

    def start_of(self, day: date) -> datetime:
        """The moment, in UTC, at which a day begins there.

        Not every day has a midnight, and some have two: clocks are put forward over it, or back.
        """
        first, again = (self._midnight(day, fold) for fold in (0, 1))
        if first == again:
            return first
        if again < first:  # it is skipped: the day begins with what comes after the gap
            span = (first - again) // _INSTANT
            return again + _INSTANT * bisect_left(
                range(span), True, key=lambda at: self.local(again + _INSTANT * at).date() >= day
            )
        # Where the clock goes back over it the day has begun for good only the second time.
        return again if self.local(again - _INSTANT).date() < day else first

    def _midnight(self, day: date, fold: int) -> datetime:
        try:
            return datetime.combine(day, time(fold=fold), self.rules).astimezone(UTC)
        except OverflowError:
            return _FIRST if day.year == 1 else _LAST

    def told(self, moment: datetime) -> str:
        """A moment and where it is told: `2026-11-22 14:05 Europe/Lisbon`."""
        return f"{_to_the_minute(self.local(moment))} {self.name}"


UTC_ZONE = Zone(UTC, "UTC")


def parse_moment(text: str, field: str, zone: Zone = UTC_ZONE) -> datetime:
    """Read a date or a date with a time, as people and models write them; the moment in UTC.

    A time without an offset is one of `zone`; a date without a time is that day, in every zone.

    Raises:
        InvalidInput: it is not a date, or one outside the years 1 to 9999.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if _day_in(text) is not None:
            return moment.replace(tzinfo=UTC)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone.rules)
        utc = moment.astimezone(UTC)
        return utc + _INSTANT if is_day(utc) and moment.utcoffset() else utc
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{field} {text[:40]!r} is not a date. Write it as 2026-11-22 or 2026-11-22T14:05:00Z."
        ) from None


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, in stored form; `None` is open. `start` is inside it, `end` is not.

    Days that are stored as such lie in it from `first_day` on and before `end_day`.
    """

    start: str | None = None
    end: str | None = None
    first_day: str | None = None
    end_day: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether every moment lies in it."""
        return self.start is None and self.end is None

    def holds(self, stored: str) -> bool:
        """Whether a moment or a day, in stored form, lies in it."""
        is_a_day = stored.endswith(DAY_ENDING)
        start, end = (self.first_day, self.end_day) if is_a_day else (self.start, self.end)
        return (start is None or stored >= start) and (end is None or stored < end)


OPEN = Window()
"""All of time."""


def parse_window(start_date: str | None, end_date: str | None, zone: Zone = UTC_ZONE) -> Window:
    """The window two dates span; a date without a time covers its whole day, at both ends.

    Days and times without an offset are those of `zone`. Of a day that is stored as such, part of
    it in the window is enough.

    Raises:
        InvalidInput: one is not a date, or the end lies before the start.
    """
    start = _edge(start_date, "start_date", zone) if start_date else None
    end = _edge(end_date, "end_date", zone) if end_date else None
    if start and end:
        days = start.is_whole and end.is_whole  # of which one may have no moment at all
        if end.day < start.day if days else end.last < start.first:
            raise InvalidInput(
                f"end_date {end_date} lies before start_date {start_date}. Swap them, or leave one "
                "out."
            )
    return Window(
        start=to_iso(start.first) if start else None,
        end=to_iso(_later(end.last, _INSTANT)) if end else None,
        first_day=to_iso(_as_day(start.day)) if start else None,
        end_day=to_iso(_later(_as_day(end.day), timedelta(days=1))) if end else None,
    )


def parse_span(after: str | None, before: str | None, zone: Zone = UTC_ZONE) -> Window:
    """The window from one date on and up to another, which is outside it; a day begins with it.

    Raises:
        InvalidInput: one is not a date, or nothing lies between them.
    """
    start = _edge(after, "after", zone) if after else None
    end = _edge(before, "before", zone) if before else None
    if start and end and end.first <= start.first:
        raise InvalidInput(f"nothing is from {after} on and before {before}. Swap them.")
    return Window(
        start=to_iso(start.first) if start else None,
        end=to_iso(end.first) if end else None,
        first_day=to_iso(_as_day(start.day)) if start else None,
        end_day=to_iso(_as_day(end.day)) if end else None,
    )


@dataclass(frozen=True, slots=True)
class _Edge:
    """What a window begins or ends with: a moment, or a whole day."""

    first: datetime
    last: datetime
    day: date
    is_whole: bool


def _edge(text: str, field: str, zone: Zone) -> _Edge:
    moment = parse_moment(text, field, zone)
    if (day := _day_in(text)) is None:
        written = datetime.fromisoformat(text.strip())
        return _Edge(moment, moment, written.date(), is_whole=False)
    last = _LAST if day == date.max else zone.start_of(day + timedelta(days=1)) - _INSTANT
    return _Edge(zone.start_of(day), last, day, is_whole=True)


def _day_in(text: str) -> date | None:
    """The day that a text without a time names."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _as_day(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _later(moment: datetime, span: timedelta) -> datetime:
    return moment + span if moment <= _LAST - span else _LAST


def age(moment: datetime, now: datetime, zone: Zone = UTC_ZONE) -> str:
    """How long ago `moment` was, in one short word: `now`, `5m ago`, `3d ago`, `in 2d`.

    A day's is told in days there: `today`, `1d ago`.
    """
    seconds = (now - moment).total_seconds()
    if is_day(moment):
        seconds = (zone.day_of(now) - zone.day_of(moment)).days * 86_400
        if not seconds:
            return "today"
    size = abs(seconds)
    for unit, span in (("y", 31_557_600), ("mo", 2_629_800), ("d", 86_400), ("h", 3600), ("m", 60)):
        if size >= span:
            count = f"{int(size // span)}{unit}"
            return f"{count} ago" if seconds > 0 else f"in {count}"
    return "now"


def for_reading(moment: datetime, zone: Zone) -> str:
    """`2026-11-22 14:05`, as clocks in that zone show it: how dates stand in answers.

    A day stands as that, in every zone: `2026-11-22`.
    """
    if is_day(moment):
        return zone.day_of(moment).isoformat()
    return _to_the_minute(zone.local(moment))


def days_anywhere(moment: datetime) -> list[date]:
    """The days that it is somewhere at that moment: of a day that alone, else two or three."""
    utc = moment.astimezone(UTC)
    if is_day(utc):
        return [utc.date()]
    west, east = timedelta(hours=-12), timedelta(hours=14)
    first = utc + west if utc >= _FIRST - west else _FIRST
    last = _later(utc, east)
    days = (last.date() - first.date()).days + 1
    return [first.date() + timedelta(days=n) for n in range(days)]


def _to_the_minute(local: datetime) -> str:
    return f"{local.date().isoformat()} {local:%H:%M}"


def in_words(moment: datetime) -> str:
    """`8 May 2023`: how dates are indexed, as people write and ask for them; the day in UTC.

    Whoever looks, and wherever: what was put into an index must be known exactly to be taken out.
    """
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
