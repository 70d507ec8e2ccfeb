"""When two passages are the same text, and what the indexes hold of one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.passages import (
    fitting,
    identity,
    lexical_text,
    text_digest,
    text_to_embed,
)

AT = datetime(2023, 5, 8, tzinfo=UTC)
line_ends = st.sampled_from(["\n", "\r\n", "\r"])
lines = st.lists(st.text("ab \té", max_size=4), min_size=1, max_size=4)
moments = st.sampled_from([None, "2026-11-02T00:00:00.000Z", "2026-11-09T00:00:00.000Z"])
sources = st.sampled_from([None, "a", "a b", "a!", "b"])


@given(lines=lines, ends=line_ends, last=st.lists(line_ends, max_size=2))
def test_however_line_ends_are_written_and_a_file_was_saved_the_text_is_the_same(
    lines: list[str], ends: str, last: list[str]
) -> None:
    assert text_digest(ends.join(lines) + "".join(last)) == text_digest("\n".join(lines))


@given(a=st.text("ab \t\n"), b=st.text("ab \t\n"))
def test_every_other_character_makes_another_text(a: str, b: str) -> None:
    assert (text_digest(a) == text_digest(b)) == (a.rstrip("\n") == b.rstrip("\n"))


@pytest.mark.parametrize(
    "other",
    ["likes Tea", "likes tea.", "likes  tea", "likes tea  ", " likes tea", "likes\ttea"],
)
def test_case_signs_and_spaces_tell_texts_apart(other: str) -> None:
    assert text_digest("likes tea") != text_digest(other)


@given(one=st.tuples(moments, sources), other=st.tuples(moments, sources))
def test_a_passage_from_a_file_is_the_one_of_its_date_and_its_source_or_of_an_unknown_source(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None]
) -> None:
    text = text_digest("likes tea")
    held = identity(text, *other)

    found = any(first <= held < end for first, end in fitting(text, *one, "file"))

    agree = one[1] is None or other[1] in (None, one[1])
    assert found == (one[0] == other[0] and agree)


@given(at=moments, other=st.tuples(moments, sources))
def test_what_somebody_tells_is_the_passage_of_whatever_source_that_has_no_other_date(
    at: str | None, other: tuple[str | None, str | None]
) -> None:
    text = text_digest("likes tea")
    held = identity(text, *other)

    found = any(first <= held < end for first, end in fitting(text, at, None, "told"))

    assert found == (at is None or other[0] in (None, at))


@given(door=st.sampled_from(["told", "moved", "file"]), at=moments, source=sources)
def test_another_text_is_another_passage_through_every_door(
    door: Any, at: str | None, source: str | None
) -> None:
    held = identity(text_digest("likes rye"), at, source)

    ranges = fitting(text_digest("likes tea"), at, source, door)

    assert not any(first <= held < end for first, end in ranges)


def test_a_passage_is_indexed_by_its_words_its_tags_and_its_date() -> None:
    assert lexical_text("likes tea", ["food", "drink"], AT) == "likes tea\ndrink\nfood\n8 May 2023"
    assert lexical_text("likes tea", [], None) == "likes tea"


def test_the_order_of_tags_does_not_matter_to_the_index() -> None:
    assert lexical_text("x", ["a", "b"], None) == lexical_text("x", ["b", "a"], None)


def test_a_passage_is_embedded_with_its_date_if_it_has_one() -> None:
    assert text_to_embed("likes tea", AT) == "[8 May 2023] likes tea"
    assert text_to_embed("likes tea", None) == "likes tea"
