"""Forgetting: what a user wants gone goes, and can be put back for some days."""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.forgetting import (
    AT_ONCE_MAX,
    CONFIRM_MINUTES,
    Forgotten,
    Pending,
    Preview,
    Restored,
)
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.texts import clip, require_text
from memory_mcp.ports import Clock, ForgettingStore
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.indexing import Indexing

TEXT_CHARS_MAX = 2_000
CODE_CHARS = 4
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Those that are not taken for each other."""


class Forgetting:
    """By id at once; by a text in two steps, so that nothing goes that nobody has seen."""

    def __init__(
        self, store: ForgettingStore, indexing: Indexing, eviction: Eviction, clock: Clock
    ) -> None:
        self._store = store
        self._indexing = indexing
        self._eviction = eviction
        self._clock = clock

    async def forget(self, agent_id: AgentId, ids: Sequence[str]) -> Forgotten:
        """Forget passages and messages by id; ids that are none of the agent's are told of.

        Raises:
            InvalidInput: no id, or too many at once; nothing was forgotten.
        """
        if not ids:
            raise InvalidInput("there is no id to forget. Searches answer with the ids.")
        _require_few(len(set(ids)), "Give fewer ids at a time.")
        return await self._store.forget(agent_id, ids)

    async def preview(self, agent_id: AgentId, text: str) -> Preview:
        """What holds exactly this text, whatever its capitals; it waits for `confirm`.

        Passages, messages, lines of blocks, and fragments of the summary in view.

        Raises:
            InvalidInput: the text is empty, or stands in too much.
        """
        wanted = require_text(text, "the text to forget", TEXT_CHARS_MAX).strip()
        found = await self._store.find(agent_id, wanted)
        _require_few(
            len(found.matches), f"More words than {clip(wanted, 60)!r} tell better what is meant."
        )
        if not found.matches:
            await self._store.hold(agent_id, found, None)
            return Preview(found=found)
        pending = Pending(
            text=wanted,
            code="".join(secrets.choice(LETTERS) for _ in range(CODE_CHARS)),
            expires_at=self._clock.now() + timedelta(minutes=CONFIRM_MINUTES),
            told=found.told,
        )
        await self._store.hold(agent_id, found, pending)
        return Preview(found=found, code=pending.code)

    async def pending(self, agent_id: AgentId) -> Pending | None:
        """What waits for `confirm`, if anything does."""
        return await self._store.pending(agent_id)

    async def confirm(self, agent_id: AgentId, code: str) -> Forgotten:
        """Forget exactly what was shown last, with this code.

        Raises:
            InvalidInput: a wrong or old code; nothing was forgotten.
        """
        return await self._store.confirm(agent_id, code)

    async def restore(self, agent_id: AgentId, ids: Sequence[str] | None = None) -> Restored:
        """Put back what the last forgetting took, or these passages and messages."""
        restored = await self._store.restore(agent_id, ids)
        if restored.back:
            self._indexing.stored([None])  # found by their words at once, by meaning soon
        if restored.back or restored.lines:
            self._eviction.noticed(agent_id)
        return restored

    async def purge(self) -> int:
        """Let go for good what was kept long enough, of every agent; how much it was."""
        return await self._store.purge()


def _require_few(number: int, advice: str) -> None:
    if number > AT_ONCE_MAX:
        raise InvalidInput(
            f"that would forget {number:,} things at once; the limit is {AT_ONCE_MAX}, and nothing "
            f"was forgotten. {advice}"
        )
