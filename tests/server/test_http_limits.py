"""Peers of the HTTP server that take too long, too much, or too many connections."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from tests.acceptance.processes import Server, http_server, text_of
from tests.server.test_http import post

from memory_mcp.server import http_limits
from memory_mcp.server.http_limits import BoundedConnection, Guests, Wait, bounded

WAIT_SECONDS = 20
SOON = 0.2
"""How long the limit under test is made; the others stay as they are."""
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and answers with as many bytes as the address asks for."""
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message["more_body"]
    size = int(scope["path"].strip("/") or 2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(max(1, size // 65_536)):
        await send(
            {"type": "http.response.body", "body": b"x" * min(size, 65_536), "more_body": True}
        )
    await send({"type": "http.response.body", "body": b""})


@dataclass
class Site:
    """A server, and the connections to it."""

    port: int
    writers: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer


@asynccontextmanager
async def serving(most: int = 100) -> AsyncIterator[Site]:
    """A server with so many connections at the most."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        answers, http=bounded(Guests(most)), lifespan="off", log_config=None, ws="none",
        h11_max_incomplete_event_size=http_limits.HEADER_BYTES_MAX,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with listening:
        task = asyncio.create_task(server.serve([listening]))
        site = Site(listening.getsockname()[1])
        try:
            yield site
        finally:
            for writer in site.writers:
                writer.transport.abort()
            server.should_exit = server.force_exit = True
            await task


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side ends the connection."""
    try:
        return await asyncio.wait_for(reader.read(), WAIT_SECONDS)
    except ConnectionResetError:
        return b""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Make one of the waits short."""

    def shorten(what: Wait | Literal["unread"]) -> None:
        if what == "unread":
            monkeypatch.setattr(http_limits, "UNREAD_SECONDS", SOON)
        else:
            monkeypatch.setitem(http_limits.SECONDS, what, SOON)

    return shorten


@pytest.mark.parametrize("sent", [b"", b"P", HEAD, HEAD + b"X-Long: aaa"], ids=repr)
async def test_who_never_ends_its_headers_is_let_go(
    sent: bytes, soon: Callable[[Any], None]
) -> None:
    soon("headers")
    async with serving() as site:
        reader, writer = await site.open()
        writer.write(sent)
        assert await until_closed(reader) == b""


async def test_headers_that_drip_in_have_no_more_time_than_others(
    soon: Callable[[Any], None],
) -> None:
    soon("headers")
    async with serving() as site:
        reader, writer = await site.open()

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                for byte in HEAD * 10_000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(SOON / 10)

        dripping = asyncio.create_task(drip())
        assert await until_closed(reader) == b""
        dripping.cancel()
        await asyncio.wait([dripping])


@pytest.mark.parametrize(
    "head", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
async def test_who_never_ends_its_body_is_let_go(head: bytes, soon: Callable[[Any], None]) -> None:
    soon("body")
    async with serving() as site:
        reader, writer = await site.open()
        writer.write(HEAD + head)
        assert await until_closed(reader) == b""


async def test_a_connection_between_two_requests_has_the_time_of_a_new_one(
    soon: Callable[[Any], None],
) -> None:
    soon("headers")
    async with serving() as site:
        reader, writer = await site.open()
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n" + HEAD)  # and half of the next
        assert (await until_closed(reader)).count(b"200 OK") == 1


async def test_who_never_reads_its_answer_is_let_go(soon: Callable[[Any], None]) -> None:
    soon("unread")
    async with serving() as site:
        ended = asyncio.Event()
        lost = BoundedConnection.connection_lost

        def connection_lost(self: BoundedConnection, exc: Exception | None) -> None:
            lost(self, exc)
            ended.set()

        BoundedConnection.connection_lost = connection_lost  # type: ignore[method-assign]
        try:
            quiet = socket.create_connection(("127.0.0.1", site.port))
            quiet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            quiet.sendall(b"GET /50000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.wait_for(ended.wait(), WAIT_SECONDS)
            quiet.close()
        finally:
            BoundedConnection.connection_lost = lost  # type: ignore[method-assign]


async def test_headers_without_end_are_refused() -> None:
    async with serving() as site:
        reader, writer = await site.open()
        writer.write(HEAD + b"X-Long: " + b"a" * (2 * http_limits.HEADER_BYTES_MAX))
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 400")


async def test_the_longest_waiting_gives_way_to_a_newcomer() -> None:
    async with serving(most=8) as site:
        waiting = [await site.open() for _ in range(20)]  # four of one peer have room
        reader, writer = await site.open()
        writer.write(HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 200")
        assert await until_closed(waiting[0][0]) == b""
        still = waiting[-1]
        still[1].write(HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        assert (await until_closed(still[0])).startswith(b"HTTP/1.1 200")


async def test_requests_under_way_give_way_to_nobody() -> None:
    async with serving(most=4) as site:
        under_way = [await site.open() for _ in range(2)]
        for _, writer in under_way:
            writer.write(HEAD + b"Content-Length: 3\r\n\r\nab")
            await writer.drain()
        while True:  # the server has seen both once a third is turned away
            reader, _ = await site.open()
            with contextlib.suppress(TimeoutError):
                told = await asyncio.wait_for(reader.read(), SOON)
                if told.startswith(b"HTTP/1.1 503"):
                    assert b"too many connections" in told
                    break
        for reader, writer in under_way:
            writer.write(b"c")
            assert (await asyncio.wait_for(reader.readline(), WAIT_SECONDS)).endswith(b"200 OK\r\n")


def test_half_open_connections_leave_the_other_door_and_this_one_open(tmp_path: Path) -> None:
    with http_server(tmp_path / "memory.db", files=256) as server:
        address = server.url.removeprefix("http://").split(":")
        held = [
            socket.create_connection((address[0], int(address[1])), timeout=WAIT_SECONDS)
            for _ in range(600)
        ]
        try:
            with Server(tmp_path / "memory.db", daemon=True) as session:
                session.greet()
                told = session.call("archival_insert", content="While the other door is besieged.")
                assert "Stored" in text_of(told)
            found = post(server, arguments={"query": "besieged"})
            assert "besieged" in text_of(found.json()["result"])
        finally:
            for each in held:
                each.close()
