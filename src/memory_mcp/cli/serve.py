"""`memory-mcp` and `memory-mcp serve`: the MCP server, in each of its forms."""

import argparse
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
from mcp.server import MCPServer

from memory_mcp import bridge
from memory_mcp.app import open_services
from memory_mcp.capture.intake import Intake
from memory_mcp.cli.asking import answer_in_daemon
from memory_mcp.config import Settings, load_settings
from memory_mcp.daemon.door import NoDoor
from memory_mcp.daemon.hello import heard
from memory_mcp.daemon.life import Daemon
from memory_mcp.daemon.log import log_to
from memory_mcp.daemon.start import Ready, alone, detach, serve_store
from memory_mcp.daemon.worker import WorkerStarter
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import MemoryMCPError, StoreError
from memory_mcp.hosts import codex
from memory_mcp.rendezvous import ENVIRONMENT as SESSION_ENVIRONMENT
from memory_mcp.rendezvous import Rendezvous, Silent, Unreachable
from memory_mcp.server.announcements import Announcements
from memory_mcp.server.connections import Connection
from memory_mcp.server.server import build_server
from memory_mcp.server.stdio import serve_stdio
from memory_mcp.server.visits import end_visit
from memory_mcp.services import Services

TAKE_OVERS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Serve MCP on standard input and output, through the store's daemon, or over HTTP."
    )
    parser.epilog = "example: memory-mcp serve --http 127.0.0.1:8765"
    parser.add_argument(
        "--http",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="be the store's daemon and serve over HTTP too, on 127.0.0.1:8765 by default",
    )
    # What bridges start: not for people.
    parser.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--lock", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--after", default="", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int | None:
    """Serve until the client leaves, or a signal."""
    if arguments.detached:
        return _serve_detached(arguments)
    if (
        arguments.http is None
        and not arguments.in_process
        and not (sys.stdin and sys.stdin.isatty())
    ):
        given = {
            name: getattr(arguments, name.removeprefix("--").replace("-", "_"))
            for name in (*bridge.OPTIONS, *bridge.SWITCHES)
        }
        ended = bridge.serve({name: str(value) for name, value in given.items() if value})
        if ended is not None:
            return ended
    settings = load_settings(
        database=arguments.database,
        agent=arguments.agent,
        tools=arguments.tools,
        structured=arguments.structured,
        hooks=arguments.hooks,
        project_by=arguments.project_by,
    )
    if arguments.http is not None:
        return _serve_http(settings, arguments.http, in_process=arguments.in_process)
    if sys.stdin and sys.stdin.isatty():
        print(
            "memory-mcp speaks MCP on standard input: a host starts it (README: set-up). "
            "To see it at work: memory-mcp demo. To end: Ctrl-D.",
            file=sys.stderr,
        )
    anyio.run(_serve_here, settings)
    return None


async def _serve_here(settings: Settings) -> None:
    """One session, in this process."""
    async with _opened(settings) as (services, announcements):
        server = _server(settings, services, announcements)
        connection = Connection(
            settings.agent,
            held=True,
            place="",
            structured=settings.structured,
            hooks=settings.hooks,
            hooks_are_trusted=settings.hooks == codex.HOST.name and codex.trusts_hooks(os.environ),
            host_session=settings.host_session,
            zone=settings.zone,
        )
        await serve_stdio(server, connection)
        await end_visit(services, connection)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[tuple[Services, Announcements]]:
    """An open store, whose changes are watched and whose vectors are caught up with."""
    async with open_services(settings) as services:
        announcements = Announcements(services.outbox)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(announcements.watch)
            tasks.start_soon(services.indexing.keep_up)
            tasks.start_soon(services.eviction.keep_up)
            spool = Rendezvous(str(settings.database)).spool
            tasks.start_soon(Intake(services, settings.database, spool).keep_up)
            tasks.start_soon(WorkerStarter(services, settings.database).keep_up)
            tasks.start_soon(services.upkeep.keep_up)
            tasks.start_soon(services.presence.keep_up)
            tasks.start_soon(services.housekeeping.keep_up)
            yield services, announcements
            tasks.cancel_scope.cancel()


def _server(settings: Settings, services: Services, announcements: Announcements) -> MCPServer[Any]:
    return build_server(
        services,
        announcements,
        tool_sets=settings.tool_sets,
        result_tokens=settings.result_tokens,
    )


def _serve_detached(arguments: argparse.Namespace) -> int:
    """The daemon, as a bridge starts it."""
    told = sys.stdin.buffer.read() if sys.stdin else b""
    detach()
    ready = Ready()
    # Whose memory, and which tools, each session says for itself: what our starter's environment
    # says of that is not for the others. Where its person is holds for what the daemon does by
    # itself.
    stores = {"MEMORY_MCP_EMBEDDER", "MEMORY_MCP_MODEL", "MEMORY_MCP_MODEL_BASE_URL"}
    stores |= {"MEMORY_MCP_REDACT", "MEMORY_MCP_REDACT_ALLOW", "MEMORY_MCP_TIMEZONE", "TZ"}
    sessions_own = set(SESSION_ENVIRONMENT) - stores
    given = {name: value for name, value in os.environ.items() if name not in sessions_own}
    try:
        settings = load_settings(database=arguments.database, environment=given)
        rendezvous = Rendezvous(str(settings.database))
        with suppress(OSError):  # its starter's folder is not to be held on to
            os.chdir(rendezvous.folder)

        def begin() -> None:
            log_to(rendezvous.log)
            ready.say("ready")

        with alone(rendezvous, arguments.lock) as lock:
            if lock is None:
                ready.say("taken")
                return 0
            more = {"ready": begin, "expected": heard(told), "after": arguments.after}
            serve = partial(serve_store, **more)
            anyio.run(serve, settings, rendezvous, lock, answer_in_daemon)
    except NoDoor as error:  # whoever started us can do without
        ready.say(f"failed {error}")
        return 1
    except MemoryMCPError as error:
        ready.say(f"refused {error}")
        return 1
    return 0


def _serve_http(settings: Settings, told: str, *, in_process: bool) -> None:
    from memory_mcp.server.http import Address, listen, serve_http

    address = Address.parse(told)
    host = f"[{address.host}]" if ":" in address.host else address.host
    url = f"http://{host}:{address.port}/mcp"
    # A service belongs to no project: without a name it speaks for `default`.
    default = AgentChoice(name=settings.agent.name)

    def announce() -> None:
        print(f"memory-mcp: {url} (Ctrl-C ends it)", file=sys.stderr)

    async def serve(
        listening: socket.socket, services: Services, announcements: Announcements, **until: Any
    ) -> None:
        await serve_http(
            _server(settings, services, announcements),
            listening,
            address,
            services,
            announcements,
            default=default,
            tokens=settings.http_tokens,
            structured=settings.structured,
            zone=settings.zone,
            **until,
        )

    async def serve_beside(listening: socket.socket, daemon: Daemon) -> None:
        until = daemon.until_ending
        await serve(listening, daemon.services, daemon.announcements, until=until)

    async def serve_alone(listening: socket.socket) -> None:
        async with _opened(settings) as (services, announcements):
            announce()
            await serve(listening, services, announcements)

    listening = listen(address, settings.http_tokens)
    if in_process:
        with listening:
            anyio.run(serve_alone, listening)
        return
    rendezvous = Rendezvous(str(settings.database))
    with ExitStack() as stack:
        stack.enter_context(listening)
        lock = stack.enter_context(alone(rendezvous, _take_over(rendezvous)))
        if lock is None:
            raise StoreError(f"another daemon has just begun to serve {settings.database}.")
        after = rendezvous.took_over
        while True:
            besides = partial(serve_beside, listening)
            more = {"address": url, "ready": announce, "besides": besides, "after": after}
            daemon = partial(serve_store, **more)
            if not anyio.run(daemon, settings, rendezvous, lock, answer_in_daemon):
                return
            print("memory-mcp: another file is in the store's place", file=sys.stderr)
            after = ""
            listening = stack.enter_context(listen(address, settings.http_tokens))


def _take_over(rendezvous: Rendezvous) -> int | None:
    """Have the store's daemon end, so that this process may be it; its sessions come along.

    Returns the store's lock, if it could be had.

    Raises:
        StoreError: the daemon stands, or does not end.
    """
    try:
        for _ in range(TAKE_OVERS):
            try:
                running = rendezvous.ask("status")
            except Silent as silent:
                if not silent.why:
                    raise
                running = None  # it is taken over from
            if running and running["standing"]:
                raise StoreError(
                    f"process {running['pid']} serves this store at {running['http']} already. "
                    "End it first, or serve beside it with --in-process."
                )
            if (lock := rendezvous.replace()[1]) is not None:  # else a session was quicker
                return lock
    except Unreachable as reason:
        raise StoreError(f"{reason}. --in-process serves beside it.") from reason
    return None
