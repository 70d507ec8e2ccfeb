"""A host's session as memory knows it: what of core memory its history still holds.

Hosts tell of compactions in different orders and more or less often (seen in November 2026):

    Claude Code 2.1.332   PreCompact, SessionStart(compact), PostCompact
    Codex 0.171.0         PreCompact, SessionStart(compact)
    Gemini CLI 0.61.0     PreCompress before each request to the model, whether or not anything is
                          compressed; its chat file alone tells that it was

So an attempt is no compaction, and of the two signs that one has happened whichever comes first
counts, the other is its echo. So is the same sign once more with nothing said between: hooks that
are installed twice are called twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from memory_mcp.domain.ids import BlockId

CompactionSign = Literal["attempt", "restart", "done"]
"""`attempt`: the host is about to compact, or only looks whether it must. `restart`: the session
starts again on the compacted history. `done`: the history was compacted."""
CompactionState = Literal[
    "attempt", "restart", "done", "both", "restart and words", "done and words"
]
"""Which signs of the last compaction came, and whether something was said since."""
_AFTER_WORDS: Mapping[CompactionState | None, CompactionState | None] = {
    "restart": "restart and words",
    "done": "done and words",
    "both": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSession:
    """What hooks left of a session."""

    seen: Mapping[BlockId, int] | None = None
    """The blocks its history holds, by version; `None`: it must be shown everything."""
    transcript: str | None = None
    offset: int = 0
    """How many bytes of its transcript were read."""
    last_sign: CompactionState | None = None
    """How far the last compaction was told; `None` where no sign of it is to come any more."""

    def after(self, sign: CompactionSign) -> "HostSession":
        """The session after a sign of a compaction: one that happened takes away what was seen."""
        if sign == "attempt":
            return replace(self, last_sign="attempt")
        if self.last_sign in (sign, "both"):
            return self
        match self.last_sign:
            case "restart" | "done":
                return replace(self, last_sign="both")
            case "restart and words" | "done and words" if not self.last_sign.startswith(sign):
                return replace(self, last_sign=None)
            case _:
                return replace(self, last_sign=sign, seen=None)

    def after_words(self) -> "HostSession":
        """The session after something was said in it: the next compaction is another one."""
        return replace(self, last_sign=_AFTER_WORDS.get(self.last_sign, self.last_sign))

    def saw(self, versions: Mapping[BlockId, int]) -> "HostSession":
        """The session after some blocks, by version, came into its history besides others."""
        return self if self.seen is None else replace(self, seen={**self.seen, **versions})
