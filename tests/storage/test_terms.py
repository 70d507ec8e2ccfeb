"""A daemon's term: who was taken over from writes nothing."""

from pathlib import Path

import anyio
import pytest
from tests.storage.test_database import names, opened, put

from memory_mcp.domain.errors import LeaseLost
from memory_mcp.storage.sqlite.terms import begin_term


async def test_who_was_taken_over_from_writes_nothing_and_the_other_does(path: Path) -> None:
    async with opened(path) as old, opened(path) as new:
        await begin_term(old, lambda: True, takes_over=False)
        await old.write(put("by the old one"))
        await begin_term(new, lambda: True, takes_over=True)
        for _ in range(2):
            with pytest.raises(LeaseLost, match="another one has taken over; nothing was changed"):
                await old.write(put("forged"))
        await new.write(put("by the new one"))
        assert await names(old) == {"by the old one", "by the new one"}


async def test_a_write_that_waits_for_its_turn_meanwhile_is_refused(path: Path) -> None:
    async with opened(path) as old, opened(path) as new:
        await begin_term(old, lambda: True, takes_over=False)
        refused: list[str] = []

        async def write(number: int) -> None:
            try:
                await old.write(put(f"old {number}"))
            except LeaseLost:
                refused.append(f"old {number}")

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(write, number)
            tasks.start_soon(lambda: begin_term(new, lambda: True, takes_over=True))
        await write(10)
        stored = await names(new)
        assert "old 10" in refused
        assert stored.isdisjoint(refused)
        assert len(stored) + len(refused) == 11


async def test_who_has_lost_its_lock_writes_nothing(path: Path) -> None:
    has_lock = True
    async with opened(path) as database:
        await begin_term(database, lambda: has_lock, takes_over=False)
        await database.write(put("before"))
        has_lock = False
        with pytest.raises(LeaseLost):
            await database.write(put("after"))
        assert await names(database) == {"before"}


async def test_a_term_that_follows_an_end_writes_nothing_by_itself(path: Path) -> None:
    async with opened(path) as database:
        before = await database.pulse()
        await begin_term(database, lambda: True, takes_over=False)
        assert await database.pulse() == before
