"""Core memory: reading and editing blocks."""

from collections.abc import Mapping

from memory_mcp.domain import blocks
from memory_mcp.domain.blocks import Block
from memory_mcp.domain.ids import AgentId, BlockId
from memory_mcp.ports import BlockStore, Edited, Standing
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.indexing import Indexing


class CoreMemory:
    """Edits are operations on the block's current value, applied inside the store's transaction."""

    def __init__(self, store: BlockStore, indexing: Indexing, eviction: Eviction) -> None:
        self._store = store
        self._indexing = indexing
        self._eviction = eviction

    async def blocks(self, agent_id: AgentId) -> list[Block]:
        """The agent's blocks, in the order they stand in view."""
        return await self._store.of_agent(agent_id)

    async def standing(self, agent_id: AgentId) -> Standing:
        """What holds for the agent at this moment."""
        return await self._store.standing(agent_id)

    async def as_of(self, agent_id: AgentId, versions: Mapping[BlockId, int]) -> list[Block]:
        """The agent's blocks as they were at those versions."""
        return await self._store.as_of(agent_id, versions)

    async def append(
        self, agent_id: AgentId, label: str, content: str, *, key: str | None = None
    ) -> Edited:
        """Add lines at the end of a block; the edit of a `key` is made once.

        Where a block evicts, its oldest lines move to archival memory to make room.

        Raises:
            BlockNotFound, ReadOnlyBlock, BlockLimitExceeded, InvalidInput: nothing was changed.
        """
        edited = await self._store.edit(agent_id, label, blocks.append(content), key)
        if edited.evicted:
            self._indexing.stored([None])  # found by their words at once, by meaning soon
        self._eviction.noticed(agent_id)  # what is longer leaves less room for messages
        return edited

    async def replace(
        self,
        agent_id: AgentId,
        label: str,
        new_content: str,
        old_content: str | None,
        based_on: Block | None = None,
        *,
        key: str | None = None,
    ) -> Edited:
        """Replace the one place where `old_content` stands; without it, rewrite the block.

        `based_on` is the block as a rewriting caller has seen it, if known: what others changed
        since is kept. The edit of a `key` is made once.

        Raises:
            BlockNotFound, ReadOnlyBlock, BlockLimitExceeded, EditMismatch, Conflict,
                InvalidInput: nothing was changed.
        """
        if old_content is None:
            edit = blocks.rethink(new_content, based_on)
        else:
            edit = blocks.replace_text(old_content, new_content)
        edited = await self._store.edit(agent_id, label, edit, key)
        self._eviction.noticed(agent_id)
        return edited
