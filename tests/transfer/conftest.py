"""Importers at work on a new store."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Protocol

import pytest

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.ids import AgentId
from memory_mcp.services import Services
from memory_mcp.testing import open_memory
from memory_mcp.transfer.formats import FORMATS, items_of, source_of
from memory_mcp.transfer.importing import Advance, import_items
from memory_mcp.transfer.report import Report

DATA = Path(__file__).with_name("data")

Import = Callable[[Iterable[bytes], str], Awaitable[Report]]


class Bring(Protocol):
    """Imports a file or folder, and tells the closing report."""

    def __call__(
        self, kind: str, path: Path, *, agent: str | None = None, advance: Advance = ...
    ) -> Awaitable[Report]: ...


async def bring_into(
    services: Services,
    kind: str,
    path: Path | str,
    *,
    agent: str | None = None,
    advance: Advance = lambda _: None,
) -> Report:
    """Import a file or folder, or what is at an address, into a store."""
    report = Report()
    source = source_of(kind, str(path), report, agent)
    items = items_of(kind, source, report)
    choice = AgentChoice(name=agent)
    host = FORMATS[kind].host
    await import_items(items, services, choice, report, host=host, advance=advance)
    return report


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
def bring(services: Services) -> Bring:
    """Import a file or folder into the store."""

    async def run(
        kind: str, path: Path, *, agent: str | None = None, advance: Advance = lambda _: None
    ) -> Report:
        return await bring_into(services, kind, path, agent=agent, advance=advance)

    return run


@pytest.fixture
def run_import(bring: Bring, tmp_path: Path) -> Import:
    """Import lines, and tell the closing report."""

    async def run(lines: Iterable[bytes], kind: str) -> Report:
        file = tmp_path / "lines"
        file.write_bytes(b"".join(lines))
        return await bring(kind, file)

    return run
