"""`memory-mcp` and `memory-mcp serve`: the MCP server."""

import argparse
import sys

import anyio

from memory_mcp.app import open_services
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.server.connections import Connection
from memory_mcp.server.server import build_server
from memory_mcp.server.stdio import serve_stdio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
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
    async with open_services(settings, background=True) as services:
        server, announcements = build_server(
            services, tool_sets=settings.tool_sets, result_tokens=settings.result_tokens
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(announcements.watch, services.outbox)
            if http is None:
                await serve_stdio(server, Connection(settings.agent))
            else:
                from memory_mcp.server.http import serve_http  # noqa: PLC0415 - uvicorn

                host, port = parse_address(http)
                # A service belongs to no project: without a name it speaks for `default`.
                default = AgentChoice(name=settings.agent.name)
                await serve_http(
                    server, host=host, port=port, default=default, tokens=settings.http_tokens
                )
            tasks.cancel_scope.cancel()


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `HOST`, `:PORT` or `PORT`; what is left out is 127.0.0.1 and 8765.

    Raises:
        InvalidInput: the port is no port.
    """
    from memory_mcp.server.http import DEFAULT_HOST, DEFAULT_PORT  # noqa: PLC0415 - uvicorn

    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = ("", text) if text.isdigit() else (text, "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise InvalidInput(f"{port!r} is no port; give HOST:PORT, like 127.0.0.1:8765.")
    return host.strip("[]") or DEFAULT_HOST, int(port) if port else DEFAULT_PORT
