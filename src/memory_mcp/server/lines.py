r"""JSON-RPC by lines: one line of JSON a message, whatever carries the bytes.

The SDK's own transport leaves a request unanswered when its line cannot be parsed (malformed JSON,
an unpaired surrogate such as `"\ud800"`), and its client waits for ever. This one answers every
line: -32700 for what is not JSON, and an error under the request's own id for what is JSON but
holds half a character. When the peer's words end, what it asked before is still answered.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server import MCPServer
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from memory_mcp.domain.texts import SURROGATE

logger = logging.getLogger(__name__)

LINE_BYTES_MAX = 64 * 1024 * 1024
DRAIN_SECONDS = 10
IN_FLIGHT_MAX = 256
"""Requests of one peer that may wait for their answers; it is not read any further until one got
its own, so that a peer that asks and never reads cannot fill our memory."""
_CANCELLED = "notifications/cancelled"
_NEVER_ANSWERED = "subscriptions/listen"

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectReceiveStream[SessionMessage]
Write = Callable[[bytes], Awaitable[None]]
"""Writes one line to the peer, whole; raises OSError or a stream's error when the peer is gone."""
GONE = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Lines:
    """Both directions of one peer's lines, and which requests are still to be answered."""

    def __init__(self, write: Write, *, asks_again: bool = False) -> None:
        """`asks_again`: what was not answered when it ends, the peer will ask somebody else."""
        self._write = write
        self._asks_again = asks_again
        self._ending = False
        self._to_server, self._incoming = anyio.create_memory_object_stream[
            SessionMessage | Exception
        ](0)
        self._outgoing, self._from_server = anyio.create_memory_object_stream[SessionMessage](0)
        self._unanswered: set[types.RequestId | None] = set()
        self._one_answered: anyio.Event | None = None
        """There only while somebody waits for an answer to go out."""
        self._write_lock = anyio.Lock()

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answers."""
        return len(self._unanswered)

    async def serve(self, server: MCPServer[Any]) -> None:
        """Have the server answer, until `end` was called or nobody reads the answers."""
        lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write_all, tasks.cancel_scope)
            await lowlevel.run(
                self._incoming, self._outgoing, lowlevel.create_initialization_options()
            )
            tasks.cancel_scope.cancel()

    async def take(self, line: bytes) -> None:
        """Pass one line on to the server, or answer it here when it is no message."""
        if not line.strip():
            return
        if self.in_flight >= IN_FLIGHT_MAX:
            await self._until(IN_FLIGHT_MAX - 1)
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
        request_id = None
        if isinstance(message, types.JSONRPCRequest) and message.method != _NEVER_ANSWERED:
            request_id = message.id
            self._unanswered.add(request_id)
        try:
            await self._to_server.send(SessionMessage(message))
        except BaseException:  # the server never heard of it
            self._unanswered.discard(request_id)
            raise

    async def end(self) -> None:
        """The peer has said its last: let the server finish what it was asked, then end it."""
        with anyio.move_on_after(DRAIN_SECONDS):
            await self._until(0)
        self._ending = True
        await self._to_server.aclose()

    async def _until(self, in_flight: int) -> None:
        while len(self._unanswered) > in_flight:
            self._one_answered = self._one_answered or anyio.Event()
            await self._one_answered.wait()

    async def _write_all(self, scope: anyio.CancelScope) -> None:
        """Write what the server says, until it says no more or nobody reads."""
        try:
            async for item in self._from_server:
                message = item.message
                if self._ending and self._asks_again and isinstance(message, types.JSONRPCError):
                    continue  # the SDK tells whoever still waits that the connection was closed
                await self._send(message)
                if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
                    self._answered(message.id)
        except GONE as error:
            logger.info("the client has stopped reading (%s)", error)
            scope.cancel()

    def _answered(self, request_id: Any) -> None:
        self._unanswered.discard(request_id)
        if self._one_answered is not None:
            self._one_answered.set()
            self._one_answered = None

    async def tell(self, line: bytes) -> None:
        """Write a line of the transport's own, between messages."""
        async with self._write_lock:
            await self._write(line)

    async def _send(self, message: types.JSONRPCMessage) -> None:
        await self.tell(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")


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
