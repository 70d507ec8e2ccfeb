"""Upkeep: what keeps memory in order without a model, in the background and at rest mostly."""

import logging
import time

import anyio

from memory_mcp.domain.errors import StoreError, StoreGone
from memory_mcp.domain.forgetting import NearDuplicate
from memory_mcp.domain.ids import AgentId
from memory_mcp.ports import AgentStore, ForgettingStore, UpkeepStore

logger = logging.getLogger(__name__)

FIRST_SECONDS = 60
"""How long a process serves before it looks; what is just starting has better things to do."""
ROUND_SECONDS = 600
BATCH_ROWS = 4
PAUSE = 20.0
"""How long the background rests after a step, in times of the step."""


class Upkeep:
    """Several processes may do it on one store: a step is done once, or harmlessly twice."""

    def __init__(
        self,
        agents: AgentStore,
        store: UpkeepStore,
        forgetting: ForgettingStore,
        *,
        first_seconds: float = FIRST_SECONDS,
        round_seconds: float = ROUND_SECONDS,
    ) -> None:
        self._agents = agents
        self._store = store
        self._forgetting = forgetting
        self._first_seconds = first_seconds
        self._round_seconds = round_seconds

    @property
    def is_read_only(self) -> bool:
        """Whether the store could only be opened to read it."""
        return self._store.is_read_only

    async def near_duplicates(self, agent_id: AgentId, limit: int = 20) -> list[NearDuplicate]:
        """Pairs of the agent's passages that say nearly the same, nearest first."""
        return await self._store.near_duplicates(agent_id, limit)

    async def fold_log(self) -> None:
        """Put what stands in the log into the store's file, if nobody is reading it."""
        await self._store.fold_log()

    async def lost(self, seconds: float = 0) -> StoreGone | None:
        """Whether the store's file is not where it was opened, and what to do.

        Looks after so many seconds, or as soon as somebody was refused for it.
        """
        with anyio.move_on_after(seconds):
            await self._store.until_lost()
        return self._store.lost()

    async def round(self, *, rested: bool = True) -> None:
        """Compare the passages that came, let go what was kept long enough, look at the store.

        With `rested` it rests most of the time; without, somebody waits for it.

        Raises:
            StoreError: the store cannot be used now; the next round goes on.
        """
        for agent in await self._agents.all():
            more = True
            while more:
                began = time.monotonic()
                more = await self._store.compare(agent.id, BATCH_ROWS)
                # Python runs one thread at a time: tool calls need most of it.
                await anyio.sleep(PAUSE * (time.monotonic() - began) if rested else 0)
        if gone := await self._forgetting.purge():
            logger.info("%d things that were forgotten are gone for good", gone)
        await self._forgetting.erase(at_once=False)
        more = True
        while more:
            began = time.monotonic()
            more = await self._store.tidy()
            await anyio.sleep(PAUSE * (time.monotonic() - began) if rested and more else 0)
        for problem in await self._store.check() or ():
            logger.warning("the store is not sound: %s", problem)

    async def keep_up(self) -> None:
        """A round now and then, for as long as the process serves."""
        await anyio.sleep(self._first_seconds)
        while True:
            try:
                await self.round()
            except StoreError as error:  # a full or busy disk must not end the server
                logger.warning("the store is kept in order later: %s", error)
            except Exception:  # nor may a mistake of ours end anybody's session
                logger.exception("the store cannot be kept in order")
            await anyio.sleep(self._round_seconds)
