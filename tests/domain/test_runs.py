"""Caps, when a reflection is due, and when a failed one is tried again."""

from datetime import UTC, datetime, timedelta

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
    reflection_due,
    retry_at,
    start_of_day,
)

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
        ({"turns": 5, "failures": 1, "failed_at": NOW - timedelta(minutes=2)}, "turns"),
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


def test_a_day_begins_at_midnight_utc() -> None:
    lisbon = datetime(2026, 7, 1, 0, 30, tzinfo=UTC).astimezone()
    assert start_of_day(lisbon) == datetime(2026, 7, 1, tzinfo=UTC)
