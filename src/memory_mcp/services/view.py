"""Statistics and compile: what is in view, and how much is not."""

from dataclasses import replace

from memory_mcp.domain.compile import Context, compile_context, compile_instructions
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.statistics import Statistics
from memory_mcp.ports import BlockStore, Clock, StatisticsStore
from memory_mcp.services.indexing import Indexing


class View:
    """What an agent's model sees of its memory, and the numbers of what it doesn't."""

    def __init__(
        self, blocks: BlockStore, statistics: StatisticsStore, indexing: Indexing, clock: Clock
    ) -> None:
        self._blocks = blocks
        self._statistics = statistics
        self._indexing = indexing
        self._clock = clock

    async def statistics(self, agent_id: AgentId) -> Statistics:
        """The agent's memory in numbers."""
        told = await self._statistics.of_agent(agent_id)
        if self._indexing.problem is None:
            return told
        return replace(told, index=replace(told.index, note=self._indexing.problem))

    async def context(self, agent_id: AgentId) -> str:
        """Exactly what the compiler puts in view."""
        return compile_context(await self._gather(agent_id))

    async def instructions(self, agent_id: AgentId) -> str:
        """The server's instructions, at most 2,000 characters."""
        return compile_instructions(await self._gather(agent_id))

    async def _gather(self, agent_id: AgentId) -> Context:
        return Context(
            agent_id=agent_id,
            blocks=await self._blocks.of_agent(agent_id),
            statistics=await self.statistics(agent_id),
            now=self._clock.now(),
        )
