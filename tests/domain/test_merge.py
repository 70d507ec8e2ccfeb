"""Three-way merge: nobody's words are lost, and what cannot be settled is handed back."""

import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.merge import ConflictingRegion, Lines, MergeConflict, Merged, merge

# Few letters, so that lines often repeat; blank lines and line breaks at the end come up too.
texts = st.lists(st.sampled_from(["", "a", "b", "c", "d", " "]), max_size=8).map("\n".join)


@st.composite
def edited(draw: st.DrawFn, base: str, mark: str) -> str:
    """`base` with some lines changed, deleted or added, the new ones marked."""
    lines = base.split("\n") if base else []
    for number in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines)))
        new = draw(st.sampled_from([f"{mark}{number}", "same", ""]))
        removed = draw(st.integers(0, 2))
        lines[place : place + removed] = draw(st.sampled_from([[], [new], [new, f"{mark}more"]]))
    return "\n".join(lines)


@st.composite
def three(draw: st.DrawFn) -> tuple[str, str, str]:
    """A base and what two writers made of it."""
    base = draw(texts)
    return base, draw(edited(base, "ours")), draw(edited(base, "theirs"))


versions = three() | st.tuples(texts, texts, texts)


def lines_of(text: str) -> list[str]:
    return text.split("\n") if text else []


def all_lines(merged: Merged | MergeConflict) -> list[str]:
    """Every line of the result, of a conflict both sides."""
    if isinstance(merged, Merged):
        return lines_of(merged.text)
    lines: list[str] = []
    for part in merged.parts:
        lines += [*part.ours, *part.theirs] if isinstance(part, ConflictingRegion) else part
    return lines


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        # different places
        ("a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC"),
        ("a\nb\nc", "A\nb\nc", "a\nB\nc", "A\nB\nc"),  # neighbours
        ("a\nb", "A\nb", "a\nb\nc", "A\nb\nc"),
        ("a\nb", "a\nB", "a\nb\nc", "a\nB\nc"),  # changed the last line, added below it
        ("a\nb", "A\nb", "x\na\nb", "x\nA\nb"),  # changed the first line, added above it
        ("a\nb\nc", "a\nc", "A\nb\nc", "A\nc"),
        ("a\nb\nc", "b\nc", "a\nb", "b"),
        # the same place
        ("a", "a\nx", "a\ny", "a\ny\nx"),  # theirs first
        ("", "x", "y", "y\nx"),
        ("a\nb", "a\nx\nb", "a\ny\nb", "a\ny\nx\nb"),
        ("a", "x\na", "y\na", "y\nx\na"),
        ("a\nb\nc", "a", "c", ""),  # between them they deleted all
        ("a\nb\nc\nd", "a\nd", "a\nb", "a"),
        # the same change
        ("a", "a\nx", "a\nx", "a\nx"),
        ("a\nb", "A\nb", "A\nb\nc", "A\nb\nc"),
        ("a\nb", "A\nB", "a\nB", "A\nB"),
        ("a", "a\nx\ny", "a\nx", "a\nx\ny"),
        ("a", "a\nx\ny", "a\ny", "a\nx\ny"),
        ("a", "a\nh\nx\nf", "a\nh\ny\nf", "a\nh\ny\nx\nf"),
        # line breaks at the end, and blank lines
        ("a\n", "a\nx\n", "a\ny\n", "a\ny\nx\n"),
        ("a", "a\nx\n", "a\ny\n", "a\ny\nx\n"),
        ("a", "a\nx", "a\ny\n", "a\ny\n\nx"),  # as if x were appended to what theirs left
        ("a\n", "A\n", "a\nx\n", "A\nx\n"),
        ("a\n", "a", "A\n", "A"),
        ("a\nb", "A\nb\n", "a\nB", "A\nB\n"),
        ("a", "a\n\nx", "a\n\ny", "a\n\ny\n\nx"),  # paragraphs stay apart
        ("a\n\nb", "a\n\nx\n\nb", "a\n\ny\n\nb", "a\n\ny\n\nx\n\nb"),
        # only line breaks part lines
        ("a\u2028b\r\nc", "a\u2028b\r\nC", "x\na\u2028b\r\nc", "x\na\u2028b\r\nC"),
    ],
)
def test_changes_in_different_places_and_lines_added_in_the_same_place_combine(
    base: str, ours: str, theirs: str, merged: str
) -> None:
    assert merge(base, ours, theirs) == Merged(text=merged)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "parts"),
    [
        ("a", "x", "y", [(1, "a", "x", "y")]),
        ("a\nb\nc", "a\nx\nc", "a\ny\nc", ["a", (2, "b", "x", "y"), "c"]),
        ("a\nb\nc", "a\nc", "a\ny\nc", ["a", (2, "b", "", "y"), "c"]),
        ("a\nb\nc", "a\nx\nc", "a\nc", ["a", (2, "b", "x", ""), "c"]),
        ("a", "", "y", [(1, "a", "", "y")]),
        # lines put between lines that the other deleted
        ("a\nb\nc", "c", "a\nx\nb\nc", [(1, "ab", "", "axb"), "c"]),
        # the rest is settled all the same
        ("a\nb\nc", "x\nb\nC", "y\nb\nc", [(1, "a", "x", "y"), "bC"]),
        ("a\nb\nc\nd", "x\ny\nc\nd\ne", "a\nz\nc\nD", ["x", (2, "b", "y", "z"), "cDe"]),
        # one deleted b and c, the other wrote three lines for c and d
        ("a\nb\nc\nd", "a\nd", "a\nb\nx\ny\nz", ["a", (2, "bcd", "d", "bxyz")]),
        # a longer change meets two of the other's
        ("a\nb\nc\nd", "x\nd", "a\nB\nC\nd", [(1, "abc", "x", "aBC"), "d"]),
    ],
)
def test_what_both_changed_is_handed_back_with_both_texts(
    base: str, ours: str, theirs: str, parts: list[str | tuple[int, str, str, str]]
) -> None:
    expected: list[Lines | ConflictingRegion] = [
        tuple(part)
        if isinstance(part, str)
        else ConflictingRegion(
            line=part[0], base=tuple(part[1]), ours=tuple(part[2]), theirs=tuple(part[3])
        )
        for part in parts
    ]

    merged = merge(base, ours, theirs)

    assert isinstance(merged, MergeConflict)
    assert merged.parts == tuple(expected)
    assert merged.regions == tuple(part for part in expected if not isinstance(part, tuple))


@given(base=texts, changed=texts)
def test_what_one_side_alone_changed_is_taken_as_it_is(base: str, changed: str) -> None:
    whole = Merged(text=changed)

    assert merge(base, base, changed) == whole
    assert merge(base, changed, base) == whole
    assert merge(base, changed, changed) == whole


@given(versions=versions)
def test_every_line_that_either_side_added_is_in_the_result(
    versions: tuple[str, str, str],
) -> None:
    base, ours, theirs = versions
    merged = merge(base, ours, theirs)

    for side in (ours, theirs):
        for line in Counter(lines_of(side)) - Counter(lines_of(base)):
            # A blank line that is all there is reads the same as no line.
            assert line in all_lines(merged) or (line, merged) == ("", Merged(text=""))


@given(versions=versions)
def test_no_line_is_in_the_result_that_neither_side_had(versions: tuple[str, str, str]) -> None:
    base, ours, theirs = versions
    both = Counter(lines_of(ours)) + Counter(lines_of(theirs))

    result = Counter(all_lines(merge(base, ours, theirs)))

    assert set(result) <= set(both)
    assert all(result[line] <= both[line] for line in result)


@given(data=st.data(), size=st.integers(0, 6))
def test_a_line_stays_when_both_kept_it_and_goes_when_one_deleted_it(
    data: st.DataObject, size: int
) -> None:
    base = "\n".join(f"line {number}" for number in range(size))
    ours, theirs = data.draw(edited(base, "ours")), data.draw(edited(base, "theirs"))

    merged = merge(base, ours, theirs)

    settled = lines_of(merged.text) if isinstance(merged, Merged) else []
    for part in merged.parts if isinstance(merged, MergeConflict) else ():
        settled += part if isinstance(part, tuple) else ()
    kept = set(lines_of(ours)) & set(lines_of(theirs))
    for line in lines_of(base):
        assert line not in settled or line in kept
        assert line in all_lines(merged) or line not in kept


@given(versions=versions)
def test_who_is_called_ours_changes_only_the_order_of_lines(
    versions: tuple[str, str, str],
) -> None:
    base, ours, theirs = versions

    one, other = merge(base, ours, theirs), merge(base, theirs, ours)

    assert type(one) is type(other)
    assert Counter(all_lines(one)) == Counter(all_lines(other))
    if isinstance(one, MergeConflict) and isinstance(other, MergeConflict):
        turned = [(part.line, part.base, part.theirs, part.ours) for part in other.regions]
        assert [(part.line, part.base, part.ours, part.theirs) for part in one.regions] == turned


@given(versions=versions)
def test_a_conflict_is_about_lines_that_each_side_left_another_way(
    versions: tuple[str, str, str],
) -> None:
    base, ours, theirs = versions
    merged = merge(base, ours, theirs)

    for region in merged.regions if isinstance(merged, MergeConflict) else ():
        assert len({region.base, region.ours, region.theirs}) == 3
        assert lines_of(base)[region.line - 1 :][: len(region.base)] == list(region.base)


@given(base=texts, marks=st.lists(st.sampled_from(["x", "y", "z"]), max_size=6))
def test_a_writer_who_only_appends_never_meets_a_conflict(base: str, marks: list[str]) -> None:
    ours = "\n".join([*lines_of(base), *marks])
    theirs = base.replace("a", "A")

    assert isinstance(merge(base, ours, theirs), Merged)


def test_a_block_of_its_full_size_is_merged_line_by_line() -> None:
    dice = random.Random(7)
    base = ["" if dice.random() < 0.2 else f"fact {n}: something lasting" for n in range(4_000)]
    ours, theirs = list(base), list(base)
    for place in range(0, 4_000, 40):
        ours[place] = f"ours {place}"
        theirs[place + 20 : place + 20] = [f"theirs {place}"]

    merged = merge("\n".join(base), "\n".join(ours), "\n".join(theirs))

    assert isinstance(merged, Merged)
    assert merged.text.count("ours ") == merged.text.count("theirs ") == 100
    assert len(lines_of(merged.text)) == 4_100


@pytest.mark.parametrize(
    "lines",
    [
        "['', 'x'] * 50_000",
        "[dice.choice('ab') for _ in range(50_000)]",
        "[dice.choice('abcdefghijklmnopqrstuvwxyz') for _ in range(50_000)]",
        "[str(dice.randrange(1_000)) for _ in range(25_000)]",
        "dice.sample([f'{n:04}' for n in range(20_000)], 20_000)",
        "[w for n in range(6_000) for w in dice.choice([(f'{n}', f'{n}', 'z'), (f'{n}', 'q')])]",
    ],
)
def test_texts_made_to_cost_much_are_merged_at_once(lines: str) -> None:
    # A moment when the work is bounded, minutes when it grows with the square of the lines.
    code = (
        "import random; from memory_mcp.domain.merge import merge; dice = random.Random(7)\n"
        f"merge(*('\\n'.join({lines} + [mark]) for mark in ('base', 'ours', 'theirs')))"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
