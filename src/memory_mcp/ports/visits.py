"""The port to what like clients left at the end of a connection."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from memory_mcp.domain.ids import AgentId


class VisitStore(Protocol):
    """One memo for each agent and kind of client, for a short time."""

    async def take(self, agent_id: AgentId, client: str, within: timedelta) -> str | None:
        """The memo that a like client left, if not longer ago; nobody else gets it then."""
        ...

    async def put(
        self,
        agent_id: AgentId,
        client: str,
        memo: str,
        within: timedelta,
        joined: Callable[[str, str], str],
    ) -> None:
        """Leave a memo for the next like client, joined with one that lies there already."""
        ...
