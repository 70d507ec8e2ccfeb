"""The port of core memory, and what edits come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from memory_mcp.domain.blocks import Block, BlockSettings, BlockTemplate, BlockVersion, Edit
from memory_mcp.domain.ids import (
    AgentId,
    BlockId,
)
from memory_mcp.domain.passages import Passage
from memory_mcp.domain.tool_rules import ToolRule


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for an agent at one moment."""

    blocks: Sequence[Block]
    tool_rules: Sequence[ToolRule]
    has_news: bool = False
    """Whether mail came, or one of the agent's own expired, that it was not told of."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A block as an edit found it and as the edit left it; equal when nothing changed."""

    before: Block
    after: Block
    evicted: Sequence[Passage] = ()
    """What had to leave the block to keep within its limit, oldest first; now archival memory."""


class BlockStore(Protocol):
    """Core memory."""

    async def standing(self, agent_id: AgentId) -> Standing:
        """What holds for the agent at this moment."""
        ...

    async def of_agent(self, agent_id: AgentId) -> list[Block]:
        """The agent's blocks, in the order they stand in view."""
        ...

    async def as_of(self, agent_id: AgentId, versions: Mapping[BlockId, int]) -> list[Block]:
        """The agent's blocks as they were at those versions; unknown ones are missing."""
        ...

    async def edit(
        self, agent_id: AgentId, label: str, edit: Edit, key: str | None = None
    ) -> Edited:
        """Apply `edit` to the block's current value, in one transaction.

        The edit of a `key` is made once: asked again, the answer is what it did then. Lines that
        a block has no more room for are filed in the same transaction, for every agent that has the
        block, with the time they were written.

        Raises:
            BlockNotFound: the agent has no such block; the text lists its labels.
        """
        ...

    async def create(
        self, agent_id: AgentId, template: BlockTemplate, group: str | None = None
    ) -> Block:
        """Make a block and attach it to the agent; or, with `group`, to all who have that tag.

        Raises:
            Taken: one of them has a block of that label; nothing was made.
            AgentNotFound: nobody has the tag.
        """
        ...

    async def attach(self, block: str, owner_id: AgentId, agent_id: AgentId) -> Block:
        """Attach a block, by its id or by its label with `owner_id`, to another agent.

        Raises:
            BlockNotFound: there is none.
            Taken: the agent has a block of that label.
        """
        ...

    async def detach(self, agent_id: AgentId, label: str) -> Block:
        """Take a block from an agent. The block is kept, also when nobody has it any more.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        ...

    async def set(self, agent_id: AgentId, label: str, settings: BlockSettings) -> Block:
        """Set what holds for a block besides its value.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        ...

    async def overwrite(
        self, agent_id: AgentId, label: str, value: str, settings: BlockSettings | None = None
    ) -> Edited:
        """Give a block a value by a person's word, with what else is to be set.

        Raises:
            BlockNotFound, BlockLimitExceeded: nothing was changed.
        """
        ...

    async def undo(self, agent_id: AgentId, label: str, version: int | None) -> Edited:
        """Give a block the value it had at a version again; without one, at the last but one.

        Raises:
            BlockNotFound, BlockLimitExceeded: nothing was changed.
            InvalidInput: it has no such version.
        """
        ...

    async def history(self, agent_id: AgentId, label: str) -> list[BlockVersion]:
        """Every value the block had, the newest first.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        ...
