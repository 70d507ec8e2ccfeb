"""What a clause mentions that must not be lost: names, numbers, dates, titles, code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from memory_mcp.domain.query import STOP_WORDS

Kind = Literal["code", "title", "date", "day", "number", "count", "name", "opening"]


@dataclass(frozen=True, slots=True)
class Mention:
    """One name, number or the like."""

    kind: Kind
    """`day` is a date told from today, `count` a number in words, and `opening` a capitalised word
    at the start of a sentence, which may be a name."""
    key: str
    """The same for the same thing mentioned again."""


_MONTH = (
    "(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_WEEKDAY = (
    "(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|(?:Mon|Tue|Tues|Wed|Thurs|Thu|Fri|Sat|Sun))"
)
_COUNT = (
    "(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|hundred"
    "|thousand|million|billion)"
)
_SPAN = (
    "(?:hour|day|night|morning|afternoon|evening|week|weekend|month|quarter|year|spring|summer"
    "|fall|autumn|winter|century|decade)"
)
_MENTION = re.compile(
    # In backticks; addresses; paths; flags; calls; words with inner signs or capitals; hashes.
    r"(?P<code>`[^`\n]{1,100}`|\b[a-z]{2,10}://\S{1,200}|\b[\w.+-]{1,60}@[\w-]{1,60}\.[\w.-]{1,60}"
    r"|(?<![\w/])(?:~|\.{1,2}|[A-Za-z]:|[\w.-]{1,60}(?=/[\w.-]{1,60}[/.]))?[/\\][\w.@+-]{1,100}"
    r"(?:[/\\][\w.@+-]{0,100}){0,20}"
    r"|(?<![\w-])--[A-Za-z][\w-]{0,60}(?:=\S{1,80})?"
    r"|\b[A-Za-z]\w{0,60}(?:(?:::|\.|->)\w{1,60}){0,8}\(\)?"
    r"|\b\w{0,60}(?:_|::)\w{1,60}(?:(?:::|\.)\w{1,60}){0,8}|\b[\w-]{1,60}\.[a-z]{2,5}\b"
    r"|\b[a-z]{1,40}[A-Z]\w{0,60}|\b[A-Z][a-z]{1,40}[A-Z]\w{0,60}"
    r"|\b(?=[a-f]{0,39}\d)(?=\d{0,39}[a-f])[0-9a-f]{7,40}\b)"
    r"|(?P<title>[\"“«「『][^\"“”«»「」『』\n]{2,60}[\"”»」』]"
    r"|(?<!\w)['\u2018][A-Z][^'\u2018’\n]{2,60}['’](?!\w))"
    rf"|(?P<date>\b(?:\d{{1,2}}(?:[snrt][tdh])? (?:of )?)?{_MONTH}\b"
    r"(?: \d{1,2}(?:[snrt][tdh])?\b)?(?:,? \d{4}\b)?|\b(?:19|20)\d\d(?:-\d\d){0,2}\b)"
    rf"|(?P<day>\b{_WEEKDAY}\b|\b(?i:yesterday|today|tonight|tomorrow"
    rf"|(?:last|next|this|past) (?:{_SPAN}|{_WEEKDAY})"
    rf"|(?:an?|few|couple of|\d{{1,4}}|{_COUNT}) {_SPAN}s? (?:ago|later|earlier))\b)"
    r"|(?P<number>[$€£¥#]?\d(?:[\d.,:/\u00d7x-]{0,30}\d)?(?:%|°|[^\W\d_]{1,3}\b)?)"
    rf"|(?P<count>\b(?i:{_COUNT})\b)"
    r"|(?P<name>[^\W\d_][\w'’-]{0,60})"
)
_POSSESSIVE = re.compile(r"['’]s?$")
_NEXT_WORD = re.compile(r"\W{0,3}(\w{1,40})")
_FIRST_PERSON = re.compile(r"I(?:['’]\w+)?$")


def mentions_in(clause: str, day: str, opens: bool) -> Iterator[Mention]:
    """Everything mentioned in a clause that was said on `day`, in order.

    Numbers are told apart by the word behind them, relative dates by the day they are relative to.
    """
    for found in _MENTION.finditer(clause):
        kind, text = cast("Kind", found.lastgroup), found[0]
        key = text.casefold()
        if kind == "name":
            text = _POSSESSIVE.sub("", text)
            key = text.casefold()
            if not text[:1].isupper() or key in STOP_WORDS or _FIRST_PERSON.match(text):
                continue
            if opens and found.start() == 0 and not text[1:].isupper():
                kind = "opening"
        elif kind in ("number", "count"):
            unit = _NEXT_WORD.match(clause, found.end())
            key = f"{key} {unit[1].casefold()}" if unit else key
        elif kind == "day":
            key = f"{key} {day}"
        yield Mention(kind, key)
