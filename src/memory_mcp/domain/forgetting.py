"""Forgetting: what is found before it goes, what went, and how long it can be put back."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from memory_mcp.domain.quoting import one_line
from memory_mcp.domain.texts import clip, counted, each
from memory_mcp.domain.times import OPEN, Window, age, from_iso

KEPT_DAYS = 30
"""How long what was forgotten can be put back."""
CONFIRM_MINUTES = 10
"""How long what was found waits for the word that it may go."""
AT_ONCE_MAX = 500
"""What may go in one step: each takes the store about a millisecond, and writers wait for it."""
SHOWN = 5
SHOWN_CHARS = 160

Holder = Literal[
    "passage", "message", "block", "version", "summary", "older", "mail", "kept", "hook"
]
_NOUNS = {
    "passage": "passage",
    "message": "message",
    "block": "line of core memory",
    "version": "line of older versions of core memory",
    "summary": "fragment of the summary in view",
    "older": "fragment of older summaries",
    "mail": "mail",
    "kept": "thing that was replaced or forgotten before",
    "hook": "call of a hook",
}
_PLURALS = {
    "block": "lines of core memory",
    "version": "lines of older versions of core memory",
    "summary": "fragments of the summary in view",
    "older": "fragments of older summaries",
    "kept": "things that were replaced or forgotten before",
    "hook": "calls of hooks",
}


def kept_until(removed_at: datetime) -> datetime:
    """Until when what went at that moment can be put back."""
    return removed_at + timedelta(days=KEPT_DAYS)


def holder_of(text: str) -> re.Pattern[str]:
    """What finds exactly `text` in a longer one, whatever its capitals."""
    return re.compile(re.escape(text), re.IGNORECASE)


def loose_holder_of(text: str) -> re.Pattern[str]:
    """The same where the text may stand on one line, whatever space is between its words."""
    return re.compile(r"\s+".join(map(re.escape, text.split())), re.IGNORECASE)


def lines_holding(value: str, wanted: re.Pattern[str]) -> list[str]:
    """The lines of a block in which a text stands, or which it spans; blank ones left out."""
    found: list[str] = []
    spans = [match.span() for match in wanted.finditer(value)]
    start = 0
    for line in value.split("\n"):
        end = start + len(line)
        if line.strip() and any(first <= end and last > start for first, last in spans):
            found.append(line)
        start = end + 1
    return found


def without_lines(value: str, lines: Sequence[str]) -> str:
    """A block's text without these lines, wherever they stand."""
    gone = set(lines)
    return "\n".join(line for line in value.split("\n") if line not in gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be forgotten: whatever all of this holds for. Nothing told is everything."""

    text: str | None = None
    """Stands in it, letter by letter, whatever its capitals."""
    ids: Sequence[str] = ()
    """Its id is one of these."""
    conversation: str | None = None
    """Was said in it; its id, or its host's."""
    window: Window = OPEN
    """Is of that time: a message's, a mail's, a passage's own date where it has one."""
    at_once: bool = False
    """Nothing of it shall be left to be put back, what was forgotten before neither."""

    @property
    def is_undated(self) -> bool:
        """Whether something without a date and outside conversations can be meant."""
        return self.conversation is None and self.window.is_open and not self.ids

    @property
    def asked(self) -> Literal["agent", "conversation", "id", "text", "time"]:
        """By what it is asked for, in one word."""
        if self.text is not None:
            return "text"
        if self.ids:
            return "id"
        if self.conversation is not None:
            return "conversation"
        return "agent" if self.window.is_open else "time"

    @property
    def told(self) -> str:
        """It in words, as the beginning of a sentence that goes on with `stands in`."""
        parts = [repr(clip(self.text, SHOWN_CHARS))] if self.text is not None else []
        if self.ids:
            parts.append(each(clip(one, 60) for one in self.ids[:SHOWN]) + _more(self.ids))
        if self.conversation is not None:
            parts.append(f"{'of ' if parts else ''}conversation {clip(self.conversation, 60)!r}")
        if not self.window.is_open:
            start, end = self.window.start, self.window.end
            spans = [f"from {start[:16]}"] if start else []
            spans += [f"before {end[:16]}"] if end else []
            parts.append(f"what is {' and '.join(spans)} (UTC)")
        return ", ".join(parts) or "everything"


@dataclass(frozen=True, slots=True)
class Match:
    """One thing in which a text stands."""

    noun: Holder
    id: str
    """The passage's, message's, block's, summary's or mail's."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything of an agent's that is wanted gone."""

    wanted: Wanted
    matches: Sequence[Match]
    read_only: Sequence[str] = ()
    """Labels of blocks that hold it, but that nobody may edit."""
    settings: Sequence[str] = ()
    """What else holds it, in words: a person has set that, and only a person changes it."""

    @property
    def told(self) -> str:
        """How many of what."""
        return _counted(Counter(match.noun for match in self.matches))


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would go, and the word that lets it."""

    found: Found
    code: str | None = None
    """`None` where nothing was found."""

    @property
    def answer(self) -> str:
        """For whoever asked in writing."""
        if self.code is None:
            return self.shown
        return (
            f"{self.shown} To forget these: confirm {self.code} (within {CONFIRM_MINUTES} minutes)."
        )

    @property
    def shown(self) -> str:
        """What was found, for a person."""
        found = self.found
        kept = _read_only(found.read_only) + _set_by_a_person(found.settings)
        if not found.matches:
            text = found.wanted.text
            if text is not None and found.wanted.is_undated:
                text = clip(text, SHOWN_CHARS)
                return f"Nothing holds the text {text!r}; nothing was forgotten.{kept}"
            return f"There is nothing for {found.wanted.told}; nothing was forgotten.{kept}"
        lines = [
            f"- {clip(one_line(match.text), SHOWN_CHARS)} [{match.id}]"
            for match in found.matches[:SHOWN]
        ]
        if len(found.matches) > SHOWN:
            lines.append(f"… and {len(found.matches) - SHOWN:,} more")
        return "\n".join(
            [
                self._head,
                *lines,
                f"Nothing is forgotten yet.{kept}",
            ]
        )

    @property
    def _head(self) -> str:
        found = self.found
        if found.wanted.text is not None:
            return f"{found.wanted.told} stands in {found.told}:"
        return f"{found.wanted.told}: {found.told}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A forgetting that waits for its word."""

    wanted: Wanted
    code: str
    expires_at: datetime
    told: str
    """How many of what."""
    hooks: Sequence[str] = ()
    """Names of the files of hooks' calls that are among it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What went, by id."""

    at: datetime
    passages: Sequence[str] = ()
    messages: Sequence[str] = ()
    lines: int = 0
    """Of core memory."""
    versions: int = 0
    """Lines that stood in older versions of blocks only."""
    fragments: int = 0
    """Of the summary in view."""
    older: int = 0
    """Fragments of older summaries only."""
    mails: Sequence[str] = ()
    kept: Sequence[str] = ()
    """What had been replaced or forgotten before, and could still be put back."""
    hooks: Sequence[str] = ()
    """Names of the files of calls of hooks."""
    unknown: Sequence[str] = ()
    """Ids that were asked for, and are none of the agent's."""
    retold: Sequence[str] = ()
    """Summaries that a model had written, and that may have told of it in words of its own."""
    receipt: str | None = None
    """The id of its receipt; `None` where nothing went."""

    @property
    def anything(self) -> bool:
        """Whether anything went."""
        return any(self._numbers.values())

    @property
    def _numbers(self) -> dict[Holder, int]:
        return {
            "passage": len(self.passages),
            "message": len(self.messages),
            "block": self.lines,
            "version": self.versions,
            "summary": self.fragments,
            "older": self.older,
            "mail": len(self.mails),
            "kept": len(self.kept),
            "hook": len(self.hooks),
        }

    @property
    def told(self) -> str:
        """How many of what."""
        return _counted(self._numbers)

    @property
    def gone(self) -> str:
        """For whoever asked that nothing can be put back."""
        return f"Forgotten: {self.told}. Receipt: {self.receipt}."

    @property
    def answer(self) -> str:
        """For whoever asked in writing."""
        return self.told_to("undo")

    def told_to(self, undo: str) -> str:
        """For whoever asked, and can say `undo`."""
        parts: list[str] = []
        if self.anything:
            parts.append(
                f"Forgotten: {self.told}. To undo it, within {KEPT_DAYS} days: {undo}. "
                "After that it is gone for good."
            )
        else:
            parts.append("Nothing was forgotten.")
        if self.unknown:
            parts.append(f"Not there: {each(clip(one, 60) for one in self.unknown[:SHOWN])}.")
        if self.fragments or self.older:
            parts.append("The summary's fragments are not put back; recall has what they tell.")
        if self.retold:
            parts.append(
                "Summaries that a model wrote, and that may have told of it in other words, were "
                "dropped; the one in view was made anew without a model."
            )
        if self.receipt:
            parts.append(f"Receipt: {self.receipt}.")
        return " ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back, by id."""

    back: Sequence[str] = ()
    lines: int = 0
    """Of core memory."""
    versions: int = 0
    """Lines that stand in older versions of blocks only."""
    hooks: Sequence[str] = ()
    """Names of the files of calls of hooks."""
    anew: Sequence[str] = ()
    """Passages whose text was filed again meanwhile: not doubled."""
    no_room: Sequence[str] = ()
    """Labels of blocks that have no room for their lines any more, or cannot be edited."""
    unknown: Sequence[str] = ()

    @property
    def answer(self) -> str:
        """For whoever asked."""
        parts: list[str] = []
        if self.back or self.lines or self.versions or self.hooks:
            nouns = Counter(one.split("-", 1)[0] for one in self.back)
            numbers: dict[Holder, int] = {
                "passage": nouns["passage"],
                "message": nouns["message"],
                "block": self.lines,
                "version": self.versions,
                "mail": nouns["mail"],
                "hook": len(self.hooks),
            }
            parts.append(f"Put back: {_counted(numbers)}. Words find them at once, meaning soon.")
        if self.anew:
            parts.append(
                f"Filed anew meanwhile, so not doubled: {each(self.anew[:SHOWN])}"
                f"{_more(self.anew)}."
            )
        parts += [
            f"Block {label!r} has no room for its lines, or cannot be edited; they are kept. "
            "Make room, then undo again."
            for label in self.no_room
        ]
        if self.unknown:
            shown = each(clip(one, 60) for one in self.unknown[:SHOWN])
            parts.append(f"Not among what can be put back: {shown}{_more(self.unknown)}.")
        return " ".join(parts) or (
            f"There is nothing to put back: nothing was forgotten in the last {KEPT_DAYS} days, or "
            "all of it is back."
        )


def gone_text(passage_id: str, superseded_by: str | None, removed_at: str, now: datetime) -> str:
    """What is told of a passage that was removed at that moment (in stored form)."""
    at = from_iso(removed_at)
    since, left = age(at, now), counted(max(0, (kept_until(at) - now).days), "more day")
    when = "just now" if since == "now" else since
    if superseded_by:
        return (
            f"passage {passage_id} was superseded by {superseded_by} {when}: "
            f"memory://passages/{superseded_by} has what holds now. The old one can be put back "
            f"for {left}."
        )
    return f"passage {passage_id} was forgotten {when}. It can be put back for {left}."


# --- Near-duplicates ---

NEAR_SIMILARITY = 0.92
"""Cosine from which two passages may say the same. Among 1,209 facts taken from conversations one
pair of an agent's is as near, and says the same; of 1.1 million pairs of turns none is. Sentences
that differ by a word that tells nothing lie above .94."""

_NUMBER = re.compile(r"\d+")
_TELLING = frozenset(
    """no not never none without cannot nor neither
    one two three four five six seven eight nine ten eleven twelve twenty thirty fifty hundred
    thousand million billion first second third half twice
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec
    monday tuesday wednesday thursday friday saturday sunday
    today yesterday tomorrow tonight""".split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’]t\b)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicate:
    """Two passages that say nearly the same: offered, never merged."""

    passage_id: str
    """The one that came later."""
    content: str
    other_id: str
    other_content: str
    similarity: float
    """Cosine, from -1 to 1."""


def may_say_the_same(
    a: str, b: str, a_occurred: datetime | None = None, b_occurred: datetime | None = None
) -> bool:
    """Whether two near texts agree in every number, date and negation."""
    if a_occurred and b_occurred and a_occurred.date() != b_occurred.date():
        return False
    return _telling(a) == _telling(b)


def _telling(text: str) -> Counter[str]:
    words = (word.lower().replace("’", "'") for word in _WORD.findall(text))
    told = Counter("not" if word.endswith("n't") else word for word in words)
    kept = Counter({word: count for word, count in told.items() if word in _TELLING})
    return kept + Counter(_NUMBER.findall(text))


def _counted(numbers: Mapping[Holder, int]) -> str:
    return each(
        counted(number, _NOUNS[noun])
        if number == 1 or noun not in _PLURALS
        else f"{number:,} {_PLURALS[noun]}"
        for noun, number in numbers.items()
        if number
    )


def _read_only(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    return f" It also stands in {each(repr(label) for label in labels)}, which nobody may edit."


def _set_by_a_person(settings: Sequence[str]) -> str:
    if not settings:
        return ""
    return (
        f" It also stands in {each(settings)}, which forgetting leaves alone: `memory-mcp agents "
        "set` and `blocks set` change that."
    )


def _more(ids: Sequence[str]) -> str:
    return f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
