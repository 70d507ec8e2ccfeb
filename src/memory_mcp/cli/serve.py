"""`memory-mcp` and `memory-mcp serve`: the MCP server."""

import argparse
import sys
from typing import Any

import anyio
from mcp.server import MCPServer

from memory_mcp.app import open_services
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.server.connections import Connection
from memory_mcp.server.server import build_server
from memory_mcp.server.stdio import serve_stdio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Serve MCP on standard input and output, or over HTTP."
    parser.epilog = "example: memory-mcp serve --http 127.0.0.1:8765"
    parser.add_argument(
        "--http",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="serve over HTTP, on 127.0.0.1:8765 unless said otherwise",
    )


def run(arguments: argparse.Namespace) -> None:
    """Serve until the client leaves, or a signal."""
    settings = load_settings(
        database=arguments.database, agent=arguments.agent, tools=arguments.tools
    )
    if arguments.http is None and sys.stdin.isatty():
        print(
            "memory-mcp speaks MCP on standard input: a host starts it (README: set-up). "
            "To see it at work: memory-mcp demo. To end: Ctrl-D.",
            file=sys.stderr,
        )
    anyio.run(_serve, settings, arguments.http)


async def _serve(settings: Settings, http: str | None) -> None:
    async with open_services(settings) as services:
        server, announcements = build_server(
            services, tool_sets=settings.tool_sets, result_tokens=settings.result_tokens
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(announcements.watch)
            tasks.start_soon(services.indexing.keep_up)
            if http is None:
                await serve_stdio(server, Connection(settings.agent))
            else:
                await _serve_http(server, settings, http)
            tasks.cancel_scope.cancel()


async def _serve_http(server: MCPServer[Any], settings: Settings, address: str) -> None:
    from memory_mcp.server.http import Address, serve_http

    # A service belongs to no project: without a name it speaks for `default`.
    default = AgentChoice(name=settings.agent.name)

    def started(at: Address) -> None:
        host = f"[{at.host}]" if ":" in at.host else at.host
        print(f"memory-mcp: http://{host}:{at.port}/mcp (Ctrl-C ends it)", file=sys.stderr)

    await serve_http(
        server,
        Address.parse(address),
        default=default,
        tokens=settings.http_tokens,
        started=started,
    )
