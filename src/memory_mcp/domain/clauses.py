"""Where a text may be cut: into sentences, and long ones into clauses that can be shown alone.

What is shown alone must not claim more than the sentence did. So a clause begins where something
has a subject of its own ("and she bought …", never "bought …", which would be the speaker's doing);
what stands behind a negation, a condition or "she said" stays with it, up to the next "but" or
semicolon; and a question is never cut, lest it read as a statement. The words are English; a text
in another language is cut at the ends of sentences, and in long sentences at commas.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OMISSION = "…"

# In characters, since not every script has spaces. Nothing shorter is cut off; once a clause is
# long, any comma or preposition ends it; and once it is endless (a listing, a minified file), any
# word does.
_SHORT, _LONG, _ENDLESS = 20, 70, 240
# A line longer than this may have been broken in the middle of a sentence.
_WRAPPED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A part of a text, without fillers at its start and punctuation at its end."""

    start: int
    end: int
    opens: bool
    """Whether it begins its sentence, where a capital letter says nothing."""
    is_question: bool


_LINE = re.compile(rf"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029{OMISSION}]+")
# Full-width, Arabic and Devanagari punctuation; no space needs to follow it.
_STOPS = "\u3002\uff01\uff1f\u061f\u0964"
_COMMAS = "\uff0c\u3001\u060c\uff1b\u061b"
_WORD = re.compile(rf"[^\s{_STOPS}{_COMMAS}]{{1,200}}[{_STOPS}{_COMMAS}]*|[{_STOPS}{_COMMAS}]+")
_CLOSING = r"[\"'”’»」』)\]*]*$"
_SENTENCE_END = re.compile(rf"[.!?{_STOPS}]{_CLOSING}")
_FULL_STOP = re.compile(rf"\.{_CLOSING}")
_ABBREVIATION = re.compile(r"(?:^|\W)(?:[A-Za-z]|[MmDd][rs]s?|St|vs|etc|e\.g|i\.e|approx|No)\.$")
_QUESTION = re.compile(rf"[?\uff1f\u061f]{_CLOSING}")
_PAUSE = re.compile(rf"[.,:)–—{_COMMAS}]$|^[-–—]+$")
_SEMICOLON = re.compile(r"[;\uff1b\u061b]$")
_HEDGE = re.compile(
    r"^\W*(?:no|not|never|without|nobody|nothing|none|neither|nor|hardly|instead|rather|cannot|if"
    r"|unless|whether|wish\w*|sa(?:id|ys?)|t(?:old|ells?)|thought|heard|ask(?:s|ed)|claim\w*"
    r"|pretend\w*|imagine[ds]?|suppos\w*|dream\w*|jok(?:es?|ed|ing)"
    r"|nicht|kein\w*|nie|pas|jamais|non|nunca|não|не|нет|niet|geen)\W*$"
    r"|n['’]t\b",
    re.IGNORECASE,
)
_JOINING = frozenset(
    """after although and as because before but cause cuz since so then though until when where
    whereas which while who whose""".split()
)
_RELATIVE = frozenset("when where which who whose".split())
_SUBJECTS = frozenset(
    """a an he her his i it its my our she that the their there these they this those we you
    your""".split()
)
_PREPOSITIONS = frozenset(
    "about after at before by during for from in into near on over since through until with".split()
)
_FILLER = re.compile(
    r"(?:(?:and|but|so(?!\s+that\b)|also|plus|then)\s+"
    r"|(?:a+w+|actually|anyway|btw|by the way|haha\w*|hello|hey|hi|honestly|oh|okay|ok|sure"
    r"|thanks|well|wow|yeah|yep|yes)\b(?:\s\w{1,20})?(?:,|\s?[-–—])\s+)+",
    re.IGNORECASE,
)
_PUNCTUATION = f" \t.,;:!*-–—{_COMMAS}\u3002\uff01\u0964"
_EDGES = " .,;:!?\"'()[]{}*_…-–—“”\u2018’"


def clauses_of(text: str) -> Iterator[Clause]:
    """Every clause with a letter or a digit, in order; none holds an `…`."""
    for start, end in _lines(text):
        words = list(_WORD.finditer(text, start, end))
        first = 0
        for place, word in enumerate(words, 1):
            if place == len(words) or _ends_sentence(word[0], words[place][0]):
                yield from _clauses(text, words[first:place])
                first = place


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Where each line starts and ends; lines broken to fit a width are one."""
    start, end = 0, 0
    for line in _LINE.finditer(text):
        is_wrapped = (
            text[end : line.start()] in ("\n", "\r\n")
            and end - text.rfind("\n", start, end) > _WRAPPED
            and line[0].lstrip()[:1].islower()
        )
        if not is_wrapped:
            yield start, end
            start = line.start()
        end = line.end()
    yield start, end


def _ends_sentence(word: str, following: str) -> bool:
    if not _SENTENCE_END.search(word):
        return False
    return not _FULL_STOP.search(word) or not (following[0].islower() or _ABBREVIATION.search(word))


def _clauses(text: str, words: Sequence[re.Match[str]]) -> Iterator[Clause]:
    is_question = bool(_QUESTION.search(words[-1][0]))
    cuts = [] if is_question else list(_cuts(words))
    sentence_start = words[0].start()
    starts, ends = [sentence_start, *cuts], [*cuts, words[-1].end()]
    for start, end in zip(starts, ends, strict=True):
        opens = start == sentence_start
        if filler := _FILLER.match(text, start, end):
            start, opens = filler.end(), False
        shown = text[start:end].rstrip() if is_question else text[start:end].rstrip(_PUNCTUATION)
        if any(map(str.isalnum, shown)):
            yield Clause(start=start, end=start + len(shown), opens=opens, is_question=is_question)


def _cuts(words: Sequence[re.Match[str]]) -> Iterator[int]:
    """Where in the text the second and further clauses of a sentence begin."""
    begin, end = words[0].start(), words[-1].end()
    hedged = False
    for place, word in enumerate(words[1:], 1):
        before = words[place - 1][0]
        hedged = hedged or bool(_HEDGE.search(before))
        size, rest = word.start() - begin, end - word.start()
        if size < _SHORT or rest < _SHORT:
            continue
        turns = bool(_SEMICOLON.search(before)) or _bare(word[0]) == "but"
        if turns or (not hedged and _may_begin(words, place, size)):
            yield word.start()
            begin, hedged = word.start(), False


def _may_begin(words: Sequence[re.Match[str]], place: int, size: int) -> bool:
    """Whether the word at `place` may begin a clause, the one before it being `size` long."""
    word = _bare(words[place][0])
    pauses = bool(_PAUSE.search(words[place - 1][0]))
    if size >= _ENDLESS or (size >= _LONG and (pauses or word in _PREPOSITIONS)):
        return True
    if pauses and word in _RELATIVE:
        return True
    joins = word in _JOINING
    subject = _bare(words[place + 1][0]) if joins and place + 1 < len(words) else word
    return (pauses or joins) and subject.partition("'")[0] in _SUBJECTS


def _bare(word: str) -> str:
    return word.strip(_EDGES).casefold().replace("’", "'")
