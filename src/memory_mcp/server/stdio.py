r"""The stdio transport: one line of JSON a message; standard output is the wire.

The SDK's own transport leaves a request unanswered when its line cannot be parsed (malformed JSON,
an unpaired surrogate such as `"\ud800"`), and its client waits for ever. This one answers every
line: -32700 for what is not JSON, and an error under the request's own id for what is JSON but
holds half a character. It ends cleanly on SIGTERM, and answers what was asked before standard
input ended, so that `echo … | memory-mcp` works.
"""

import asyncio
import json
import logging
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast

import anyio
import mcp_types as types
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server import MCPServer
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from memory_mcp.domain.texts import SURROGATE
from memory_mcp.server.connections import CURRENT, Connection

logger = logging.getLogger(__name__)

LINE_BYTES_MAX = 64 * 1024 * 1024
DRAIN_SECONDS = 10
_CANCELLED = "notifications/cancelled"
_NEVER_ANSWERED = "subscriptions/listen"

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectReceiveStream[SessionMessage]


async def serve_stdio(server: MCPServer[Any], connection: Connection) -> None:
    """Serve one client on this process's standard streams until it closes them, or SIGTERM."""
    CURRENT.set(connection)
    wire_in, wire_out = _claim_streams()
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    wire = _Wire(wire_out, to_server)
    async with anyio.create_task_group() as tasks:
        _cancel_on_signals(tasks.cancel_scope)
        _start_reader(wire_in, wire)
        tasks.start_soon(wire.write_all, from_server, tasks.cancel_scope)
        lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]
        await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())
        tasks.cancel_scope.cancel()


class _Wire:
    """Both directions of the pipe, and which requests are still to be answered."""

    def __init__(self, out: int, to_server: Incoming) -> None:
        self._out = out
        self._to_server = to_server
        self._unanswered: set[types.RequestId] = set()
        self._all_answered = anyio.Event()
        self._write_lock = anyio.Lock()

    async def take(self, line: bytes) -> None:
        """Pass one line on to the server, or answer it here when it is no message."""
        if not line.strip():
            return
        try:
            message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            await self._send(refusal(line))
            return
        if isinstance(message, types.JSONRPCNotification) and _has_id(line):
            # A request whose id is no id; as a notification it would never be answered.
            await self._send(refusal(line))
            return
        if isinstance(message, types.JSONRPCNotification) and message.method == _CANCELLED:
            self._answered((message.params or {}).get("requestId"))  # it will not be
        if isinstance(message, types.JSONRPCRequest) and message.method != _NEVER_ANSWERED:
            self._unanswered.add(message.id)
        await self._to_server.send(SessionMessage(message))

    async def end(self) -> None:
        """Standard input has ended: let the server finish what it was asked, then end it."""
        with anyio.move_on_after(DRAIN_SECONDS):
            while self._unanswered:
                self._all_answered = anyio.Event()
                await self._all_answered.wait()
        await self._to_server.aclose()

    async def write_all(self, from_server: Outgoing, scope: anyio.CancelScope) -> None:
        """Write what the server says, until it says no more or nobody reads."""
        try:
            async for item in from_server:
                message = item.message
                await self._send(message)
                if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
                    self._answered(message.id)
        except OSError as error:
            logger.info("the client has stopped reading (%s)", error)
            scope.cancel()

    def _answered(self, request_id: Any) -> None:
        self._unanswered.discard(request_id)
        if not self._unanswered:
            self._all_answered.set()

    async def _send(self, message: types.JSONRPCMessage) -> None:
        line = message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        async with self._write_lock:
            await _write(self._out, line)


def refusal(line: bytes) -> types.JSONRPCMessage:
    """The answer to a line that is no JSON-RPC message."""
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError):
        return _error(None, types.PARSE_ERROR, "Parse error: the line is not valid JSON.")
    told = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    request_id = told.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, int | str):
        request_id = None
    if not SURROGATE.search(json.dumps(said, ensure_ascii=False)):
        return _error(request_id, types.INVALID_REQUEST, "Invalid request: not JSON-RPC 2.0.")
    half = (
        "the text holds an unpaired surrogate (an escape like \\ud800), half of a character. "
        "Send the whole character, or leave it out. Nothing was changed."
    )
    if request_id is None or SURROGATE.search(str(request_id)):
        return _error(None, types.INVALID_PARAMS, half)
    if told.get("method") != "tools/call":
        return _error(request_id, types.INVALID_PARAMS, half)
    # As the tool's own answer, so that the model reads it and can correct itself.
    content = [{"type": "text", "text": half}]
    result = {"content": content, "isError": True, "resultType": "complete"}
    return types.JSONRPCResponse(jsonrpc="2.0", id=request_id, result=result)


def _has_id(line: bytes) -> bool:
    return b'"id"' in line and "id" in json.loads(line)


def _error(request_id: types.RequestId | None, code: int, text: str) -> types.JSONRPCError:
    return types.JSONRPCError(
        jsonrpc="2.0", id=request_id, error=types.ErrorData(code=code, message=text)
    )


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


def _start_reader(wire_in: BinaryIO, wire: _Wire) -> None:
    """Read lines in a thread of its own: a blocking read must not keep the process from ending."""
    loop = asyncio.get_running_loop()

    def on_loop(step: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        async def run() -> None:
            # The server may have ended meanwhile.
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                await step(*arguments)

        asyncio.run_coroutine_threadsafe(run(), loop).result()

    def read() -> None:
        with suppress(RuntimeError, OSError, asyncio.CancelledError):  # the loop has closed
            while line := wire_in.readline(LINE_BYTES_MAX):
                on_loop(wire.take, line)
            on_loop(wire.end)

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
