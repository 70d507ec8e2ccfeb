"""What changed in core memory since somebody last saw it, told as differences and not as copies."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from memory_mcp.domain.quoting import quoted, tag_name
from memory_mcp.domain.texts import clip

DIFFERENCE_CHARS_MAX = 2_400


@dataclass(frozen=True, slots=True)
class BlockChange:
    """A block as a connection last saw it and as it is now."""

    label: str
    seen: str
    now: str
    version: int
    seen_version: int


def compile_changes(changes: Sequence[BlockChange]) -> str:
    """What others changed in core memory meanwhile."""
    parts = [
        f"<{tag_name(change.label)}> is at version {change.version}:\n"
        f"{difference(change.seen, change.now)}"
        for change in changes
    ]
    return "\n".join(["Core memory was changed elsewhere since you last saw it.", *parts])


def compile_briefly(changes: Sequence[BlockChange]) -> str:
    """The same for a channel where every character is paid for in each session."""
    return "\n".join(
        f"Core memory block <{tag_name(change.label)}> changed:\n"
        f"{difference(change.seen, change.now)}"
        for change in changes
    )


def difference(before: str, after: str) -> str:
    """The lines that went (`-`) and came (`+`), in order, each behind a space."""
    return quoted(clip(_changed_lines(before, after), DIFFERENCE_CHARS_MAX))


def is_cut(before: str, after: str) -> bool:
    """Whether the difference is too long to be told whole."""
    return len(_changed_lines(before, after)) > DIFFERENCE_CHARS_MAX


def _changed_lines(before: str, after: str) -> str:
    old, new = before.splitlines(), after.splitlines()
    told: list[str] = []
    for kind, *span in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            told += [f"- {line}" for line in old[span[0] : span[1]]]
            told += [f"+ {line}" for line in new[span[2] : span[3]]]
    return "\n".join(told)
