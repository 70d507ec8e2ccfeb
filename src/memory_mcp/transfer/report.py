"""What an import reads, and how it went: the words all formats share."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import Copy
from memory_mcp.domain.json_values import moment_of, name_of
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.redact import redact
from memory_mcp.domain.texts import SURROGATE, TAG_CHARS_MAX, TAGS_MAX
from memory_mcp.domain.times import UTC_ZONE, Zone

BAD_TOLD = 20


@dataclass(frozen=True, slots=True)
class HeldIn:
    """The folder that a session was held in: it belongs to that folder's agent."""

    folder: str
    """Empty where the source does not say."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be stored, and where in the source it stands."""

    what: NewMessage | NewPassage | Copy
    place: str
    owner: AgentChoice | HeldIn | None = None
    """Whose it is, where the source says so."""
    is_viewless: bool = False
    """Whether it is an agent of which the source does not tell what is in its view."""


@dataclass(slots=True)
class Report:
    """How an import went so far."""

    zone: Zone = UTC_ZONE
    """Where the person is: notes tell times as clocks showed them there."""
    lines: int = 0
    bytes: int = 0
    """How far the file is read."""
    read: int = 0
    """Things found in it that may be stored."""
    stored: int = 0
    known: int = 0
    vectors: int = 0
    """How many were made so far for what came: the last stretch of a long import."""
    nouns: Counter[str] = field(default_factory=Counter[str])
    """What was stored, by noun; of a dry run what was read."""
    bad: int = 0
    bad_places: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The first things that could not be stored: where they stand, and what is wrong."""
    unknown_fields: Counter[str] = field(default_factory=Counter[str])
    """Fields that have no place in memory, with how often they came."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """What was left out on purpose, or has no counterpart, with how often it came."""
    not_understood: Counter[str] = field(default_factory=Counter[str])
    """Files, records and parts of an unknown kind, with how often they came."""
    interpreted: Counter[str] = field(default_factory=Counter[str])
    """What was read as it is most likely meant, with how often it came; a person may check it."""
    examples: dict[str, str] = field(default_factory=dict[str, str])
    """The first of each of these, or where the first of an unknown kind stands."""
    redacted: Counter[str] = field(default_factory=Counter[str])
    """Kinds of secrets that were taken out, with how many there were."""
    seconds: Counter[str] = field(default_factory=Counter[str])
    """Where the time went, by stage."""

    @property
    def is_whole(self) -> bool:
        """Whether everything was understood and has a place: the rest was left out on purpose."""
        return not (self.bad or self.not_understood or self.unknown_fields)

    def interpret(self, what: str, example: str) -> None:
        """Count what was understood in one of several ways; the first is told as an example."""
        self.interpreted[what] += 1
        self.examples.setdefault(what, example)

    def not_understand(self, what: str, place: str, times: int = 1) -> None:
        """Count something of an unknown kind, and keep where the first of it stands."""
        self.not_understood[what] += times
        self.examples.setdefault(what, place)

    def refuse(self, place: str, reason: str) -> None:
        """Count what could not be imported."""
        self.bad += 1
        if len(self.bad_places) < BAD_TOLD:
            self.bad_places.append((place, reason))


def dated(told: dict[str, Any], place: str, report: Report, *names: str) -> datetime | None:
    """When something was, by the first of these fields that says it.

    One that says it in a way that cannot be read is told of.
    """
    for name in names:
        value = told.get(name)
        if value is None or value == "":
            continue
        if (moment := moment_of(value)) is not None:
            return moment
        report.not_understand(f"times under {name} that cannot be read", place)
    return None


def tags_of(*names: Any) -> tuple[str, ...]:
    """Names of another program as tags: printable, not too long, each once, not too many."""
    told = (redact(name_of(name) or "") for name in names)
    tags = dict.fromkeys(name[:TAG_CHARS_MAX].strip() for name in told if name)
    return tuple(tags)[:TAGS_MAX]


def storable(text: str, report: Report) -> str:
    """Another program's text as memory can hold it; half characters and NUL are replaced.

    Nobody can be asked to write the export again. A text too long for a message stays as it is, and
    is refused with its place: what is cut off it would be missed by nobody.
    """
    plain = SURROGATE.sub("\ufffd", text.replace("\0", "\ufffd")) if _is_odd(text) else text
    if plain != text:
        report.left_out["messages with NUL or half a character, replaced by \ufffd"] += 1
    return plain


def _is_odd(text: str) -> bool:
    if "\0" in text:
        return True
    return not text.isascii() and SURROGATE.search(text) is not None
