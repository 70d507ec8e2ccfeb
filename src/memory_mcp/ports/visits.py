"""The port to what like clients left at the end of a connection."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from memory_mcp.domain.ids import AgentId


class VisitStore(Protocol):
    """One memo for each agent and kind of client, each for its time, however many there are."""

    async def take(self, agent_id: AgentId, client: str) -> str | None:
        """The memo that a like client left, if it is still kept; nobody else gets it then."""
        ...

    async def put(
        self,
        agent_id: AgentId,
        client: str,
        memo: str,
        kept: timedelta,
        joined: Callable[[str, str], str],
    ) -> None:
        """Leave a memo for the next like client, for so long; joined with one that lies there."""
        ...
