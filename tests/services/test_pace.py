"""The pace of an import: all at once while nobody else writes, little by little while others do."""

from pathlib import Path
from typing import Any

from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.services.pace import ROWS_SHARED, Pace
from memory_mcp.testing import open_memory

ROWS = list(range(3 * ROWS_SHARED))


async def file(services: Services, agent: Any, content: str) -> None:
    await services.archival.file(await agent(services), [NewPassage(content=content)])


async def pieces(pace: Pace) -> list[int]:
    """How many rows each piece has, with a rest after each."""
    found: list[int] = []
    for piece in pace.pieces(ROWS):
        found.append(len(piece))
        await pace.rest()
    return found


async def test_nobody_else_writes_so_everything_is_one_piece(
    services: Services, agent: Any
) -> None:
    pace = Pace(services.outbox)
    await pace.rest()
    await file(services, agent, "its own")

    assert await pieces(pace) == [len(ROWS)]
    assert not pace.is_shared


async def test_another_process_writes_so_the_next_pieces_are_small(
    services: Services, agent: Any, tmp_path: Path
) -> None:
    pace = Pace(services.outbox)
    await pace.rest()
    async with open_memory(tmp_path / "memory.db") as others:
        await file(others, agent, "another's")

        assert await pieces(pace) == [len(ROWS)]  # it is noticed after a piece
        assert await pieces(pace) == [ROWS_SHARED] * 3
