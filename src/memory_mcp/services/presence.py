"""Presence: which connections this process serves, told to the others from the background."""

import logging
from dataclasses import dataclass

import anyio

from memory_mcp.domain.errors import StoreError
from memory_mcp.domain.ids import AgentId
from memory_mcp.ports import PresenceStore

logger = logging.getLogger(__name__)

BEAT_SECONDS = 20
"""How often a connection is said to be there: three times in the minute that counts as live."""


@dataclass(slots=True)
class _Seen:
    agent_id: AgentId
    held: bool
    told_at: float | None = None


class Presence:
    """Notes who is there; a note costs nothing, and what is written is written by `keep_up`."""

    def __init__(self, store: PresenceStore) -> None:
        self._store = store
        self._seen: dict[str, _Seen] = {}
        self._due: set[str] = set()
        self._gone: set[str] = set()
        self._came = anyio.Event()

    def unheard(self) -> "Presence":
        """One for connections that nobody is to hear of: as long as its `keep_up` does not run."""
        return Presence(self._store)

    def seen(self, connection: str, agent_id: AgentId, *, held: bool) -> None:
        """A connection has said something. A `held` one is there until it is said to have left."""
        self._gone.discard(connection)
        known = self._seen.get(connection)
        if known is None or known.agent_id != agent_id:
            known = self._seen[connection] = _Seen(agent_id, held)
        now = anyio.current_time()
        if known.told_at is None or now - known.told_at >= BEAT_SECONDS:
            self._due.add(connection)
            self._came.set()

    def left(self, connection: str) -> None:
        """A connection has ended, and its peer with it: nobody is there from the next beat on."""
        self.forget(connection)
        self._gone.add(connection)
        self._came.set()

    def forget(self, connection: str) -> None:
        """A connection has ended; its peer may come back with another."""
        self._seen.pop(connection, None)
        self._due.discard(connection)

    async def beat(self) -> None:
        """Tell who has left and who is there: who has said something since, and who is held."""
        now = anyio.current_time()
        self._due.update(
            name
            for name, seen in self._seen.items()
            if seen.held and (seen.told_at is None or now - seen.told_at >= BEAT_SECONDS)
        )
        gone = set(self._gone)
        if gone:
            await self._store.remove(gone)
            self._gone -= gone
        there = {name: self._seen[name].agent_id for name in self._due if name in self._seen}
        if not there:
            return
        self._due -= there.keys()
        await self._store.put(there)
        for name, seen in list(self._seen.items()):
            if name in there:
                seen.told_at = now
            elif not seen.held and seen.told_at is not None and now - seen.told_at > BEAT_SECONDS:
                del self._seen[name]  # it may have left, or come again: then it is noted anew

    async def keep_up(self) -> None:
        """Beat for as long as the process serves."""
        while True:
            self._came = anyio.Event()
            try:
                await self.beat()
            except StoreError as error:  # a full or busy disk must not end the server
                logger.warning("who is there could not be told: %s", error)
            held = any(seen.held for seen in self._seen.values())
            with anyio.move_on_after(BEAT_SECONDS if held else None):
                await self._came.wait()
