"""The summary that stands in view for evicted messages when there is no language model.

It invents nothing: every fragment is text from a message, word for word, under the day it was said
and behind the name of its speaker; `…` marks what is left out between two of them.

    2023-07-12
    Caroline: I went to an LGBTQ conference two days ago … I loved "Becoming Nicole"
    Melanie: We've got a pup and a kitty … Luna and Oliver

It is recursive: the lines of the last summary are read back and stand beside the messages that
leave, with their own days and speakers. Lines of another form, such as a model wrote, are carried
as they are, without a speaker.

The method is greedy coverage: clauses are taken one by one, each time the one that mentions most of
what no taken clause has mentioned yet, for the tokens it takes.
"""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heapreplace
from itertools import pairwise

from memory_mcp.domain.clauses import OMISSION, Clause, clauses_of
from memory_mcp.domain.mentions import Kind, mentions_in
from memory_mcp.domain.query import search_terms
from memory_mcp.domain.times import UTC_ZONE, Zone

# Of a longer message (a file, the output of a tool) only the beginning and the end take part.
_HEAD_CHARS, _TAIL_CHARS = 12_000, 4_000

# What one more mention is worth. On LoCoMo, half or double of any figure here costs at most an
# eighth of what the summary tells (`python -m bench summaries`).
_WEIGHTS: dict[Kind, float] = {
    "code": 3.0, "title": 3.0, "name": 2.5, "date": 2.5, "number": 2.5, "day": 2.0, "count": 1.0,
    "opening": 0.0,
}  # fmt: skip
_WORD_WEIGHT = 0.3
_WORD_CHARS_MAX = 40
_CUE_WEIGHT = 1.0
# Being mentioned twice makes a mention worth this much more, four times twice as much more.
_CENTRALITY = 0.3
# A clause has to be read and understood, whatever its length: without a price for that, scraps of
# two words would win.
_CLAUSE_TOKENS = 12.0
_QUESTION_SHARE = 0.5
# A clause counts as far as it is made of words: listings, tables and logs are dense with numbers
# and paths, and say little.
_DATA_SHARE = 0.1
_SPOKEN = re.compile(
    r"(?<![^\s(\"'“«])[^\W\d_][^\s\d_/\\{}<>=|@#$%^&*+~:.()\[\]\"`]*(?![^\s.:)\"])"
)
# So many clauses of one message halve the worth of the next, and it falls with the square: one long
# listing must not fill the summary.
_FEW = 3
# The last of the budget is left rather than filled with whatever is short enough ("Hi").
_SCRAPS = 0.02
# A gap between two clauses is shown if it is no longer than this, as an omission takes as much.
_GAP_CHARS = 6

# Words of decisions, of changes of state and of trouble.
_CUE = re.compile(
    r"(?i:\b(?:decid\w+|decisions?|agreed?|chose|chosen|choose|choosing|prefer\w*|plans?|planned"
    r"|planning|must|please|do not|switch(?:ed|ing)?|because|instead|fix(?:ed|es)?|fails?|failed"
    r"|failure|errors?|bugs?|todo|deadline|due|next step|root cause|turned out|bought|sold"
    r"|start(?:ed|ing)|finish\w*|moved|born|died|married|joined|won|lost|hired|quit|named|called"
    r"|allerg\w+|favou?rite|remember|works?|lives?)\b)"
    r"|^(?:Always|Never|Don['’]t|Use)\b"
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_BETWEEN = f" {OMISSION} "
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[\n\u3002\uff01\uff1f]")
_LINE_BREAK = re.compile(r"(?<!\s)\s*[\r\n]\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message on its way out of the context window."""

    seq: int
    speaker: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Something said in one piece: a message, or a fragment of the last summary."""

    source: int
    """The same for all that one message said."""
    day: str
    speaker: str
    """Day and speaker are empty where the last summary does not tell them."""
    row: int
    """What keeps apart the lines of a summary without speakers; 0 with a speaker."""
    text: str

    @property
    def heading(self) -> tuple[str, int, str]:
        """What is shown under the same one is shown in one line."""
        return self.day, self.row, self.speaker


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A clause that may be shown."""

    place: int
    line: _Line
    clause: Clause
    text: str
    tokens: int
    share: float
    """How much of its worth counts: less of a question, and of a line of data."""
    base: float
    """What it is worth whatever else is shown."""
    terms: dict[str, float]
    """What it mentions, and what each is worth the first time."""

    def worth(self, covered: set[str], taken: int) -> float:
        """What it adds per token, when `taken` clauses of its source are shown already."""
        new = self.base + sum(weight for term, weight in self.terms.items() if term not in covered)
        return new * self.share / (1 + (taken / _FEW) ** 2) / (_CLAUSE_TOKENS + self.tokens)


def extract(
    previous: str | None,
    said: Sequence[Said],
    *,
    budget_tokens: int,
    count: Callable[[str], int],
    zone: Zone = UTC_ZONE,
) -> str:
    """The summary of the last summary and the messages that leave, in at most `budget_tokens`.

    Its days are those of `zone`. The same input gives the same summary. It is empty when nothing
    was said or nothing fits.
    """
    lines = [*_recalled(previous or ""), *_heard(said, zone)]
    chosen = _chosen(_candidates(lines, count), budget_tokens, count)
    # The tokens of a whole are not quite the sum of its parts'.
    fitting = bisect_right(
        range(1, len(chosen) + 1), budget_tokens, key=lambda size: count(_written(chosen[:size]))
    )
    return _written(chosen[:fitting])


def without_fragments(summary: str, drop: Callable[[str, str, str], bool]) -> str:
    """A summary without the fragments that `drop` wants gone, by their day, speaker and text.

    Day and speaker are empty where the summary does not tell them. Lines and days that are left
    with nothing go with them.
    """
    kept: list[str] = []
    day = ""
    dropped = False
    for line in [*summary.splitlines(), None]:
        if line is None or _DAY.fullmatch(line):
            if day and kept[-1] == day:
                kept.pop()
            day = line or ""
            kept += [day] if day else []
            continue
        speaker, colon, text = line.partition(": ")
        spoken = bool(day and colon)
        told = (text if spoken else line).split(_BETWEEN)
        left = [each for each in told if not drop(day, speaker if spoken else "", each)]
        dropped |= len(left) < len(told)
        if left:
            kept.append((f"{speaker}{colon}" if spoken else "") + _BETWEEN.join(left))
    return "\n".join(kept) if dropped else summary


def shown_speaker(speaker: str) -> str:
    """A speaker's name as it stands in a summary."""
    return " ".join(speaker.split()).replace(": ", " ") or "unknown"


def _recalled(summary: str) -> Iterator[_Line]:
    """The fragments of the last summary."""
    day = ""
    source = 0
    for row, line in enumerate(summary.splitlines(), 1):
        if _DAY.fullmatch(line):
            day = line
            continue
        speaker, colon, text = line.partition(": ")
        spoken = bool(day and colon)
        for fragment in (text if spoken else line).split(OMISSION):
            source -= 1
            yield _Line(
                source=source,
                day=day,
                speaker=speaker if spoken else "",
                row=0 if spoken else row,
                text=fragment,
            )


def _heard(said: Sequence[Said], zone: Zone) -> Iterator[_Line]:
    """What was said, each message as one line or two."""
    for each in said:
        day = zone.day_of(each.at).isoformat()
        speaker = shown_speaker(each.speaker)
        for text in _clamped(each.text):
            yield _Line(source=each.seq, day=day, speaker=speaker, row=0, text=text)


def _clamped(text: str) -> list[str]:
    """The text, or the whole sentences at its beginning and its end."""
    if len(text) <= _HEAD_CHARS + _TAIL_CHARS:
        return [text]
    head, tail = text[:_HEAD_CHARS], text[-_TAIL_CHARS:]
    ends = [end.end() for end in _SENTENCE_END.finditer(head)]
    head = head[: ends[-1]] if ends else head.rpartition(" ")[0]
    end = _SENTENCE_END.search(tail)
    return [head, tail[end.end() :] if end else tail.partition(" ")[2]]


def _candidates(lines: Sequence[_Line], count: Callable[[str], int]) -> list[_Candidate]:
    """Every clause that could be shown, in the order of the lines, with what it mentions."""
    found = [
        (line, clause, _LINE_BREAK.sub(" ", line.text[clause.start : clause.end]))
        for line in lines
        for clause in clauses_of(line.text)
    ]
    speakers = {form for line in lines for form in _forms_of(line.speaker)}
    mentioned = [
        [
            mention
            for mention in mentions_in(text, line.day, clause.opens)
            if mention.key not in speakers
        ]
        for line, clause, text in found
    ]
    names = {each.key for mentions in mentioned for each in mentions if each.kind == "name"}
    often = Counter(key for mentions in mentioned for key in {each.key for each in mentions})
    candidates: list[_Candidate] = []
    for place, ((line, clause, text), mentions) in enumerate(zip(found, mentioned, strict=True)):
        terms = {term: _WORD_WEIGHT for term in search_terms(text) if len(term) <= _WORD_CHARS_MAX}
        for each in mentions:
            kind = "name" if each.kind == "opening" and each.key in names else each.kind
            terms[each.key] = _WEIGHTS[kind] * (1 + _CENTRALITY * math.log2(often[each.key]))
        spoken = max(_DATA_SHARE, len(_SPOKEN.findall(text)) / len(text.split()))
        candidates.append(
            _Candidate(
                place=place,
                line=line,
                clause=clause,
                text=text,
                tokens=count(text),
                share=spoken * (_QUESTION_SHARE if clause.is_question else 1),
                base=_CUE_WEIGHT if _CUE.search(text) else 0.0,
                terms=terms,
            )
        )
    return candidates


def _forms_of(speaker: str) -> Iterator[str]:
    """What the speaker may be addressed as, which tells nothing: Melanie, Mel."""
    for name in speaker.casefold().split():
        yield from (name[:size] for size in range(min(3, len(name)), len(name) + 1))


def _chosen(
    candidates: Sequence[_Candidate], budget_tokens: int, count: Callable[[str], int]
) -> list[_Candidate]:
    """Time and again the candidate that adds most to those before it, while there is room."""
    covered: set[str] = set()
    taken: Counter[int] = Counter()
    begun: set[str | tuple[str, int, str]] = set()
    chosen: list[_Candidate] = []
    room = budget_tokens
    heap = [(-each.worth(covered, 0), place) for place, each in enumerate(candidates)]
    heapify(heap)
    while heap and room > budget_tokens * _SCRAPS:
        stale, place = heap[0]
        best = candidates[place]
        worth = best.worth(covered, taken[best.line.source])
        if worth < -stale:  # others cover some of it by now
            heapreplace(heap, (-worth, place))
            continue
        heappop(heap)
        if best.tokens > room or not worth:
            continue
        line = best.line
        lead = _BETWEEN
        if line.heading not in begun:
            lead = f"\n{line.speaker}: " if line.day in begun else f"{line.day}\n{line.speaker}: "
        tokens = count(lead + best.text)
        if tokens <= room:
            chosen.append(best)
            room -= tokens
            begun |= {line.day, line.heading}
            covered.update(best.terms)
            taken[line.source] += 1
    return chosen


def _written(shown: Sequence[_Candidate]) -> str:
    """The clauses as a summary: by day, in a day by speaker, and of a speaker in their order."""
    groups: dict[tuple[str, int, str], list[_Candidate]] = {}
    for each in sorted(shown, key=lambda each: (each.line.day, each.place)):
        groups.setdefault(each.line.heading, []).append(each)
    lines: list[str] = []
    last = ""
    for (day, _, speaker), clauses in groups.items():
        text = _joined(clauses)
        if speaker:
            text = f"{speaker}: {text}"
        elif _DAY.fullmatch(text):  # must not be read back as the day of what follows
            text = f"{OMISSION} {text}"
        lines += [text] if day == last else [day, text]
        last = day
    return "\n".join(lines)


def _joined(clauses: Sequence[_Candidate]) -> str:
    text = clauses[0].text
    for last, each in pairwise(clauses):
        gap = _BETWEEN
        if last.line is each.line:
            between = each.line.text[last.clause.end : each.clause.start]
            if len(between) <= _GAP_CHARS and between.isprintable() and OMISSION not in between:
                gap = between
        text += gap + each.text
    return text
