"""One body, every transport, both eras."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.processes import Server, http_server
from tests.server.connecting import LEGACY, MODERN, Connect


@pytest.fixture(
    params=[
        (transport, era) for transport in ("memory", "stdio", "http") for era in (MODERN, LEGACY)
    ],
    ids="-".join,
)
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Opens connections to one new store, over one transport, in one era."""
    transport, era = request.param
    database = tmp_path / "memory.db"
    if transport != "http":
        yield Connect(transport, era, database)
        return
    with http_server(database, "--tools", "capture") as server:
        yield Connect(transport, era, database, server.url)


@pytest.fixture(params=[MODERN, LEGACY])
def connect_in_memory(request: pytest.FixtureRequest, tmp_path: Path) -> Connect:
    """The same where the transport makes no difference."""
    return Connect("memory", request.param, tmp_path / "memory.db")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A stdio process on a new store, spoken to in raw lines; not greeted yet."""
    with Server(tmp_path / "memory.db", "--tools", "capture") as running:
        yield running
