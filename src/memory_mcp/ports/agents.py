"""The port of agents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from memory_mcp.domain.agents import Agent, AgentChoice, AgentSettings, Holdings, Moved
from memory_mcp.domain.ids import (
    AgentId,
)
from memory_mcp.domain.tool_rules import ToolRule


class AgentStore(Protocol):
    """Agents."""

    async def choose(self, choice: AgentChoice) -> Agent:
        """The agent a choice means, made with its blocks if it isn't there yet."""
        ...

    async def find(self, choice: AgentChoice) -> Agent:
        """The same to read for: one that isn't there yet is not made, and has nothing."""
        ...

    async def projects(self) -> list[str]:
        """Every folder that an agent was made for, those of deleted agents too."""
        ...

    async def all(self) -> list[Agent]:
        """Every agent, oldest first."""
        ...

    async def get(self, agent_id: AgentId) -> Agent:
        """One agent.

        Raises:
            AgentNotFound: there is none with that id.
        """
        ...

    async def named(self, name: str) -> Agent:
        """The agent with that name or id.

        Raises:
            AgentNotFound: there is none; the text lists the agents there are.
        """
        ...

    async def create(self, name: str, settings: AgentSettings) -> Agent:
        """Make an agent with its blocks.

        Raises:
            Taken: there is one of that name, or a block of a group has a label that is in use.
        """
        ...

    async def set(self, agent_id: AgentId, settings: AgentSettings) -> Agent:
        """Set all of that for an agent. Tags that come or go bring or take their group's block.

        Raises:
            AgentNotFound: there is none with that id.
            Taken: a block of a group has a label that is in use; nothing was changed.
            BlockLimitExceeded: the persona is too long; nothing was changed.
        """
        ...

    async def move(self, agent_id: AgentId, project: str) -> Moved:
        """Give an agent another project; an empty agent that has it gives way, and is deleted.

        Raises:
            AgentNotFound: there is none with that id.
            InvalidInput: it is the default agent.
            Taken: an agent with memory of its own has that project; nothing was changed.
        """
        ...

    async def holdings(self, agent_id: AgentId) -> Holdings:
        """What would go with the agent."""
        ...

    async def delete(self, agent_id: AgentId) -> Agent:
        """Delete the agent, with all it has; it can be restored until it is purged.

        Raises:
            InvalidInput: it is the default agent.
        """
        ...

    async def restore(self, name: str) -> Agent:
        """Bring a deleted agent back.

        Raises:
            AgentNotFound: none of that name is deleted; the text lists those that are.
        """
        ...

    async def purge_now(self, agent_id: AgentId) -> None:
        """Remove a deleted agent for good, with all its rows; one in use is left alone."""
        ...

    async def purge_deleted(self, before: datetime) -> list[str]:
        """Remove for good, with all their rows, agents deleted before then; their names."""
        ...

    async def set_context_tokens(self, agent_id: AgentId, tokens: int | None) -> Agent:
        """Give the agent a context limit of its own, or take it away."""
        ...

    async def set_tool_rules(self, agent_id: AgentId, rules: Sequence[ToolRule]) -> Agent:
        """Give the agent these tool rules instead of those it has."""
        ...
