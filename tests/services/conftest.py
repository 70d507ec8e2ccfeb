"""Services on a real store with fake time and a fake embedder, and factories of what goes in."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock, open_memory


@pytest.fixture
def clock() -> ManualClock:
    """It is 2026-11-22 14:05, and stays so until it is moved."""
    return ManualClock()


@pytest.fixture
async def services(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Services]:
    """Services on a new store."""
    async with open_memory(tmp_path / "memory.db", clock=clock) as services:
        yield services


@pytest.fixture
async def words_only(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Services]:
    """The same without an embedder: a hit shares a word with the question."""
    async with open_memory(tmp_path / "memory.db", clock=clock, embedder=None) as services:
        yield services


@pytest.fixture(scope="session")
def message() -> Callable[..., NewMessage]:
    """Make a message: `message("hello", role="assistant")`."""

    def make(content: str = "hello", **told: Any) -> NewMessage:
        usual: dict[str, Any] = {
            "role": "user",
            "created_at": datetime(2026, 11, 22, 9, tzinfo=UTC),
            "conversation": "morning",
        }
        return NewMessage(content=content, **(usual | told))

    return make


@pytest.fixture(scope="session")
def agent() -> Callable[..., Any]:
    """Choose an agent, the default one or one by name, and tell its id."""

    async def choose(services: Services, name: str = "default") -> AgentId:
        return (await services.agents.choose(AgentChoice(name=name))).id

    return choose
