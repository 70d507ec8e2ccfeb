"""What a trial is given, and what it gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where a trial works, and how much it does."""

    folder: Path
    seed: int
    long: bool

    def of(self, short: int, long: int) -> int:
        """A count: of a run of minutes, or of an hour's."""
        return long if self.long else short


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was seen of one promise."""

    promise: str
    """Its id in docs/durability.md or docs/security.md, as `D1`."""
    seen: str
    """In numbers, for the page's table: `26,433 acknowledged writes, none lost`."""
    broken: Sequence[str] = field(default_factory=tuple)
    """Each case in which it was not kept, with what is needed to see it again."""

    @property
    def verdict(self) -> str:
        """For a line of the terminal."""
        return "BROKEN" if self.broken else "kept"


Trial = Callable[[Scale], list[Figure]]
