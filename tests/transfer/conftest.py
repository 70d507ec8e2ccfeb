"""An importer at work on a new store."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.ids import AgentId
from memory_mcp.services import Services
from memory_mcp.testing import open_memory
from memory_mcp.transfer.json_lines import Format, Report, import_lines

Import = Callable[[Iterable[bytes], Format[Any]], Awaitable[Report]]


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Services on a new store."""
    async with open_memory(tmp_path / "memory.db") as services:
        yield services


@pytest.fixture
async def agent_id(services: Services) -> AgentId:
    """The default agent."""
    return (await services.agents.choose(AgentChoice())).id


@pytest.fixture
def run_import(services: Services, agent_id: AgentId) -> Import:
    """Import lines, and tell the closing report."""

    async def run(lines: Iterable[bytes], kind: Format[Any]) -> Report:
        return [report async for report in import_lines(lines, kind, services, agent_id)][-1]

    return run
