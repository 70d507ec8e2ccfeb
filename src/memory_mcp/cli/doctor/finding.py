"""What the doctor says of one thing looked at."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "wrong"]
"""A note is worth knowing, and no failure."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    about: str
    """One word, for scripts."""
    verdict: Verdict
    what: str
    cure: str = ""
    """What to do about it: a command, or a sentence."""
