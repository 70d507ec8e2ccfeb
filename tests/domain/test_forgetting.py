"""What holds a text, which near texts may say the same, and what is told of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.extract import Said, extract, without_fragments
from memory_mcp.domain.forgetting import (
    Forgotten,
    Found,
    Match,
    Preview,
    Restored,
    Wanted,
    gone_text,
    holder_of,
    lines_holding,
    may_say_the_same,
    without_lines,
)

AT = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
LINES = st.lists(st.text("ab ", max_size=5), max_size=6)


@pytest.mark.parametrize(
    ("value", "text", "lines"),
    [
        ("likes tea\nlikes rye", "TEA", ["likes tea"]),
        ("likes tea\nlikes rye", "likes", ["likes tea", "likes rye"]),
        ("likes tea\nlikes rye", "tea\nlikes", ["likes tea", "likes rye"]),
        ("lives in ÖREBRO\nlikes rye", "örebro", ["lives in ÖREBRO"]),
        ("a.c\nabc", "a.c", ["a.c"]),
        ("likes tea", "coffee", []),
        ("", "tea", []),
    ],
)
def test_the_lines_in_which_a_text_stands(value: str, text: str, lines: list[str]) -> None:
    assert lines_holding(value, holder_of(text)) == lines


@given(lines=LINES, text=st.text("ab", min_size=1, max_size=3))
def test_a_block_without_its_lines_holds_the_text_no_more_and_keeps_the_rest(
    lines: list[str], text: str
) -> None:
    value = "\n".join(lines)
    wanted = holder_of(text)
    left = without_lines(value, lines_holding(value, wanted))
    assert not wanted.search(left)
    assert left == "\n".join(line for line in lines if not wanted.search(line))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Ana likes green tea.", "Ana really likes green tea."),
        ("Deploy with `just ship`.", "To deploy, run `just ship`."),
        ("The port is 8080, on 3 May.", "On 3 May, the port is 8080."),
        ("Ana doesn't like tea.", "Ana does not like tea."),
    ],
)
def test_texts_that_agree_in_numbers_dates_and_negation_may_say_the_same(a: str, b: str) -> None:
    assert may_say_the_same(a, b)
    assert may_say_the_same(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("The port is 8080.", "The port is 9090."),
        ("Ana has two cats.", "Ana has three cats."),
        ("Ana came in May.", "Ana came in June."),
        ("The review is on Monday.", "The review is on Tuesday."),
        ("Ana likes tea.", "Ana does not like tea."),
        ("Ana can eat nuts.", "Ana can’t eat nuts."),
        ("Version 1.2 is out.", "Version 1.3 is out."),
    ],
)
def test_texts_that_differ_in_one_do_not(a: str, b: str) -> None:
    assert not may_say_the_same(a, b)
    assert not may_say_the_same(b, a)


def test_texts_of_different_days_do_not_say_the_same() -> None:
    other = AT.replace(day=21)
    assert not may_say_the_same("Ana ran.", "Ana ran.", AT, other)
    assert may_say_the_same("Ana ran.", "Ana ran.", AT, AT.replace(hour=3))
    assert may_say_the_same("Ana ran.", "Ana ran.", AT, None)


SUMMARY = """\
2026-11-01
Ana: I like tea … I moved to Porto in May
Ben: Tea is fine
2026-11-02
Ana: More tea"""


def test_a_summary_loses_the_fragments_that_tell_of_it_and_the_days_they_were_alone_on() -> None:
    left = without_fragments(SUMMARY, lambda _, __, text: "tea" in text.lower())
    assert left == "2026-11-01\nAna: I moved to Porto in May"


def test_fragments_are_told_with_their_day_and_speaker() -> None:
    seen: list[tuple[str, str, str]] = []
    left = without_fragments(SUMMARY, lambda *fragment: bool(seen.append(fragment)))
    assert left == SUMMARY
    assert seen[1:3] == [
        ("2026-11-01", "Ana", "I moved to Porto in May"),
        ("2026-11-01", "Ben", "Tea is fine"),
    ]


def test_a_summary_in_prose_loses_lines() -> None:
    prose = "The user likes tea.\n\nThey moved to Porto."
    assert without_fragments(prose, lambda _, __, text: "tea" in text) == "\nThey moved to Porto."
    assert without_fragments(prose, lambda *_: False) == prose
    assert without_fragments("", lambda *_: True) == ""


@given(
    st.lists(
        st.tuples(st.sampled_from(["Ana", "Ben"]), st.text("ab. \nT2", min_size=1, max_size=40)),
        max_size=6,
    )
)
def test_a_summary_that_loses_all_its_fragments_is_empty(told: list[tuple[str, str]]) -> None:
    said = [Said(seq=n, speaker=who, at=AT, text=text) for n, (who, text) in enumerate(told, 1)]
    summary = extract(None, said, budget_tokens=200, count=len)
    assert without_fragments(summary, lambda *_: True) == ""
    assert without_fragments(summary, lambda *_: False) == summary


def test_a_preview_shows_the_first_few_and_how_it_goes_on() -> None:
    matches = [Match("passage", f"passage-{n}", f"tea {n}") for n in range(6)]
    found = Found(
        wanted=Wanted(text="tea"), matches=[*matches, Match("block", "block-1", "likes tea")]
    )
    answer = Preview(found=found, code="K7MQ").answer
    assert answer.startswith("'tea' stands in 6 passages and 1 line of core memory:\n- tea 0 [")
    assert "… and 2 more" in answer
    assert answer.endswith(
        "Nothing is forgotten yet. To forget these: confirm K7MQ (within 10 minutes)."
    )


def test_a_preview_of_nothing_says_so_and_names_what_nobody_may_edit() -> None:
    found = Found(wanted=Wanted(text="tea"), matches=[], read_only=["persona"])
    assert Preview(found=found).answer == (
        "Nothing holds the text 'tea'; nothing was forgotten. It also stands in 'persona', which "
        "nobody may edit."
    )


def test_what_was_forgotten_is_told_with_how_to_undo_it_and_how_long() -> None:
    told = Forgotten(at=AT, passages=["p"], messages=["m", "n"], lines=2, unknown=["passage-9"])
    assert told.answer == (
        "Forgotten: 1 passage, 2 messages and 2 lines of core memory. To undo it, within "
        "30 days: undo. After that it is gone for good. Not there: passage-9."
    )
    assert Forgotten(at=AT, unknown=["x"]).answer == "Nothing was forgotten. Not there: x."


def test_what_was_put_back_is_told_and_what_was_not_with_the_reason() -> None:
    told = Restored(back=["passage-1"], lines=1, anew=["passage-2"], no_room=["human"])
    assert "Put back: 1 passage and 1 line of core memory." in told.answer
    assert "Filed anew meanwhile, so not doubled: passage-2." in told.answer
    assert "Block 'human' has no room" in told.answer
    assert Restored().answer.startswith("There is nothing to put back")


def test_what_is_told_of_a_passage_that_went() -> None:
    at = "2026-11-22T14:05:00.000Z"
    assert gone_text("passage-1", None, at, AT) == (
        "passage passage-1 was forgotten just now. It can be put back for 30 more days."
    )
    later = AT + timedelta(days=3, hours=2)
    told = gone_text("passage-1", "passage-2", at, later)
    assert "superseded by passage-2 3d ago:" in told
    assert told.endswith("The old one can be put back for 26 more days.")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("tea\n", ["likes tea"]),
        ("\nlikes rye", ["likes tea", "likes rye"]),
        ("tea\nlikes", ["likes tea", "likes rye"]),
        ("rye\n", ["likes rye"]),
    ],
)
def test_a_text_that_begins_or_ends_with_a_line_break_takes_just_the_lines_it_touches(
    text: str, lines: list[str]
) -> None:
    assert lines_holding("likes tea\nlikes rye\nruns", holder_of(text)) == lines
