"""Usage as providers tell it: whatever they mean by it, nothing is counted too low."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.usage import BELIEVED_MAX, Usage, usage_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=True)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)
NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_input_tokens",
    "cost",
]
COUNTS = st.integers(1, 50_000)


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.integers(0, 9_000), st.integers(1, 9_000))
def test_whatever_is_told_two_counts_come_of_it(told: dict[str, Any], sent: int, room: int) -> None:
    into, out = usage_of(told).entered(sent, room)
    assert into >= 0 <= out
    assert type(into) is type(out) is int
    assert into + out <= 4 * BELIEVED_MAX


@given(COUNTS, COUNTS, COUNTS, st.sampled_from(["among", "apart", "apart, no total"]))
def test_reasoning_counts_once_wherever_it_is_told(
    into: int, said: int, thought: int, shape: str
) -> None:
    among = shape == "among"
    told: dict[str, Any] = {
        "prompt_tokens": into,
        "completion_tokens": said + thought if among else said,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    if shape != "apart, no total":
        told["total_tokens"] = into + said + thought
    assert usage_of(told).entered(0, 0) == (into, said + thought)


@given(COUNTS, COUNTS, COUNTS)
def test_a_total_past_its_parts_is_believed(into: int, out: int, more: int) -> None:
    told = {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out + more}
    assert usage_of(told).entered(0, 0) == (into, out + more)


@pytest.mark.parametrize(
    ("told", "entered"),
    [
        ({}, (100, 2_000)),
        ({"prompt_tokens": 90}, (90, 2_000)),
        ({"completion_tokens": 7}, (100, 7)),
        ({"total_tokens": 120}, (100, 20)),
        ({"total_tokens": 80}, (80, 0)),
        ({"total_tokens": 120, "completion_tokens": 7}, (113, 7)),
        ({"total_tokens": 120, "prompt_tokens": 90}, (90, 30)),
        ({"total_tokens": 90, "prompt_tokens": 90}, (90, 2_000)),
        ({"prompt_tokens": 90, "completion_tokens": 0}, (90, 2_000)),
        ({"prompt_tokens": BELIEVED_MAX, "completion_tokens": 7}, (BELIEVED_MAX, 7)),
        ({"prompt_tokens": BELIEVED_MAX + 1, "completion_tokens": 7}, (100, 7)),
        ({"prompt_tokens": 90, "completion_tokens": -1}, (90, 2_000)),
        (
            {
                "prompt_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 30},
                "completion_tokens": 7,
            },
            (34, 7),
        ),
        ({"input_tokens": 9, "cache_read_input_tokens": 80, "output_tokens": 7}, (89, 7)),
    ],
)
def test_what_is_not_told_counts_as_all_that_it_could_be(
    told: dict[str, Any], entered: tuple[int, int]
) -> None:
    assert usage_of(told).entered(100, 2_000) == entered


def test_an_answer_that_says_nothing_may_have_used_nothing() -> None:
    told = {"prompt_tokens": 90, "completion_tokens": 0, "total_tokens": 90}
    assert usage_of(told, said=False).entered(100, 2_000) == (90, 0)


@pytest.mark.parametrize("told", [None, [], "70", 7, {}, {"prompt_tokens": None}])
def test_what_tells_nothing_is_empty(told: object) -> None:
    assert usage_of(told).is_empty
    assert not usage_of(told).is_told


@pytest.mark.parametrize(
    ("cost", "usd"),
    [(0.25, 0.25), ("0.5", 0.5), (0, None), (-1, None), (float("nan"), None), (10**9, None)],
)
def test_a_cost_is_believed_within_reason(cost: object, usd: float | None) -> None:
    assert usage_of({"cost": cost}) == Usage(usd=usd)
