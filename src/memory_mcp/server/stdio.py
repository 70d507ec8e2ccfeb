"""The stdio transport of a server that has its process to itself; standard output is the wire.

It ends cleanly on SIGTERM, and answers what was asked before standard input ended, so that
`echo … | memory-mcp` works.
"""

import asyncio
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO

import anyio
from anyio import to_thread
from mcp.server import MCPServer

from memory_mcp.server.connections import CURRENT, Connection
from memory_mcp.server.lines import GONE, LINE_BYTES_MAX, Lines


async def serve_stdio(server: MCPServer[Any], connection: Connection) -> None:
    """Serve one client on this process's standard streams until it closes them, or SIGTERM."""
    CURRENT.set(connection)
    wire_in, wire_out = _claim_streams()
    lines = Lines(partial(_write, wire_out))
    with anyio.CancelScope() as scope:
        _cancel_on_signals(scope)
        _start_reader(wire_in, lines)
        await lines.serve(server)


def _claim_streams() -> tuple[BinaryIO, int]:
    """Keep the wire to ourselves: a stray print, ours or a library's, goes to standard error."""
    wire_in = os.fdopen(os.dup(0), "rb")
    wire_out = os.dup(1)
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        msvcrt.setmode(wire_out, os.O_BINARY)
    with suppress(OSError):
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
    return wire_in, wire_out


def _start_reader(wire_in: BinaryIO, lines: Lines) -> None:
    """Read lines in a thread of its own: a blocking read must not keep the process from ending."""
    loop = asyncio.get_running_loop()

    def on_loop(step: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        async def run() -> None:
            # The server may have ended meanwhile.
            with suppress(*GONE):
                await step(*arguments)

        asyncio.run_coroutine_threadsafe(run(), loop).result()

    def read() -> None:
        with suppress(RuntimeError, OSError, asyncio.CancelledError):  # the loop has closed
            while line := wire_in.readline(LINE_BYTES_MAX):
                on_loop(lines.take, line)
            on_loop(lines.end)

    threading.Thread(target=read, name="stdin", daemon=True).start()


def _cancel_on_signals(scope: anyio.CancelScope) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, ValueError):  # not on Windows, not off the main thread
            loop.add_signal_handler(number, scope.cancel)


async def _write(out: int, data: bytes) -> None:
    """Write it all; cancellable, as a client that stopped reading must not keep us from ending.

    A pipe that is ready takes PIPE_BUF bytes without blocking (POSIX, write). What cannot be
    waited for, a regular file or anything on Windows, is written in a thread.
    """
    if sys.platform == "win32" or stat.S_ISREG(os.fstat(out).st_mode):
        await to_thread.run_sync(_write_blocking, out, data, abandon_on_cancel=True)
        return
    view = memoryview(data)
    while view:
        await anyio.wait_writable(out)
        view = view[os.write(out, view[: select.PIPE_BUF]) :]


def _write_blocking(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]
