"""Ids: prefixed, sortable by the time they were made, UUIDs of version 7."""

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.ids import Noun, new_id

NOUNS: list[Noun] = ["agent", "block", "conversation", "message", "passage"]


@pytest.mark.parametrize("noun", NOUNS)
def test_an_id_is_its_noun_and_a_uuid_of_version_7(noun: Noun) -> None:
    prefix, _, digits = new_id(noun).partition("-")
    number = UUID(hex=digits)

    assert prefix == noun
    assert len(digits) == 32
    assert number.version == 7
    assert number.variant == "specified in RFC 4122"


def test_an_id_holds_the_millisecond_it_was_made_in() -> None:
    before = time.time_ns() // 1_000_000
    made = UUID(hex=new_id("passage").removeprefix("passage-"))
    after = time.time_ns() // 1_000_000

    assert before <= made.int >> 80 <= after


@given(instants=st.lists(st.integers(0, 2**48 - 1), min_size=2, max_size=5, unique=True))
def test_ids_sort_by_the_time_they_were_made(instants: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        ids: list[str] = []
        for instant in sorted(instants):
            patch.setattr(time, "time_ns", lambda instant=instant: instant * 1_000_000)
            ids.append(new_id("message"))

    assert ids == sorted(ids)


def test_ids_made_in_one_instant_differ() -> None:
    assert len({new_id("block") for _ in range(10_000)}) == 10_000
