"""Merge: what becomes of a block's text when two writers changed it at once.

A text is lines with line breaks between them, so lines added at the end change no other line, and a
line break at the very end is a last line that is empty. Changes of different lines combine, even
where the lines are neighbours: in a block each line is mostly a fact of its own.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

Lines = tuple[str, ...]

# What comparing two texts may cost at the worst, in pairs of lines looked at: 0.15 s. Lines that
# would cost more are taken for one change of them all, which is coarser but loses nothing. Sixty
# edits all over a block of 1,800 lines cost 1,600, a section of 200 lines written anew 250,000.
COMPARISONS_MAX = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Both writers' changes in one text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictingRegion:
    """Lines that both changed, or that one changed and the other deleted. No lines: deleted."""

    line: int
    """The number of the first of them in the base, from 1."""
    base: Lines
    ours: Lines
    theirs: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflict:
    """The whole text from top to bottom: settled lines, and regions that somebody must decide."""

    parts: tuple[Lines | ConflictingRegion, ...]

    @property
    def regions(self) -> tuple[ConflictingRegion, ...]:
        """What must be decided; at least one."""
        return tuple(part for part in self.parts if isinstance(part, ConflictingRegion))


def merge(base: str, ours: str, theirs: str) -> Merged | MergeConflict:
    """What becomes of `base` when both `ours` and `theirs` were made from it.

    `theirs` is what was committed first: where both added lines at the same place, theirs come
    first, and what both added alike stands once. The order of such lines is all that depends on
    which of the two is called ours.
    """
    if theirs in (base, ours):
        return Merged(text=ours)
    if ours == base:
        return Merged(text=theirs)
    old = _lines(base)
    parts: list[Lines | ConflictingRegion] = []
    place = 0
    for meeting in _meetings(_changes(old, _lines(ours)), _changes(old, _lines(theirs))):
        parts += [old[place : meeting.start], meeting.settle(old)]
        place = meeting.end
    parts.append(old[place:])
    if any(isinstance(part, ConflictingRegion) for part in parts):
        return MergeConflict(parts=tuple(_joined(parts)))
    return Merged(text="\n".join(_settled_lines(parts)))


def _lines(text: str) -> Lines:
    return tuple(text.split("\n")) if text else ()


def _joined(parts: Sequence[Lines | ConflictingRegion]) -> Iterator[Lines | ConflictingRegion]:
    """The parts, with settled lines that follow each other in one."""
    for settled, run in groupby(parts, key=lambda part: isinstance(part, tuple)):
        if not settled:
            yield from run
        elif lines := tuple(_settled_lines(run)):
            yield lines


def _settled_lines(parts: Iterable[Lines | ConflictingRegion]) -> Iterator[str]:
    return (line for part in parts if isinstance(part, tuple) for line in part)


# --- Where the changes of both meet ---


@dataclass(frozen=True, slots=True)
class _Change:
    """`lines` stand where lines `start` up to `end` of the base stood."""

    start: int
    end: int
    lines: Lines


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Changes that bear on the same lines, `start` up to `end` of the base; mostly just one."""

    start: int
    end: int
    ours: Sequence[_Change]
    theirs: Sequence[_Change]

    @classmethod
    def of(cls, changes: Sequence[tuple[_Change, bool]]) -> "_Meeting":
        return cls(
            start=changes[0][0].start,
            end=max(change.end for change, _ in changes),
            ours=[change for change, is_ours in changes if is_ours],
            theirs=[change for change, is_ours in changes if not is_ours],
        )

    def settle(self, old: Lines) -> Lines | ConflictingRegion:
        """What these lines become."""
        ours, theirs = self._after(old, self.ours), self._after(old, self.theirs)
        if ours == theirs or not self.theirs:
            return ours
        if not self.ours:
            return theirs
        if self.start == self.end:
            return _both_added(ours, theirs, at_end=self.end == len(old))
        if not any(change.lines for change in (*self.ours, *self.theirs)):
            return ()  # both only deleted, and each line was deleted by one of them
        region = old[self.start : self.end]
        return ConflictingRegion(line=self.start + 1, base=region, ours=ours, theirs=theirs)

    def _after(self, old: Lines, changes: Sequence[_Change]) -> Lines:
        lines: list[str] = []
        place = self.start
        for change in changes:
            lines += [*old[place : change.start], *change.lines]
            place = change.end
        return (*lines, *old[place : self.end])


def _meetings(ours: Sequence[_Change], theirs: Sequence[_Change]) -> Iterator[_Meeting]:
    """All changes from top to bottom, those together that cannot be told apart by place.

    Changes of one side never overlap. Those of two sides meet when they change the same line, when
    one puts lines between lines that the other changes, or when both put lines in the same place.
    Lines put in right above or below what the other changes are in a place of their own.
    """
    both = [(change, True) for change in ours] + [(change, False) for change in theirs]
    both.sort(key=lambda told: (told[0].start, told[0].end))
    group: list[tuple[_Change, bool]] = []
    end = 0
    for change, is_ours in both:
        if group and not (change.start < end or change.start == change.end == group[0][0].start):
            yield _Meeting.of(group)
            group = []
        group.append((change, is_ours))
        end = max(end, change.end)
    if group:
        yield _Meeting.of(group)


def _both_added(ours: Lines, theirs: Lines, at_end: bool) -> Lines:
    """Theirs, then ours; what they begin with or end with alike, once.

    Blank lines alone are no words in common, they set apart what is around them; but a line break
    at the end of the text stays one.
    """
    head = _alike(ours, theirs)
    if not any(line.strip() for line in ours[:head]):
        head = 0
    rest_ours, rest_theirs = ours[head:], theirs[head:]
    tail = _alike(rest_ours[::-1], rest_theirs[::-1])
    shared = rest_ours[len(rest_ours) - tail :]
    if not any(line.strip() for line in shared):
        shared = ("",) if at_end and shared and not shared[-1] else ()
    kept = len(shared)
    return (
        *ours[:head],
        *rest_theirs[: len(rest_theirs) - kept],
        *rest_ours[: len(rest_ours) - kept],
        *shared,
    )


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


# --- What one side changed ---


def _changes(old: Lines, new: Lines) -> list[_Change]:
    """What makes `new` of `old`, from top to bottom; no two bear on the same line."""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    changes: list[_Change] = []
    budget = COMPARISONS_MAX
    start, new_start = head, head
    for end, new_end in _anchors(old, new, head, tail):
        run, new_run = old[start:end], new[new_start:new_end]
        cost = _cost(run, new_run)
        if not cost:  # no line in common
            changes += _by_line(start, run, new_run)
        elif cost <= budget:
            budget -= cost
            matcher = SequenceMatcher(None, run, new_run, autojunk=False)
            for tag, a, b, c, d in matcher.get_opcodes():
                if tag != "equal":
                    changes += _by_line(start + a, run[a:b], new_run[c:d])
        else:
            changes.append(_Change(start, end, new_run))
        start, new_start = end + 1, new_end + 1
    return changes


def _by_line(start: int, run: Lines, new_run: Lines) -> list[_Change]:
    """One change, or where as many lines came as went, one for each of them."""
    if len(run) != len(new_run):
        return [_Change(start, start + len(run), new_run)]
    return [_Change(place, place + 1, (line,)) for place, line in enumerate(new_run, start)]


def _cost(run: Lines, new_run: Lines) -> int:
    """What `SequenceMatcher` may at the worst look at: each block it finds can take one search."""
    there = Counter(new_run)
    pairs = sum(there[line] for line in run)
    return (pairs + len(run)) * min(pairs, len(run), len(new_run))


def _anchors(old: Lines, new: Lines, head: int, tail: int) -> Iterator[tuple[int, int]]:
    """Places of lines that stand once in each, in the same order, and last the end of both.

    Between them there is little left to compare: without them a long text would cost its square.
    """
    ends = len(old) - tail, len(new) - tail
    once, new_once = _once(old, head, ends[0]), _once(new, head, ends[1])
    pairs = [(place, new_once[line]) for line, place in once.items() if line in new_once]
    yield from _longest_rising(pairs)
    yield ends


def _once(lines: Lines, start: int, end: int) -> dict[str, int]:
    """The lines that stand just once from `start` up to `end`, in order, and where."""
    counts = Counter(lines[start:end])
    return {line: place for place, line in enumerate(lines[start:end], start) if counts[line] == 1}


def _longest_rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most of `pairs`, which rise by their first numbers, that rise by their second too."""
    lasts: list[int] = []  # the smallest second number that a chain of each length can end with
    chains: list[int] = []  # which pair it belongs to
    before: list[int] = []  # for each pair, the one before it in its chain
    for index, (_, number) in enumerate(pairs):
        length = bisect_left(lasts, number)
        before.append(chains[length - 1] if length else -1)
        lasts[length : length + 1] = [number]
        chains[length : length + 1] = [index]
    found: list[tuple[int, int]] = []
    index = chains[-1] if chains else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]
