"""A clock that jumps, also backwards: does anything go too early, twice, or not at all?

Between writes the clock is moved by hours and days, forwards and back, as a machine's is by a
person, a time server or an empty battery. Housekeeping runs after each jump.
"""

import random
from datetime import datetime, timedelta

import anyio
from tests.proof.figure import Figure, Scale

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import MemoryMCPError
from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock, open_memory

JUMPS = (
    timedelta(seconds=1), timedelta(minutes=7), timedelta(hours=5), timedelta(days=1),
    timedelta(days=4), timedelta(seconds=-1), timedelta(minutes=-90), timedelta(hours=-26),
    timedelta(days=-3),
)  # fmt: skip
CAN_BE_PUT_BACK = timedelta(days=30)
"""As docs/forgetting.md promises."""


def trial(scale: Scale) -> list[Figure]:
    """Write, forget, put back, move the clock."""
    return anyio.run(_lived, scale)


async def _lived(scale: Scale) -> list[Figure]:
    clock = ManualClock()
    async with open_memory(scale.folder / "memory.db", clock=clock) as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        life = _Life(services, agent_id, clock, scale.seed)
        for step in range(scale.of(150, 3_000)):
            await life.step(step)
        await life.look()
    seen = (
        f"{life.steps:,} steps while the clock was set forwards and back, over"
        f" {life.span.days} days: {life.put_back} forgotten passages put back,"
        f" {len(life.broken) or 'nothing'} lost or gone too early"
    )
    return [Figure(promise="D24", seen=seen, broken=life.broken)]


class _Life:
    """What was done so far, and what should be there."""

    def __init__(
        self, services: Services, agent_id: AgentId, clock: ManualClock, seed: int
    ) -> None:
        self.broken: list[str] = []
        self.steps = self.put_back = 0
        self._services, self._agent_id, self._clock = services, agent_id, clock
        self._chance = random.Random(seed)
        self._first = self._latest = clock.now()
        self._kept: set[PassageId] = set()
        self._forgotten: dict[PassageId, datetime] = {}

    @property
    def span(self) -> timedelta:
        """From the first moment to the latest that the clock showed."""
        return self._latest - self._first

    async def step(self, number: int) -> None:
        """One turn of everything, after a jump of the clock."""
        self.steps += 1
        now = self._clock.advance(self._chance.choice(JUMPS))
        self._latest = max(self._latest, now)
        services, agent_id = self._services, self._agent_id
        message = NewMessage(
            role="user", content=f"Said in step {number}.", created_at=now, conversation="days"
        )
        await services.recall.append(agent_id, [message])
        passage = NewPassage(content=f"Filed in step {number}.")
        (filed,) = await services.archival.file(agent_id, [passage])
        self._kept.add(filed.passage.id)
        if number % 3 == 0:
            await self._forget(self._chance.choice(sorted(self._kept)), now)
        await services.housekeeping.run()
        await services.upkeep.round(rested=False)
        if number % 5 == 0 and self._forgotten:
            await self._restore(self._chance.choice(sorted(self._forgotten)))

    async def _forget(self, victim: PassageId, now: datetime) -> None:
        await self._services.forgetting.forget(self._agent_id, [victim])
        self._kept.discard(victim)
        self._forgotten[victim] = now

    async def _restore(self, asked: PassageId) -> None:
        since = self._latest - self._forgotten.pop(asked)
        if since >= CAN_BE_PUT_BACK:  # the clock has once shown a time at which it was over
            return
        back = await self._services.forgetting.restore(self._agent_id, [asked])
        if asked in back.back:
            self._kept.add(asked)
            self.put_back += 1
        else:
            self.broken.append(f"{asked}, forgotten {since} ago, did not come back")

    async def look(self) -> None:
        """Whether everything that should be there is."""
        for passage_id in sorted(self._kept):
            try:
                await self._services.archival.passage(self._agent_id, passage_id)
            except MemoryMCPError as error:
                self.broken.append(f"{passage_id} is not there: {error}")
        said = (await self._services.view.statistics(self._agent_id)).messages
        if said != self.steps:
            self.broken.append(f"{self.steps} messages were said, {said} are there")
