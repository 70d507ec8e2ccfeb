"""Core memory blocks, and the edits as functions from one block's value to its next.

Semantics are Letta's (`core_memory_append`, `core_memory_replace`, `memory_insert`,
`memory_rethink`), except that text to replace must be found exactly once and that the limit is
enforced. Edits are pure: the store applies them to the value it reads inside its transaction, so
two writers never overwrite each other. What an edit makes of a value is redacted as a whole: a
password may be written to the name that stands there already.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from memory_mcp.domain import looks, quoting
from memory_mcp.domain.errors import (
    BlockLimitExceeded,
    Conflict,
    EditMismatch,
    InvalidInput,
    ReadOnlyBlock,
)
from memory_mcp.domain.ids import BlockId
from memory_mcp.domain.merge import MergeConflict, merge
from memory_mcp.domain.redact import redact
from memory_mcp.domain.texts import check_text, clip, counted, require_text

LIMIT_CHARS_DEFAULT = 5_000
LIMIT_CHARS_LEAST = 100
LIMIT_CHARS_MOST = 500_000
DESCRIPTION_CHARS_MAX = 1_000
LABEL_CHARS_MAX = 60

CONFLICTS_SHOWN = 5
FILL_AFTER_EVICTION = 0.8
"""How full a block is left, of its limit, when lines had to leave it."""

OnOverflow = Literal["evict", "error"]

# The line-number view of a block shows `12→ text`; numbers are for display and must not come back.
_LABEL = re.compile(r"[^\W\d_][\w.\-]{0,59}")
_NOT_IN_LABEL = re.compile(r"[^\w.\-]+")
_LINE_NUMBER = re.compile(r"^\s*\d+→")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Labelled text always in view. `version` rises by one with each change of the value."""

    id: BlockId
    label: str
    value: str
    description: str
    limit_chars: int
    read_only: bool
    on_overflow: OnOverflow
    version: int
    updated_at: datetime
    shared_with: int = 0
    """How many other agents have the same block attached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSettings:
    """What is to be set for a block besides its value; what is `None` stays as it is."""

    description: str | None = None
    limit_chars: int | None = None
    read_only: bool | None = None
    on_overflow: OnOverflow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVersion:
    """A value that a block once had."""

    version: int
    value: str
    changed_by: str
    """The name of the agent that wrote it; `person`, or `created`."""
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class BlockTemplate:
    """What a new agent's block starts as."""

    label: str
    description: str
    value: str = ""
    limit_chars: int = LIMIT_CHARS_DEFAULT
    read_only: bool = False
    on_overflow: OnOverflow = "evict"


PERSONA = BlockTemplate(
    "persona",
    "Who I, the assistant, am for this user: name, tone, working style, habits I was asked to keep "
    "or to drop. Written in the first person. Shared by all of the user's agents.",
)
HUMAN = BlockTemplate(
    "human",
    "What is true of the user across all projects: name, languages, work, people, preferences, "
    "lasting decisions. One fact a line, with a date where it may change. Correct a line that "
    "became wrong rather than adding a second. Shared by all of the user's agents.",
)
PROJECT = BlockTemplate(
    "project",
    "What is true of this project only: purpose, current state, decisions with their reasons, "
    "conventions, open questions, next step. Details that are only sometimes needed belong in "
    "archival memory.",
)
SHARED_TEMPLATES = (PERSONA, HUMAN)
OWN_TEMPLATES = (PROJECT,)

Edit = Callable[[Block], Block]
"""One change of one block; raises when it does not apply."""


def append(content: str) -> Edit:
    """Add `content` as new last line(s).

    A block that evicts may be longer than its limit then: `without_overflow` makes it fit.
    """
    require_text(content, "content", LIMIT_CHARS_DEFAULT * 100)
    _refuse_line_numbers(content)

    def edit(block: Block) -> Block:
        value = redact(f"{block.value}\n{content}" if block.value else content)
        if block.on_overflow == "evict" and len(value) > block.limit_chars:
            _refuse_read_only(block)
            _refuse_long_lines(block, content)
            return replace(block, value=value, version=block.version + 1)
        return _with_value(block, value)

    return edit


def append_news(content: str) -> Edit:
    """Add `content` as new last line(s), unless these lines stand in the block just so already."""
    add = append(content)

    def edit(block: Block) -> Block:
        known = looks.contains(f"\n{block.value}\n", f"\n{redact(content)}\n")
        return _with_value(block, block.value) if known else add(block)

    return edit


def without_overflow(before: Block, after: Block) -> tuple[Block, tuple[str, ...]]:
    """What an edit made, within its limit, and the lines that leave it for that, oldest first.

    Only what grew gives way. Once it is over, lines leave until it is filled to 80 %, so that not
    every further line makes another one leave; the newest always stays. Blank lines among them are
    gone.
    """
    grew = len(after.value) > max(len(before.value), after.limit_chars)
    if after.on_overflow != "evict" or not grew:
        return after, ()
    lines = after.value.split("\n")
    length, first = len(after.value), 0
    while length > after.limit_chars * FILL_AFTER_EVICTION and first < len(lines) - 1:
        length -= len(lines[first]) + 1
        first += 1
    kept = replace(after, value="\n".join(lines[first:]))
    return kept, tuple(line for line in lines[:first] if line.strip())


def replace_text(old_content: str, new_content: str) -> Edit:
    """Put `new_content` in the one place where `old_content` stands; empty deletes it.

    Line ends and normal forms may differ: they say the same text. So does a piece copied from how
    the block was shown, with our signs in it. What only looks the same is refused, with what
    differs.
    """
    require_text(old_content, "old_content", LIMIT_CHARS_DEFAULT * 100)
    check_text(new_content, "new_content", LIMIT_CHARS_DEFAULT * 100)
    _refuse_line_numbers(old_content)
    _refuse_line_numbers(new_content)

    def edit(block: Block) -> Block:
        _refuse_read_only(block)
        new = new_content
        places = _places(block.value, old_content)
        for copied in quoting.copied_forms(old_content) if not places else ():
            if places := _places(block.value, copied):
                new = _meant_beside(new_content, old_content, copied)
                break
        if not places:  # the block may hold what its writer sent with a secret in it
            places = _places(block.value, redact(old_content))
        if not places:
            raise EditMismatch(
                f"old_content was not found in block {block.label!r}: {_quoted(old_content)}. "
                + _not_found(block, old_content)
            )
        if len(places) > 1:
            lines = ", ".join(str(block.value.count("\n", 0, at.start) + 1) for at in places)
            raise EditMismatch(
                f"old_content stands {len(places)} times in block {block.label!r}, "
                f"on lines {lines}: {_quoted(old_content)}. "
                "Give more of the text around the one you mean."
            )
        before, after = block.value[: places[0].start], block.value[places[0].end :]
        if not new:
            before, after = _closed_gap(before, after)
        return _with_value(block, before + new + after)

    return edit


def insert(new_content: str, after_line: int = -1) -> Edit:
    """Add lines after line `after_line`: 0 is the top, -1 the end."""
    require_text(new_content, "new_string", LIMIT_CHARS_DEFAULT * 100)
    _refuse_line_numbers(new_content)

    def edit(block: Block) -> Block:
        lines = block.value.split("\n") if block.value else []
        if not -1 <= after_line <= len(lines):
            raise InvalidInput(
                f"insert_line {after_line} is out of range; block {block.label!r} has "
                f"{len(lines)} lines: 0 is the top, -1 the end."
            )
        place = len(lines) if after_line == -1 else after_line
        return _with_value(block, "\n".join([*lines[:place], new_content, *lines[place:]]))

    return edit


def rethink(new_content: str, based_on: Block | None = None) -> Edit:
    """Rewrite the whole block; empty clears it.

    With `based_on`, the block as the writer has seen it, a block that has moved on since is merged
    with the rewrite by lines: what others changed in between stays. Where both changed the same
    lines, the rewrite is refused with both texts.
    """
    check_text(new_content, "new_content", LIMIT_CHARS_DEFAULT * 100)
    _refuse_line_numbers(new_content)

    def edit(block: Block) -> Block:
        if based_on is None or block.version == based_on.version:
            return _with_value(block, _meant_for(block.value, new_content))
        meant = redact(_meant_for(based_on.value, new_content))
        merged = merge(based_on.value, meant, block.value)
        if isinstance(merged, MergeConflict):
            raise Conflict(_conflict(block, based_on, merged))
        return _with_value(block, merged.text)

    return edit


def overwrite(new_content: str) -> Edit:
    """Give the block this value by a person's word, which counts in a read-only block too."""
    check_text(new_content, "the value", LIMIT_CHARS_DEFAULT * 100)

    def edit(block: Block) -> Block:
        edited = _with_value(replace(block, read_only=False), new_content)
        return replace(edited, read_only=block.read_only)

    return edit


def fitting_label(label: str) -> str:
    """The label of a block that comes from elsewhere: the same, where it may be one here."""
    if _LABEL.fullmatch(label):
        return label
    told = _NOT_IN_LABEL.sub("_", quoting.one_line(label)).lstrip("_-.0123456789")[:LABEL_CHARS_MAX]
    return told if _LABEL.fullmatch(told) else f"block_{told}"[:LABEL_CHARS_MAX].rstrip("_")


def require_label(label: str) -> str:
    """A block's label: letters, digits, `_`, `-` and `.`, at most 60; it stands in addresses.

    Raises:
        InvalidInput: it is none.
    """
    if not _LABEL.fullmatch(label):
        raise InvalidInput(
            f"{clip(label, 60)!r} cannot be a block's label. One has letters, digits, '_', '-' and "
            "'.', begins with a letter, and is 60 characters long at most."
        )
    return label


def require_limit(chars: int) -> int:
    """A block's limit in characters.

    Raises:
        InvalidInput: it is out of range.
    """
    if not LIMIT_CHARS_LEAST <= chars <= LIMIT_CHARS_MOST:
        raise InvalidInput(
            f"a block's limit of {chars:,} characters is out of range; it goes from "
            f"{LIMIT_CHARS_LEAST:,} to {LIMIT_CHARS_MOST:,}."
        )
    return chars


def _conflict(block: Block, seen: Block, conflict: MergeConflict) -> str:
    places = "\n".join(
        f"- it was {_shown(region.base)}; now it is {_shown(region.theirs)}; you sent "
        f"{_shown(region.ours)}"
        for region in conflict.regions[:CONFLICTS_SHOWN]
    )
    return (
        f"block {block.label!r} was changed elsewhere since you last saw it (version "
        f"{block.version} now, {seen.version} then), where your rewrite changes it too, so it was "
        f"not rewritten:\n{places}\nTake in both, then send the whole block again. It reads:\n"
        f"{quoting.quoted(block.value)}"
    )


def _shown(lines: Sequence[str]) -> str:
    return _quoted("\n".join(lines)) if lines else "gone"


def _with_value(block: Block, value: str) -> Block:
    _refuse_read_only(block)
    value = redact(value)
    if len(value) > block.limit_chars and len(value) > len(block.value):
        raise BlockLimitExceeded(
            f"block {block.label!r} would have {len(value):,} of {block.limit_chars:,} characters "
            f"({len(value) - block.limit_chars:,} too many; it has {len(block.value):,} now). "
            "Shorten or merge lines with core_memory_replace, or put details into archival_insert."
        )
    return block if value == block.value else replace(block, value=value, version=block.version + 1)


def _refuse_long_lines(block: Block, content: str) -> None:
    """No line may be longer than the whole block."""
    if (longest := max(map(len, content.split("\n")))) > block.limit_chars:
        raise BlockLimitExceeded(
            f"content has a line of {longest:,} characters, and block {block.label!r} has room for "
            f"{block.limit_chars:,} in all; nothing was changed. Shorten the line, or put it into "
            "archival_insert."
        )


def _refuse_read_only(block: Block) -> None:
    if block.read_only:
        raise ReadOnlyBlock(
            f"block {block.label!r} is read-only; nothing was changed. "
            "Write to another block, or to archival_insert."
        )


def _refuse_line_numbers(content: str) -> None:
    if _LINE_NUMBER.match(content):
        raise InvalidInput(
            "the text starts with a line number (like '12→'). Line numbers are only shown for "
            "orientation; send the text without them."
        )


def _places(value: str, wanted: str) -> list[looks.Place]:
    """Where `wanted` stands in `value`; overlapping places count, since each could be meant."""
    places: list[looks.Place] = []
    at = value.find(wanted)
    while at != -1:
        places.append(looks.Place(at, at + len(wanted)))
        at = value.find(wanted, at + 1)
    return places or looks.places(value, wanted) or looks.places_as_shown(value, wanted)


def _meant_beside(new: str, old: str, copied: str) -> str:
    """The text for the place of `old`, which was copied as it is shown and stands for `copied`."""
    plain = quoting.without_escapes(new)
    if copied == quoting.without_escapes(old):
        return plain
    indented = all(line.startswith(" ") for line in new.split("\n")[1:] if line)
    new = new if copied == quoting.unindented(old) else plain
    return quoting.unindented(new) if indented else new


def _meant_for(value: str, rewrite: str) -> str:
    """The rewrite, without our signs where it was copied from how the block was shown."""
    lines = set(value.split("\n"))
    told = rewrite.split("\n")
    is_set_off = all(line.startswith(" ") for line in told if line)
    if value.strip() and is_set_off and not lines.intersection(told):
        plain = quoting.unindented(rewrite)
        rewrite = plain if lines.intersection(plain.split("\n")) else rewrite
    return quoting.without_escapes(rewrite, of=value)


def _not_found(block: Block, wanted: str) -> str:
    """Why that is so, and what to do."""
    place = looks.lookalike(block.value, wanted)
    if place is None:
        reads = f"The block reads:\n{quoting.quoted(block.value)}"
        return "It must match exactly, line breaks and spaces included. " + (
            reads if block.value else "The block is empty."
        )
    told = looks.difference(block.value, place, wanted)
    differences = "; ".join(
        f"on line {line} the block has {here} where old_content has {there}"
        for line, here, there in told[: looks.DIFFERENCES_TOLD]
    )
    more = len(told) - looks.DIFFERENCES_TOLD
    exact = looks.in_json(block.value[place.start : place.end])
    return (
        f"A text that looks the same is there, but {differences}"
        + (f"; and {counted(more, 'place')} more" if more > 0 else "")
        + ". "
        + (f"Send it as the block has it, in JSON: {exact}; or give" if exact else "Give")
        + " a shorter piece of the text, without what differs."
    )


def _closed_gap(before: str, after: str) -> tuple[str, str]:
    """After deleting whole lines, take the line break that is left over with them."""
    if (not before or before.endswith("\n")) and after.startswith(("\n", "\r\n")):
        return before, after.removeprefix("\r")[1:]
    if before.endswith("\n") and not after:
        return before[:-1].removesuffix("\r"), after
    return before, after


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:199] + "…")
