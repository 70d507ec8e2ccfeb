"""Cursors: a place in one search, and in no other."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.ports import MessageFilter
from memory_mcp.services.paging import LIMIT_MAX, cursor_at, place_of, require_limit

searches = st.tuples(st.sampled_from(["message", "passage"]), st.text(), st.integers())


@given(place=st.integers(0, 10**18 - 1), search=searches)
def test_a_cursor_leads_back_to_its_place(place: int, search: tuple[object, ...]) -> None:
    assert place_of(cursor_at(place, *search), *search) == place
    assert place_of(f" {cursor_at(place, *search)}\n", *search) == place


@given(search=searches, other=searches)
def test_a_cursor_of_another_search_is_refused(
    search: tuple[object, ...], other: tuple[object, ...]
) -> None:
    assume(search != other)

    with pytest.raises(InvalidInput, match="does not belong to this search"):
        place_of(cursor_at(20, *search), *other)


def test_a_cursor_does_not_outlive_a_change_of_the_filters() -> None:
    cursor = cursor_at(20, "message", "tea", MessageFilter(roles=("user",)))

    with pytest.raises(InvalidInput, match="all other arguments unchanged"):
        place_of(cursor, "message", "tea", MessageFilter(roles=("assistant",)))


def test_a_cursor_is_the_same_in_every_process() -> None:
    # It is kept by a model across restarts, so its form must not depend on a hash seed.
    assert cursor_at(20, "passage", "tea", MessageFilter()) == snapshot("20-3d56ce72")


def test_without_a_cursor_there_is_no_place() -> None:
    assert place_of(None, "message") is None


@pytest.mark.parametrize(
    "cursor",
    ["", "20", "-20-00000000", "20-xyz", "next", "20-00000000", "9" * 40, "\ud800", "1e3-"],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput, match=r"^cursor "):
        place_of(cursor, "message", "tea")


@pytest.mark.parametrize("limit", [0, -1, LIMIT_MAX + 1, 1_000_000])
def test_a_limit_out_of_range_is_refused_with_the_range(limit: int) -> None:
    with pytest.raises(InvalidInput, match=f"limit {limit} is out of range; it goes from 1 to 50"):
        require_limit(limit)


def test_a_limit_may_be_anything_in_the_range() -> None:
    for limit in (1, 5, LIMIT_MAX):
        require_limit(limit)
