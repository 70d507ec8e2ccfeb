"""The worker: one process a store that runs the shadow agent for as long as there is work."""

import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import anyio

from memory_mcp.domain.errors import LeaseLost, ModelError, StoreError, StoreGone
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.runs import Lease, Run
from memory_mcp.loop.shadow import Shadow, Turn
from memory_mcp.ports import ChatModel, Stores
from memory_mcp.services import Services
from memory_mcp.services.ledger import LEASE

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
RENEW_SECONDS = 8.0
IDLE_SECONDS = 60.0
LIFETIME_SECONDS = 30 * 60.0
"""After that a worker takes up no more; the next one is started when there is work."""
GRACE_SECONDS = 5 * 60.0
"""How much longer it may be busy with what it has taken up."""
LOOK_SECONDS = 5.0
POLL_SECONDS = 0.25
BUSY_SECONDS = 0.05

Progress = Callable[[Run], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Everything a worker needs, in an open store."""

    services: Services
    stores: Stores
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
            while (turn := await shadow.next_turn()) is not None:
                run = await shadow.take_turn(turn)
                done(run)
                if run.state == "paused":
                    return True
            while (run := await shadow.resume()) is not None:
                done(run)
                if run.state == "paused":
                    return True
            for work in await self.services.ledger.due(agent_id, now=True):
                if (run := await shadow.do(work)) is None:
                    continue
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
        """Residents take their turns beside each other, and beside the shadow agent's own runs.

        One that waits for another's answer must not keep it from answering.
        """
        shift = _Shift(ends_at=anyio.current_time() + lifetime_seconds, idle_seconds=idle_seconds)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._runs, shadow, shift)
            while not shift.is_over:
                with shift.trouble("turns of residents wait"):
                    while not await self.paused() and (turn := await shadow.next_turn()):
                        tasks.start_soon(self._turn, shadow, turn, shift)
                await self._changed(shift)

    async def _runs(self, shadow: Shadow, shift: "_Shift") -> None:
        """The shadow agent's own runs, one after the other."""
        while not shift.is_over:
            with shift.trouble("the shadow agent goes on later"), shift.busy():
                while not shift.is_old and await self._one(shadow):
                    pass
            await self._changed(shift)

    async def _turn(self, shadow: Shadow, turn: Turn, shift: "_Shift") -> None:
        with shift.trouble("a resident's turn is gone on with later"), shift.busy():
            await shadow.take_turn(turn)

    async def _one(self, shadow: Shadow) -> bool:
        """One run, if there is one to do; whether there was."""
        if not await self.services.ledger.has_work():
            return False
        await self._prepare()
        run = await shadow.resume()
        if run is None:
            work = await self.services.ledger.next_work()
            run = await shadow.do(work) if work else None
        return run is not None

    async def _changed(self, shift: "_Shift") -> None:
        """Returns when anything was written, or after a while: some work is due by the clock."""
        seconds = min(LOOK_SECONDS, max(POLL_SECONDS, shift.idle_seconds))
        with anyio.move_on_after(seconds):
            pulse = await self.services.outbox.pulse()
            while await self.services.outbox.pulse() == pulse:
                with anyio.move_on_after(POLL_SECONDS):
                    await self.services.outbox.committed()
                    return

    @asynccontextmanager
    async def _lease(self) -> AsyncGenerator[Shadow | None]:
        """The shadow agent under this store's lease, if it could be had; renewed meanwhile."""
        policy = self.services.ledger.policy
        assert policy is not None, "a worker is started only where there is a model"
        lease = await self.stores.leases.take(LEASE, self.holder, LEASE_SECONDS)
        if lease is None:
            yield None
            return
        try:
            await self.services.ledger.prune()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._renew, lease)
                yield Shadow(self.services, self.stores, self.chat, policy, lease)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True), suppress(StoreError):
                await self.stores.leases.give_back(lease)

    async def _prepare(self) -> None:
        """Load what asks the model, before a run is taken up.

        It takes seconds, and a worker that dies in them has died over no run.
        """
        with suppress(ModelError):  # the first call says what is wrong
            await self.chat.prepare()

    async def _renew(self, lease: Lease) -> None:
        """Keep the lease; ends everything when somebody else has it."""
        while True:
            await anyio.sleep(RENEW_SECONDS)
            try:
                await self.stores.leases.renew(lease, LEASE_SECONDS)
            except (LeaseLost, StoreGone):
                raise
            except StoreError as error:  # there is time for more tries before it runs out
                logger.warning("the lease is not renewed yet: %s", error)


class _Shift:
    """How long a worker goes on."""

    def __init__(self, *, ends_at: float, idle_seconds: float) -> None:
        self.idle_seconds = idle_seconds
        self._ends_at = ends_at
        self._busy = 0
        self._idle_since = anyio.current_time()

    @property
    def is_old(self) -> bool:
        """Whether it should take up no more."""
        return anyio.current_time() >= self._ends_at

    @property
    def is_over(self) -> bool:
        """Whether it is old, or nothing has come for long enough."""
        idle = not self._busy and anyio.current_time() - self._idle_since >= self.idle_seconds
        return self.is_old or idle

    @contextmanager
    def busy(self) -> Generator[None]:
        """Something is being done."""
        began = anyio.current_time()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            if anyio.current_time() - began > BUSY_SECONDS:  # more than having looked
                self._idle_since = anyio.current_time()

    @contextmanager
    def trouble(self, what: str) -> Generator[None]:
        """A full disk or a busy store ends nothing; a lost one does, and another worker."""
        try:
            yield
        except (LeaseLost, StoreGone):
            raise
        except StoreError as error:
            logger.warning("%s: %s", what, error)
