"""A host's session in the daemon: its bridge's connection, served as MCP until either leaves."""

import logging
from datetime import datetime
from typing import Any

import anyio
from anyio.abc import ByteStream
from mcp.server import MCPServer

from memory_mcp.daemon.hello import Hello
from memory_mcp.server.connections import CURRENT, Connection
from memory_mcp.server.lines import GONE, LINE_BYTES_MAX, Lines
from memory_mcp.server.tools.tool import Surface
from memory_mcp.server.visits import resume

logger = logging.getLogger(__name__)

UNREAD_SECONDS = 60
"""How long a bridge may leave its answers unread before it is let go; it may come back."""
BYE_SECONDS = 1
_CHUNK_BYTES = 65_536


class Session:
    """One connection, with an agent, tool sets and a place in the news of its own."""

    def __init__(self, stream: ByteStream, hello: Hello, connection: Connection, since: datetime):
        self.hello = hello
        self.connection = connection
        self.since = since
        self.left = False
        """Whether the bridge has left, rather than been let go: its host will not come back."""
        self._stream = stream
        self._lines = Lines(self._write, asks_again=True)
        self._reading = anyio.CancelScope()
        self._ended = anyio.Event()
        self._memo = ""

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answers."""
        return self._lines.in_flight

    async def resume(self, surface: Surface) -> None:
        """Go on where the session's last life ended, if it had one."""
        if (memo := self.hello.remembered()) is None:
            return
        await surface.agent_of(self.connection)
        self.connection.resumed = True
        await resume(surface.services, self.connection, memo)

    async def serve(self, server: MCPServer[Any]) -> None:
        """Answer until the bridge leaves, stops reading, or the session is to finish."""
        CURRENT.set(self.connection)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read)
                await self._lines.serve(server)
                tasks.cancel_scope.cancel()
        finally:
            self._ended.set()

    async def finish(self, why: str = "") -> None:
        """Answer what was asked, ask for nothing more, and end; `why` is for its next answer."""
        with anyio.move_on_after(BYE_SECONDS):
            await self._lines.tell(f"bye {why}".rstrip().encode() + b"\n")
        self._reading.cancel()
        await self._ended.wait()

    async def _read(self) -> None:
        with self._reading:
            try:
                async for line in received_lines(self._stream):
                    await self._lines.take(line)
                self.left = True
            except GONE as error:
                logger.info("a bridge has left (%s)", error)
                self.left = True
        await self._lines.end()

    async def _write(self, line: bytes) -> None:
        # In one piece with the answer it belongs to, or with one before it.
        memo = self.connection.memo()
        if memo != self._memo and line.startswith(b"{"):
            self._memo = memo
            line += f"memo {memo}\n".encode()
        with anyio.fail_after(UNREAD_SECONDS):
            await self._stream.send(line)


async def received_lines(stream: ByteStream):
    """Whole lines of what comes in, and at its end what is left of one."""
    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            data = await stream.receive(_CHUNK_BYTES)
        except anyio.EndOfStream:
            break
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield b"".join((*pieces, line, b"\n"))
            pieces.clear()
            size = 0
        if rest:
            pieces.append(rest)
            size += len(rest)
        if size > LINE_BYTES_MAX:  # answered as what it is, half a message
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    if pieces:
        yield b"".join(pieces)
