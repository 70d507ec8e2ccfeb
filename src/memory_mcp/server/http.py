"""The HTTP door: streamable HTTP, both eras, one address an agent.

`/mcp` is the default agent, `/agents/{name}/mcp` any other; `?structured=1` behind either asks for
results with JSON for scripts. Without tokens only this machine may
connect; with tokens, each says which agents it opens, and a session is its token's. Web pages of
elsewhere are turned away (origins.py), and so is who takes too long or too much (http_limits.py).
"""

import hashlib
import hmac
import json
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memory_mcp.config import HttpToken
from memory_mcp.domain.agents import DEFAULT_AGENT, AgentChoice, require_agent_name
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.names import name_key
from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.server.announcements import Announcements
from memory_mcp.server.connections import CURRENT, Connection
from memory_mcp.server.http_limits import (
    HEADER_BYTES_MAX,
    Guests,
    bounded,
    connections_for_http,
)
from memory_mcp.server.http_sessions import IDLE_SECONDS, SESSIONS_MAX, HttpSessions
from memory_mcp.server.origins import refusal_of
from memory_mcp.server.visits import end_visit, lay_by
from memory_mcp.services import Services

SHUTDOWN_SECONDS = 2
"""How long open streams may go on once we are told to end."""
BODY_BYTES_MAX = 16 * 1024 * 1024
SMALL_BODY_BYTES = 64 * 1024
LARGE_BODIES_BYTES_MAX = 16 * BODY_BYTES_MAX
"""Bodies that are larger than small ones, of all requests under way together."""
ACCEPTED_AT_ONCE = 64
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
        sessions: HttpSessions,
        *,
        local: bool,
        structured: bool = False,
        zone: Zone = UTC_ZONE,
        left: Callable[[Connection], Awaitable[None]],
    ) -> None:
        """`left` is told of each session that its client has ended; `zone` is every client's.

        `local`: whether only this machine can come in.
        """
        self._app = app
        self._default = default
        self._tokens = tokens
        self._sessions = sessions
        self._local = local
        self._structured = structured
        self._zone = zone
        self._left = left
        self._large_bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := refusal_of(
            headers.getlist("host"), headers.getlist("origin"), local=self._local
        ):
            await refusal(scope, receive, send)
            return
        try:
            choice = self._choice(scope.get("raw_path") or scope["path"].encode())
        except InvalidInput as error:
            await JSONResponse({"error": str(error)}, status_code=404)(scope, receive, send)
            return
        owner = self._owner(headers.get("authorization", ""), choice)
        if isinstance(owner, JSONResponse):
            await owner(scope, receive, send)
            return
        size = _body_bytes(headers)
        large = size if size > SMALL_BODY_BYTES else 0
        if self._large_bodies + large > max(large, LARGE_BODIES_BYTES_MAX):
            await _busy("too many large requests are under way")(scope, receive, send)
            return
        self._large_bodies += large
        inner = {**scope, "path": "/mcp", "raw_path": b"/mcp"}
        version = headers.get("mcp-protocol-version")
        try:
            # As the SDK tells the eras apart; only the older one has sessions.
            if version is None or version in HANDSHAKE_PROTOCOL_VERSIONS:
                await self._in_session(inner, headers, choice, owner, receive, send)
            else:
                await self._without_session(inner, headers, choice, owner, receive, send)
        finally:
            self._large_bodies -= large

    async def _in_session(
        self,
        scope: Scope,
        headers: Headers,
        choice: AgentChoice,
        owner: str,
        receive: Receive,
        send: Send,
    ) -> None:
        """A request of a session, or one that may begin a session."""
        session = headers.get("mcp-session-id")
        if session is None:
            if not self._sessions.may_begin(owner):
                text = f"{self._sessions.share:,} sessions are open; end some, or wait"
                await _busy(text)(scope, receive, send)
                return
            connection = Connection(
                choice, owner=owner, structured=self._is_structured(scope), zone=self._zone
            )
            connection.place = _place(scope, headers, owner)
        else:
            known = self._sessions.session(session, owner)
            if known is None:
                await _no_session()(scope, receive, send)
                return
            if _agent_of(known.choice) != _agent_of(choice):
                text = "this session belongs to another agent; begin a new one at this address."
                await JSONResponse({"error": text}, status_code=404)(scope, receive, send)
                return
            connection = known

        async def send_and_remember(message: Message) -> None:
            if message["type"] == "http.response.start":
                if session is None:
                    begun = Headers(raw=message.get("headers", [])).get("mcp-session-id")
                    if begun and message["status"] < 300:
                        self._sessions.begin(begun, connection)
                elif message["status"] == 404 or (
                    scope["method"] == "DELETE" and message["status"] < 300
                ):
                    self._sessions.end(session)
                    if scope["method"] == "DELETE":  # before it is answered: the next may come
                        await self._left(connection)
            await send(message)

        CURRENT.set(connection)
        with self._sessions.in_session(session) if session else nullcontext():
            await self._app(scope, receive, send_and_remember)

    async def _without_session(
        self,
        scope: Scope,
        headers: Headers,
        choice: AgentChoice,
        owner: str,
        receive: Receive,
        send: Send,
    ) -> None:
        """A request of the era without sessions.

        As no connection ends and none is resumed, two like clients of one token and agent on one
        machine count as one; a change is told to either.
        """
        new = Connection(
            choice, owner=owner, structured=self._is_structured(scope), zone=self._zone
        )
        new.alike = _digest([_agent_of(choice), new.structured, _place(scope, headers, owner)])
        connection = self._sessions.client(new)
        CURRENT.set(connection)
        with self._sessions.in_client(connection):
            await self._sessions.make_room(owner)
            await self._app(scope, receive, send)

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

    def _owner(self, authorization: str, choice: AgentChoice) -> str | JSONResponse:
        """By what the token is known that was shown, if one is asked for; or what is answered."""
        if not self._tokens:
            return ""
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
        if not any(token.opens(choice.name or DEFAULT_AGENT) for token in fitting):
            return JSONResponse({"error": "this token is for other agents."}, status_code=403)
        return _digest(shown.decode())


def _agent_of(choice: AgentChoice) -> str:
    """By what an address's agent is known, however its name is written there."""
    return name_key(choice.name or DEFAULT_AGENT)


def _digest(told: Any) -> str:
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


def _body_bytes(headers: Headers) -> int:
    """How large a request's body will be; one that doesn't say may be as large as any."""
    length = headers.get("content-length")
    if length is not None:
        return min(int(length), BODY_BYTES_MAX) if length.isdecimal() else BODY_BYTES_MAX
    return BODY_BYTES_MAX if "transfer-encoding" in headers else 0


def _busy(what: str) -> JSONResponse:
    return JSONResponse(
        {"error": f"{what}; try again later."}, status_code=503, headers={"Retry-After": "10"}
    )


def _no_session() -> JSONResponse:
    """As the SDK answers for an id it doesn't know; whose it is otherwise is nobody's business."""
    error = {"code": INVALID_REQUEST, "message": "Session not found"}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status_code=404)


def _decoded(name: str) -> str:
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("the agent's name in the address is not UTF-8.") from None


def _place(scope: Scope, headers: Headers, owner: str) -> str:
    """Where a client is, and with whose token, as far as like clients are told apart by it."""
    return f"{owner} {(scope.get('client') or ('', 0))[0]} {headers.get('user-agent', '')}"


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
    services: Services,
    announcements: Announcements,
    *,
    default: AgentChoice,
    tokens: Sequence[HttpToken],
    structured: bool = False,
    zone: Zone = UTC_ZONE,
    until: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve what `listen` opened: `until` that returns, or else until SIGTERM or SIGINT."""
    app = server.streamable_http_app(
        host=address.host,
        max_request_body_size=BODY_BYTES_MAX,
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=SESSIONS_MAX,
        # We look at Host and Origin ourselves: the SDK compares how they begin.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    door = Door(
        app,
        default,
        tokens,
        HttpSessions(
            len({token.secret for token in tokens}),
            ended=announcements.forget,
            lay_by=partial(lay_by, services),
        ),
        local=address.is_local,
        structured=structured,
        zone=zone,
        left=partial(end_visit, services),
    )
    config = uvicorn.Config(
        door,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        http=bounded(Guests(connections_for_http())),
        ws="none",
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        backlog=ACCEPTED_AT_ONCE,
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
