"""The shadow agent's three kinds of run: reflecting, writing a summary, doing what it was asked."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from memory_mcp.domain.drafts import Draft
from memory_mcp.domain.errors import LeaseLost, MemoryMCPError, ModelError, StoreError
from memory_mcp.domain.ids import AgentId, RunId
from memory_mcp.domain.quoting import one_line, within_tags
from memory_mcp.domain.redact import in_short
from memory_mcp.domain.runs import TAKEOVERS_MAX, Lease, NewRun, Run, RunState
from memory_mcp.domain.texts import MESSAGE_CHARS_MAX, check_text, clip, counted
from memory_mcp.domain.tool_rules import ContinueRule, TerminalRule, ToolRule
from memory_mcp.loop.calls import Calls, CapReached
from memory_mcp.loop.material import batch_of, numbered_blocks
from memory_mcp.loop.memory_tools import FINISH, NAMES, MemoryTools
from memory_mcp.loop.prompts import prompt
from memory_mcp.loop.react import Ending, Thread, react
from memory_mcp.loop.resident import Resident
from memory_mcp.ports import ChatModel, Rewritten, RunEnd, Stores
from memory_mcp.services import Services
from memory_mcp.services.ledger import Policy, Reflect, Summarise, Work

logger = logging.getLogger(__name__)

BACKLOG = 500
"""How many messages it looks back at the most: a large import is not read from its beginning."""
MESSAGES_SHARE = 0.3
"""How much of what a run may take is for the messages it reads; each further call sends them."""
SUMMARY_SHARE = 0.4
SUMMARY_LIMIT_SHARE = 5
"""A summary may take a fifth of the view."""
TURNS_MAX = 32
"""How many residents take their turn at once; most wait for a model or for each other."""
CUT_OFF = {"length", "content_filter", "error"}
"""Finish reasons of a text that is not whole."""
PAIRS_SHOWN = 5
PAIR_CHARS = 300
CONFLICTS_MAX = 2
"""How often a run is sent back to blocks that moved on while it edited them."""

TRIES_MAX = 3
"""How often the same messages are reflected on when the model cannot do it."""


Turn = tuple[Run, Mapping[str, Any]]
"""A resident's run that is open, and how far it has come."""


class Shadow:
    """One worker's shadow agent, under its lease."""

    def __init__(
        self,
        services: Services,
        stores: Stores,
        chat: ChatModel,
        policy: Policy,
        lease: Lease,
    ) -> None:
        self._services = services
        self._stores = stores
        self._chat = chat
        self._policy = policy
        self._lease = lease
        self._resident = Resident(services=services, policy=policy)
        self._turns: set[RunId] = set()
        self._left: set[RunId] = set()
        """Runs that it had to leave, as the store could not be written."""

    async def resume(self) -> Run | None:
        """Go on with the oldest run that is open, to its end; the run, if there was one."""
        found = await self._stores.runs.resume(self._lease, self._policy.model, left=self._left)
        if found is None:
            return None
        run, progress = found
        return await self._go(run, progress)

    async def next_turn(self) -> Turn | None:
        """A turn of a resident agent, to be gone on with or begun; `take_turn` does it."""
        runs = self._stores.runs
        if len(self._turns) >= TURNS_MAX:
            return None
        found = await runs.resume(
            self._lease, None, residents=True, busy=self._turns, left=self._left
        )
        if found is None:
            waiting = await self._stores.mail.for_residents()
            if not waiting:
                return None
            new = await self._resident.new_run(waiting[0])
            nothing: dict[str, Any] = {}
            found = await runs.begin(new, self._lease, nothing), nothing
        self._turns.add(found[0].id)
        return found

    async def take_turn(self, turn: Turn) -> Run:
        """Do it, beside others."""
        try:
            return await self._go(*turn)
        finally:
            self._turns.discard(turn[0].id)

    async def do(self, work: Work) -> Run | None:
        """One run, from its beginning to its end; none where its messages were forgotten."""
        if isinstance(work, Reflect):
            begun = await self._reflection(work)
        else:
            begun = await self._summarising(work)
        if begun is None:
            return None
        new, progress = begun
        run = await self._stores.runs.begin(new, self._lease, progress)
        return await self._go(run, progress)

    async def _go(self, run: Run, progress: Mapping[str, Any]) -> Run:
        calls = Calls(
            run.model,
            self._chat,
            self._stores.runs,
            self._services.tokens,
            self._policy.caps,
            run.id,
            self._lease,
        )
        try:
            if run.kind == "resident" and run.takeovers > TAKEOVERS_MAX:
                await self._abandon(run, progress)
            elif run.kind == "resident":
                await self._converse(run, progress, calls)
            elif run.kind == "summarise":
                await self._write_summary(run, progress, calls)
            else:
                if "thread" not in progress:
                    progress = await self._request(run, progress)
                await self._edit(run, progress, calls)
        except CapReached as reached:
            await self._wait_for_tomorrow(run, progress, reached)
        except LeaseLost:
            raise
        except StoreError:  # a full disk or a busy store: the run stays open, and is gone on with
            self._left.add(run.id)
            raise
        except MemoryMCPError as error:
            await self._give_up(run, progress, str(error))
        except Exception as error:
            logger.exception("%s failed", run.id)
            await self._give_up(run, progress, f"a bug of memory-mcp: {type(error).__name__}")
        return (await self._stores.runs.record(run.id)).run

    async def _wait_for_tomorrow(
        self, run: Run, progress: Mapping[str, Any], reached: CapReached
    ) -> None:
        if not reached.hit.of_the_day:
            outcome = f"It needs more than it may take: {reached.hit}."
            await self._give_up(run, progress, outcome, too_much=True)
        elif await self._stores.runs.pause(run.id, self._lease, reached.hit):
            logger.warning("the shadow agent pauses until tomorrow: %s", reached.hit)

    async def _give_up(
        self, run: Run, progress: Mapping[str, Any], outcome: str, *, too_much: bool = False
    ) -> None:
        if run.kind == "resident":
            await self._resident.failed(run, progress, outcome)
        if too_much:
            await self._fail(run, outcome)
        else:
            await self._end(run, "failed", outcome)

    async def _fail(self, run: Run, outcome: str) -> None:
        """End a run that the model could not do.

        The last of several tries passes the messages over: later ones would never be read else.
        """
        # Other runs may stand between them, however many; the first message may have moved on.
        if run.kind == "reflect" and await self._stores.runs.tries(run) >= TRIES_MAX:
            outcome = f"{outcome} These messages are passed over after {TRIES_MAX} tries."
            await self._end(run, "failed", outcome, reflected_seq=run.last_seq)
        else:
            await self._end(run, "failed", outcome)

    async def _end(self, run: Run, state: RunState, outcome: str, **more: Any) -> None:
        end = RunEnd(state=state, outcome=in_short(outcome, 2_000), **more)
        await self._stores.runs.end(run.id, self._lease, end)
        logger.info("%s ended: %s", run.id, state)

    # Residents.

    async def _abandon(self, run: Run, progress: Mapping[str, Any]) -> None:
        """End a turn that workers die of; unlike other runs somebody waits for its answer."""
        outcome = f"Given up: {run.takeovers} workers died over it."
        await self._resident.failed(run, progress, outcome)
        await self._end(run, "abandoned", outcome)

    async def _converse(self, run: Run, progress: Mapping[str, Any], calls: Calls) -> None:
        async def save(told: Mapping[str, Any]) -> None:
            await self._stores.runs.save(run.id, self._lease, told)

        end = await self._resident.turn(run, progress, calls, save)
        await self._stores.runs.end(run.id, self._lease, end)

    # Reflecting, and requests.

    async def _reflection(self, work: Reflect) -> tuple[NewRun, dict[str, Any]] | None:
        agent_id, after = work.unreflected.agent_id, work.unreflected.after_seq
        arrived = await self._stores.messages.last_arrived(agent_id, after, BACKLOG)
        if not arrived:
            return None
        tokens = self._services.tokens
        room = int(self._policy.caps.run_tokens * MESSAGES_SHARE)
        batch = batch_of(arrived, room, tokens.count, self._services.zone)
        blocks = await self._services.core_memory.blocks(agent_id)
        parts = [self._today(), numbered_blocks(blocks), await self._duplicates(agent_id)]
        if latest := await self._stores.summaries.latest(agent_id):
            parts.append(f"<earlier>\n{within_tags(clip(latest.text, 3_000))}\n</earlier>")
        parts.append(batch.text)
        thread = Thread(messages=_opening("reflect", parts))
        new = NewRun(
            agent_id=agent_id,
            kind="reflect",
            trigger=work.trigger,
            model=self._policy.model,
            first_seq=batch.messages[0].seq,
            last_seq=batch.messages[-1].seq,
            messages=len(batch.messages),
        )
        return new, {"thread": thread.to_json(), "draft": Draft.on(blocks).to_json()}

    async def _request(self, run: Run, progress: Mapping[str, Any]) -> dict[str, Any]:
        blocks = await self._services.core_memory.blocks(run.agent_id)
        asked = f"<request>\n{within_tags(progress.get('request', ''))}\n</request>"
        parts = [self._today(), numbered_blocks(blocks), asked]
        thread = Thread(messages=_opening("request", parts))
        return {"thread": thread.to_json(), "draft": Draft.on(blocks).to_json()}

    async def _duplicates(self, agent_id: AgentId) -> str:
        pairs = await self._services.upkeep.near_duplicates(agent_id, PAIRS_SHOWN)
        lines = [
            f"- {pair.passage_id}: {_in_short(pair.content)}\n"
            f"  {pair.other_id}: {_in_short(pair.other_content)}"
            for pair in pairs
        ]
        return "\n".join(["<near_duplicates>", *lines, "</near_duplicates>"]) if lines else ""

    def _today(self) -> str:
        return f"It is {self._services.zone.told(self._services.clock.now())}."

    async def _edit(self, run: Run, progress: Mapping[str, Any], calls: Calls) -> None:
        tools = MemoryTools(
            self._services,
            run.agent_id,
            Draft.from_json(progress["draft"]),
            report=progress.get("report", ""),
            forgets="all" if run.kind == "request" else "passages",
        )
        conflicts: int = progress.get("conflicts", 0)
        thread = Thread.from_json(progress["thread"])
        agent = await self._services.agents.get(run.agent_id)
        rules = rules_for(agent.tool_rules)

        async def save(thread: Thread) -> None:
            told = {
                "thread": thread.to_json(),
                "draft": tools.draft.to_json(),
                "report": tools.report,
                "conflicts": conflicts,
            }
            await self._stores.runs.save(run.id, self._lease, told)

        while True:
            try:
                ending = await react(thread, tools, rules, ask=calls.ask, save=save, at_once=False)
                state, outcome = _told(ending, tools)
            except CapReached as reached:
                # What was done within the run's cap is kept; the day's cap lets it wait.
                if reached.hit.of_the_day or tools.draft.is_empty:
                    raise
                ending, state = None, "capped"
                outcome = f"Ended early, with what was done so far: {reached.hit}."
            if state == "failed":
                await self._fail(run, outcome)
                return
            while moved := await self._stores.runs.end(
                run.id,
                self._lease,
                RunEnd(
                    state=state,
                    outcome=in_short(outcome, 2_000),
                    draft=tools.draft,
                    reflected_seq=run.last_seq,
                ),
            ):
                tools.draft = tools.draft.rebased(moved, drop=True)
                labels = ", ".join(block.label for block in moved)
                if ending is not None and conflicts < CONFLICTS_MAX:
                    break
                # Fewer blocks each time, so this ends.
                outcome = f"{outcome} Left alone, as others changed them meanwhile: {labels}."
            else:
                return
            conflicts += 1
            again = (
                f"Others changed {labels} meanwhile, where you changed it too, so your edits of it "
                f"were not made. It reads now:\n{numbered_blocks(moved)}\n"
                f"Make them again if they are still right, then call {FINISH}."
            )
            thread = ending.thread.told({"role": "user", "content": again})
            await save(thread)

    # Summaries.

    async def _summarising(self, work: Summarise) -> tuple[NewRun, dict[str, Any]]:
        summary = work.summary
        new = NewRun(
            agent_id=work.agent_id,
            kind="summarise",
            trigger="eviction",
            model=self._policy.model,
            first_seq=summary.first_seq,
            last_seq=summary.last_seq,
            messages=summary.messages,
        )
        limit = await self._services.eviction.limit_of(work.agent_id)
        return new, {
            "summary": summary.id,
            "extract": summary.text,
            "before": work.before.text if work.before else "",
            "tokens": max(100, limit // SUMMARY_LIMIT_SHARE),
        }

    async def _write_summary(self, run: Run, progress: Mapping[str, Any], calls: Calls) -> None:
        assert run.first_seq is not None
        assert run.last_seq is not None
        left = await self._stores.messages.arrived(run.agent_id, run.first_seq - 1, run.messages)
        left = [message for message in left if message.seq <= run.last_seq]
        count = self._services.tokens.count
        room = int(self._policy.caps.run_tokens * SUMMARY_SHARE)
        batch = batch_of(left, room, count, self._services.zone)
        parts = [
            f"<last_summary>\n{within_tags(progress['before']) or '(none)'}\n</last_summary>",
            "<extract>\nWhat a program drew from the messages:\n"
            f"{within_tags(progress['extract'])}\n</extract>"
            if len(batch.messages) < len(left)
            else "",
            batch.text,
        ]
        tokens_max: int = progress["tokens"]
        messages = _opening("summarise", parts, tokens=tokens_max)
        reply = await calls.ask(messages)
        text = reply.text.strip()
        if not text:
            raise ModelError("the model wrote no summary; the extracted one stays.")
        if reply.finish_reason in CUT_OFF:
            raise ModelError(
                f"the model's summary was cut off ({reply.finish_reason}); the extracted one stays."
            )
        check_text(text, "the summary", MESSAGE_CHARS_MAX)
        if (tokens := count(text)) > tokens_max:
            raise ModelError(
                f"the model's summary has {tokens:,} tokens where {tokens_max:,} have room; the "
                "extracted one stays."
            )
        rewritten = Rewritten(summary_id=progress["summary"], before=progress["extract"], text=text)
        outcome = f"Wrote the summary of {counted(run.messages, 'message')}."
        await self._end(run, "done", outcome, rewritten=rewritten)


def _in_short(text: str) -> str:
    return within_tags(one_line(clip(text, PAIR_CHARS)))


def rules_for(own: Sequence[ToolRule]) -> list[ToolRule]:
    """The rules of a run: it goes on until it is finished.

    The agent's own come first, where they are about these tools only.
    """
    apply = [rule for rule in own if set(NAMES).issuperset(rule.named)]
    settled = {rule.tool for rule in apply if isinstance(rule, TerminalRule)}
    going_on = [ContinueRule(tool=name) for name in NAMES if name not in {FINISH, *settled}]
    return [*apply, TerminalRule(tool=FINISH), *going_on]


def _opening(name: str, parts: Sequence[str], **given: int) -> tuple[dict[str, Any], ...]:
    told = prompt(name).format(**given) if given else prompt(name)
    material = "\n\n".join(part for part in parts if part)
    return ({"role": "system", "content": told}, {"role": "user", "content": material})


def _told(ending: Ending, tools: MemoryTools) -> tuple[RunState, str]:
    """How a run that has come to its end stands, and what came of it, in words."""
    if ending.reason == "mishaps" and tools.draft.is_empty:
        return "failed", (
            f"{ending.because}. Does the model support tool calling? Its answers are in the ledger."
        )
    report = tools.report or ("Nothing was worth keeping." if tools.draft.is_empty else "Done.")
    if ending.reason == "max_steps":
        return "capped", f"{report} {ending.because}"
    if ending.reason == "mishaps":
        return "done", f"{report} It ended as {ending.because}."
    return "done", report
