"""Statistics and compile: what is in view, and how much is not."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from anyio import to_thread

from memory_mcp.domain.compile import (
    Context,
    compile_context,
    compile_fixed,
    compile_instructions,
    compile_summary,
    message_line,
    with_blocks_within,
)
from memory_mcp.domain.eviction import ContextWindow, InView, fit
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import Message
from memory_mcp.domain.statistics import Statistics, WindowState
from memory_mcp.domain.summaries import Summary
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.ports import (
    BlockStore,
    Clock,
    MessageStore,
    StatisticsStore,
    SummaryStore,
    TokenCounter,
)
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.indexing import Indexing

MESSAGE_TOKENS_LEAST = 10
"""What a message takes with its date and speaker, however short; no view has more of them."""
FRAME_TOKENS = 30
"""What the frame around the messages takes."""
SPEAKER_TOKENS = 60
"""What stands before a cut text: a date and a speaker, or how much a summary covers."""
CUT = "… [cut]"
CHARS_PER_TOKEN_MOST = 40
CHARS_PER_TOKEN = 3


class View:
    """What an agent's model sees of its memory, and the numbers of what it doesn't."""

    def __init__(
        self,
        blocks: BlockStore,
        messages: MessageStore,
        summaries: SummaryStore,
        statistics: StatisticsStore,
        eviction: Eviction,
        indexing: Indexing,
        tokens: TokenCounter,
        clock: Clock,
    ) -> None:
        self._blocks = blocks
        self._messages = messages
        self._summaries = summaries
        self._statistics = statistics
        self._eviction = eviction
        self._indexing = indexing
        self._tokens = tokens
        self._clock = clock

    async def statistics(self, agent_id: AgentId) -> Statistics:
        """The agent's memory in numbers."""
        told = await self._statistics.of_agent(agent_id)
        summary = await self._summaries.latest(agent_id)
        covered = summary.covered if summary else 0
        window = WindowState(
            limit_tokens=await self._eviction.limit_of(agent_id),
            messages_in_view=max(0, told.messages - covered),
            messages_summarised=covered,
            summarised_until=summary.last_at if summary else None,
        )
        note = self._indexing.problem or told.index.note
        return replace(told, window=window, index=replace(told.index, note=note))

    async def context(self, agent_id: AgentId, zone: Zone = UTC_ZONE) -> str:
        """Exactly what the compiler puts in view: never more tokens than the agent's limit.

        Days and times are those of `zone`.

        Unless core memory alone is larger: then it is all that is in view.
        """
        limit = await self._eviction.limit_of(agent_id)
        bare = replace(await self._gather(agent_id), zone=zone)
        summary, messages = await self._in_view(agent_id, limit)
        text = compile_context(replace(bare, summary=summary, messages=messages))
        if len(text.encode()) <= limit:  # a token is a byte or more
            return text
        count = self._tokens.count
        return await to_thread.run_sync(_fitted, bare, summary, messages, limit, count)

    async def context_within(
        self,
        agent_id: AgentId,
        chars: int,
        *,
        asked_in: str | None = None,
        zone: Zone = UTC_ZONE,
    ) -> str:
        """The same for a channel that takes at most `chars` characters, and never more of them.

        A smaller context limit of the agent's holds too, at three characters a token. What was
        asked last in the conversation `asked_in` stands below the context anyhow, and not in it.
        """
        limit = await self._eviction.limit_of(agent_id)
        chars = min(chars, limit * CHARS_PER_TOKEN)
        bare = replace(await self._gather(agent_id), zone=zone)
        bare = with_blocks_within(bare, chars)
        summary, messages = await self._in_view(agent_id, chars)
        while messages and asked_in and _is_question(messages[-1], asked_in):
            messages = messages[:-1]
        text = await to_thread.run_sync(_fitted, bare, summary, messages, chars, len)
        # A limit so small that descriptions alone pass it.
        return text if len(text) <= chars else clip(compile_fixed(bare), chars)

    async def _in_view(
        self, agent_id: AgentId, limit: int
    ) -> tuple[Summary | None, Sequence[Message]]:
        """The summary, and of the messages since as many as could find room."""
        summary = await self._summaries.latest(agent_id)
        after = summary.last_seq if summary else 0
        return summary, await self._messages.last_arrived(
            agent_id, after, limit // MESSAGE_TOKENS_LEAST
        )

    async def instructions(self, agent_id: AgentId, *, beside_hooks: bool = False) -> str:
        """The server's instructions, at most 2,000 characters.

        With `beside_hooks` without core memory, which the host's hooks tell.
        """
        return compile_instructions(await self._gather(agent_id), beside_hooks=beside_hooks)

    async def _gather(self, agent_id: AgentId) -> Context:
        standing = await self._blocks.standing(agent_id)
        return Context(
            agent_id=agent_id,
            blocks=standing.blocks,
            tool_rules=standing.tool_rules,
            statistics=await self.statistics(agent_id),
            now=self._clock.now(),
        )


def _is_question(message: Message, conversation: str) -> bool:
    return message.role == "user" and message.conversation == conversation


def _fitted(
    bare: Context,
    summary: Summary | None,
    messages: Sequence[Message],
    limit: int,
    count: Callable[[str], int],
) -> str:
    """With as much of the summary and the latest messages as there is room for."""
    whole = compile_context(replace(bare, summary=summary, messages=messages))
    if count(whole) <= limit:
        return whole
    tags = bare.tags
    window = ContextWindow(
        limit_tokens=limit,
        fixed_tokens=count(compile_fixed(bare)) + FRAME_TOKENS,
        summary_tokens=count(compile_summary(summary, bare.zone, bare.tags)) + 2 if summary else 0,
        messages=[
            InView(
                seq=message.seq,
                role=message.role,
                tokens=count(f"{message_line(message, bare.zone, tags)}\n") + 1,
            )
            for message in messages
        ],
    )
    view = fit(window)
    wanted = set(view.shown)
    shown = [message for message in messages if message.seq in wanted]
    if view.newest_tokens_max is not None:
        room = max(0, view.newest_tokens_max - SPEAKER_TOKENS)
        shown = [replace(shown[-1], content=_cut(shown[-1].content, room, count))]
    if summary and view.summary_tokens_max < window.summary_tokens:
        room = max(0, view.summary_tokens_max - SPEAKER_TOKENS)
        summary = replace(summary, text=_cut(summary.text, room, count))
    fitted = replace(bare, summary=summary if view.summary_tokens_max else None, messages=shown)
    # Tokens of pieces don't add up exactly to those of the whole.
    while count(text := compile_context(fitted)) > limit and fitted.messages:
        fitted = replace(fitted, messages=fitted.messages[1:])
    return text


def _cut(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """The beginning of a text, with a word that it is cut, in at most that many tokens."""
    if count(text) <= tokens:
        return text
    low, high = 0, min(len(text), tokens * CHARS_PER_TOKEN_MOST)
    while low < high:
        middle = (low + high + 1) // 2
        fits = count(text[:middle] + CUT) <= tokens
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low] + CUT if low else ""
