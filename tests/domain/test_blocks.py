"""Edits of core memory blocks: what each makes of a value, and what it refuses."""

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from memory_mcp.domain.blocks import (
    OWN_TEMPLATES,
    SHARED_TEMPLATES,
    Block,
    Edit,
    append,
    append_news,
    insert,
    replace_text,
    rethink,
    without_overflow,
)
from memory_mcp.domain.errors import (
    BlockLimitExceeded,
    Conflict,
    EditMismatch,
    InvalidInput,
    ReadOnlyBlock,
)

MakeBlock = Callable[..., Block]

# Few letters and short texts, so that they often hold one another.
texts = st.text("abc \n", max_size=10)
told_texts = texts.filter(lambda text: text != "" and not text.isspace())


@pytest.mark.parametrize(
    ("value", "content", "after"),
    [
        ("", "likes tea", "likes tea"),  # no empty first line
        ("name: Ada", "likes tea", "name: Ada\nlikes tea"),
        ("name: Ada\n", "likes tea", "name: Ada\n\nlikes tea"),  # always one line break more
        ("name: Ada", "likes tea\nlikes rye", "name: Ada\nlikes tea\nlikes rye"),
        ("name: Ada", "  indented ", "name: Ada\n  indented "),  # kept as it was sent
        ("name: Ada", "name: Ada", "name: Ada\nname: Ada"),
    ],
)
def test_append_adds_the_content_as_new_last_lines(
    block: MakeBlock, value: str, content: str, after: str
) -> None:
    assert append(content)(block(value)).value == after


@pytest.mark.parametrize(
    ("value", "old", "new", "after"),
    [
        ("likes tea", "tea", "coffee", "likes coffee"),
        ("likes tea\nworks late", "tea\nworks", "rye\nsleeps", "likes rye\nsleeps late"),
        ("costs 3.50 (net)", "3.50 (net)", "4", "costs 4"),  # a text, no pattern
        ("a", "a", r"\1 a \g<0>", r"\1 a \g<0>"),
        ("naïve café", "café", "Café ☕", "naïve Café ☕"),
    ],
)
def test_replace_puts_the_new_text_where_the_old_one_stood(
    block: MakeBlock, value: str, old: str, new: str, after: str
) -> None:
    assert replace_text(old, new)(block(value)).value == after


@pytest.mark.parametrize(
    ("value", "old", "after"),
    [
        ("one\ntwo\nthree", "one", "two\nthree"),
        ("one\ntwo\nthree", "two", "one\nthree"),
        ("one\ntwo\nthree", "three", "one\ntwo"),
        ("one", "one", ""),
        ("one\ntwo\nthree", "one\ntwo", "three"),
        ("one\ntwo\nthree", "two\n", "one\nthree"),
        ("one\ntwo\nthree", "\ntwo", "one\nthree"),
        ("one\ntwo\nthree", "two\nthree", "one"),
        ("one\n\ntwo", "one", "\ntwo"),  # a blank line that was there before stays
        ("likes tea and rye", " and rye", "likes tea"),
        ("one\ntwo three\nfour", "two ", "one\nthree\nfour"),  # part of a line leaves the line
    ],
)
def test_deleting_whole_lines_leaves_no_blank_line_behind(
    block: MakeBlock, value: str, old: str, after: str
) -> None:
    assert replace_text(old, "")(block(value)).value == after


@given(value=texts, content=told_texts)
def test_deleting_what_was_appended_restores_the_value(
    block: MakeBlock, value: str, content: str
) -> None:
    appended = append(content)(block(value))
    assume(len(_places(appended.value, content)) == 1)

    assert replace_text(content, "")(appended).value == value


@given(before=texts, old=told_texts, new=told_texts, after=texts)
def test_replacing_back_restores_the_value(
    block: MakeBlock, before: str, old: str, new: str, after: str
) -> None:
    value = before + old + after
    assume(len(_places(value, old)) == len(_places(before + new + after, new)) == 1)

    replaced = replace_text(old, new)(block(value))

    assert replace_text(new, old)(replaced).value == value


@given(
    value=texts,
    # What looks like a copy of several lines of an answer is read as one.
    old=told_texts.filter(lambda text: "\n " not in text),
    new=told_texts,
)
def test_replace_applies_exactly_when_the_old_text_stands_once(
    block: MakeBlock, value: str, old: str, new: str
) -> None:
    lines = [str(value[:place].count("\n") + 1) for place in _places(value, old)]
    edit = replace_text(old, new)

    if len(lines) == 1:
        assert edit(block(value)).value == value.replace(old, new)
    else:
        told = f"{len(lines)} times .* on lines {', '.join(lines)}:" if lines else "not found"
        with pytest.raises(EditMismatch, match=told):
            edit(block(value))


def test_text_that_is_not_there_is_refused_with_what_the_block_holds(block: MakeBlock) -> None:
    with pytest.raises(EditMismatch) as refused:
        replace_text("likes Tea", "likes rye")(block("name: Ada\nlikes tea"))

    assert str(refused.value) == snapshot(
        "old_content was not found in block 'human': 'likes Tea'. It must match exactly, line "
        "breaks and spaces included. The block reads:\n name: Ada\n likes tea"
    )


def test_text_that_is_not_in_an_empty_block_is_refused(block: MakeBlock) -> None:
    with pytest.raises(EditMismatch, match="The block is empty"):
        replace_text("likes tea", "likes rye")(block(""))


def test_text_that_stands_more_than_once_is_refused_with_its_lines(block: MakeBlock) -> None:
    with pytest.raises(EditMismatch) as refused:
        replace_text("tea", "rye")(block("green tea\nno coffee\nblack tea, white tea"))

    assert str(refused.value) == snapshot(
        "old_content stands 3 times in block 'human', on lines 1, 3, 3: 'tea'. "
        "Give more of the text around the one you mean."
    )


def test_overlapping_places_count_since_each_could_be_meant(block: MakeBlock) -> None:
    with pytest.raises(EditMismatch, match="2 times"):
        replace_text("haha", "ha")(block("hahaha"))


@pytest.mark.parametrize(
    ("value", "old", "after"),
    [
        ("name: Ada\r\nlikes tea\r\nworks late", "Ada\nlikes tea", "name: NEW\r\nworks late"),
        ("name: Ada\nlikes tea", "Ada\r\nlikes", "name: NEW tea"),
        ("caf\u00e9 at noon", "cafe\u0301", "NEW at noon"),
        ("cafe\u0301 at noon", "caf\u00e9", "NEW at noon"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "\ud55c\uad6d", "NEW"),
    ],
)
def test_line_ends_and_normal_forms_may_differ(
    block: MakeBlock, value: str, old: str, after: str
) -> None:
    assert replace_text(old, "NEW")(block(value)).value == after


def test_deleting_lines_leaves_no_half_of_a_line_end(block: MakeBlock) -> None:
    value = "name: Ada\r\nlikes tea\r\nworks late"

    assert replace_text("likes tea", "")(block(value)).value == "name: Ada\r\nworks late"
    assert replace_text("works late", "")(block(value)).value == "name: Ada\r\nlikes tea"


def test_a_letter_is_not_found_inside_another(block: MakeBlock) -> None:
    with pytest.raises(EditMismatch, match="not found"):
        replace_text("caf\u0065\r\n", "x")(block("caf\u00e9\n"))


@pytest.mark.parametrize(
    ("value", "old", "told"),
    [
        (
            "name:\u00a0Ada",
            "name: Ada",
            "on line 1 the block has a no-break space (U+00A0) where old_content has a space "
            '(U+0020). Send it as the block has it, in JSON: "name:\\u00a0Ada"; or give',
        ),
        (
            "a\nlikes\u200btea",
            "a\nlikestea",
            "on line 2 the block has a zero width space (U+200B) where old_content has nothing.",
        ),
        (
            "it\u2019s tea",
            "it's tea",
            "the block has a curly quote (U+2019) where old_content has a straight quote (U+0027).",
        ),
        (
            "likes tea  \nworks late",
            "likes tea\nworks late",
            "on line 1 the block has 2 × space (U+0020) where old_content has nothing.",
        ),
        (
            "if late:\n\tcall()",
            "if late:\n    call()",
            "on line 2 the block has a tab (U+0009) where old_content has 4 × space (U+0020).",
        ),
        (
            "p\u0430ypal key",
            "paypal key",
            "a cyrillic small letter a (U+0430) where old_content has a latin small letter a "
            '(U+0061). Send it as the block has it, in JSON: "p\\u0430ypal key"; or give',
        ),
        ("\u039fld", "Old", "a greek capital letter omicron (U+039F)"),
        ("a\u2028b", "a b", "a line separator (U+2028) where old_content has a space"),
        ("a\x0bb", "ab", "a vertical tab (U+000B) where old_content has nothing"),
        ("a\x07b", "ab", "a bell (U+0007) where old_content has nothing. Send it as the block has"),
        (
            "a\u3164b",
            "a b",
            "(U+3164) where old_content has a space (U+0020). Send it as the block "
            'has it, in JSON: "a\\u3164b"',
        ),
        ("a\u3164b", "ab", "a hangul filler (U+3164) where old_content has nothing"),
        ("a\u2800b", "a b", "a braille pattern blank (U+2800)"),
        ("1\u20442", "1/2", "a fraction slash (U+2044)"),
        ("\u2043 tea", "- tea", "a hyphen bullet (U+2043) where old_content has a hyphen"),
        ("likes tea", "likes\u2028tea", "a space (U+0020) where old_content has a line separator"),
        (
            "\u201ca\u201d \u2013 b\u2026",
            '"a" - b...',
            "; and 1 place more. Send it as the block has it, in JSON: "
            '"\\u201ca\\u201d \\u2013 b\\u2026"; or give a shorter piece',
        ),
    ],
)
def test_what_only_looks_the_same_is_refused_with_what_differs(
    block: MakeBlock, value: str, old: str, told: str
) -> None:
    with pytest.raises(EditMismatch) as refused:
        replace_text(old, "new")(block(value))

    assert told in str(refused.value)


def test_lines_that_are_there_in_another_form_are_no_news(block: MakeBlock) -> None:
    before = block("name: Ada\r\nlikes cafe\u0301\r\nworks late")

    assert append_news("likes caf\u00e9")(before) == before


def test_rethink_rewrites_or_clears_the_whole_block(block: MakeBlock) -> None:
    assert rethink("new\nlines")(block("old")).value == "new\nlines"
    assert rethink("")(block("old")).value == ""


@given(value=texts, new=texts)
def test_the_version_rises_by_one_exactly_when_the_value_changes(
    block: MakeBlock, value: str, new: str
) -> None:
    before = block(value, version=7)

    after = rethink(new)(before)

    assert after.version == (7 if new == value else 8)
    assert (after == before) == (new == value)


def test_an_edit_may_fill_a_block_to_its_limit_and_not_a_character_further(
    block: MakeBlock,
) -> None:
    full = append("12345")(block("1234", limit_chars=10))
    assert full.value == "1234\n12345"

    with pytest.raises(BlockLimitExceeded):
        append("123456")(block("1234", limit_chars=10))


def test_an_edit_that_would_pass_the_limit_tells_the_numbers_and_the_next_move(
    block: MakeBlock,
) -> None:
    with pytest.raises(BlockLimitExceeded) as refused:
        append("x" * 300)(block("y" * 4_900))

    assert str(refused.value) == snapshot(
        "block 'human' would have 5,201 of 5,000 characters (201 too many; it has 4,900 now). "
        "Shorten or merge lines with core_memory_replace, or put details into archival_insert."
    )


def test_a_block_that_evicts_lets_its_oldest_lines_go_until_it_is_filled_to_four_fifths(
    block: MakeBlock,
) -> None:
    before = block("one\n\ntwo\nthree\nfour", limit_chars=20, on_overflow="evict")

    after, left = without_overflow(before, append("five")(before))

    assert (after.value, left, after.version) == ("three\nfour\nfive", ("one", "two"), 2)


def test_a_line_longer_than_the_whole_block_is_refused_by_one_that_evicts_too(
    block: MakeBlock,
) -> None:
    with pytest.raises(BlockLimitExceeded) as refused:
        append("short\n" + "x" * 21)(block("one", limit_chars=20, on_overflow="evict"))

    assert str(refused.value) == snapshot(
        "content has a line of 21 characters, and block 'human' has room for 20 in all; nothing "
        "was changed. Shorten the line, or put it into archival_insert."
    )


@given(value=texts, content=told_texts, limit=st.integers(1, 8))
def test_no_line_is_lost_and_the_limit_kept_however_a_block_overflows(
    block: MakeBlock, value: str, content: str, limit: int
) -> None:
    assume(len(value) <= limit and max(map(len, content.split("\n"))) <= limit)
    before = block(value, limit_chars=limit, on_overflow="evict")
    grown = append(content)(before)

    after, left = without_overflow(before, grown)

    assert len(after.value) <= limit
    assert after.value.endswith(content.split("\n")[-1])
    kept = [line for line in after.value.split("\n") if line.strip()]
    assert [*left, *kept] == [line for line in grown.value.split("\n") if line.strip()]


def test_only_an_edit_that_grows_a_block_makes_lines_leave(block: MakeBlock) -> None:
    over = block("too long a tail\nand more", limit_chars=5, on_overflow="evict")

    after, left = without_overflow(over, replace_text("tail", "")(over))

    assert (after.value, left) == ("too long a \nand more", ())


@pytest.mark.parametrize(
    ("edit", "allowed"),
    [
        (replace_text("tail", ""), True),
        (replace_text("tail", "tale"), True),  # as long as before
        (rethink("x" * 14), True),  # shorter, though still too long
        (replace_text("tail", "tails"), False),
        (append("x"), False),
    ],
    ids=["shorter", "as-long", "shorter-but-too-long", "longer", "appended"],
)
def test_a_block_over_its_limit_may_shrink_but_not_grow(
    block: MakeBlock, edit: Edit, allowed: bool
) -> None:
    over = block("too long a tail", limit_chars=5)

    if allowed:
        assert len(edit(over).value) <= len(over.value)
    else:
        with pytest.raises(BlockLimitExceeded):
            edit(over)


@pytest.mark.parametrize(
    "edit",
    [
        append("more"),
        replace_text("tea", "rye"),
        replace_text("not there", "rye"),
        rethink("new"),
        rethink("likes tea"),  # even one that would change nothing
    ],
    ids=["append", "replace", "replace-what-is-absent", "rethink", "rethink-the-same"],
)
def test_a_read_only_block_refuses_every_edit(block: MakeBlock, edit: Edit) -> None:
    with pytest.raises(ReadOnlyBlock, match="'human' is read-only"):
        edit(block("likes tea", read_only=True))


# Each way for a text to enter an edit.
ENTRIES: dict[str, Callable[[str], Edit]] = {
    "append": append,
    "old": lambda text: replace_text(text, "new"),
    "new": lambda text: replace_text("old", text),
    "rethink": rethink,
}


@pytest.mark.parametrize("enter", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("12→ likes tea", "starts with a line number"),
        ("  3→likes tea", "starts with a line number"),
        ("likes\0tea", "NUL character at position 5"),
        ("likes \ud83d tea", r"unpaired surrogate \(\\ud83d\) at position 6"),
        ("x" * 500_001, "has 500,001 characters"),
    ],
    ids=["line-number", "indented-line-number", "nul", "surrogate", "endless"],
)
def test_text_that_must_not_enter_memory_is_refused_at_every_entry(
    enter: Callable[[str], Edit], text: str, complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        enter(text)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("Name: Ana.", "Name: Ana.\nTea.\nTea, green."),
        ("Tea.\nTea, green.", "Name: Ana.\nTea.\nTea, green."),
        ("Tea", "Name: Ana.\nTea.\nTea, green.\nTea"),
        ("Tea.\nCoffee.", "Name: Ana.\nTea.\nTea, green.\nTea.\nCoffee."),
    ],
)
def test_lines_that_stand_in_a_block_just_so_are_not_added_again(
    block: MakeBlock, content: str, value: str
) -> None:
    before = block("Name: Ana.\nTea.\nTea, green.")
    after = append_news(content)(before)
    assert after.value == value
    assert (after.version == before.version) == (after.value == before.value)


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u2003"])
def test_blank_text_can_neither_be_appended_nor_looked_for(blank: str) -> None:
    with pytest.raises(InvalidInput, match="content is empty"):
        append(blank)
    with pytest.raises(InvalidInput, match="old_content is empty"):
        replace_text(blank, "new")


def test_an_arrow_after_a_number_inside_a_text_is_no_line_number(block: MakeBlock) -> None:
    assert append("level 3→ 4")(block()).value == "level 3→ 4"


@pytest.mark.parametrize("seen", [False, True])
def test_a_rewrite_by_one_who_saw_the_block_as_it_is_applies(block: MakeBlock, seen: bool) -> None:
    before = block("old", version=3)

    assert rethink("new", based_on=before if seen else None)(before).value == "new"


def test_a_rewrite_by_one_who_saw_an_older_block_keeps_what_others_changed_since(
    block: MakeBlock,
) -> None:
    seen = block("name: Ada\nlikes tea\nlives in Porto", version=3)
    now = block("name: Ada Lovelace\nlikes tea\nlives in Porto\nhas a cat", version=5)

    after = rethink("name: Ada\nlives in Porto\nspeaks French", based_on=seen)(now)

    assert after.value == "name: Ada Lovelace\nlives in Porto\nhas a cat\nspeaks French"
    assert after.version == 6


def test_a_rewrite_of_what_others_changed_since_is_refused_with_both_texts(
    block: MakeBlock,
) -> None:
    seen = block("name: Ada\nlikes tea", version=3)
    now = block("name: Ada\nlikes green tea", version=5)

    with pytest.raises(Conflict) as refused:
        rethink("name: Ada L.\nlikes coffee", based_on=seen)(now)

    assert str(refused.value) == (
        "block 'human' was changed elsewhere since you last saw it (version 5 now, 3 then), where "
        "your rewrite changes it too, so it was not rewritten:\n"
        "- it was 'likes tea'; now it is 'likes green tea'; you sent 'likes coffee'\n"
        "Take in both, then send the whole block again. It reads:\n name: Ada\n likes green tea"
    )


def test_a_rewrite_to_what_the_block_says_already_is_no_conflict(block: MakeBlock) -> None:
    before = block("likes tea", version=5)

    assert rethink("likes tea", based_on=block("likes rye", version=3))(before) == before


def test_the_blocks_an_agent_starts_with_say_what_belongs_in_them() -> None:
    described = {block.label: block.description for block in (*SHARED_TEMPLATES, *OWN_TEMPLATES)}

    assert list(described) == ["persona", "human", "project"]
    assert all(len(description) > 80 for description in described.values())


def _places(value: str, wanted: str) -> list[int]:
    return [place for place in range(len(value)) if value.startswith(wanted, place)]


def test_lines_can_be_added_after_each_line_and_the_last(block: MakeBlock) -> None:
    before = block("a\nb")

    assert insert("x", 0)(before).value == "x\na\nb"
    assert insert("x", 1)(before).value == "a\nx\nb"
    assert insert("x", 2)(before).value == insert("x")(before).value == "a\nb\nx"
    with pytest.raises(InvalidInput, match="insert_line 3 is out of range"):
        insert("x", 3)(before)
