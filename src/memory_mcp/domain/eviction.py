"""Eviction: which messages leave the context window, and what may be shown of those that stay.

Nothing is deleted: recall keeps every message, and a summary stands in view for those that left.
The sliding window is Letta's: past 90 % of the limit the oldest messages leave until the rest fits
70 %. A turn begins with a message of the user and leaves as a whole; only a turn that is alone
larger than the room there is may be cut inside. The newest message never leaves.

An eviction takes time, as somebody has to write the summary. `plan_eviction` says what should
leave; `fit` says what may be shown this very moment, whether or not it has left yet.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from memory_mcp.domain.messages import Role

TRIGGER_PERCENT = 90
GOAL_PERCENT = 70
# The room kept for the summary of what leaves, whatever its length will be.
SUMMARY_PERCENT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InView:
    """A message in view, as far as eviction is concerned."""

    seq: int
    role: Role
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextWindow:
    """What is in view, and how much of it there may be."""

    limit_tokens: int
    fixed_tokens: int
    """Blocks, metadata, rules: what no eviction makes smaller."""
    summary_tokens: int
    """What the summary takes now; 0 without one."""
    messages: Sequence[InView]
    """Oldest first."""

    @property
    def total_tokens(self) -> int:
        """What all of it takes."""
        messages = sum(message.tokens for message in self.messages)
        return self.fixed_tokens + self.summary_tokens + messages

    @property
    def trigger_tokens(self) -> int:
        """Past this, something has to leave."""
        return self.limit_tokens * TRIGGER_PERCENT // 100

    @property
    def goal_tokens(self) -> int:
        """How much an eviction leaves in view.

        Where the fixed part alone takes more than half the limit, 70 % would leave next to no
        message and every second one would evict again. There the goal is halfway from the fixed
        part to the trigger, or where it has passed that, to the limit.
        """
        above = self.trigger_tokens
        if self.fixed_tokens >= above:
            above = self.limit_tokens
        return max(self.limit_tokens * GOAL_PERCENT // 100, (self.fixed_tokens + above) // 2)

    @property
    def summary_tokens_max(self) -> int:
        """How long a summary may be: a fifth of the limit, or half of what the goal leaves."""
        left = max(0, self.goal_tokens - self.fixed_tokens)
        return min(self.limit_tokens * SUMMARY_PERCENT // 100, left // 2)


# --- What should leave ---


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionPlan:
    """What one eviction does. Whoever carries it out writes one summary of the old one and these.

    It still holds when more messages have come meanwhile.
    """

    evicted: tuple[int, ...]
    """The seqs that leave, oldest first. None when only the summary has become too long."""
    stays: tuple[int, ...]
    """The seqs that stay."""
    summary_tokens_max: int
    """How long the new summary may be; 0: there is no room for one."""
    cuts_turn: bool
    """Whether what stays begins inside a turn, so that the summary has to say how it began."""
    before_tokens: int
    after_tokens_max: int
    """The total afterwards, with a summary as long as it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTooLarge:
    """No eviction helps: blocks and metadata alone fill the limit, and no message can be shown.

    The caller has to say so to whoever can shorten a block or raise the limit, and must not send
    the view to a model.
    """

    fixed_tokens: int
    limit_tokens: int

    @property
    def because(self) -> str:
        """What happened and the next move, for a person or a model."""
        return (
            f"Core memory and metadata take {self.fixed_tokens:,} of the context limit of "
            f"{self.limit_tokens:,} tokens, so no message can be shown. Shorten or detach a block, "
            "or raise the agent's context limit."
        )


def plan_eviction(window: ContextWindow) -> EvictionPlan | FixedTooLarge | None:
    """What has to leave now; `None` when nothing has to, or nothing can.

    A prefix of the messages leaves, and the newest one stays even where it alone is larger than
    the room there is: `fit` then says how much of it may be shown.
    """
    if window.fixed_tokens >= window.limit_tokens:
        return FixedTooLarge(fixed_tokens=window.fixed_tokens, limit_tokens=window.limit_tokens)
    if window.total_tokens <= window.trigger_tokens:
        return None
    # A summary that has outgrown its share, as after the limit was lowered, has to be rewritten,
    # and that alone may be enough.
    too_long = window.summary_tokens > window.summary_tokens_max
    cut = _cut(window)
    if not cut and not too_long:
        return None
    first = window.messages[cut].role if window.messages else "user"
    staying = sum(message.tokens for message in window.messages[cut:])
    seqs = tuple(message.seq for message in window.messages)
    return EvictionPlan(
        evicted=seqs[:cut],
        stays=seqs[cut:],
        summary_tokens_max=window.summary_tokens_max,
        cuts_turn=cut > 0 and first != "user",
        before_tokens=window.total_tokens,
        after_tokens_max=window.fixed_tokens + window.summary_tokens_max + staying,
    )


def _cut(window: ContextWindow) -> int:
    """How many of the oldest messages leave."""
    messages = window.messages
    if not messages:
        return 0
    sizes = _suffix_sizes(messages)
    kept = window.fixed_tokens + window.summary_tokens_max

    def within(limit_tokens: int) -> Callable[[int], bool]:
        return lambda cut: kept + sizes[cut] <= limit_tokens

    # What stands before the first message of the user, a greeting perhaps, is a turn too.
    turns = [place for place, message in enumerate(messages) if message.role == "user" or not place]
    last_turn, newest = turns[-1], len(messages) - 1
    # Inside a turn what a tool answered stays with the call: alone it says nothing, and models'
    # interfaces refuse it.
    inside = [place for place in range(last_turn + 1, newest + 1) if messages[place].role != "tool"]
    for cuts, fits in (
        (turns, within(window.goal_tokens)),
        ([last_turn], within(window.trigger_tokens)),
        (inside, within(window.goal_tokens)),
        # The goal is out of reach; the less there is beside the newest message, the nearer.
        ([*reversed(inside), last_turn], within(window.limit_tokens)),
    ):
        if (cut := next(filter(fits, cuts), None)) is not None:
            return cut
    return newest


def _suffix_sizes(messages: Sequence[InView]) -> list[int]:
    """For each message, what it and all after it take; last a 0, for none."""
    tokens: Iterable[int] = (message.tokens for message in reversed(messages))
    return list(accumulate(tokens, initial=0))[::-1]


# --- What may be shown ---


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What may be shown so that the whole keeps to the limit."""

    shown: tuple[int, ...]
    """The seqs that may be shown: the latest, as many as there is room for."""
    newest_tokens_max: int | None
    """Where even the newest message is too large: how much of it may be shown, beside nothing."""
    summary_tokens_max: int
    """How much of the summary may be shown."""
    over_tokens: int
    """How far the fixed part alone passes the limit. If it does, nothing else may be shown."""


def fit(window: ContextWindow) -> View:
    """What may be shown right now, also while an eviction is still under way.

    The whole keeps to the limit at any time, unless the fixed part alone passes it.
    """
    seqs = tuple(message.seq for message in window.messages)
    if window.total_tokens <= window.limit_tokens:
        summary = window.summary_tokens
        return View(shown=seqs, newest_tokens_max=None, summary_tokens_max=summary, over_tokens=0)
    room = window.limit_tokens - window.fixed_tokens
    if room <= 0:
        return View(shown=(), newest_tokens_max=None, summary_tokens_max=0, over_tokens=-room)
    summary = min(window.summary_tokens, window.summary_tokens_max)
    sizes = _suffix_sizes(window.messages)
    start = next(place for place, size in enumerate(sizes) if size <= room - summary)
    too_large = start == len(seqs) > 0
    if too_large:
        start -= 1
    elif start:
        # What a tool answered is not shown without its call, unless there is nothing else.
        rest = range(start, len(seqs))
        start = next((place for place in rest if window.messages[place].role != "tool"), start)
    return View(
        shown=seqs[start:],
        newest_tokens_max=room - summary if too_large else None,
        summary_tokens_max=summary,
        over_tokens=0,
    )
