"""Copies: everything a store holds, out of it and in again."""

from collections.abc import AsyncIterator, Sequence
from typing import get_args

from memory_mcp.domain.agents import require_agent_name
from memory_mcp.domain.blocks import LIMIT_CHARS_DEFAULT
from memory_mcp.domain.copies import AgentCopy, BlockCopy, Copy
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import check_text, require_name
from memory_mcp.domain.tool_rules import rules_from_json
from memory_mcp.ports import CopyKind, CopyStore, Put

PAGE_ROWS = 500
BLOCK_LIMIT_MOST = 10_000_000


class Copies:
    """Copies in the order in which another store can take them in."""

    def __init__(self, store: CopyStore) -> None:
        self._store = store

    async def heads(self, agents: Sequence[str] | None = None) -> list[Copy]:
        """The agents of these names, all by default, and their blocks.

        Raises:
            AgentNotFound: there is none of that name; the text lists the agents there are.
        """
        return await self._store.heads(agents)

    async def rows(
        self, kind: CopyKind, agents: Sequence[str] | None = None
    ) -> AsyncIterator[Copy]:
        """All of one kind, read page by page: what is written meanwhile may be among them."""
        after = 0
        while page := await self._store.page(kind, agents, after, PAGE_ROWS):
            for _, copy in page:
                yield copy
            after = page[-1][0]

    async def all(self, agents: Sequence[str] | None = None) -> AsyncIterator[Copy]:
        """Everything.

        Raises:
            AgentNotFound: there is none of that name; the text lists the agents there are.
        """
        for copy in await self.heads(agents):
            yield copy
        for kind in get_args(CopyKind):
            async for copy in self.rows(kind, agents):
                yield copy
        for copy in await self._store.tails(agents):
            yield copy

    async def put(self, copies: Sequence[Copy]) -> list[Put]:
        """Store copies that `checked_copy` made; messages and passages have services of their own.

        Raises:
            AgentNotFound: one belongs to an agent that is not here; none was stored.
        """
        return await self._store.put(copies)


def checked_copy(copy: Copy) -> Copy:
    """The copy, if it may be stored.

    Raises:
        InvalidInput: it may not; the text says why.
    """
    match copy:
        case AgentCopy():
            require_agent_name(copy.name)
            check_text(copy.description, "description", LIMIT_CHARS_DEFAULT * 100)
            check_text(copy.system_prompt, "system_prompt", LIMIT_CHARS_DEFAULT * 1_000)
            rules_from_json(copy.tool_rules)
        case BlockCopy():
            require_name(copy.label, "label")
            check_text(copy.value, "value", LIMIT_CHARS_DEFAULT * 1_000)
            check_text(copy.description, "description", LIMIT_CHARS_DEFAULT * 100)
            if not copy.agents or copy.on_overflow not in ("evict", "error"):
                raise InvalidInput("a block needs agents, and on_overflow is evict or error.")
            if not 1 <= copy.limit <= BLOCK_LIMIT_MOST:
                raise InvalidInput(f"limit is {copy.limit:,}; it goes from 1 to 10,000,000.")
        case _:
            pass
    return copy
