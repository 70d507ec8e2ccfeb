"""The shadow agent seen from outside: what it did, what it may spend, what waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from memory_mcp.domain.errors import InvalidInput, RunNotFound
from memory_mcp.domain.ids import AgentId, RunId
from memory_mcp.domain.requests import REQUEST_CHARS_MAX
from memory_mcp.domain.runs import (
    Caps,
    NewRun,
    Run,
    RunRecord,
    ShadowState,
    Trigger,
    Undone,
    Unreflected,
    reflection_due,
    start_of_day,
)
from memory_mcp.domain.summaries import Summary
from memory_mcp.domain.texts import clip, require_text
from memory_mcp.domain.times import Zone
from memory_mcp.ports import Clock, LeaseStore, MailStore, RunStore, SummaryStore

LEASE = "shadow"
RUNS_SHOWN = 20
KEEP = timedelta(days=30)
"""How long payloads are kept, and for how long a run can be undone."""
PAYLOAD_BYTES_MAX = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The model there is, and when it is asked."""

    model: str
    caps: Caps
    reflect_turns: int
    """After how many turns of the user; 0: only when nobody says anything any more."""


@dataclass(frozen=True, slots=True)
class Reflect:
    """Work: an agent's new messages should be reflected on."""

    unreflected: Unreflected
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Summarise:
    """Work: a summary should be written by the model."""

    agent_id: AgentId
    summary: Summary
    before: Summary | None


Work = Reflect | Summarise


class Ledger:
    """Every run, with what it read, asked, changed and cost."""

    def __init__(
        self,
        runs: RunStore,
        leases: LeaseStore,
        summaries: SummaryStore,
        mail: MailStore,
        policy: Policy | None,
        clock: Clock,
        zone: Zone,
    ) -> None:
        """Without a policy there is no model. The days of `zone` are those that caps count by."""
        self.policy = policy
        self._runs = runs
        self._leases = leases
        self._summaries = summaries
        self._mail = mail
        self._clock = clock
        self._zone = zone

    # What it did.

    async def runs(self, agent_id: AgentId | None = None, limit: int = RUNS_SHOWN) -> list[Run]:
        """The latest runs, newest first."""
        return await self._runs.runs(agent_id, limit)

    async def record(self, run_id: RunId | None) -> RunRecord:
        """A run with its calls and changes; without an id the latest one.

        Raises:
            RunNotFound: there is none.
        """
        return await self._runs.record(run_id)

    async def last_turn(self, agent_id: AgentId) -> RunRecord:
        """The latest turn of a resident agent, with the exact payload of each call.

        Raises:
            RunNotFound: it has had none.
        """
        found = await self._runs.last_of_kind(agent_id, "resident")
        if found is None:
            raise RunNotFound("this agent has had no turn of its own yet.")
        return await self._runs.record(found)

    async def undo(self, run_id: RunId | None, agent_id: AgentId | None = None) -> Undone:
        """Put back what a run changed, where nobody changed it since.

        Without an id the latest run that changed something and still stands. With an agent only
        runs of its own.

        Raises:
            RunNotFound: there is none, or it is another agent's.
            InvalidInput: there is nothing to undo.
        """
        if run_id is None:
            # One of which nothing can be put back is in nobody's way.
            if (undone := await self._runs.undo_latest(agent_id)) is None:
                raise InvalidInput(
                    "there is no run left to undo: none changed anything that could be put back."
                )
            return undone
        if agent_id not in (None, (await self._runs.record(run_id)).run.agent_id):
            raise RunNotFound(f"there is no run {clip(run_id, 60)!r} of this agent.")
        undone = await self._runs.undo(run_id)
        if not undone.put_back and not undone.left:
            raise InvalidInput(f"{run_id} has nothing to undo: it changed nothing, or was undone.")
        return replace(undone, run_id=run_id)

    # How it stands.

    async def state(self) -> ShadowState:
        """How the shadow agent stands, and what it spent today."""
        day = await self._runs.spent_on(start_of_day(self._clock.now(), self._zone))
        runs = await self._runs.runs(None, 1)
        last = runs[0] if runs else None
        worker = await self._leases.holder(LEASE)
        caps = self.policy.caps if self.policy else None
        return ShadowState(
            model=self.policy.model if self.policy else None,
            doing=await self._doing(worker),
            worker=worker,
            last_run=last.id if last else None,
            last_run_state=last.state if last else None,
            last_run_at=(last.ended_at or last.started_at) if last else None,
            runs=await self._runs.count(),
            tokens_today=day.tokens,
            day_tokens=caps.day_tokens if caps else None,
            usd_today=day.usd,
            day_usd=caps.day_usd if caps else None,
            unpriced_calls_today=day.unpriced_calls,
        )

    async def _doing(self, worker: str | None) -> str:
        if self.policy is None:
            return "off: no model is set (MEMORY_MCP_MODEL); what needs none is done"
        if why := await self._runs.paused(self.policy.caps):
            return why
        if worker is not None:
            return f"working: {worker}"
        return "waiting for a worker" if await self.has_work() else "idle"

    async def prune(self) -> int:
        """Throw away payloads that are old or too much; of how many runs."""
        return await self._runs.prune(self._clock.now() - KEEP, PAYLOAD_BYTES_MAX)

    async def set_paused(self, paused: bool) -> None:
        """Let it start no run until told otherwise; or let it go on, at a cap too."""
        await self._runs.set_paused(paused)

    # What waits for it.

    async def has_work(self) -> bool:
        """Whether a worker should be started."""
        if self.policy is None or await self._runs.paused(self.policy.caps):
            return False
        if await self._runs.has_open() or await self._mail.for_residents():
            return True
        return await self.next_work() is not None

    async def has_worker(self) -> bool:
        """Whether one is alive."""
        return await self._leases.holder(LEASE) is not None

    async def next_work(self, agent_id: AgentId | None = None, *, now: bool = False) -> Work | None:
        """What is to be done next, apart from open runs; `now`: whether it is quite due or not."""
        found = await self.due(agent_id, now=now)
        return found[0] if found else None

    async def due(self, agent_id: AgentId | None = None, *, now: bool = False) -> Sequence[Work]:
        """Everything that is to be done, apart from open runs."""
        if self.policy is None:
            return ()
        work: list[Work] = [
            Summarise(owner, summary, before)
            for owner, summary, before in await self._summaries.unwritten()
            if agent_id in (None, owner)
        ]
        for unreflected in await self._runs.unreflected(self.policy.reflect_turns):
            if agent_id not in (None, unreflected.agent_id):
                continue
            trigger = reflection_due(unreflected, self.policy.reflect_turns, self._clock.now())
            if trigger is None and now and unreflected.last_at:
                trigger = "asked"
            if trigger is not None:
                work.append(Reflect(unreflected, trigger))
        return work

    # Asking it.

    async def request(self, agent_id: AgentId, text: str) -> Run:
        """Enter a request for the model; a worker takes it up.

        Raises:
            InvalidInput: it is blank or too long, or there is no model.
        """
        require_text(text, "the request", REQUEST_CHARS_MAX)
        if self.policy is None:
            raise InvalidInput(
                "free requests need a model: set MEMORY_MCP_MODEL. Without one these are "
                "understood: forget, confirm, undo, status, compact, list."
            )
        run = NewRun(agent_id=agent_id, kind="request", trigger="asked", model=self.policy.model)
        return await self._runs.begin(run, None, {"request": text})
