"""Caps, when a reflection is due, and when a failed one is tried again."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.runs import (
    QUIET,
    Caps,
    Spent,
    Unreflected,
    cap_hit,
    end_of_day,
    reflection_due,
    retry_at,
    start_of_day,
)
from memory_mcp.domain.times import UTC_ZONE, Zone

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
AMOUNTS = st.integers(0, 1_000_000)


def unreflected(**told: object) -> Unreflected:
    usual: dict[str, object] = {
        "agent_id": AgentId("agent-1"),
        "after_seq": 0,
        "turns": 1,
        "last_at": NOW,
        "ended": False,
        "overflowed": False,
        "failures": 0,
        "failed_at": None,
    }
    return Unreflected(**(usual | told))  # pyright: ignore[reportArgumentType]


@given(caps=st.tuples(AMOUNTS, AMOUNTS), calls=st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=20))
def test_calls_that_pass_the_caps_never_add_up_to_more(
    caps: tuple[int, int], calls: list[tuple[int, int]]
) -> None:
    limits = Caps(run_tokens=caps[0], day_tokens=caps[1], day_usd=caps[1] / 1e6)
    tokens, usd = 0, 0.0
    for asked, price in calls:
        spent = Spent(tokens=tokens, usd=usd)
        call = Spent(tokens=asked, usd=price / 1e6)
        if cap_hit(limits, spent, spent, call) is None:
            tokens, usd = tokens + asked, usd + price / 1e6
    assert tokens <= min(caps)
    assert usd <= limits.day_usd + 1e-9


@pytest.mark.parametrize(
    ("spent", "asked", "hit"),
    [
        ((0, 0, 0.0), (100, 0.5), None),
        ((40, 940, 0.25), (60, 0.25), None),
        ((40, 940, 0.25), (61, 0.25), "run_tokens"),
        ((39, 940, 0.25), (61, 0.25), "day_tokens"),
        ((40, 940, 0.25), (60, 0.2501), "day_usd"),
        ((100, 1_000, 0.5), (0, 0.0), None),
        ((100, 1_000, 0.5), (1, 0.0), "run_tokens"),
    ],
)
def test_what_a_cap_leaves_may_be_asked_for_to_the_last_token_and_cent(
    spent: tuple[int, int, float], asked: tuple[int, float], hit: str | None
) -> None:
    caps = Caps(run_tokens=100, day_tokens=1_000, day_usd=0.5)
    run, day = Spent(tokens=spent[0]), Spent(tokens=spent[1], usd=spent[2])
    found = cap_hit(caps, run, day, Spent(tokens=asked[0], usd=asked[1]))
    assert (found.cap if found else None) == hit


@pytest.mark.parametrize(
    ("told", "trigger"),
    [
        ({"turns": 5}, "turns"),
        ({"turns": 4}, None),
        ({"turns": 0, "last_at": NOW - QUIET}, None),
        ({"last_at": None}, None),
        ({"last_at": NOW - QUIET}, "quiet"),
        ({"ended": True}, "ended"),
        ({"overflowed": True}, "overflow"),
        ({"turns": 5, "failures": 1, "failed_at": NOW}, None),
        ({"turns": 5, "failures": 1, "failed_at": NOW - timedelta(seconds=59)}, None),
        ({"turns": 5, "failures": 1, "failed_at": NOW - timedelta(minutes=1)}, "turns"),
        ({"turns": 5, "failures": 9, "failed_at": NOW - timedelta(hours=5)}, None),
        ({"turns": 5, "failures": 9, "failed_at": NOW - timedelta(hours=7)}, "turns"),
    ],
)
def test_when_a_reflection_is_due(told: dict[str, object], trigger: str | None) -> None:
    assert reflection_due(unreflected(**told), 5, NOW) == trigger


def test_without_a_number_of_turns_only_quiet_counts() -> None:
    assert reflection_due(unreflected(turns=500), 0, NOW) is None
    assert reflection_due(unreflected(turns=500, last_at=NOW - QUIET), 0, NOW) == "quiet"


@given(st.integers(0, 50))
def test_a_failure_more_never_means_an_earlier_try(failures: int) -> None:
    assert retry_at(failures, NOW) <= retry_at(failures + 1, NOW)


def test_a_day_of_spending_is_the_persons() -> None:
    lisbon = Zone(ZoneInfo("Europe/Lisbon"), "Europe/Lisbon")
    evening = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # half past midnight in Lisbon
    assert start_of_day(evening, UTC_ZONE) == datetime(2026, 6, 30, tzinfo=UTC)
    assert end_of_day(evening, UTC_ZONE) == datetime(2026, 7, 1, tzinfo=UTC)
    assert start_of_day(evening, lisbon) == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert end_of_day(evening, lisbon) == datetime(2026, 7, 1, 23, tzinfo=UTC)


def test_a_day_of_spending_that_begins_as_midnight_strikes_is_the_new_one() -> None:
    kiritimati = Zone(ZoneInfo("Pacific/Kiritimati"), "Pacific/Kiritimati")
    midnight_utc = datetime(2026, 7, 1, tzinfo=UTC)  # 14:00 there
    assert start_of_day(midnight_utc, kiritimati) == datetime(2026, 6, 30, 10, tzinfo=UTC)
