"""Where a text is cut, and above all where it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.clauses import OMISSION, clauses_of


def shown(text: str) -> list[str]:
    return [text[clause.start : clause.end] for clause in clauses_of(text)]


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("I went to Rome. It was hot!", ["I went to Rome", "It was hot"]),
        ("one\ntwo\r\n\r\n- three", ["one", "two", "- three"]),
        ("ACME Corp. is run by Dr. Bell of 12 Mill St. in Leeds.", None),
        ("Set timeout=3.5 in v2.8.0 of src/app.py now", None),
        ("i went to rome. then i went home", None),  # full stops of people who write no capitals
        (
            "We moved the store to Postgres 16, and I deleted the old volume",
            ["We moved the store to Postgres 16", "I deleted the old volume"],
        ),
        (
            "restarted worker-3 at 14:05; fixed the leak in 4f2a9bc",
            ["restarted worker-3 at 14:05", "fixed the leak in 4f2a9bc"],
        ),
        (
            "昨日東京へ行きました。田中さんに会いました。",
            ["昨日東京へ行きました", "田中さんに会いました"],
        ),
        ("Thanks Ana, so I left", ["I left"]),
        ("So that we can ship", None),
        ("?!… 🎉 —", []),
        ("", []),
    ],
)
def test_sentences_and_clauses(text: str, clauses: list[str] | None) -> None:
    """None for a text that is one clause, without its last full stop."""
    assert shown(text) == ([text.rstrip(".")] if clauses is None else clauses)


@pytest.mark.parametrize(
    "text",
    [
        "My sister came to see us in June and bought a house in Rome",  # she did, not the speaker
        "We did not, as the papers said on Monday, move the office to Rome",
        "I don't think that she will come, and he has lost the key again",
        "If it rains on Friday, we cancel the trip and the party is on Sunday",
        "She told me that Bob sold the house and she bought a boat",
        "We decided not to use Kafka because it needs ZooKeeper and the team has no time",
        "Did you hear that Bob moved to Rome last year, and he bought a boat?",
        "昨日、あなたは東京へ行きましたか\uff1f",
    ],
)
def test_nothing_is_cut_off_that_would_claim_something_else_alone(text: str) -> None:
    assert shown(text) == [text]


def test_a_negation_ends_where_the_sentence_turns() -> None:
    text = "We did not, as you may think, go to Paris, but we went to Rome in May."

    assert shown(text) == ["We did not, as you may think, go to Paris", "we went to Rome in May"]


def test_a_sentence_goes_on_where_its_line_was_broken_to_fit_a_width() -> None:
    text = "After the second review of the whole thing we decided not to\nmove the office to Rome."

    assert shown(text) == [text.rstrip(".")]


def test_a_list_of_short_lines_is_not_taken_for_a_broken_line() -> None:
    assert shown("npm install\nnpm run build") == ["npm install", "npm run build"]


def test_a_sentence_without_end_is_cut_anywhere() -> None:
    listing = "module_a.py " * 100

    assert all(len(clause) < 300 for clause in shown(listing))
    assert " ".join(shown(listing)) == listing.strip()


@given(st.text(st.characters() | st.sampled_from(".,;?! \n…'\"-") | st.sampled_from("aInot")))
def test_clauses_lie_in_order_and_hold_a_letter_or_digit_and_no_omission(text: str) -> None:
    last = 0
    for clause in clauses_of(text):
        part = text[clause.start : clause.end]
        assert last <= clause.start < clause.end
        assert any(map(str.isalnum, part))
        assert OMISSION not in part
        assert part == part.strip()
        last = clause.end
