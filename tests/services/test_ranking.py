"""Fusing the legs of a search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.ports import Candidate
from memory_mcp.services.ranking import COSINE_WEIGHT, Ranked, fuse

scores = st.floats(0, 50)
cosines = st.none() | st.floats(-1, 1)
runs = st.integers(0, 3), st.floats(0, 2)
candidates = st.lists(
    st.builds(Candidate, st.integers(1, 10**6), scores, cosines, *runs),
    unique_by=lambda row: row.seq,
)


def order(rows: list[Ranked]) -> list[int]:
    return [row.seq for row in rows]


def test_nothing_found_is_an_empty_ranking() -> None:
    assert fuse([]) == []


def test_words_and_meaning_add_up_by_their_weights() -> None:
    rows = [Candidate(1, 8.0, 0.1), Candidate(2, 4.0, 0.5), Candidate(3, 0.0, 0.9)]

    scored = {row.seq: row.score for row in fuse(rows)}

    words = 1 - COSINE_WEIGHT
    assert scored[1] == pytest.approx(words)
    assert scored[2] == pytest.approx(words / 2 + COSINE_WEIGHT / 2)
    assert scored[3] == pytest.approx(COSINE_WEIGHT)


def test_without_vectors_the_words_decide_alone() -> None:
    ranked = fuse([Candidate(1, 2.0), Candidate(2, 8.0)])

    assert ranked == [Ranked(2, 1.0), Ranked(1, 0.25)]


def test_without_words_the_meaning_decides_alone() -> None:
    ranked = fuse([Candidate(1, 0.0, 0.2), Candidate(2, 0.0, 0.6), Candidate(3, 0.0, -0.2)])

    assert order(ranked) == [2, 1, 3]
    assert [row.score for row in ranked] == pytest.approx([1.0, 0.5, 0.0])


def test_equal_scores_put_the_newer_row_first() -> None:
    assert order(fuse([Candidate(1, 2.0), Candidate(3, 2.0), Candidate(2, 2.0)])) == [3, 2, 1]
    assert order(fuse([Candidate(1, 0.0, 0.5), Candidate(2, 0.0, 0.5)])) == [2, 1]


def test_a_row_that_holds_what_was_typed_comes_before_all_that_do_not() -> None:
    rows = [Candidate(1, 8.0, 0.9), Candidate(2, 0.0, None, exact=1), Candidate(3, 1.0, 0.1)]

    assert order(fuse(rows)) == [2, 1, 3]


def test_a_bonus_lifts_a_row_among_those_that_hold_as_much() -> None:
    rows = [
        Candidate(1, 8.0, exact=1),
        Candidate(2, 6.0, exact=1, bonus=0.5),
        Candidate(3, 8.0, bonus=2.0),
        Candidate(4, 0.0, exact=2),
    ]

    assert order(fuse(rows)) == [4, 2, 1, 3]


@given(rows=candidates)
def test_more_of_what_was_typed_always_comes_first(rows: list[Candidate]) -> None:
    exact = {row.seq: row.exact for row in rows}

    held = [exact[row.seq] for row in fuse(rows)]

    assert held == sorted(held, reverse=True)


@given(rows=candidates)
def test_every_candidate_is_ranked_once_with_a_score_from_0_to_1(rows: list[Candidate]) -> None:
    ranked = fuse(rows)

    assert sorted(order(ranked)) == sorted(row.seq for row in rows)
    assert all(0 <= row.score <= 1 + 1e-9 for row in ranked)
    assert [row.score for row in ranked] == sorted((row.score for row in ranked), reverse=True)


@given(rows=candidates)
def test_a_row_that_is_better_by_both_legs_is_never_ranked_behind(rows: list[Candidate]) -> None:
    places = {seq: place for place, seq in enumerate(order(fuse(rows)))}

    for better in rows:
        for worse in rows:
            if better.cosine is None or worse.cosine is None:
                continue
            if better.exact < worse.exact or better.bonus < worse.bonus:
                continue
            if better.lexical > worse.lexical and better.cosine > worse.cosine:
                assert places[better.seq] < places[worse.seq]


@given(rows=candidates, data=st.data())
def test_the_order_in_which_the_legs_found_rows_does_not_matter(
    rows: list[Candidate], data: st.DataObject
) -> None:
    assert fuse(data.draw(st.permutations(rows))) == fuse(rows)
