"""The ports of the shadow agent's ledger and lease."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.drafts import Draft
from memory_mcp.domain.ids import (
    AgentId,
    RunId,
)
from memory_mcp.domain.runs import (
    CapHit,
    Caps,
    Lease,
    NewRun,
    Run,
    RunKind,
    RunRecord,
    RunState,
    Spent,
    Undone,
    Unreflected,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A summary's text, written anew by a run."""

    summary_id: str
    before: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ends."""

    state: RunState
    outcome: str
    draft: Draft | None = None
    """What is done now; nothing without one."""
    rewritten: Rewritten | None = None
    reflected_seq: int | None = None
    """Up to which message the agent's memory counts as reflected on."""


class LeaseStore(Protocol):
    """Who may be the store's worker."""

    async def take(self, name: str, holder: str, seconds: float) -> Lease | None:
        """The lease, if nobody alive has it."""
        ...

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Keep it for so long from now.

        Raises:
            LeaseLost: somebody else has it.
        """
        ...

    async def give_back(self, lease: Lease) -> None:
        """Let the next one have it at once."""
        ...

    async def holder(self, name: str) -> str | None:
        """Who has it, if anybody alive does."""
        ...


class RunStore(Protocol):
    """The shadow agent's ledger. What a worker writes, it writes under its lease."""

    async def begin(self, run: NewRun, lease: Lease | None, progress: Mapping[str, Any]) -> Run:
        """Enter a run: `running` under a lease, else `waiting` for a worker."""
        ...

    async def resume(
        self,
        lease: Lease,
        model: str | None,
        *,
        residents: bool = False,
        busy: Collection[RunId] = (),
        left: Collection[RunId] = (),
    ) -> tuple[Run, Mapping[str, Any]] | None:
        """The oldest open run that may go on, with its progress; it is `running` then.

        `model` is the one that goes on with it, `None` the one it began with, which may be there no
        more. Of the turns of residents, or of all others; the worker's own `busy` ones are left
        out, and those of deleted agents. A run whose workers died too often is `abandoned` on the
        way; a resident's turn is not, as somebody waits to be told so. Nobody died over
        those that the holder of the lease `left` itself.
        """
        ...

    async def save(self, run_id: RunId, lease: Lease, progress: Mapping[str, Any]) -> None:
        """Keep how far a run has come."""
        ...

    async def reserve(
        self, run_id: RunId, lease: Lease, request: Mapping[str, Any], most: Spent, caps: Caps
    ) -> int | CapHit:
        """Enter a call with the most it may cost, if that passes no cap; its number."""
        ...

    async def settle(
        self,
        run_id: RunId,
        lease: Lease,
        number: int,
        *,
        response: Any = None,
        error: str | None = None,
        tokens_in: int,
        tokens_out: int,
        usd: float | None,
    ) -> None:
        """Enter what a call came to."""
        ...

    async def pause(self, run_id: RunId, lease: Lease, hit: CapHit) -> bool:
        """Let a run wait for the next day; whether this is the first the day's cap is heard of."""
        ...

    async def end(self, run_id: RunId, lease: Lease, end: RunEnd) -> list[Block]:
        """End a run and do what it drafted, in one transaction.

        Blocks that moved on meanwhile are merged; where they cannot be, nothing is done, and they
        are returned as they are now.

        Raises:
            BlockNotFound: a block it edited is gone; nothing is done.
        """
        ...

    async def runs(self, agent_id: AgentId | None, limit: int) -> list[Run]:
        """The latest runs, newest first."""
        ...

    async def record(self, run_id: RunId | None) -> RunRecord:
        """A run with its calls and changes; without an id the latest one.

        Raises:
            RunNotFound: there is none.
        """
        ...

    async def undo(self, run_id: RunId) -> Undone:
        """Put back what a run changed, where nobody changed it since.

        Raises:
            RunNotFound: there is none with that id.
        """
        ...

    async def undo_latest(self, agent_id: AgentId | None) -> Undone | None:
        """The same for the latest run of which something can be put back; `None`: no run stands.

        Where nothing can be put back of any, it says why for the latest.
        """
        ...

    async def last_of_kind(self, agent_id: AgentId, kind: RunKind) -> RunId | None:
        """The latest run of that kind; `None` for an agent that has had none."""
        ...

    async def tries(self, run: Run) -> int:
        """How many runs of its kind, itself too, read some of what it read and did not do it."""
        ...

    async def count(self) -> int:
        """How many runs there are."""
        ...

    async def has_open(self) -> bool:
        """Whether a run waits for a worker, or for the next one."""
        ...

    async def spent_on(self, day_start: datetime) -> Spent:
        """What all calls since then came to."""
        ...

    async def unreflected(self, reflect_turns: int) -> list[Unreflected]:
        """For each agent what its reflection has not read yet; agents without any are left out."""
        ...

    async def paused(self, caps: Caps | None) -> str | None:
        """Why no run may start now, if so: a person's word, or the day's cap."""
        ...

    async def set_paused(self, paused: bool) -> None:
        """Let no run start until told otherwise; or let them start again."""
        ...

    async def prune(self, before: datetime, bytes_max: int) -> int:
        """Throw away payloads from before then, and the oldest past that size; how many runs'."""
        ...
