"""The one server, for both eras and every transport."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from mcp.server import MCPServer, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from memory_mcp import __version__
from memory_mcp.domain.compile import LEAD
from memory_mcp.domain.errors import AgentNotFound, StoreError
from memory_mcp.domain.texts import clip
from memory_mcp.server.announcements import Announcements
from memory_mcp.server.connections import CURRENT
from memory_mcp.server.hooked import hooks_tell
from memory_mcp.server.prompts import PROMPTS, register_prompts
from memory_mcp.server.resources import register_resources
from memory_mcp.server.tools import names_of, tools_of
from memory_mcp.server.tools.tool import Surface, host_of
from memory_mcp.services import Services

logger = logging.getLogger(__name__)


def build_server(
    services: Services,
    announcements: Announcements,
    *,
    tool_sets: Sequence[str],
    result_tokens: int,
) -> MCPServer[Any]:
    """The MCP server on open services; its announcements want to be watched.

    Requests must come on a transport that sets `CURRENT`.
    """
    surface = Surface(services, result_tokens, names_of(tool_sets))
    server: MCPServer[Any] = MCPServer(
        "memory-mcp",
        title="Memory",
        description="The memory of a stateful agent: core memory, recall, archival.",
        # Replaced by the compiled instructions at each handshake; here so that they are announced.
        instructions=LEAD,
        version=__version__,
        tools=list(tools_of(tool_sets, surface)),
        log_level="WARNING",
        subscriptions=announcements,
    )
    register_resources(server, surface)
    register_prompts(server, surface)
    server.middleware.append(_instructions(surface))
    server.middleware.append(_pass_over_what_is_not_given)
    server.middleware.append(_refuse_unknown_prompts)
    server.middleware.append(_prepare_to_listen(surface, announcements))
    # The SDK has no public place for the handshake era's subscriptions (mcp 2.3).
    lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]
    lowlevel.add_request_handler(
        "resources/subscribe", SubscribeRequestParams, announcements.on_subscribe
    )
    lowlevel.add_request_handler(
        "resources/unsubscribe", UnsubscribeRequestParams, announcements.on_unsubscribe
    )
    return server


def _client_name(ctx: ServerRequestContext[Any, Any]) -> str | None:
    """What the program on the other side calls itself in its greeting."""
    if ctx.method != "initialize":
        return host_of(ctx.session)
    client: dict[str, Any] = (ctx.params or {}).get("clientInfo") or {}
    return client.get("name")


def _prepare_to_listen(surface: Surface, announcements: Announcements) -> Any:
    """Middleware: whose memory a listener hears of must be known before something changes."""

    async def prepare(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method in ("resources/subscribe", "subscriptions/listen"):
            try:
                await announcements.expect()  # first: it may be made from now on
                await surface.agent_of(CURRENT.get())
            except (StoreError, AgentNotFound) as error:
                raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error
        return await call_next(ctx)

    return prepare


async def _pass_over_what_is_not_given(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Middleware: a prompt's argument that is null, and an address whose last part is empty."""
    params = ctx.params or {}
    arguments, uri = params.get("arguments"), params.get("uri")
    if ctx.method == "prompts/get" and isinstance(arguments, dict):
        told = cast("dict[str, Any]", arguments)
        given = {name: value for name, value in told.items() if value is not None}
        ctx = replace(ctx, params={**params, "arguments": given})
    elif ctx.method == "resources/read" and isinstance(uri, str):
        ctx = replace(ctx, params={**params, "uri": uri.removesuffix("/")})
    return await call_next(ctx)


async def _refuse_unknown_prompts(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Middleware: the SDK takes an unknown prompt for a crash and logs a traceback."""
    params = ctx.params or {}
    name = params.get("name")
    arguments = cast("dict[str, Any]", params.get("arguments") or {})
    if ctx.method != "prompts/get" or not isinstance(name, str):
        return await call_next(ctx)
    if name not in PROMPTS:
        text = f"there is no prompt {clip(name, 40)!r}. There is: {', '.join(PROMPTS)}."
        raise MCPError(code=INVALID_PARAMS, message=text)
    if unknown := [argument for argument in arguments if argument not in PROMPTS[name]]:
        text = f"the prompt {name} has no argument {clip(unknown[0], 40)!r}. It takes topic."
        raise MCPError(code=INVALID_PARAMS, message=text)
    return await call_next(ctx)


def _instructions(surface: Surface) -> Any:
    """Middleware: the compiled instructions in both eras' greeting, the same in each."""

    async def greet(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method not in ("initialize", "server/discover") or not isinstance(result, dict):
            return result
        connection = CURRENT.get()
        connection.host = _client_name(ctx)
        try:
            # One that was named is there as soon as its session is: others may write to it.
            named = connection.choice.name is not None
            agent_id = await surface.agent_of(connection, writes=named)
            blocks = await surface.services.core_memory.blocks(agent_id)
            beside_hooks = await hooks_tell(surface.services, connection, blocks)
            view = surface.services.view
            instructions = await view.instructions(agent_id, beside_hooks=beside_hooks)
        except (StoreError, AgentNotFound) as error:
            # A greeting must not fail for a busy store or a deleted agent; the first tool call will
            # say more.
            logger.error("core memory could not be put into the instructions: %s", error)
            return result
        # One that has called before greets for each call, and many such show no model what we say
        # here: what has changed comes with the next answer.
        if not connection.resumed and not connection.calls:
            connection.has_seen(blocks)
        return {**result, "instructions": instructions}

    return greet
