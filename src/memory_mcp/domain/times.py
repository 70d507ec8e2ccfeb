"""Moments and windows: UTC everywhere, ISO 8601 with milliseconds in the store.

The stored form `2026-11-22T14:05:00.000Z` sorts as text, so windows are compared as text.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from memory_mcp.domain.errors import InvalidInput


def to_iso(moment: datetime) -> str:
    """The stored form of `moment` (an aware datetime): UTC, milliseconds, `Z`."""
    return f"{moment.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"  # for +00:00


def from_iso(stored: str) -> datetime:
    """The moment a stored form stands for."""
    return datetime.fromisoformat(stored)


def parse_moment(text: str, field: str) -> datetime:
    """Read a date or a date with a time, as people and models write them; without zone it is UTC.

    Raises:
        InvalidInput: it is not a date, or one outside the years 1 to 9999.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{field} {text[:40]!r} is not a date. Write it as 2026-11-22 or 2026-11-22T14:05:00Z."
        ) from None


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, in stored form; `None` is open. `start` is inside it, `end` is not."""

    start: str | None = None
    end: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether every moment lies in it."""
        return self.start is None and self.end is None


def parse_window(start_date: str | None, end_date: str | None) -> Window:
    """The window two dates span; a date without a time covers its whole day at both ends.

    Raises:
        InvalidInput: one is not a date, or the end lies before the start.
    """
    start = parse_moment(start_date, "start_date") if start_date else None
    end = parse_moment(end_date, "end_date") if end_date else None
    if end is not None and end_date is not None:
        step = timedelta(days=1) if _is_whole_day(end_date) else timedelta(milliseconds=1)
        try:
            end += step
        except OverflowError:
            end = datetime.max.replace(tzinfo=UTC)
    if start is not None and end is not None and end <= start:
        raise InvalidInput(
            f"end_date {end_date} lies before start_date {start_date}. Swap them, or leave one out."
        )
    return Window(to_iso(start) if start else None, to_iso(end) if end else None)


def _is_whole_day(text: str) -> bool:
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def age(moment: datetime, now: datetime) -> str:
    """How long ago `moment` was, in one short word: `now`, `5m ago`, `3d ago`, `in 2d`."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for unit, span in (("y", 31_557_600), ("mo", 2_629_800), ("d", 86_400), ("h", 3600), ("m", 60)):
        if size >= span:
            count = f"{int(size // span)}{unit}"
            return f"{count} ago" if seconds > 0 else f"in {count}"
    return "now"


def for_reading(moment: datetime) -> str:
    """`2026-11-22 14:05`, UTC: how dates stand in answers; midnight sharp means only the day."""
    utc = moment.astimezone(UTC)
    if (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0):
        return utc.date().isoformat()
    return f"{utc.date().isoformat()} {utc:%H:%M}"


def in_words(moment: datetime) -> str:
    """`8 May 2023`: how dates are indexed, as people write and ask for them."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
