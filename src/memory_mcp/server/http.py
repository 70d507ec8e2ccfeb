"""The HTTP door: streamable HTTP, both eras, one address an agent.

`/mcp` is the default agent, `/agents/{name}/mcp` any other; `?structured=1` behind either asks for
results with JSON for scripts. Without tokens only this machine may
connect; with tokens, each says which agents it opens. DNS rebinding is refused by the SDK's check.
"""

import hmac
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memory_mcp.config import HttpToken
from memory_mcp.domain.agents import DEFAULT_AGENT, AgentChoice, require_agent_name
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.server.connections import CURRENT, Connection, Connections

SHUTDOWN_SECONDS = 2
"""How long open streams may go on once we are told to end."""
BODY_BYTES_MAX = 16 * 1024 * 1024
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str = "127.0.0.1"
    port: int = 8765

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`HOST:PORT`, `[HOST]:PORT`, `HOST`, `:PORT` or `PORT`; what is left out is the default.

        Raises:
            InvalidInput: the port is no port.
        """
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            port = rest.removeprefix(":")
        elif text.count(":") > 1:  # a bare IPv6 address
            host, port = text, ""
        else:
            host, colon, port = text.partition(":")
            if not colon and text.isdigit():
                host, port = "", text
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise InvalidInput(f"{port!r} is no port; give HOST:PORT, like 127.0.0.1:8765.")
        default = cls()
        return cls(host or default.host, int(port) if port else default.port)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in _LOOPBACK


class Door:
    """ASGI middleware: who may come in, and for which agent a request speaks."""

    def __init__(
        self,
        app: ASGIApp,
        default: AgentChoice,
        tokens: Sequence[HttpToken],
        *,
        structured: bool = False,
        zone: Zone = UTC_ZONE,
        left: Callable[[Connection], Awaitable[None]],
    ) -> None:
        """`left` is told of each session that its client has ended; `zone` is every client's."""
        self._app = app
        self._default = default
        self._tokens = tokens
        self._structured = structured
        self._zone = zone
        self._left = left
        self._connections = Connections()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            choice = self._choice(scope.get("raw_path") or scope["path"].encode())
        except InvalidInput as error:
            await JSONResponse({"error": str(error)}, status_code=404)(scope, receive, send)
            return
        if refusal := self._refusal(headers.get("authorization", ""), choice):
            await refusal(scope, receive, send)
            return
        session = headers.get("mcp-session-id")
        connection = self._connection(scope, headers, choice)
        if connection.choice != choice:
            text = "this session belongs to another agent; begin a new one at this address."
            await JSONResponse({"error": text}, status_code=404)(scope, receive, send)
            return

        async def send_and_remember(message: Message) -> None:
            if message["type"] == "http.response.start" and session is None:
                begun = Headers(raw=message.get("headers", [])).get("mcp-session-id")
                if begun:
                    self._connections.put(begun, connection)
            elif message["type"] == "http.response.start" and scope["method"] == "DELETE":
                if message["status"] < 300:  # before it is answered: the next may come at once
                    await self._left(connection)
            await send(message)

        CURRENT.set(connection)
        inner = {**scope, "path": "/mcp", "raw_path": b"/mcp"}
        await self._app(inner, receive, send_and_remember)

    def _connection(self, scope: Scope, headers: Headers, choice: AgentChoice) -> Connection:
        if session := headers.get("mcp-session-id"):
            return self._connections.get(session, Connection(choice, zone=self._zone))
        # It may begin a session, and be known by it from then on.
        new = Connection(choice, structured=self._is_structured(scope), zone=self._zone)
        new.place = _place(scope, headers)
        if headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS:
            # The protocol has no connection (2026-07-28), so none ends and none is resumed: two
            # like clients of one agent on one machine count as one; a change is told to either.
            like = f"{choice.name or ''} {'structured' if new.structured else ''} {new.place}"
            new.place = None
            return self._connections.get(like, new)
        return new

    def _is_structured(self, scope: Scope) -> bool:
        told = parse_qs(scope.get("query_string", b"")).get(b"structured")
        return told[-1] == b"1" if told else self._structured

    def _choice(self, path: bytes) -> AgentChoice:
        match path.decode("ascii", "replace").rstrip("/").split("/"):
            case ["", "mcp"]:
                return self._default
            case ["", "agents", name, "mcp"]:
                return AgentChoice(name=require_agent_name(_decoded(name)))
            case _:
                raise InvalidInput("there is nothing here; the server is at /mcp.")

    def _refusal(self, authorization: str, choice: AgentChoice) -> JSONResponse | None:
        if not self._tokens:
            return None
        scheme, _, credentials = authorization.partition(" ")
        shown = credentials.strip().encode() if scheme.lower() == "bearer" else b""
        # Every token is compared, so that the time taken tells nothing.
        fitting = [token for token in self._tokens if hmac.compare_digest(shown, token.secret)]
        if not fitting:
            return JSONResponse(
                {"error": "this server wants a token: Authorization: Bearer …"},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not fitting[0].opens(choice.name or DEFAULT_AGENT):
            return JSONResponse({"error": "this token is for other agents."}, status_code=403)
        return None


def _decoded(name: str) -> str:
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("the agent's name in the address is not UTF-8.") from None


def _place(scope: Scope, headers: Headers) -> str:
    """Where a client is, as far as like clients are told apart by it."""
    return f"{(scope.get('client') or ('', 0))[0]} {headers.get('user-agent', '')}"


def listen(address: Address, tokens: Sequence[HttpToken]) -> socket.socket:
    """A socket on which clients may connect from now on.

    Raises:
        InvalidInput: the address is taken or none of this machine's, or it can be reached from
            other machines and there are no tokens.
    """
    if not address.is_local and not tokens:
        raise InvalidInput(
            f"{address.host} can be reached from other machines, so memory needs a token there. "
            "Set MEMORY_MCP_HTTP_TOKENS, or serve on 127.0.0.1."
        )
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise InvalidInput(
            f"{address.host}:{address.port} cannot be listened on: {error.strerror or error}. "
            "Choose another with --http HOST:PORT."
        ) from error


async def serve_http(
    server: MCPServer[Any],
    listening: socket.socket,
    address: Address,
    *,
    default: AgentChoice,
    tokens: Sequence[HttpToken],
    structured: bool = False,
    zone: Zone = UTC_ZONE,
    left: Callable[[Connection], Awaitable[None]],
    until: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve what `listen` opened: `until` that returns, or else until SIGTERM or SIGINT.

    `left` is told of each session that its client has ended.
    """
    app = server.streamable_http_app(host=address.host, max_request_body_size=BODY_BYTES_MAX)
    config = uvicorn.Config(
        Door(app, default, tokens, structured=structured, zone=zone, left=left),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    with listening:
        if until is None:
            await uvicorn.Server(config).serve(sockets=[listening])
            return
        uvicorn_server = _WithoutSignals(config)
        async with anyio.create_task_group() as tasks:

            async def stop() -> None:
                await until()
                uvicorn_server.should_exit = True

            tasks.start_soon(stop)
            await uvicorn_server.serve(sockets=[listening])
            tasks.cancel_scope.cancel()


class _WithoutSignals(uvicorn.Server):
    """Leaves the process's signals to whoever else serves in it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
