"""Shadow runs: one pass of the shadow agent, what it may spend, and when it is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from memory_mcp.domain.ids import AgentId, RunId
from memory_mcp.domain.times import Zone

RunKind = Literal["reflect", "summarise", "request", "resident"]
Trigger = Literal["turns", "quiet", "ended", "overflow", "eviction", "asked", "mail"]
RunState = Literal["waiting", "running", "paused", "done", "capped", "failed", "abandoned"]
"""`waiting` for a worker; `paused` until a new day or `resume`; `capped`: it ended at the cap of a
run or at its bound on steps, and what it had done by then was kept; `abandoned`: its worker died
too often, nothing was changed."""
OPEN_STATES: tuple[RunState, ...] = ("waiting", "running", "paused")
STATES: tuple[str, ...] = get_args(RunState)

TAKEOVERS_MAX = 3
"""How many dead workers a run may have had before it is given up."""
RETRY_MINUTES = (1, 5, 30, 120, 360)
"""How long a failed run is let be, by how often in a row it has failed."""


# --- Caps ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most that may be spent."""

    run_tokens: int
    day_tokens: int
    day_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What calls cost, made or about to be made. `usd` leaves out calls without a known price."""

    tokens: int = 0
    usd: float = 0.0
    unpriced_calls: int = 0


Cap = Literal["run_tokens", "day_tokens", "day_usd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapHit:
    """A call that was not made, as it could have passed a cap."""

    cap: Cap
    spent: float
    asked: float
    """What the call could have cost at the most."""
    limit: float

    @property
    def of_the_day(self) -> bool:
        """Whether it is over with the day: not where one call is more than a day may take.

        A cap of 0 says that nothing may be asked for now; what waits then is not given up.
        """
        return self.cap != "run_tokens" and (self.asked <= self.limit or not self.limit)

    def __str__(self) -> str:
        names = {
            "run_tokens": ("tokens a run", "MEMORY_MCP_RUN_TOKENS"),
            "day_tokens": ("tokens a day", "MEMORY_MCP_DAY_TOKENS"),
            "day_usd": ("US dollars a day", "MEMORY_MCP_DAY_USD"),
        }
        what, setting = names[self.cap]
        form = "{:,.4f}" if self.cap == "day_usd" else "{:,.0f}"
        spent, asked, limit = (form.format(n) for n in (self.spent, self.asked, self.limit))
        return (
            f"the cap of {limit} {what} ({setting}) would be passed: {spent} spent, "
            f"{asked} more at the most"
        )


def cap_hit(caps: Caps, run: Spent, day: Spent, call: Spent) -> CapHit | None:
    """The cap that a call could pass, given what its run and the day have spent before it."""
    looked_at: Sequence[tuple[Cap, float, float, float]] = (
        # The run's first: waiting for another day would not help it.
        ("run_tokens", run.tokens, call.tokens, caps.run_tokens),
        ("day_usd", day.usd, call.usd, caps.day_usd),
        ("day_tokens", day.tokens, call.tokens, caps.day_tokens),
    )
    for cap, spent, asked, limit in looked_at:
        if asked and spent + asked > limit:
            return CapHit(cap=cap, spent=spent, asked=asked, limit=limit)
    return None


def start_of_day(now: datetime, zone: Zone) -> datetime:
    """When the day began whose spending counts: the person's, who pays for it."""
    return zone.start_of(zone.local(now).date())


def end_of_day(now: datetime, zone: Zone) -> datetime:
    """When the next one begins."""
    return zone.start_of(zone.local(now).date() + timedelta(days=1))


def retry_at(failures: int, last_ended: datetime) -> datetime:
    """When work that has failed so often in a row is tried again."""
    minutes = RETRY_MINUTES[min(failures, len(RETRY_MINUTES)) - 1] if failures else 0
    return last_ended + timedelta(minutes=minutes)


# --- The ledger ---


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run on its way into the ledger."""

    agent_id: AgentId
    kind: RunKind
    trigger: Trigger
    model: str
    first_seq: int | None = None
    """Places of the first and the last message it reads."""
    last_seq: int | None = None
    messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, in the ledger."""

    id: RunId
    agent_id: AgentId
    agent: str
    """The agent's name."""
    kind: RunKind
    trigger: Trigger
    model: str
    state: RunState
    outcome: str
    """What came of it, in a sentence or two."""
    first_seq: int | None
    last_seq: int | None
    messages: int
    takeovers: int
    """How many workers died over it."""
    started_at: datetime
    ended_at: datetime | None
    pruned_at: datetime | None
    """When its payloads were thrown away, for their age or for room; counts stay."""
    calls: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    """`None` when no call of it had a known price."""
    changes: int
    undone: int
    """How many of its changes were undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCall:
    """One call of a model, exactly as it went out and came back. Pruned: both are `None`."""

    number: int
    asked_at: datetime
    answered_at: datetime | None
    request: Any
    response: Any
    error: str | None
    tokens_in: int
    tokens_out: int
    """Until it is answered, the most it may come to."""
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """One thing that a run changed."""

    number: int
    noun: Literal["block", "passage", "message", "summary"]
    noun_id: str
    operation: Literal["edited", "filed", "refreshed", "superseded", "forgotten", "rewritten"]
    before: Any
    after: Any
    """Blocks and summaries: the text, with its label or who made it. Passages: the text."""
    undone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run with all that is known of it."""

    run: Run
    calls: Sequence[RunCall]
    changes: Sequence[RunChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What undoing a run put back, and what it had to leave, in words."""

    put_back: Sequence[str]
    left: Sequence[str]
    run_id: RunId | None = None
    """Each with the reason: mostly, that somebody changed it since."""


# --- Work ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreflected:
    """What an agent's reflection has not read yet."""

    agent_id: AgentId
    after_seq: int
    turns: int
    """Messages of the user among it, counted up to as many as matter."""
    last_at: datetime | None
    """When the last of it was said; `None`: there is none."""
    ended: bool
    """Whether its conversation was ended by the host."""
    overflowed: bool
    """Whether a block has lost lines since the last reflection."""
    failures: int
    """How many reflections in a row have failed, and when the last one did."""
    failed_at: datetime | None


QUIET = timedelta(minutes=10)
"""How long nobody says anything before what was said is reflected on."""


def reflection_due(work: Unreflected, reflect_turns: int, now: datetime) -> Trigger | None:
    """Why the agent's memory should be reflected on now, if it should."""
    if work.last_at is None or not work.turns:
        return None
    if work.failed_at and now < retry_at(work.failures, work.failed_at):
        return None
    if reflect_turns and work.turns >= reflect_turns:
        return "turns"
    if work.ended:
        return "ended"
    if work.overflowed:
        return "overflow"
    return "quiet" if now - work.last_at >= QUIET else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to be the store's worker, for as long as it is renewed. `token` rises with each."""

    name: str
    holder: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowState:
    """How the shadow agent stands, for statistics."""

    model: str | None
    doing: str
    """`off`, `idle`, `waiting`, `working`, `paused`, or `capped`, in a sentence."""
    worker: str | None
    """The process that works, if one does."""
    last_run: str | None
    last_run_state: str | None
    last_run_at: datetime | None
    runs: int
    tokens_today: int
    day_tokens: int | None
    usd_today: float
    day_usd: float | None
    unpriced_calls_today: int
