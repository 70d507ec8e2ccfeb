"""The daemon's life: it opens its door, serves whoever comes, and ends when it is told to or idle.

It ends by finishing: the door is closed first, so that newcomers start the next one; then every
session's requests are answered; then snapshots are made, the store is closed, what holds of them is
written down, and the lock let go.
"""

import json
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import ByteStream, SocketListener, TaskGroup
from mcp.server import MCPServer

from memory_mcp import __version__
from memory_mcp.capture.intake import Intake
from memory_mcp.config import ModelSettings, Settings
from memory_mcp.daemon.door import Door
from memory_mcp.daemon.hello import Hello, heard
from memory_mcp.daemon.sessions import Session
from memory_mcp.daemon.snapshots import SnapshotMaker
from memory_mcp.daemon.worker import WorkerStarter
from memory_mcp.domain.errors import MemoryMCPError, StoreError, StoreGone
from memory_mcp.domain.ids import new_id
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import to_iso
from memory_mcp.rendezvous import HELLO_BYTES_MAX, PROTOCOL, Rendezvous
from memory_mcp.server.announcements import Announcements
from memory_mcp.server.connections import Connection
from memory_mcp.server.lines import GONE
from memory_mcp.server.server import build_server
from memory_mcp.server.tools.tool import Surface
from memory_mcp.server.visits import end_visit
from memory_mcp.services import Services
from memory_mcp.snapshots import Snapshots

logger = logging.getLogger(__name__)

HELLO_SECONDS = 10
"""How long a newcomer may take for its first line."""
FIRST_GUEST_SECONDS = 30
"""How long a daemon waits for whoever started it, however short its patience otherwise."""
LOOK_SECONDS = 5
PLACE_SECONDS = 1
"""How often it is looked whether the store's file is where it was opened, if nobody asks."""

_WITH_KEY = ("session", "command")
_OTHER_KEY = (
    "the key that was set for this process (MEMORY_MCP_KEY or MEMORY_MCP_KEY_FILE) is not the one "
    "that its daemon has the store open with, or the store is not encrypted; set the right one, or "
    "none: who is let in at the daemon's door needs none"
)

Command = Callable[[str, dict[str, Any], Services, Settings], Awaitable[Any]]
"""Answers a person's command, by name and arguments."""


class Daemon:
    """Serves the sessions of one store."""

    def __init__(
        self,
        services: Services,
        settings: Settings,
        rendezvous: Rendezvous,
        command: Command,
        is_alone: Callable[[], bool] = lambda: True,
        *,
        after: str = "",
        address: str | None = None,
    ) -> None:
        """`address`: where it also serves HTTP; such a daemon stands until it is told to end.

        `is_alone` says whether it still has the store's lock; `after`, what became of the daemon
        that it has taken over from.
        """
        self.announcements = Announcements(services.outbox)
        self.snapshots = SnapshotMaker(services, settings, Snapshots(rendezvous.database))
        self.services = services
        self._settings = settings
        self._door = Door(rendezvous)
        self._intake = Intake(services, settings.database, rendezvous.spool)
        self._command = command
        self._is_alone = is_alone
        self._after = after
        self._address = address
        self.is_replaced = False
        """Whether it ended because another file was put in the store's place."""
        self._bye = ""
        """What sessions are to be told of why it ends."""
        self._since = services.clock.now()
        self._lost = ""
        self._sessions: set[Session] = set()
        self._came_or_went = anyio.Event()
        self._hooked = False
        """Whether a hook came since somebody last looked: its host's session goes on."""
        self._ending = anyio.Event()
        self._accepting = anyio.CancelScope()
        self._server_for = cache(self._build)

    def open(self) -> socket.socket:
        """Open the door; newcomers wait before it until `serve` runs.

        Raises:
            NoDoor: there can be none in the store's folder.
        """
        return self._door.open()

    async def serve(self, listening: socket.socket) -> None:
        """Serve until told to end, by a signal or a guest, or until idle for long enough."""
        listener = await SocketListener.from_socket(listening)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._heed_signals)
            tasks.start_soon(self.announcements.watch)
            tasks.start_soon(self.services.indexing.keep_up)
            tasks.start_soon(self.services.eviction.keep_up)
            tasks.start_soon(self._intake.keep_up)
            tasks.start_soon(WorkerStarter(self.services, self._settings.database).keep_up)
            tasks.start_soon(self.services.upkeep.keep_up)
            tasks.start_soon(self.services.presence.keep_up)
            tasks.start_soon(self.services.housekeeping.keep_up)
            tasks.start_soon(self.snapshots.keep_up)
            tasks.start_soon(self._end_when_idle)
            tasks.start_soon(self._watch_store)
            async with anyio.create_task_group() as guests:
                guests.start_soon(self._accept, listener, guests)
                await self._ending.wait()
                self._door.close()
                self._accepting.cancel()
                await listener.aclose()
                await self._finish()
                guests.cancel_scope.cancel()
            tasks.cancel_scope.cancel()
        logger.info("ended")

    async def until_ending(self) -> None:
        """Returns when it begins to end."""
        await self._ending.wait()

    def end(self, why: str) -> None:
        """Begin to end."""
        if not self._ending.is_set():
            logger.info("ending: %s", why)
            self._ending.set()

    async def _finish(self) -> None:
        async with anyio.create_task_group() as last:
            for session in list(self._sessions):
                last.start_soon(session.finish, self._bye)
            with suppress(StoreError):  # they are read on when their sessions are heard of again
                await self._intake.read_behind(all_of_them=True)

    # Who comes.

    async def _accept(self, listener: SocketListener, guests: TaskGroup) -> None:
        with self._accepting:
            while True:
                try:
                    guests.start_soon(self._receive, await listener.accept())
                except anyio.BrokenResourceError as error:  # most likely too many files are open
                    logger.error("nobody can be let in just now: %s", error.__cause__)
                    await anyio.sleep(1)

    async def _receive(self, stream: ByteStream) -> None:
        try:
            async with stream:
                await self._welcome(stream)
        except GONE:
            pass
        except Exception:
            logger.exception("a connection failed")

    async def _welcome(self, stream: ByteStream) -> None:
        line = b""
        with anyio.move_on_after(HELLO_SECONDS):
            line = await _first_line(stream)
        hello = heard(line) if line else "nothing was said"
        if isinstance(hello, str):
            logger.warning("a newcomer was sent away: %s", hello)
            await self._answer(stream, refused=hello)
            return
        if not self._door.admits(hello.token):
            logger.warning("a newcomer was sent away: wrong token")
            await self._answer(stream, refused="the token is wrong")
            return
        if hello.proof and not self._is_proven(hello.proof) and hello.role in _WITH_KEY:
            logger.warning("a newcomer was sent away: it has another key")
            await self._answer(stream, refused=_OTHER_KEY, final=True)
            return
        try:
            if hello.role in ("status", "stop") or not await self._gives_way():
                await self._serve(hello, stream)
        except MemoryMCPError as error:
            await self._answer(stream, refused=str(error), final=True)

    def _is_proven(self, proof: str) -> bool:
        """Whether a newcomer that was given a key could open the store itself."""
        encryption = self.services.encryption
        return encryption is not None and encryption.is_proven(proof)

    async def _serve(self, hello: Hello, stream: ByteStream) -> None:
        match hello.role:
            case "status":
                await self._answer(stream, **await self._status())
            case "stop":
                self.end(f"asked to by process {hello.pid} (version {hello.version})")
                await self._answer(stream)
            case "command":
                settings = await self._settings_of(hello)
                with suppress(StoreError):  # what was just said is to be found
                    await self._intake.read_behind(all_of_them=True)
                logger.info("process %d asks %s", hello.pid, clip(hello.command, 40))
                told = await self._command(hello.command, hello.arguments, self.services, settings)
                await self._answer(stream, told=told)
            case "hook":
                await self._serve_hook(hello, stream)
            case "session":
                await self._serve_session(hello, stream)

    async def _serve_hook(self, hello: Hello, stream: ByteStream) -> None:
        self._hooked = True
        self._tell_watch()
        answer = await self._intake.answer(hello.spooled)
        await self._answer(stream, told=answer.text)
        if answer.told is not None:  # else a hook that was killed would have seen it
            await answer.told()

    async def _serve_session(self, hello: Hello, stream: ByteStream) -> None:
        settings = await self._settings_of(hello)
        server = self._server_for(settings.tool_sets, settings.result_tokens)
        connection = Connection(
            settings.agent,
            session=hello.session,
            held=True,
            place="",
            structured=settings.structured,
            hooks=settings.hooks,
            hooks_are_trusted=settings.hooks_are_trusted,
            host_session=settings.host_session,
            zone=settings.zone,
            # The same in each of its lives.
            id=f"session-{hello.session}" if hello.session else new_id("session"),
        )
        session = Session(stream, hello, connection, self.services.clock.now())
        with suppress(StoreError):  # it starts as a new one then; its first call will say more
            await session.resume(Surface(self.services, settings.result_tokens))
        notes: list[str] = []
        if settings.embedder != self._settings.embedder:
            notes.append(
                f"the daemon runs with MEMORY_MCP_EMBEDDER={self._settings.embedder}; "
                "memory-mcp daemon restart gives it yours."
            )
        if settings.redaction != self._settings.redaction:
            notes.append(
                "the daemon runs with another MEMORY_MCP_REDACT or MEMORY_MCP_REDACT_ALLOW; "
                "memory-mcp daemon restart gives it yours."
            )
        if note := self._about_model(settings.model):
            notes.append(note)
        if hello.news:
            connection.news.append(hello.news)
        self._sessions.add(session)
        self._tell_watch()
        self.snapshots.came(hello)
        try:
            await self._answer(stream, notes=notes)
            await session.serve(server)
            if session.left:
                await end_visit(self.services, connection)
        finally:
            self._sessions.discard(session)
            self.announcements.forget(connection)
            self.services.presence.forget(connection.id)
            self._tell_watch()

    def _about_model(self, wanted: ModelSettings | None) -> str | None:
        """What a session is told that wants another model than there is."""
        there = self._settings.model
        if wanted is None or (
            there and (there.name, there.base_url) == (wanted.name, wanted.base_url)
        ):
            return None
        return (
            f"the daemon was started with {there.name if there else 'no model'}, not with "
            f"MEMORY_MCP_MODEL={wanted.name}; memory-mcp daemon stop ends it, and the next call of "
            "a session starts one with what its host set."
        )

    async def _settings_of(self, hello: Hello) -> Settings:
        # In a thread: looking for a project may wait for a disk that doesn't answer.
        return await to_thread.run_sync(hello.settings, self._settings.database)

    def _build(self, tool_sets: tuple[str, ...], result_tokens: int) -> MCPServer[Any]:
        return build_server(
            self.services, self.announcements, tool_sets=tool_sets, result_tokens=result_tokens
        )

    async def _answer(self, stream: ByteStream, **more: Any) -> None:
        told = {"protocol": PROTOCOL, "version": __version__, "pid": os.getpid()}
        standing = self._address is not None
        line = json.dumps({**told, "standing": standing, **more}, ensure_ascii=False)
        await stream.send(line.encode("utf-8", "surrogatepass") + b"\n")

    async def _status(self) -> dict[str, Any]:
        lost = await self.services.upkeep.lost()
        return {
            "store": str(self._settings.database),
            "since": to_iso(self._since),
            "idle_seconds": None if self._address else self._settings.daemon_idle_s,
            "http": self._address,
            "embedder": self._settings.embedder,
            "after": self._after,
            "lost": str(lost or ""),
            "sessions": [_session_status(session) for session in _by_age(self._sessions)],
        }

    # When its store is lost.

    async def _watch_store(self) -> None:
        """End when another file is in the store's place, or another daemon in ours.

        While the store is gone and sessions are open, it stays: it refuses what they ask, makes no
        empty store for them, and goes on once the file is back.
        """
        while True:
            lost = await self.services.upkeep.lost(PLACE_SECONDS)
            if not self._is_alone():
                self.end("another daemon has taken over")
            elif lost is None:
                if self._lost:
                    logger.warning("the store is in its place again")
                self._lost = ""
            elif lost.is_replaced:
                await self._gives_way()
            elif not self._lost:
                logger.warning("%s", lost)
                self._lost = str(lost)
                with suppress(StoreError):  # then the file has all, wherever it lies
                    await self.services.upkeep.fold_log()
            with suppress(StoreGone):
                await self._gives_way()
            if lost is not None:  # calls that are refused for it come one after the other
                await anyio.sleep(0.05)

    async def _gives_way(self) -> bool:
        """Whether it ends for the sake of a store that is there, or can be made, without it.

        Raises:
            StoreGone: it is gone, and somebody has it open.
        """
        if self._ending.is_set():
            return True
        lost = await self.services.upkeep.lost()
        if lost is None:
            return False
        if lost.is_replaced:
            self.is_replaced = True
            self._bye = "another file was put in the store's place: what was read before may be old"
            self.end("another file was put in the store's place")
        elif self._sessions or self._address:
            raise lost
        else:
            self.end("the store is gone")
        return True

    # When it ends.

    async def _heed_signals(self) -> None:
        with suppress(NotImplementedError):  # on Windows: there it is asked to stop, or killed
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    self.end(f"signal {number.name}")

    async def _end_when_idle(self) -> None:
        patience = max(FIRST_GUEST_SECONDS, self._settings.daemon_idle_s)
        ends_at: float | None = None
        while True:
            self._came_or_went = anyio.Event()
            now = anyio.current_time()
            if self._sessions or self._address or self._hooked:
                self._hooked = False
                patience, ends_at = self._settings.daemon_idle_s, None
            elif ends_at is None:
                ends_at = now + patience
            if ends_at is not None and now >= ends_at:
                self.end("idle")
                return
            if not self._door.is_there():
                self.end("its door was removed")
                return
            left = LOOK_SECONDS if ends_at is None else max(0.01, ends_at - now)
            with anyio.move_on_after(min(LOOK_SECONDS, left)):
                await self._came_or_went.wait()

    def _tell_watch(self) -> None:
        self._came_or_went.set()


def _by_age(sessions: set[Session]) -> Sequence[Session]:
    return sorted(sessions, key=lambda session: session.since)


def _session_status(session: Session) -> dict[str, Any]:
    agent = session.connection.agent
    return {
        "agent": agent.name if agent else None,
        "host": session.connection.host,
        "bridge": session.hello.pid,
        "since": to_iso(session.since),
        "in_flight": session.in_flight,
    }


async def _first_line(stream: ByteStream) -> bytes:
    """A newcomer's first line; empty when it is none or no end of it is in sight."""
    line = b""
    while len(line) <= HELLO_BYTES_MAX:
        try:
            line += await stream.receive()
        except anyio.EndOfStream:
            return b""
        if line.endswith(b"\n"):  # nothing follows before we have answered
            return line
    return b""
