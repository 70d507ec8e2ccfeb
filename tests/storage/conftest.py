"""An open store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from memory_mcp.storage.sqlite.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store lies: in a folder that is made with it."""
    return tmp_path / "memory" / "memory.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """A new store."""
    database = await Database.open(path)
    yield database
    await database.close()
