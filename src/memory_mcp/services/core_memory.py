"""Core memory: reading and editing blocks."""

from collections.abc import Mapping
from dataclasses import replace

from memory_mcp.domain import blocks
from memory_mcp.domain.blocks import (
    Block,
    BlockSettings,
    BlockTemplate,
    BlockVersion,
    require_label,
    require_limit,
)
from memory_mcp.domain.errors import BlockLimitExceeded
from memory_mcp.domain.ids import AgentId, BlockId
from memory_mcp.domain.redact import redact
from memory_mcp.domain.texts import check_text, require_tags
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
        self,
        agent_id: AgentId,
        label: str,
        content: str,
        *,
        only_news: bool = False,
        key: str | None = None,
    ) -> Edited:
        """Add lines at the end of a block; the edit of a `key` is made once.

        `only_news`: not lines that stand in the block just so already; it is left as it is then.
        Where a block evicts, its oldest lines move to archival memory to make room.

        Raises:
            BlockNotFound, ReadOnlyBlock, BlockLimitExceeded, InvalidInput: nothing was changed.
        """
        edit = blocks.append_news(content) if only_news else blocks.append(content)
        edited = await self._store.edit(agent_id, label, edit, key)
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

    # What people do with blocks; agents have no tool for it.

    async def create(
        self,
        agent_id: AgentId,
        label: str,
        value: str,
        settings: BlockSettings | None = None,
        *,
        group: str | None = None,
    ) -> Block:
        """Make a block for the agent, or with `group` for all agents with that tag.

        Who gets the tag later gets the block, and who loses the one loses the other.

        Raises:
            InvalidInput, BlockLimitExceeded, Taken, AgentNotFound: nothing was made.
        """
        told = _require(settings or BlockSettings())
        limit = blocks.LIMIT_CHARS_DEFAULT if told.limit_chars is None else told.limit_chars
        value = redact(check_text(value, "the value", blocks.LIMIT_CHARS_MOST))
        if len(value) > limit:
            raise BlockLimitExceeded(
                f"the value has {len(value):,} characters, and the block has room for {limit:,}; "
                "nothing was made. Shorten it, or give --limit."
            )
        template = BlockTemplate(
            require_label(label),
            told.description or "",
            value,
            limit,
            bool(told.read_only),
            told.on_overflow or "evict",
        )
        tag = require_tags([group])[0] if group is not None else None
        block = await self._store.create(agent_id, template, tag)
        self._eviction.noticed(agent_id)
        return block

    async def attach(self, block: str, owner_id: AgentId, agent_id: AgentId) -> Block:
        """Attach a block, by its id or by its label with `owner_id`, to another agent.

        Raises:
            BlockNotFound, Taken: nothing was changed.
        """
        attached = await self._store.attach(block, owner_id, agent_id)
        self._eviction.noticed(agent_id)
        return attached

    async def detach(self, agent_id: AgentId, label: str) -> Block:
        """Take a block from an agent; it is kept with its history, and may be attached again.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        return await self._store.detach(agent_id, label)

    async def set(
        self, agent_id: AgentId, label: str, value: str | None, settings: BlockSettings | None
    ) -> Block:
        """Set a block's value, or what else holds for it, by a person's word.

        Raises:
            InvalidInput, BlockNotFound, BlockLimitExceeded: nothing was changed.
        """
        told = _require(settings) if settings else None
        if value is None:
            return await self._store.set(agent_id, label, told or BlockSettings())
        edited = await self._store.overwrite(agent_id, label, value, told)
        self._eviction.noticed(agent_id)
        return edited.after

    async def undo(self, agent_id: AgentId, label: str, version: int | None = None) -> Edited:
        """Give a block an earlier value again, as a new version: by default the last but one.

        Raises:
            BlockNotFound, BlockLimitExceeded, InvalidInput: nothing was changed.
        """
        edited = await self._store.undo(agent_id, label, version)
        self._eviction.noticed(agent_id)
        return edited

    async def history(self, agent_id: AgentId, label: str) -> list[BlockVersion]:
        """Every value a block had, the newest first, with who wrote it and when.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        return await self._store.history(agent_id, label)


def _require(settings: BlockSettings) -> BlockSettings:
    check_text(settings.description or "", "the description", blocks.DESCRIPTION_CHARS_MAX)
    if settings.limit_chars is not None:
        require_limit(settings.limit_chars)
    if settings.description:
        return replace(settings, description=redact(settings.description))
    return settings
