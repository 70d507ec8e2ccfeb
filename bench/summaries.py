"""What of an evicted conversation the extractive summary still tells: LoCoMo, without a model.

Each conversation passes through a window of `--context-tokens`. When the summary and the messages
not evicted take more than 90 % of it, the oldest messages leave until they take at most 70 %, and
a new summary is made from the last one and what left. The final summary has been through all the
rounds; nothing else is kept.

Measured are the questions whose evidence turns were all evicted, and of those turns the details: a
detail is told if the final summary has it on the lines of the turn's speaker under the turn's day.
What a detail is, four rules decide, apart from the method:

- name: a capitalised word that neither begins a sentence nor is a stop word, a date, or the name of
  one of the two speakers (which stands on every line);
- number: a word that begins with a digit or a currency sign, or a number from two to twelve;
- date: a month, weekday or year, "yesterday", "last week" and the like, "two days ago";
- title: up to eight words in double quotation marks.

A repeated detail of a turn counts once; a turn counts for each question it answers. Beside them
stand the words of LoCoMo's answers (stop words apart) that the evidence turns hold: plain words,
which no rule above looks for.

The baselines are the beginning and the end of what left, laid out in the same way and cut to as
many tokens as the summary has. Made recursively, from their last text and what left, they come out
the same.
"""

import argparse
import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import locomo
from bench.report import Bar, Report, print_table
from memory_mcp.domain.eviction import ContextWindow, EvictionPlan, InView, plan_eviction
from memory_mcp.domain.extract import Said, extract
from memory_mcp.domain.query import STOP_WORDS
from memory_mcp.llm.tokens import Tokens

BAR = 3.0
OURS, FIRST, LAST = "summary", "first tokens", "last tokens"
KINDS = ("name", "number", "date", "title")
DETAILS, ANSWERS = "all details", "answer words"

_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
)
_WEEKDAYS = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_COUNTS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_SPANS = "day|night|week|weekend|month|year|spring|summer|fall|autumn|winter"
_DATE = re.compile(
    rf"\b(?:{_MONTHS}|{_WEEKDAYS}s?|(?:19|20)\d\d)\b"
    rf"|(?i:\b(?:yesterday|tomorrow|tonight|(?:last|next|this) (?:{_SPANS}|{_WEEKDAYS}|{_MONTHS})"
    rf"|(?:a|an|a few|\d+|{_COUNTS}) (?:{_SPANS})s? ago)\b)"
)
_NUMBER = re.compile(rf"[$€£]?\d(?:[\d.,:/-]*\d)?%?|\b(?i:{_COUNTS})\b")
_TITLE = re.compile(r'["“]((?:[^\s"“”]+ ){0,7}[^\s"“”]+)["”]')
_WORD = re.compile(r"[^\W_][\w'’-]*")
_SENTENCE_START = re.compile(r"(?:^|[.!?…:\n\"“”*•\[(])\s*$")
_POSSESSIVE = re.compile(r"['’]s?$")
_FIRST_PERSON = re.compile(r"I(?:['’]|$)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Detail:
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What has become of a conversation that went through the window."""

    #: The messages that left, and the summary that stands for them.
    left: Sequence[Said]
    summary: str
    rounds: int
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="LoCoMo's JSON file")
    parser.add_argument("--context-tokens", type=int, default=4_000, help="size of the window")
    parser.add_argument("--show", action="store_true", help="print the final summaries")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    tokens = Tokens()
    wanted: Counter[str] = Counter()
    told: dict[str, Counter[str]] = {name: Counter() for name in (OURS, FIRST, LAST)}
    rows: list[Sequence[object]] = []
    for sample in locomo.load(options.data):
        said = [_said(seq, turn) for seq, turn in enumerate(sample.turns)]
        passed = pass_through(said, options.context_tokens, tokens.count)
        size = tokens.count(passed.summary)
        texts = {
            OURS: passed.summary,
            FIRST: first_tokens(passed.left, size, tokens.count),
            LAST: last_tokens(passed.left, size, tokens.count),
        }
        turns = {turn["external_id"]: said[seq] for seq, turn in enumerate(sample.turns)}
        left = {turn for turn, each in turns.items() if each.seq < len(passed.left)}
        questions = [each for each in sample.questions if each.evidence <= left]
        speakers = frozenset(each.speaker.casefold() for each in said)
        for question in questions:
            evidence = [turns[turn] for turn in sorted(question.evidence)]
            wanted += tally(question.answer, evidence, speakers)
            for name, text in texts.items():
                told[name] += tally(question.answer, evidence, speakers, text)
        in_all = sum(tokens.count(each.text) for each in passed.left)
        milliseconds = 1000 * passed.seconds / passed.rounds
        rows.append(
            (sample.name, len(left), in_all, passed.rounds, size, milliseconds, len(questions))
        )
        if options.show:
            print(f"{sample.name}\n{passed.summary}\n")
    shares = {
        name: {kind: counts[kind] / wanted[kind] for kind in (*KINDS, DETAILS, ANSWERS)}
        for name, counts in told.items()
    }
    _print(rows, shares, wanted)
    if not tokens.exact:
        print("tokens are estimated: o200k's vocabulary is not on this machine\n")
    figures: dict[str, Any] = {
        "data_sha256": hashlib.sha256(options.data.read_bytes()).hexdigest(),
        "context_tokens": options.context_tokens,
        "exact_tokens": tokens.exact,
        "wanted": wanted,
        "shares": shares,
    }
    bar = Bar(
        what="details told, as a multiple of the better baseline's",
        measured=shares[OURS][DETAILS] / max(shares[FIRST][DETAILS], shares[LAST][DETAILS]),
        limit=BAR,
        unit="×",
        direction="at least",
    )
    return Report(figures=figures, bars=[bar])


def pass_through(said: Sequence[Said], limit: int, count: Count) -> Passed:
    """Let a conversation pass through a window of `limit` tokens, message by message."""
    sizes = [count(f"{each.speaker}: {each.text}") for each in said]
    window = ContextWindow(limit_tokens=limit, fixed_tokens=0, summary_tokens=0, messages=())
    summary = ""
    first = rounds = 0
    seconds = 0.0
    for newest in range(1, len(said) + 1):
        in_view = [
            InView(seq=place, role="user", tokens=sizes[place]) for place in range(first, newest)
        ]
        window = replace(window, summary_tokens=count(summary), messages=in_view)
        plan = plan_eviction(window)
        if not isinstance(plan, EvictionPlan) or not plan.evicted:
            continue
        leaving = said[first : first + len(plan.evicted)]
        began = time.perf_counter()
        summary = extract(summary, leaving, budget_tokens=plan.summary_tokens_max, count=count)
        seconds += time.perf_counter() - began
        first += len(leaving)
        rounds += 1
    if not rounds:
        raise SystemExit("nothing left the window; make --context-tokens smaller")
    return Passed(left=said[:first], summary=summary, rounds=rounds, seconds=seconds)


def first_tokens(left: Sequence[Said], size: int, count: Count) -> str:
    """The beginning of what left, in at most `size` tokens."""
    text = _laid_out(left)
    return text[: _most(len(text), lambda chars: count(text[:chars]) <= size)]


def last_tokens(left: Sequence[Said], size: int, count: Count) -> str:
    """The end of what left, in at most `size` tokens; its first line has day and speaker too."""
    turns = _most(len(left), lambda turns: count(_laid_out(left[len(left) - turns :])) <= size)
    whole = left[len(left) - turns :]
    if turns == len(left):
        return _laid_out(whole)
    cut = left[len(left) - turns - 1]

    def with_end(chars: int) -> str:
        end = cut.text[len(cut.text) - chars :]
        return _laid_out([Said(seq=cut.seq, speaker=cut.speaker, at=cut.at, text=end), *whole])

    chars = _most(len(cut.text), lambda chars: count(with_end(chars)) <= size)
    return with_end(chars) if chars else _laid_out(whole)


def tally(
    answer: str, evidence: Sequence[Said], speakers: frozenset[str], summary: str | None = None
) -> Counter[str]:
    """How many details, by kind, and answer words the evidence has, or a summary of it tells."""
    counts: Counter[str] = Counter()
    for turn in evidence:
        details = details_of(turn.text, speakers)
        words = _words(answer) & _words(turn.text) - STOP_WORDS
        if summary is not None:
            shown = _shown(summary, turn)
            details = {each for each in details if _tells(shown, each)}
            words &= _words(shown)
        counts.update(each.kind for each in details)
        counts.update({DETAILS: len(details), ANSWERS: len(words)})
    return counts


def details_of(text: str, speakers: frozenset[str]) -> set[Detail]:
    """What the rules above find in a turn."""
    found = {Detail("title", title[1]) for title in _TITLE.finditer(text)}
    found |= {Detail("date", date[0]) for date in _DATE.finditer(text)}
    rest = _DATE.sub(lambda date: "," * len(date[0]), text)
    found |= {Detail("number", number[0]) for number in _NUMBER.finditer(rest)}
    for word in _WORD.finditer(rest):
        name = _POSSESSIVE.sub("", word[0])
        if (
            name[:1].isupper()
            and name.casefold() not in STOP_WORDS | speakers
            and not _FIRST_PERSON.match(name)
            and not _SENTENCE_START.search(rest[: word.start()])
        ):
            found.add(Detail("name", name))
    return {Detail(each.kind, each.text.casefold()) for each in found}


def _said(seq: int, turn: Mapping[str, Any]) -> Said:
    return Said(
        seq=seq,
        speaker=turn["name"],
        at=datetime.fromisoformat(turn["created_at"]),
        text=turn["content"],
    )


def _laid_out(said: Sequence[Said]) -> str:
    """Whole messages in the layout of a summary."""
    lines: list[str] = []
    day = None
    for each in said:
        if each.at.date() != day:
            day = each.at.date()
            lines.append(day.isoformat())
        lines.append(f"{each.speaker}: {each.text}")
    return "\n".join(lines)


def _most(most: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `most` that `holds`, as it does from 0 up to some number."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _shown(summary: str, turn: Said) -> str:
    """What a summary shows of a turn's speaker on its day."""
    day, head, found = "", f"{turn.speaker}: ", list[str]()
    for line in summary.split("\n"):
        if _DAY.fullmatch(line):
            day = line
        elif day == turn.at.date().isoformat() and line.startswith(head):
            found.append(line.removeprefix(head))
    return "\n".join(found)


def _tells(shown: str, detail: Detail) -> bool:
    """Whether the detail stands there, as whole words."""
    return bool(re.search(rf"(?<!\w){re.escape(detail.text)}(?!\w)", shown.casefold()))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _print(
    rows: Sequence[Sequence[object]],
    shares: Mapping[str, Mapping[str, float]],
    wanted: Mapping[str, int],
) -> None:
    print_table(
        ("conversation", "left", "tokens", "rounds", "summary", "ms a round", "questions"), rows
    )
    print_table(
        ("told of the evidence", "wanted", *shares),
        [
            (kind, wanted[kind], *(f"{each[kind]:.3f}" for each in shares.values()))
            for kind in (*KINDS, DETAILS, ANSWERS)
        ],
    )
