"""When two passages are the same text, and what the indexes hold of one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.passages import content_hash, lexical_text, text_to_embed

AT = datetime(2023, 5, 8, tzinfo=UTC)
words = st.lists(st.text("abé東", min_size=1, max_size=4), min_size=1, max_size=4)
gaps = st.sampled_from([" ", "\n", "\t ", "\u00a0", "\r\n\r\n"])


@given(words=words, gap=gaps, ends=gaps)
def test_spacing_does_not_make_another_text(words: list[str], gap: str, ends: str) -> None:
    spaced = ends + gap.join(words) + ends

    assert content_hash(spaced) == content_hash(" ".join(words))


@given(a=words, b=words)
def test_other_words_make_another_text(a: list[str], b: list[str]) -> None:
    assert (content_hash(" ".join(a)) == content_hash(" ".join(b))) == (a == b)


@pytest.mark.parametrize("other", ["likes Tea", "likes tea.", "tea likes", "likestea"])
def test_case_signs_order_and_missing_spaces_tell_texts_apart(other: str) -> None:
    assert content_hash("likes tea") != content_hash(other)


def test_a_passage_is_indexed_by_its_words_its_tags_and_its_date() -> None:
    assert lexical_text("likes tea", ["food", "drink"], AT) == "likes tea\ndrink\nfood\n8 May 2023"
    assert lexical_text("likes tea", [], None) == "likes tea"


def test_the_order_of_tags_does_not_matter_to_the_index() -> None:
    assert lexical_text("x", ["a", "b"], None) == lexical_text("x", ["b", "a"], None)


def test_a_passage_is_embedded_with_its_date_if_it_has_one() -> None:
    assert text_to_embed("likes tea", AT) == "[8 May 2023] likes tea"
    assert text_to_embed("likes tea", None) == "likes tea"
