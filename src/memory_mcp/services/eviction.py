"""Eviction: messages leave the context window in the background, and a summary takes their place.

What leaves when depends on the messages alone, not on when somebody looks: the window is followed
from message to message as they arrived, so the same messages always give the same summaries.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import anyio
from anyio import to_thread

from memory_mcp.domain.compile import compile_blocks, compile_summary, message_line
from memory_mcp.domain.errors import StoreError
from memory_mcp.domain.eviction import (
    ContextWindow,
    EvictionPlan,
    FixedTooLarge,
    InView,
    plan_eviction,
)
from memory_mcp.domain.extract import Said, extract
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import Message
from memory_mcp.domain.summaries import MADE_BY_EXTRACT, MADE_BY_IMPORT, NewSummary, Summary
from memory_mcp.domain.texts import counted
from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.domain.tool_rules import compile_rules
from memory_mcp.ports import AgentStore, BlockStore, MessageStore, SummaryStore, TokenCounter

logger = logging.getLogger(__name__)

RETRY_SECONDS = 60
ROWS = 32
"""Messages read at one go."""
PAUSE = 20.0
"""How long the background rests after a step, in times of the step."""
COUNTS_MAX = 10_000
METADATA_TOKENS = 400
"""Room left for the numbers in view. Fixed, as what leaves must not hang on what they say today."""
BACKLOG_KEPT = 200
"""So many messages of an import are summarised as if they had been said here."""
_IN_RECALL = (
    "came with an import or before it and are not summarised; conversation_search has them."
)
ANEW_MAX = 1_000
"""Of so many messages, the last, a summary that was dropped is made anew at the most."""
FRAME_TOKENS = 50
"""What the frame around a summary takes."""


class Eviction:
    """Keeps every agent's messages in view within its context limit."""

    def __init__(
        self,
        agents: AgentStore,
        blocks: BlockStore,
        messages: MessageStore,
        summaries: SummaryStore,
        tokens: TokenCounter,
        limit_tokens: int,
        zone: Zone = UTC_ZONE,
    ) -> None:
        """`limit_tokens` is for agents without a limit of their own.

        Summaries tell the days of `zone`. What leaves when does not hang on it.
        """
        self._agents = agents
        self._blocks = blocks
        self._messages = messages
        self._summaries = summaries
        self._tokens = tokens
        self._limit_tokens = limit_tokens
        self._zone = zone
        self._counts: dict[int, int] = {}
        self._noticed: set[AgentId] = set()
        self._wake = anyio.Event()

    def noticed(self, agent_id: AgentId) -> None:
        """Messages have come to an agent, or its blocks have grown; some may have to leave."""
        self._noticed.add(agent_id)
        self._wake.set()

    async def limit_of(self, agent_id: AgentId) -> int:
        """How many tokens the agent's view may take."""
        agent = await self._agents.get(agent_id)
        return agent.context_tokens or self._limit_tokens

    async def chain(self, agent_id: AgentId) -> list[Summary]:
        """Every summary the agent ever had in view, oldest first."""
        return await self._summaries.chain(agent_id)

    async def evict(self, agent_id: AgentId) -> int:
        """Let leave whatever has to; how many messages left."""
        left = 0
        while (step := await self._next(agent_id)) is not None:
            latest, summary = step
            if await self._summaries.evict(agent_id, summary, latest):
                left += summary.messages
        return left

    async def let_go(self, agent_id: AgentId, keep: int = BACKLOG_KEPT) -> int:
        """Let a long backlog leave at once, all but its last `keep` messages; how many left.

        An import may bring years. Summarising them as if they had just been said would take hours,
        and nothing of them would be left in the summary at the end; so it only tells of them.
        """
        latest = await self._summaries.latest(agent_id)
        backlog = await self._messages.backlog(agent_id, latest.last_seq if latest else 0, keep)
        if backlog is None:
            return 0
        day = self._zone.day_of(backlog.last_at).isoformat()
        said = f"{counted(backlog.messages, 'message')} up to {day} {_IN_RECALL}"
        summary = NewSummary(
            text=f"{latest.text}\n{said}" if latest else said,
            first_seq=backlog.first_seq,
            last_seq=backlog.last_seq,
            messages=backlog.messages,
            last_at=backlog.last_at,
            made_by=MADE_BY_IMPORT,
        )
        return backlog.messages if await self._summaries.evict(agent_id, summary, latest) else 0

    async def make_anew(self, agent_id: AgentId) -> bool:
        """Write the summary in view anew, without a model, if its text was dropped; whether it was.

        It is made of the last one before it that has a text, and of the messages since.
        """
        chain = await self._summaries.chain(agent_id)
        if not chain or chain[-1].text:
            return False
        latest = chain[-1]
        before = next((each for each in reversed(chain[:-1]) if each.text), None)
        told = await self._summaries.told(latest, agent_id)
        said: deque[Message] = deque(maxlen=ANEW_MAX)
        after = before.last_seq if before else 0
        while batch := await self._messages.arrived(agent_id, after, ROWS):
            said += [message for message in batch if message.seq <= latest.last_seq]
            after = batch[-1].seq
            if after >= latest.last_seq:
                break
        budget = (await self._bare_window(agent_id)).summary_tokens_max
        text = await to_thread.run_sync(self._extracted, before, said, budget)
        return await self._summaries.make_anew(agent_id, latest, text, told)

    async def _bare_window(self, agent_id: AgentId) -> ContextWindow:
        """The agent's window with nothing but what always stands in it."""
        standing = await self._blocks.standing(agent_id)
        fixed = (
            f"{compile_blocks(standing.blocks)}{compile_rules(standing.tool_rules, 'connection')}"
        )
        return ContextWindow(
            limit_tokens=await self.limit_of(agent_id),
            fixed_tokens=await self._count(fixed) + METADATA_TOKENS,
            summary_tokens=0,
            messages=(),
        )

    async def keep_up(self) -> None:
        """Evict whenever something was said, for as long as the process serves."""
        looked_back = False
        while True:
            self._wake = anyio.Event()
            failed = False
            try:
                if not looked_back:  # what came while nobody served
                    self._noticed.update(agent.id for agent in await self._agents.all())
                    looked_back = True
            except StoreError as error:  # a full or busy disk must not end the server
                logger.warning("messages will leave the view later: %s", error)
                failed = True
            # A step for each in turn: one with much to say must not keep the others waiting.
            taken, self._noticed = sorted(self._noticed), set()
            for agent_id in taken:
                try:
                    if await self._rested_step(agent_id):
                        self.noticed(agent_id)
                except StoreError as error:
                    logger.warning("messages will leave the view later: %s", error)
                    self._noticed.add(agent_id)
                    failed = True
                except Exception:  # one agent's messages must not end the others' sessions
                    logger.exception("the view of %s cannot be kept within its limit", agent_id)
            with anyio.move_on_after(RETRY_SECONDS if failed else None):
                await self._wake.wait()

    async def _rested_step(self, agent_id: AgentId) -> bool:
        """One eviction, and a rest after it; whether there was one."""
        began = time.monotonic()
        if (step := await self._next(agent_id)) is None:
            return False
        latest, summary = step
        if await self._summaries.evict(agent_id, summary, latest):
            logger.info("%d messages left the view of %s", summary.messages, agent_id)
        # Python runs one thread at a time: tool calls need most of it.
        await anyio.sleep(PAUSE * (time.monotonic() - began))
        return True

    async def _next(self, agent_id: AgentId) -> tuple[Summary | None, NewSummary] | None:
        """The next eviction: the summary in view, and the one to take its place."""
        latest = await self._summaries.latest(agent_id)
        standing = await self._blocks.standing(agent_id)
        blocks = compile_blocks(standing.blocks)
        rules = compile_rules(standing.tool_rules, "connection")
        limit = await self.limit_of(agent_id)
        if await self._is_small(agent_id, latest, f"{blocks}{rules}", limit):
            return None
        window = ContextWindow(
            limit_tokens=limit,
            fixed_tokens=await self._count(f"{blocks}{rules}") + METADATA_TOKENS,
            summary_tokens=await self._count(compile_summary(latest, UTC_ZONE)) if latest else 0,
            messages=(),
        )
        total = window.total_tokens
        after = latest.last_seq if latest else 0
        arrived: list[Message] = []
        in_view: list[InView] = []
        while batch := await self._messages.arrived(agent_id, after, ROWS):
            counted = await to_thread.run_sync(self._measured, batch)
            for message, measured in zip(batch, counted, strict=True):
                arrived.append(message)
                in_view.append(measured)
                total += measured.tokens
                if total <= window.trigger_tokens:
                    continue
                plan = plan_eviction(replace(window, messages=in_view))
                if isinstance(plan, FixedTooLarge):
                    logger.warning("%s: %s", agent_id, plan.because)
                    return None
                if plan is not None and plan.evicted:
                    return latest, await to_thread.run_sync(self._summarised, latest, arrived, plan)
            after = batch[-1].seq
        return None

    async def _is_small(
        self, agent_id: AgentId, latest: Summary | None, fixed: str, limit: int
    ) -> bool:
        """Whether everything is within the limit whatever the counting says.

        A token is a byte or more; so most agents need no count, and no vocabulary to be loaded.
        """
        room = ContextWindow(
            limit_tokens=limit, fixed_tokens=0, summary_tokens=0, messages=()
        ).trigger_tokens
        room -= METADATA_TOKENS + len(fixed.encode()) + (len(latest.text.encode()) if latest else 0)
        after = latest.last_seq if latest else 0
        while room > 0 and (batch := await self._messages.arrived(agent_id, after, ROWS)):
            room -= sum(len(message_line(message, UTC_ZONE).encode()) + 1 for message in batch)
            after = batch[-1].seq
            if len(batch) < ROWS:
                break
        return room > 0

    async def _count(self, text: str) -> int:
        return await to_thread.run_sync(self._tokens.count, text)

    def _measured(self, messages: Sequence[Message]) -> list[InView]:
        return [
            InView(
                seq=message.seq,
                role=message.role,
                tokens=self._message_tokens(message),
            )
            for message in messages
        ]

    def _message_tokens(self, message: Message) -> int:
        # The same message is looked at again and again until it leaves; it never changes.
        if message.seq not in self._counts:
            if len(self._counts) >= COUNTS_MAX:
                self._counts.clear()
            self._counts[message.seq] = self._tokens.count(f"{message_line(message, UTC_ZONE)}\n")
        return self._counts[message.seq]

    def _summarised(
        self, latest: Summary | None, arrived: Sequence[Message], plan: EvictionPlan
    ) -> NewSummary:
        """What takes the place of the last summary and of the messages that leave."""
        leaving = arrived[: len(plan.evicted)]
        return NewSummary(
            text=self._extracted(latest, leaving, plan.summary_tokens_max),
            first_seq=leaving[0].seq,
            last_seq=leaving[-1].seq,
            messages=len(leaving),
            last_at=leaving[-1].created_at,
            made_by=MADE_BY_EXTRACT,
        )

    def _extracted(self, before: Summary | None, said: Iterable[Message], tokens_max: int) -> str:
        return extract(
            before.text if before else None,
            [
                Said(seq=each.seq, speaker=each.speaker, at=each.created_at, text=each.content)
                for each in said
            ],
            budget_tokens=max(0, tokens_max - FRAME_TOKENS),
            count=self._tokens.count,
            zone=self._zone,
        )
