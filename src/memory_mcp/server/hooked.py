"""Hosts whose hooks tell core memory: what one channel has told, the other does not tell again.

`memory-mcp install` writes `--hooks HOST` into the server's entry where it installs hooks. The
instructions then leave core memory out, and a change is told either by the next prompt's hook or at
the end of the next tool answer, whichever comes first.

Which of the host's sessions a connection is, the host says itself: Claude Code in the server's
environment, Codex with each call (2.1.332, 0.171.0). Of others it is known while only one of them
is open.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.differences import BlockChange
from memory_mcp.domain.host_events import HOOKS_NEED_TRUST
from memory_mcp.domain.ids import AgentId, BlockId
from memory_mcp.server.connections import Connection
from memory_mcp.services import Services

HEARD_WITHIN = timedelta(days=30)
"""So long ago a host's hooks may have been heard last, where a user has to trust them first."""


async def hooks_tell(services: Services, connection: Connection, blocks: Sequence[Block]) -> bool:
    """Whether the hooks of a connection's host put core memory into view.

    Where their user has to trust them first, and the host does not say, that is known once they
    were heard. Until then they are relied on only as long as nobody has written anything into these
    blocks.
    """
    host = connection.hooks
    if host is None or host not in HOOKS_NEED_TRUST or connection.hooks_are_trusted:
        return host is not None
    heard = (await services.capture.last_heard()).get(host)
    if heard is not None and services.clock.now() - heard <= HEARD_WITHIN:
        return True
    return all(block.version == 1 for block in blocks)


class HookedSession:
    """The session of a host that a call belongs to, as far as core memory is concerned."""

    def __init__(self, services: Services, agent_id: AgentId, session: str) -> None:
        self._capture = services.capture
        self._agent_id = agent_id
        self._session = session

    async def unseen(
        self, changes: Sequence[BlockChange], blocks: Sequence[Block]
    ) -> list[BlockChange]:
        """Of some changes those that its hooks have not told."""
        seen = (await self._capture.session(self._agent_id, self._session)).seen or {}
        versions = {block.label: seen.get(block.id) for block in blocks}
        return [change for change in changes if versions.get(change.label) != change.version]

    async def saw(self, blocks: Sequence[Block]) -> None:
        """Its history holds these now: an answer has told them, or its model has written them."""
        versions = {BlockId(block.id): block.version for block in blocks}
        await self._capture.saw(self._agent_id, self._session, versions)


async def hooked_session(
    services: Services, connection: Connection, agent_id: AgentId, meta: Mapping[str, Any]
) -> HookedSession | None:
    """Which session of its host's a call belongs to; `None` where hooks tell nothing.

    `meta` is what the host says of the call itself.
    """
    if connection.hooks is None:
        return None
    likely = connection.host_session
    if isinstance(told := meta.get("sessionId"), str):
        if meta.get("threadId", told) != told:  # a subagent's: its history is another
            return None
        likely = told
    session = await services.capture.open_session(agent_id, connection.hooks, likely)
    return HookedSession(services, agent_id, session) if session else None
