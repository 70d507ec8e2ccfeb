"""Connections to one store, over every transport and in both eras, by the SDK's own client."""

import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, MCPDeprecationWarning, StdioServerParameters
from mcp.client.session import IncomingMessage, MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, Subscription, SubscriptionLost
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp_types import CallToolResult, ResourceUpdatedNotification
from tests.acceptance.processes import command, environment, http_server

from memory_mcp.app import open_services
from memory_mcp.config import Settings, zone_in
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.ports import Outbox
from memory_mcp.server.announcements import Announcements
from memory_mcp.server.connections import CURRENT, Connection
from memory_mcp.server.server import build_server

LEGACY, MODERN = "2025-11-25", "2026-07-28"
MODES = {LEGACY: "legacy", MODERN: "auto"}
WAIT_SECONDS = 15


class Updates:
    """The resource updates a client was told of, in order."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self._came = anyio.Event()

    async def handle(self, message: IncomingMessage) -> None:
        """The client's handler in the handshake era."""
        if isinstance(message, ResourceUpdatedNotification):
            self._add(str(message.params.uri))

    async def follow(self, stream: Subscription) -> None:
        """Read a listen stream of the era after it, for as long as there is a server."""
        with suppress(SubscriptionLost):
            async for event in stream:
                if isinstance(event, ResourceUpdated):
                    self._add(event.uri)

    def _add(self, uri: str) -> None:
        self.uris.append(uri)
        self._came.set()

    async def until(self, *uris: str) -> None:
        """Wait until each of these was announced."""
        with anyio.fail_after(WAIT_SECONDS):
            while not set(uris) <= set(self.uris):
                self._came = anyio.Event()
                await self._came.wait()


@dataclass(frozen=True)
class Connect:
    """Opens connections over one transport; each is a peer of its own, as another process is."""

    transport: str
    era: str
    database: Path
    url: str = ""
    alike: bool = False
    """Over HTTP: whether its clients call themselves by one name, as those of a program do."""
    watched: Callable[[Outbox], Outbox] = lambda outbox: outbox
    """In memory: what the server watches for changes, made from the store's own outbox."""
    _numbers: Iterator[int] = field(default_factory=count)

    def __call__(
        self,
        agent: str | None = None,
        *,
        mode: str | None = None,
        message_handler: MessageHandlerFnT | None = None,
        structured: bool = False,
    ) -> AbstractAsyncContextManager[Client]:
        """A connected client; `mode` other than the era's own is the SDK's."""
        return self._open(agent, mode or MODES[self.era], message_handler, structured)

    @asynccontextmanager
    async def _open(
        self,
        agent: str | None,
        mode: str,
        message_handler: MessageHandlerFnT | None,
        structured: bool,
    ) -> AsyncIterator[Client]:
        async with AsyncExitStack() as stack:
            match self.transport:
                case "memory":
                    server: Any = await stack.enter_async_context(
                        self._in_memory(agent, structured)
                    )
                case "stdio" | "daemon":
                    more = ["--structured"] if structured else []
                    server = stdio_parameters(self.database, agent, self.transport, *more)
                case _:
                    # Where the protocol has no sessions, connections differ by their user agent.
                    headers = {"User-Agent": f"test-{0 if self.alike else next(self._numbers)}"}
                    http = httpx2.AsyncClient(headers=headers, timeout=WAIT_SECONDS)
                    await stack.enter_async_context(http)
                    path = f"/agents/{agent}/mcp" if agent else "/mcp"
                    path += "?structured=1" if structured else ""
                    server = streamable_http_client(self.url + path, http_client=http)
            client = Client(server, mode=mode, message_handler=message_handler, cache=None)
            yield await stack.enter_async_context(client)

    @asynccontextmanager
    async def listening(
        self, *uris: str, agent: str | None = None, mode: str | None = None
    ) -> AsyncIterator[tuple[Client, Updates]]:
        """A client that has asked to be told of changes of these resources."""
        updates = Updates()
        async with self(agent, mode=mode, message_handler=updates.handle) as client:
            async with told_of(client, updates, uris):
                yield client, updates

    @asynccontextmanager
    async def _in_memory(
        self, agent: str | None, structured: bool
    ) -> AsyncIterator[MCPServer[Any]]:
        """A server on the store, for one client in this process.

        In memory a request runs in the context of whoever sends it, which in a test is the same
        task for every client; so the connection is set where a transport would: before each
        request.
        """
        settings = settings_for(self.database, agent)
        connection = Connection(settings.agent, structured=structured, zone=settings.zone)

        async def set_connection(
            ctx: ServerRequestContext[Any, Any], call_next: CallNext
        ) -> HandlerResult:
            before = CURRENT.set(connection)
            try:
                return await call_next(ctx)
            finally:
                CURRENT.reset(before)

        async with open_services(settings) as services, anyio.create_task_group() as tasks:
            announcements = Announcements(self.watched(services.outbox))
            server = build_server(
                services,
                announcements,
                tool_sets=settings.tool_sets,
                result_tokens=settings.result_tokens,
            )
            server.middleware.insert(0, set_connection)
            tasks.start_soon(announcements.watch)
            yield server
            tasks.cancel_scope.cancel()


@contextmanager
def connecting(transport: str, era: str, folder: Path) -> Iterator[Connect]:
    """Connections to a new store in a folder; over HTTP with a server that is running."""
    database = folder / "memory.db"
    if transport != "http":
        yield Connect(transport, era, database)
        return
    with http_server(database, "--tools", "capture") as server:
        yield Connect(transport, era, database, server.url)


@asynccontextmanager
async def told_of(client: Client, updates: Updates, uris: Sequence[str]) -> AsyncIterator[None]:
    """Have a client's updates announced, in whichever way its era has."""
    if client.protocol_version == LEGACY:
        for uri in uris:
            with pytest.warns(MCPDeprecationWarning):  # removed in the era after
                await client.subscribe_resource(uri)
        yield
        return
    async with client.listen(resource_subscriptions=uris) as stream:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(updates.follow, stream)
            yield
            tasks.cancel_scope.cancel()


def settings_for(database: Path, agent: str | None = None) -> Settings:
    """Settings as the tests' processes have them."""
    return Settings(
        database=database,
        agent=AgentChoice(name=agent),
        tool_sets=("core", "capture"),
        zone=zone_in(os.environ),
    )


def stdio_parameters(
    database: Path, agent: str | None = None, transport: str = "daemon", *more: str
) -> StdioServerParameters:
    """How a host starts the server: in one process, or as a bridge to the store's daemon."""
    named = ["--agent", agent] if agent else []
    form = ["--in-process"] if transport == "stdio" else []
    arguments = ["--database", database, "--tools", "capture", *named, *form, *more]
    return StdioServerParameters(
        command=sys.executable,
        args=command(*arguments)[1:],
        env=environment(MEMORY_MCP_DAEMON_IDLE_SECONDS="0"),
        cwd=database.parent,
    )


def said(result: CallToolResult) -> str:
    """What a model reads of a result."""
    return "\n".join(getattr(part, "text", "") for part in result.content)


async def tell(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must succeed; what a model reads."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, said(result)
    return said(result)


async def read(client: Client, uri: str) -> str:
    """The text of a resource."""
    result = await client.read_resource(uri)
    return "\n".join(getattr(part, "text", "") for part in result.contents)


def stable(text: str) -> str:
    """The text with what differs from run to run replaced: ids, times, ages, cursors."""
    for pattern, stands_for in _VARYING:
        text = re.sub(pattern, stands_for, text)
    return text


_VARYING = (
    (r"\b([a-z]+)-[0-9a-f]{32}\b", r"\1-ID"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "DATE TIME"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "DATETIME"),
    (r"\((now|\d+[a-z]+ ago)\)", "(AGE)"),
    (r"'\d+-[0-9a-f]{8}'", "'CURSOR'"),
)
