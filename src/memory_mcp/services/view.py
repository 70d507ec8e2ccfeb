"""Statistics and compile: what is in view, and how much is not."""

from memory_mcp.domain.compile import Context, compile_context, compile_instructions
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.statistics import Statistics
from memory_mcp.ports import BlockStore, Clock, StatisticsStore


class View:
    """What an agent's model sees of its memory, and the numbers of what it doesn't."""

    def __init__(self, blocks: BlockStore, statistics: StatisticsStore, clock: Clock) -> None:
        self._blocks = blocks
        self._statistics = statistics
        self._clock = clock

    async def statistics(self, agent_id: AgentId) -> Statistics:
        """The agent's memory in numbers."""
        return await self._statistics.of_agent(agent_id)

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
            statistics=await self._statistics.of_agent(agent_id),
            now=self._clock.now(),
        )
