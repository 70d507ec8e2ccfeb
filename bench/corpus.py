"""Texts like those people store: the same seed gives the same texts, on every machine.

Words follow Zipf's law, so that a search meets both words that stand in every tenth text and words
that stand in one.
"""

import bisect
import itertools
import random
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import words

EPOCH = datetime(2023, 1, 1, 9, tzinfo=UTC)
SPAN_MINUTES = 3 * 365 * 24 * 60
#: Flattens the head of Zipf's curve, as it is in real text once the stop words are gone.
ZIPF_SHIFT = 15.0

#: `$word` is drawn from the vocabulary, `[a|b]` is one of the alternatives.
TEMPLATES = """
    $first $surname $verbed the $adjective $noun [in|near|outside] $town on $date.
    $first [wants|plans|hopes|intends|has] to $verb the $noun before $date, [because|since|as] the $noun2 is $adjective.
    The $noun from $first $surname [costs|sells for|went for|is insured for] $number [euros|dollars|pounds|francs] [with|including|plus] a $adjective $noun2.
    We [agreed|decided|have|started] to $verb [every|each|any] $noun in the $adjective $noun2 by $date.
    $first [prefers|likes|chose|favours|would rather have] the $adjective $noun [to|over|not] the $adjective2 one.
    [Remind|Tell|Warn|Ask] $first that the $noun2 in $town [closes|opens|begins|ends] at $hour on $date.
    $first $surname [moved|travelled|drove|commuted] from $town to $town2 in $month and $verbed a $adjective $noun.
    For the $noun, use the $adjective $noun2 and $verb it [$number times|twice|again|once a week].
    The $adjective $noun2 was $verbed by $first, [who lives near|who works in|a colleague from] $town.
    $first is [allergic to|fond of|tired of|worried about] the $adjective $noun, so we $verb the $noun2 [instead|too].
    [Decision|Outcome|Summary|Minutes] of $date: $verb the $noun, keep the $adjective $noun2, ask $first $surname.
    $first [said|thought|complained|admitted] the $noun in $town was too $adjective and $verbed it after $number [days|weeks|minutes].
    The [appointment|call|session|interview] with $surname about the $adjective $noun is on $date at $hour.
    Last $month $first $verbed a $noun and a $adjective $noun2 for the [trip|move|visit|journey] to $town.
    [Whenever|If|Once] the $noun [fails|breaks|stalls|leaks], $verb the $noun2 first and then [phone|email|page] $first $surname.
    $first and $first2 $verbed the $noun [together|separately|on site]; the $adjective $noun2 [took|needed] $number [hours|people|steps].
""".strip().splitlines()  # noqa: E501 - one template a line
QUESTIONS = """
    when did $first $surname [visit|see|buy|mention] the $noun in $town
    what did $first [say|think|decide|ask] about the $adjective $noun
    $noun $noun2 $town
    which $adjective $noun does $first [prefer|like|use|own]
    who $verbed the $noun and the $noun2
    $surname $noun
""".strip().splitlines()
ALTERNATIVES = re.compile(r"\[([^]]+)]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    content: str
    tags: list[str]
    occurred_at: datetime
    external_id: str

    def as_import_line(self) -> dict[str, Any]:
        """What `memory-mcp import passages` reads from one line."""
        return {
            "content": self.content,
            "tags": self.tags,
            "occurred_at": self.occurred_at.isoformat(timespec="milliseconds"),
            "external_id": self.external_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    text: str
    #: One of its words, for servers that look for the query as it stands.
    keyword: str


class Zipf:
    """Draws from a list whose n-th entry is about n times rarer than its first."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._entries = entries
        weights = (1 / (rank + ZIPF_SHIFT) for rank in range(len(entries)))
        self._cumulative = list(itertools.accumulate(weights))

    def draw(self, source: random.Random) -> str:
        place = source.random() * self._cumulative[-1]
        return self._entries[bisect.bisect(self._cumulative, place)]


class Corpus:
    """An endless numbered list of passages, and questions about them."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        shuffler = random.Random(seed)
        self._drawn = {
            "first": Zipf(words.FIRST_NAMES),
            "surname": Zipf(_joined(words.NAME_HEADS, words.SURNAME_TAILS, shuffler)),
            "town": Zipf(_joined(words.NAME_HEADS, words.TOWN_TAILS, shuffler)),
            "noun": Zipf(_with_compounds(words.NOUNS, shuffler)),
            "verb": Zipf(words.VERBS),
            "adjective": Zipf(words.ADJECTIVES),
        }
        self._tags = Zipf(words.TAGS)

    def passage(self, number: int) -> Passage:
        """The passage of this number: one to four sentences, never the same text twice."""
        source = random.Random(f"{self._seed}/passage/{number}")
        when = EPOCH + timedelta(minutes=source.randrange(SPAN_MINUTES))
        slots = self._slots(source, when)
        sentences = [_filled(TEMPLATES, slots, source)]
        sentences += [
            _filled(TEMPLATES, self._slots(source, when), source)
            for _ in range(source.choice((0, 1, 1, 2, 3)))
        ]
        return Passage(
            content=f"{' '.join(sentences)} (note {number})",
            tags=sorted({self._tags.draw(source) for _ in range(source.choice((1, 1, 2, 3)))}),
            occurred_at=when,
            external_id=f"note-{number}",
        )

    def passages(self, first: int, count: int) -> Iterator[Passage]:
        return map(self.passage, range(first, first + count))

    def query(self, number: int) -> Query:
        """A question that shares several words with the first sentence of passage `number`."""
        source = random.Random(f"{self._seed}/passage/{number}")
        when = EPOCH + timedelta(minutes=source.randrange(SPAN_MINUTES))
        slots = self._slots(source, when)
        asker = random.Random(f"{self._seed}/query/{number}")
        return Query(text=_filled(QUESTIONS, slots, asker), keyword=slots["noun"])

    def _slots(self, source: random.Random, when: datetime) -> dict[str, str]:
        slots = {name: entries.draw(source) for name, entries in self._drawn.items()}
        for name in ("first", "town", "noun", "adjective"):
            slots[f"{name}2"] = self._drawn[name].draw(source)
        slots["verbed"] = past_of(self._drawn["verb"].draw(source))
        slots["date"] = f"{when.day} {when:%B %Y}"
        slots["month"] = f"{when:%B}"
        slots["hour"] = f"{source.randrange(7, 22)}:{source.choice(('00', '15', '30', '45'))}"
        slots["number"] = str(source.randrange(2, 400))
        return slots


def past_of(verb: str) -> str:
    """The past tense of a regular verb: painted, cooked, baked, jogged, tidied."""
    if verb.endswith("e"):
        return f"{verb}d"
    if verb in {"plan", "jog", "debug", "knit", "unplug"}:
        return f"{verb}{verb[-1]}ed"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ied"
    return {"feed": "fed", "lend": "lent", "cancel": "cancelled"}.get(verb, f"{verb}ed")


def _filled(lines: Sequence[str], slots: dict[str, str], source: random.Random) -> str:
    """One of the lines, its alternatives chosen and its slots filled."""
    line = source.choice(lines).strip()
    chosen = ALTERNATIVES.sub(lambda found: source.choice(found[1].split("|")), line)
    return string.Template(chosen).substitute(slots)


def _joined(heads: Sequence[str], tails: Sequence[str], source: random.Random) -> list[str]:
    names = [head + tail for head in heads for tail in tails]
    source.shuffle(names)
    return names


def _with_compounds(nouns: Sequence[str], source: random.Random) -> list[str]:
    """The nouns, and after them (so more rarely) compounds such as "garden report"."""
    pairs = [f"{first} {second}" for first in nouns[:60] for second in nouns[60:120]]
    source.shuffle(pairs)
    return [*nouns, *pairs[:2000]]
