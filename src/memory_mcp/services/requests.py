"""Asking the shadow agent: what is written in its small grammar is done at once, without a model.

Everything else is for the model, if there is one; a worker takes it up.
"""

from dataclasses import dataclass

import anyio

from memory_mcp.domain.forgetting import CONFIRM_MINUTES, Wanted
from memory_mcp.domain.ids import AgentId, RunId
from memory_mcp.domain.quoting import one_line, quoted
from memory_mcp.domain.requests import (
    Compact,
    Confirm,
    ForgetConversation,
    ForgetIds,
    ForgetText,
    ForgetTime,
    Help,
    ListOffers,
    NotUnderstood,
    Status,
    Undo,
    UndoRun,
    parse_request,
)
from memory_mcp.domain.runs import Run, Undone
from memory_mcp.domain.texts import clip, counted
from memory_mcp.domain.times import UTC_ZONE, Zone, parse_span
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.forgetting import Forgetting
from memory_mcp.services.ledger import Ledger
from memory_mcp.services.upkeep import Upkeep

LISTED = 10
SHOWN_CHARS = 160
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shadow agent says; with the run that will say more, when the model was asked."""

    text: str
    run_id: RunId | None = None


class Requests:
    """What is written to the shadow agent, and its answers."""

    def __init__(
        self,
        ledger: Ledger,
        forgetting: Forgetting,
        upkeep: Upkeep,
        eviction: Eviction,
        zone: Zone = UTC_ZONE,
    ) -> None:
        """`zone` is where days begin that a request names."""
        self._ledger = ledger
        self._forgetting = forgetting
        self._upkeep = upkeep
        self._eviction = eviction
        self._zone = zone

    async def ask(self, agent_id: AgentId, text: str) -> Answer:
        """Do what the text asks for, or have the model do it.

        Raises:
            InvalidInput: it cannot be meant.
            RunNotFound: there is no run with that id.
        """
        request = parse_request(text)
        if isinstance(request, NotUnderstood):
            if self._ledger.policy is None:
                return Answer(request.text)
            run = await self._ledger.request(agent_id, text)
            return Answer("The shadow agent has been asked.", run.id)
        match request:
            case ForgetIds(ids=ids):
                said = (await self._forgetting.forget(agent_id, ids)).answer
            case ForgetText(text=wanted):
                said = (await self._forgetting.preview(agent_id, wanted)).answer
            case ForgetConversation(conversation=conversation):
                asked = Wanted(conversation=conversation)
                said = (await self._forgetting.preview(agent_id, asked)).answer
            case ForgetTime(after=after, before=before):
                asked = Wanted(window=parse_span(after, before, self._zone))
                said = (await self._forgetting.preview(agent_id, asked)).answer
            case Confirm(code=code):
                said = (await self._forgetting.confirm(agent_id, code)).answer
            case Undo(ids=ids):
                said = (await self._forgetting.restore(agent_id, ids or None)).answer
            case UndoRun(run_id=run_id):
                said = undone_text(await self._ledger.undo(RunId(run_id), agent_id))
            case Status():
                said = await self._status()
            case Compact():
                left = await self._eviction.evict(agent_id)
                said = f"{counted(left, 'message')} left the view; recall keeps them all."
            case ListOffers():
                said = await self._offers(agent_id)
            case Help():
                said = request.text
        return Answer(said)

    async def answer(self, agent_id: AgentId, text: str, wait_seconds: int) -> str:
        """The answer alone; the model's is waited for so long at the most.

        Raises:
            InvalidInput: it cannot be meant.
        """
        answer = await self.ask(agent_id, text)
        if answer.run_id is None:
            return answer.text
        if outcome := await self.outcome(answer.run_id, wait_seconds):
            return f"The shadow agent answers:\n{quoted(outcome)}"
        return f"{answer.text} Its answer will stand in memory://shadow/runs/{answer.run_id}."

    async def outcome(self, run_id: RunId, wait_seconds: float) -> str | None:
        """What came of a run, or why it waits; `None` when it is at work for longer than that."""
        with anyio.move_on_after(wait_seconds):
            while True:
                run = (await self._ledger.record(run_id)).run
                if run.ended_at is not None or run.state == "paused":
                    return run.outcome
                await anyio.sleep(LOOK_SECONDS)
        return None

    async def _status(self) -> str:
        state = await self._ledger.state()
        lines = [f"State: {state.doing}."]
        if state.day_tokens is not None:
            lines.append(
                f"Spent today: {state.tokens_today:,} of {state.day_tokens:,} tokens, "
                f"${state.usd_today:.4f} of ${state.day_usd:.2f}."
            )
        if state.last_run:
            lines.append(f"Last run: {state.last_run} ({state.last_run_state}).")
        return "\n".join(lines)

    async def _offers(self, agent_id: AgentId) -> str:
        parts: list[str] = []
        if pending := await self._forgetting.pending(agent_id):
            parts.append(
                f"Waits to be confirmed, {CONFIRM_MINUTES} minutes from when it was shown: forget "
                f"{pending.wanted.told} ({pending.told}). confirm {pending.code}"
            )
        if pairs := await self._upkeep.near_duplicates(agent_id, LISTED):
            parts.append("Say nearly the same (forget the one that can go):")
            parts += [
                f"- {pair.passage_id}: {_line(pair.content)}\n"
                f"  {pair.other_id}: {_line(pair.other_content)}"
                for pair in pairs
            ]
        if runs := await self._ledger.runs(agent_id, LISTED):
            parts.append("Last runs:")
            parts += [_run_line(run) for run in runs]
        return "\n".join(parts) if parts else "Nothing is on offer."


def undone_text(undone: Undone) -> str:
    """What undoing a run came to, for whoever asked."""
    lines = [f"Put back: {each}." for each in undone.put_back]
    return "\n".join([*lines, *(f"Left as it is: {each}." for each in undone.left)])


def _line(text: str) -> str:
    return clip(one_line(text), SHOWN_CHARS)


def _run_line(run: Run) -> str:
    return f"- {run.id}: {run.state}, {counted(run.changes, 'change')}. {_line(run.outcome)}"
