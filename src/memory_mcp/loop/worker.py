"""The worker: one process a store that runs the shadow agent for as long as there is work."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from anyio import to_thread

from memory_mcp.domain.errors import LeaseLost, ModelError, StoreError
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.runs import Lease, Run
from memory_mcp.loop.shadow import Shadow, Stores
from memory_mcp.ports import ChatModel, LeaseStore
from memory_mcp.services import Services
from memory_mcp.services.ledger import KEEP, LEASE, PAYLOAD_BYTES_MAX

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
RENEW_SECONDS = 8.0
IDLE_SECONDS = 60.0
LIFETIME_SECONDS = 30 * 60.0
"""After that a worker takes up no more; the next one is started when there is work."""
GRACE_SECONDS = 5 * 60.0
"""How much longer it may be busy with what it has taken up."""
LOOK_SECONDS = 1.0

Progress = Callable[[Run], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Everything a worker needs, in an open store."""

    services: Services
    stores: Stores
    leases: LeaseStore
    chat: ChatModel
    holder: str
    """How this process is called."""

    async def work(
        self,
        *,
        idle_seconds: float = IDLE_SECONDS,
        lifetime_seconds: float = LIFETIME_SECONDS,
    ) -> bool:
        """Work until nothing has come for so long, or it is old; whether it had the lease.

        Raises:
            StoreError: the store cannot be used.
        """
        async with self._lease() as shadow:
            if shadow is None:
                return False
            logger.info("%s works", self.holder)
            with anyio.move_on_after(lifetime_seconds + GRACE_SECONDS):
                await self._until_idle(shadow, idle_seconds, lifetime_seconds)
            logger.info("%s ends", self.holder)
        return True

    async def once(self, agent_id: AgentId | None, done: Progress) -> bool:
        """Do all that is there to do, quite due or not; whether it had the lease.

        `done` hears of each run as it ends.
        """
        async with self._lease() as shadow:
            if shadow is None:
                return False
            if await self.paused():
                return True
            while (run := await shadow.resume()) is not None:
                done(run)
                if run.state == "paused":
                    return True
            for work in await self.services.ledger.due(agent_id, now=True):
                run = await shadow.do(work)
                done(run)
                if run.state == "paused":
                    return True
        return True

    async def paused(self) -> str | None:
        """Why no run may start, if so."""
        policy = self.services.ledger.policy
        return await self.stores.runs.paused(policy.caps if policy else None)

    async def _until_idle(
        self, shadow: Shadow, idle_seconds: float, lifetime_seconds: float
    ) -> None:
        ends_at = anyio.current_time() + lifetime_seconds
        idle_since = anyio.current_time()
        while (now := anyio.current_time()) < ends_at and now - idle_since < idle_seconds:
            try:
                if await self._one(shadow):
                    idle_since = anyio.current_time()
                    continue
            except LeaseLost:
                raise
            except StoreError as error:
                logger.warning("the shadow agent goes on later: %s", error)
            await anyio.sleep(min(LOOK_SECONDS, idle_seconds))

    async def _one(self, shadow: Shadow) -> bool:
        """One run, if there is one to do; whether there was."""
        if not await self.services.ledger.has_work():
            return False
        await self._load()
        run = await shadow.resume()
        if run is None:
            work = await self.services.ledger.next_work()
            run = await shadow.do(work) if work else None
        return run is not None

    async def _load(self) -> None:
        """Import what asks the model, before a run is taken up.

        It takes seconds, and a worker that dies in them has died over no run.
        """
        policy = self.services.ledger.policy
        assert policy is not None
        with suppress(ModelError):  # the run will say so
            await to_thread.run_sync(self.chat.price, policy.model, 0, 0)

    @asynccontextmanager
    async def _lease(self) -> AsyncGenerator[Shadow | None]:
        """The shadow agent under this store's lease, if it could be had; renewed meanwhile."""
        policy = self.services.ledger.policy
        assert policy is not None, "a worker is started only where there is a model"
        lease = await self.leases.take(LEASE, self.holder, LEASE_SECONDS)
        if lease is None:
            yield None
            return
        try:
            await self.stores.runs.prune(self.services.clock.now() - KEEP, PAYLOAD_BYTES_MAX)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._renew, lease)
                yield Shadow(self.services, self.stores, self.chat, policy, lease)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True), suppress(StoreError):
                await self.leases.give_back(lease)

    async def _renew(self, lease: Lease) -> None:
        """Keep the lease; ends everything when somebody else has it."""
        while True:
            await anyio.sleep(RENEW_SECONDS)
            try:
                await self.leases.renew(lease, LEASE_SECONDS)
            except LeaseLost:
                raise
            except StoreError as error:  # there is time for more tries before it runs out
                logger.warning("the lease is not renewed yet: %s", error)
