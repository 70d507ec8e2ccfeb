"""What text may enter memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import (
    TAGS_MAX,
    check_text,
    clip,
    counted,
    each,
    either,
    require_name,
    require_tags,
    require_text,
)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_any_whole_text_passes_unchanged(text: str) -> None:
    assert check_text(text, "content", 20) == text


@given(before=st.text("aé東", max_size=5), half=st.characters(categories=["Cs"]))
def test_half_a_character_is_refused_with_its_place_and_a_text_that_can_be_shown(
    before: str, half: str
) -> None:
    with pytest.raises(InvalidInput, match=f"at position {len(before)}, half") as refused:
        check_text(f"{before}{half}", "content", 20)

    assert str(refused.value).encode()


def test_a_text_may_be_as_long_as_its_limit_and_no_longer() -> None:
    assert require_text("x" * 10, "content", 10)
    with pytest.raises(InvalidInput, match="content has 11 characters; the limit is 10"):
        require_text("x" * 11, "content", 10)


@pytest.mark.parametrize("blank", ["", " \n\t", "\u00a0\u2028"])
def test_a_blank_text_is_refused_where_one_is_needed(blank: str) -> None:
    assert check_text(blank, "query", 10) == blank
    with pytest.raises(InvalidInput, match="content is empty"):
        require_text(blank, "content", 10)


def test_a_name_is_trimmed_and_stays_on_one_line() -> None:
    assert require_name("  Ada Lovelace ", "name") == "Ada Lovelace"
    for name in ("Ada\nLovelace", "Ada\tL", "\x1b[31mAda"):
        with pytest.raises(InvalidInput, match="spans lines or holds control characters"):
            require_name(name, "name")


def test_tags_are_trimmed_and_told_once_in_their_order() -> None:
    assert require_tags([" b", "a", "b ", "B"]) == ("b", "a", "B")
    assert require_tags(None) == require_tags([]) == ()


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [
        (["work", " "], "each tag is empty"),
        (["x" * 101], "each tag has 101 characters; the limit is 100"),
        (["a\0"], "NUL"),
        (["\udfff"], "surrogate"),
        ([f"t{n}" for n in range(TAGS_MAX + 1)], "51 tags are too many; the limit is 50"),
    ],
    ids=["blank", "long", "nul", "surrogate", "many"],
)
def test_tags_that_cannot_be_meant_are_refused(tags: list[str], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        require_tags(tags)


@given(text=st.text(max_size=30), chars=st.integers(1, 30))
def test_a_clipped_text_keeps_to_its_size_and_says_when_it_was_cut(text: str, chars: int) -> None:
    clipped = clip(text, chars)

    assert len(clipped) <= chars
    assert clipped == text or clipped.endswith("…")


def test_numbers_of_things_are_worded() -> None:
    words = [counted(number, "passage") for number in (0, 1, 2, 4118)]

    assert words == ["0 passages", "1 passage", "2 passages", "4,118 passages"]


@pytest.mark.parametrize(
    ("names", "one", "all_of_them"),
    [
        (["a"], "a", "a"),
        (["a", "b"], "a or b", "a and b"),
        (["a", "b", "c"], "a, b or c", "a, b and c"),
    ],
)
def test_names_are_listed_in_words(names: list[str], one: str, all_of_them: str) -> None:
    assert either(names) == one
    assert each(names) == all_of_them
