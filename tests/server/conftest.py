"""One body, every transport, both eras."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.processes import Server
from tests.server.connecting import LEGACY, MODERN, Connect, connecting


@pytest.fixture(
    params=[
        (transport, era)
        for transport in ("memory", "stdio", "daemon", "http")
        for era in (MODERN, LEGACY)
    ],
    ids="-".join,
)
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Opens connections to one new store, over one transport, in one era."""
    transport, era = request.param
    with connecting(transport, era, tmp_path) as connect:
        yield connect


@pytest.fixture(params=[MODERN, LEGACY])
def connect_in_memory(request: pytest.FixtureRequest, tmp_path: Path) -> Connect:
    """The same where the transport makes no difference."""
    return Connect("memory", request.param, tmp_path / "memory.db")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A stdio process on a new store, spoken to in raw lines; not greeted yet."""
    with Server(tmp_path / "memory.db", "--tools", "capture") as running:
        yield running
