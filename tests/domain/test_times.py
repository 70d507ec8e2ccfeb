"""Moments and windows: what people and models write as dates, and which moments lie in a window."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.times import (
    UTC_ZONE,
    Window,
    Zone,
    age,
    days_anywhere,
    for_reading,
    from_iso,
    parse_moment,
    parse_window,
    to_iso,
)


def to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


moments = st.datetimes(timezones=st.just(UTC)).map(to_the_millisecond)
ordinary_moments = st.datetimes(
    datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)
).map(to_the_millisecond)


def lies_in(moment: datetime, window: Window) -> bool:
    """As the store asks: by text."""
    return window.holds(to_iso(moment))


def zone(name: str) -> Zone:
    return Zone(ZoneInfo(name), name)


LISBON, NEW_YORK, LOS_ANGELES, KOLKATA, KIRITIMATI = map(
    zone,
    (
        "Europe/Lisbon",
        "America/New_York",
        "America/Los_Angeles",
        "Asia/Kolkata",
        "Pacific/Kiritimati",
    ),
)
ZONES = [UTC_ZONE, LOS_ANGELES, KOLKATA, KIRITIMATI, LISBON, zone("America/St_Johns")]
in_a_zone = pytest.mark.parametrize("where", ZONES, ids=lambda where: where.name)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        (" 2026-11-22 ", "2026-11-22T00:00:00.000Z"),
        ("2026-11-22T14:05", "2026-11-22T14:05:00.000Z"),  # without a zone it is UTC
        ("2026-11-22 14:05:06", "2026-11-22T14:05:06.000Z"),
        ("2026-11-22T14:05:06.7899Z", "2026-11-22T14:05:06.789Z"),
        ("2026-11-22T23:30:00-05:00", "2026-11-23T04:30:00.000Z"),  # the next day in UTC
        ("2026-11-22T00:30:00+05:45", "2026-11-21T18:45:00.000Z"),
        ("20261122T140506Z", "2026-11-22T14:05:06.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_date_is_read_as_people_and_models_write_it(text: str, stored: str) -> None:
    assert to_iso(parse_moment(text, "start_date")) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "22.11.2026",
        "11/22/2026",
        "2026-11",
        "2026-13-01",
        "2026-02-30",
        "2026-11-22T25:00",
        "2026-11-22T14:05+99:00",
        "0000-01-01",
        "10000-01-01",
        "-0001-01-01",
        "0001-01-01T00:00:00+05:00",  # lies in the year 0 in UTC
        "9999-12-31T23:59:59-05:00",  # lies in the year 10000 in UTC
        "२०२६-११-२२",
        "2026-11-22\0",
        "\ud800",
        "9" * 10_000,
    ],
)
def test_what_is_no_date_is_refused_with_the_form_that_would_do(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^occurred_at .* Write it as 2026-11-22 or") as refused:
        parse_moment(text, "occurred_at")

    assert len(str(refused.value)) < 150


@given(moment=moments)
def test_the_stored_form_keeps_the_moment_to_the_millisecond(moment: datetime) -> None:
    assert from_iso(to_iso(moment)) == moment


@given(a=moments, b=moments)
def test_stored_forms_sort_as_their_moments_do_from_year_1_to_9999(
    a: datetime, b: datetime
) -> None:
    assert (to_iso(a) < to_iso(b)) == (a < b)


@given(moment=moments, hours=st.integers(-23, 23))
def test_the_zone_a_moment_is_told_in_does_not_matter(moment: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    try:
        elsewhere = moment.astimezone(zone)
    except OverflowError:  # at the ends of the calendar there is no such local time
        return
    assert to_iso(elsewhere) == to_iso(moment)


@pytest.mark.parametrize(
    "day",
    ["2026-11-22", " 2026-11-22 ", "20261122", "2026-W47-7"],
    ids=["plain", "spaces", "basic", "week"],
)
def test_a_date_without_a_time_covers_its_whole_day_at_both_ends(day: str) -> None:
    window = parse_window(day, day)

    whole = "2026-11-22T00:00:00.000Z", "2026-11-23T00:00:00.000Z"
    assert window == Window(*whole, *whole)


@given(moment=ordinary_moments, before=st.integers(-3, 3), after=st.integers(-3, 3))
def test_a_window_of_days_holds_the_moments_of_those_days_and_no_others(
    moment: datetime, before: int, after: int
) -> None:
    first = moment.date() - timedelta(days=before)
    last = moment.date() + timedelta(days=after)
    assume(first <= last)

    window = parse_window(first.isoformat(), last.isoformat())

    assert lies_in(moment, window) == (before >= 0 and after >= 0)


@given(start=ordinary_moments, millis=st.integers(0, 10**9))
def test_a_window_of_moments_holds_both_its_ends(start: datetime, millis: int) -> None:
    end, instant = start + timedelta(milliseconds=millis), timedelta(milliseconds=1)
    window = parse_window(start.isoformat(), end.isoformat())

    assert lies_in(start, window)
    assert lies_in(end, window)
    for outside in (start - instant, end + instant):
        assert not lies_in(outside, window) or to_iso(outside).endswith("T00:00:00.000Z")


def test_the_last_day_of_the_calendar_can_be_asked_for() -> None:
    window = parse_window("9999-12-31", "9999-12-31")

    assert lies_in(datetime(9999, 12, 31, 23, 59, tzinfo=UTC), window)


def test_a_missing_end_is_open() -> None:
    assert parse_window(None, None).is_open
    assert parse_window("", "").is_open
    day, next_day = "2026-11-22T00:00:00.000Z", "2026-11-23T00:00:00.000Z"
    assert parse_window("2026-11-22", None) == Window(day, None, day, None)
    assert parse_window(None, "2026-11-22") == Window(None, next_day, None, next_day)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-22", "2026-11-21"),
        ("2026-11-22T14:05:00Z", "2026-11-22T14:04:59Z"),
        ("2026-11-22T00:00:00-05:00", "2026-11-22T00:00:00Z"),  # later than the end, in UTC
        ("2026-11-23T00:00:00Z", "2026-11-22"),  # a day ends where the next begins
    ],
)
def test_an_end_before_its_start_is_refused(start: str, end: str) -> None:
    with pytest.raises(InvalidInput, match=r"lies before start_date .* Swap them"):
        parse_window(start, end)


@pytest.mark.parametrize(("start", "end", "named"), [("soon", None, "start"), (None, "x", "end")])
def test_the_field_that_is_no_date_is_named(start: str | None, end: str | None, named: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{named}_date "):
        parse_window(start, end)


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=59), "now"),
        (timedelta(seconds=60), "1m ago"),
        (timedelta(minutes=59, seconds=59), "59m ago"),
        (timedelta(hours=23, minutes=59), "23h ago"),
        (timedelta(days=3), "3d ago"),
        (timedelta(days=30), "30d ago"),
        (timedelta(days=31), "1mo ago"),
        (timedelta(days=364), "11mo ago"),
        (timedelta(days=366), "1y ago"),
        (timedelta(days=-2), "in 2d"),
    ],
    ids=str,
)
def test_an_age_is_told_in_its_largest_unit(span: timedelta, told: str) -> None:
    now = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)

    assert age(now - span, now) == told


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 11, 22, 14, 5, 59, tzinfo=UTC), "2026-11-22 14:05"),
        (datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22"),  # midnight sharp means only the day
        (datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC), "2026-11-22 00:00"),
        (datetime(2026, 11, 22, 1, tzinfo=timezone(timedelta(hours=2))), "2026-11-21 23:00"),
        (datetime(79, 8, 24, tzinfo=UTC), "0079-08-24"),  # can be passed on as a start_date
    ],
)
def test_a_date_in_an_answer_reads_as_it_may_be_asked_for(moment: datetime, told: str) -> None:
    assert for_reading(moment, UTC_ZONE) == told


# --- In a person's zone ---


@in_a_zone
def test_a_day_is_the_same_day_everywhere(where: Zone) -> None:
    day = parse_moment("2026-11-28", "occurred_at", where)

    assert to_iso(day) == "2026-11-28T00:00:00.000Z"
    assert for_reading(day, where) == "2026-11-28"
    assert lies_in(day, parse_window("2026-11-28", "2026-11-28", where))
    assert not lies_in(day, parse_window("2026-11-27", "2026-11-27", where))
    assert not lies_in(day, parse_window("2026-11-29", None, where))
    assert days_anywhere(day) == [date(2026, 11, 28)]


@in_a_zone
@given(moment=ordinary_moments)
def test_a_moment_is_found_by_the_day_it_is_shown_with(where: Zone, moment: datetime) -> None:
    # Where a minute after midnight the clock goes back to the day before, that minute is lost.
    assume(where.name != "America/St_Johns" or where.local(moment).minute)
    day = for_reading(moment, where)[:10]

    assert lies_in(moment, parse_window(day, day, where))
    assert where.day_of(moment).isoformat() == day
    assert where.day_of(moment) in days_anywhere(moment)


@pytest.mark.parametrize(
    ("where", "local"),
    [
        (LOS_ANGELES, "2026-11-28T16:00"),
        (NEW_YORK, "2026-11-28T19:00"),
        (KOLKATA, "2026-11-28T05:30"),
        (KIRITIMATI, "2026-11-28T14:00"),
    ],
)
def test_a_moment_that_falls_on_midnight_utc_is_no_day(where: Zone, local: str) -> None:
    moment = parse_moment(local, "occurred_at", where)

    assert for_reading(moment, where) == local.replace("T", " ")
    assert lies_in(moment, parse_window(local, local, where))
    offset = datetime.fromisoformat(local).replace(tzinfo=where.rules).isoformat()
    assert parse_moment(offset, "occurred_at") == moment


@pytest.mark.parametrize(
    ("where", "text", "stored"),
    [
        (LISBON, "2026-07-01T00:30", "2026-06-30T23:30:00.000Z"),
        (LISBON, "2026-12-01T00:30", "2026-12-01T00:30:00.000Z"),
        (KOLKATA, "2026-11-28 23:30", "2026-11-28T18:00:00.000Z"),
        (KOLKATA, "2026-11-28T23:30:00Z", "2026-11-28T23:30:00.000Z"),
        (KOLKATA, "2026-11-28T23:30-05:00", "2026-11-29T04:30:00.000Z"),
        (LISBON, "2026-03-29T01:30", "2026-03-29T01:30:00.000Z"),  # there is no such time
        (LISBON, "2026-10-25T01:30", "2026-10-25T00:30:00.000Z"),  # it comes twice: the first
    ],
)
def test_a_time_without_an_offset_is_one_of_the_person(where: Zone, text: str, stored: str) -> None:
    assert to_iso(parse_moment(text, "start_date", where)) == stored


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Lisbon", "2026-03-29", 23),
        ("Europe/Lisbon", "2026-10-25", 25),
        ("Asia/Kolkata", "2026-03-29", 24),
        ("Africa/Cairo", "2024-04-26", 23),  # has no midnight
        ("America/Havana", "2026-11-01", 25),  # has two
        ("America/Toronto", "1919-03-31", 23.5),  # begins at half past midnight
        ("America/Toronto", "1919-03-30", 23.5),  # and the day before ends half an hour early
        ("Pacific/Apia", "2011-12-30", 0),  # was left out
        ("Pacific/Apia", "2011-12-31", 24),
    ],
)
def test_a_day_is_as_long_as_it_is_there(name: str, day: str, hours: float) -> None:
    window = parse_window(day, day, zone(name))
    assert window.start
    assert window.end

    assert from_iso(window.end) - from_iso(window.start) == timedelta(hours=hours)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@in_a_zone
def test_the_ends_of_the_calendar_can_be_asked_for_everywhere(where: Zone, day: str) -> None:
    at = parse_moment(f"{day}T12:00:00Z", "start_date")
    assert lies_in(at, parse_window(day, day, where))
    assert len(for_reading(at, where)) == len("2026-11-28 12:00")


def test_a_day_counts_where_the_window_has_part_of_it() -> None:
    day = parse_moment("2026-11-28", "occurred_at")

    for start, end, within in (
        ("2026-11-28T14:00", "2026-11-28T15:00", True),
        ("2026-11-28T14:00", None, True),
        (None, "2026-11-28T00:00", True),
        ("2026-11-27T14:00", "2026-11-27T23:59", False),
        ("2026-11-28T00:00:00Z", "2026-11-28T23:59:59Z", True),
        ("2026-11-29T00:00:00Z", None, False),
    ):
        assert lies_in(day, parse_window(start, end, LOS_ANGELES)) == within


@pytest.mark.parametrize(
    ("where", "now", "told"),
    [
        (UTC_ZONE, "2026-11-28T14:00:00Z", "today"),
        (KIRITIMATI, "2026-11-27T18:00:00Z", "today"),  # it is the 28th there
        (LOS_ANGELES, "2026-11-29T06:00:00Z", "today"),  # still
        (LOS_ANGELES, "2026-11-28T06:00:00Z", "in 1d"),
        (LOS_ANGELES, "2026-11-29T09:00:00Z", "1d ago"),
    ],
)
def test_how_long_ago_a_day_was_is_told_in_the_persons_days(
    where: Zone, now: str, told: str
) -> None:
    day = parse_moment("2026-11-28", "occurred_at")

    assert age(day, from_iso(now), where) == told
