"""The daemon's snapshots: its server is asked what hosts ask first, and its answers are kept.

Nothing is composed here that a server could say differently: each answer is one of the server's
own, for the agent and in the way that a session wanted, or for an agent that is not there yet.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import mcp
import mcp_types
from anyio import to_thread
from mcp.server import MCPServer
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from memory_mcp import __version__
from memory_mcp.config import Settings
from memory_mcp.daemon.hello import Hello
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import AgentNotFound, InvalidInput, MemoryMCPError, StoreError
from memory_mcp.rendezvous import PROTOCOL, SESSION_VARIABLE
from memory_mcp.server.announcements import Announcements
from memory_mcp.server.connections import CURRENT, Connection
from memory_mcp.server.lines import Lines
from memory_mcp.server.server import build_server
from memory_mcp.services import Services
from memory_mcp.snapshots import (
    ENVELOPE,
    LISTS,
    OF_NO_ANSWER,
    SESSIONS_MAX,
    Snapshots,
    key_of,
    key_of_new,
    libraries_of,
    program,
    state_of,
)

if TYPE_CHECKING:
    from memory_mcp.snapshots import Key, State

logger = logging.getLogger(__name__)

QUIET_SECONDS = 2.0
"""How long nothing must have been committed before snapshots are made."""
PAUSE = 20.0
"""How long the background rests after making them, in times of what it took."""
ASK_SECONDS = 10
LAST_SECONDS = 5
"""How long a daemon that ends makes snapshots."""
_CLIENT = {"name": "memory-mcp", "version": __version__}
_LIBRARIES = (mcp.__file__, mcp_types.__file__)

Answers = dict[str, dict[str, str]]
"""By the protocol's version and the method: the result as JSON."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Snapshots of one state of the store, not yet written down."""

    state: State
    told: Sequence[tuple[Key, Mapping[str, Any]]]


class SnapshotMaker:
    """Keeps the store's snapshots, for the ways in which sessions wanted to be served."""

    def __init__(self, services: Services, settings: Settings, snapshots: Snapshots) -> None:
        # Who is asked for a snapshot is nobody who is there.
        self._services = replace(services, presence=services.presence.unheard())
        self._settings = settings
        self._snapshots = snapshots
        self._announcements = Announcements(services.outbox)
        self._servers: dict[tuple[tuple[str, ...], int], MCPServer[Any]] = {}
        self._lists: dict[MCPServer[Any], Answers] = {}
        self._hellos: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        for told in snapshots.sessions():
            self._keep(told)
        self._wanted = anyio.Event()

    def came(self, hello: Hello) -> None:
        """A session came that wants to be served in some way."""
        if self._services.encryption is not None:
            return
        told = hello.model_dump(include={"folder", "environment", "agent", "tools"})
        told |= hello.model_dump(exclude=_NOT_KEPT, exclude_defaults=True)
        for name in (SESSION_VARIABLE, *OF_NO_ANSWER):  # of which each has another
            told["environment"].pop(name, None)
        if self._keep(told):
            try:
                self._snapshots.remember(list(self._hellos.values()))
            except OSError as error:
                logger.debug("no snapshot can be kept: %s", error)
        self._wanted.set()

    def _keep(self, told: Mapping[str, Any]) -> bool:
        """Remember how a session wanted to be served; whether that is news."""
        name = json.dumps(told, sort_keys=True)
        new = name not in self._hellos
        self._hellos[name] = told
        self._hellos.move_to_end(name)
        while len(self._hellos) > SESSIONS_MAX:
            self._hellos.popitem(last=False)
        return new

    async def keep_up(self) -> None:
        """Make them anew whenever the store has been quiet for a while after a commit.

        Of an encrypted store none are made.
        """
        if self._services.encryption is not None:
            return
        while True:
            await self._until_quiet()
            began = anyio.current_time()
            try:
                if (taken := await self.take()) is not None:
                    self.write(taken)
            except StoreError as error:
                logger.info("snapshots are made later: %s", error)
            except Exception:  # a mistake of ours must not end anybody's session
                logger.exception("no snapshot can be made")
            await anyio.sleep(PAUSE * (anyio.current_time() - began))

    async def _until_quiet(self) -> None:
        async with anyio.create_task_group() as tasks:

            async def came() -> None:
                await self._wanted.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(came)
            await self._services.outbox.committed()
            tasks.cancel_scope.cancel()
        self._wanted = anyio.Event()
        quiet = False
        while not quiet:
            with anyio.move_on_after(QUIET_SECONDS) as waiting:
                await self._services.outbox.committed()
            quiet = waiting.cancelled_caught

    async def take(self) -> Taken | None:
        """Ask the server everything; `None` where the store's state is not certain.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._services.encryption is not None:
            return None
        try:
            state = await to_thread.run_sync(self._snapshots.settled_state)
        except OSError as error:
            logger.debug("no snapshot can be kept: %s", error)
            return None
        if state is None:
            return None
        told: dict[str, tuple[Key, Mapping[str, Any]]] = {}
        ways = {"{}": Hello.model_validate(_NOBODY)}  # where nothing is set, whoever comes
        for kept in reversed(self._hellos.values()):  # those that came last first
            key = await to_thread.run_sync(key_of, kept)
            try:
                hello = Hello.model_validate({**_NOBODY, **kept})
                ways.setdefault(json.dumps(key["way"], sort_keys=True), hello)
                if (name := json.dumps(key, sort_keys=True)) not in told:
                    if (answers := await self._of_session(hello)) is not None:
                        told[name] = key, answers
            except (ValidationError, InvalidInput, AgentNotFound) as error:
                logger.debug("a session's snapshot is left out: %s", type(error).__name__)
        for way, hello in ways.items():
            told[way] = key_of_new(json.loads(way)), await self._of_new(hello)
        return Taken(state, list(told.values()))

    async def take_last(self) -> Taken | None:
        """The same where nothing will be committed by this process any more.

        The log is put into the file first, so that closing the store changes nothing of it.
        """
        if self._services.encryption is not None:
            return None
        try:
            with anyio.move_on_after(LAST_SECONDS):
                await self._services.upkeep.fold_log()
                return await self.take()
        except MemoryMCPError as error:
            logger.info("no snapshot was made at the end: %s", error)
        except Exception:  # a mistake of ours must not keep the store from being closed
            logger.exception("no snapshot can be made")
        return None

    def write(self, taken: Taken) -> None:
        """Write down what was taken, if nothing was committed meanwhile."""
        self._snapshots.clear()
        if state_of(self._snapshots.database) != taken.state:
            return
        try:
            for key, told in taken.told:
                self._snapshots.write(key, told, taken.state)
            self._snapshots.remember(list(self._hellos.values()))
        except OSError as error:
            logger.debug("no snapshot can be kept: %s", error)

    async def _of_session(self, hello: Hello) -> Mapping[str, Any] | None:
        """What a session is answered; `None` where its agent is not there."""
        settings = await to_thread.run_sync(hello.settings, self._settings.database)
        if not (await self._services.agents.find(settings.agent)).is_made:
            return None
        return await self._told(settings, settings.agent)

    async def _of_new(self, hello: Hello) -> Mapping[str, Any]:
        """What the first session of a project is answered, and who is no longer new."""
        settings = await to_thread.run_sync(hello.settings, self._settings.database)
        known: list[str | None] = [*await self._services.agents.projects()]
        if (await self._services.agents.find(AgentChoice())).is_made:
            known.append(None)  # no project
        return {**await self._told(settings, _NEW), "projects": known}

    async def _told(self, settings: Settings, choice: AgentChoice) -> Mapping[str, Any]:
        """The body of a snapshot: each text once, however many versions have it."""
        server = self._server_for(settings)
        greetings, seen = await self._greetings(server, choice, settings)
        lists = await self._lists_of(server, choice)
        texts: dict[str, int] = {}
        places = {
            version: {
                method: texts.setdefault(text, len(texts))
                for method, text in {**lists[version], **greetings[version]}.items()
            }
            for version in lists
        }
        return {
            "program": program(),
            "libraries": libraries_of(_LIBRARIES),
            "texts": list(texts),
            "answers": places,
            "seen": seen,
        }

    def _server_for(self, settings: Settings) -> MCPServer[Any]:
        way = settings.tool_sets, settings.result_tokens
        if way not in self._servers:
            self._servers[way] = build_server(
                self._services,
                self._announcements,
                tool_sets=settings.tool_sets,
                result_tokens=settings.result_tokens,
            )
        return self._servers[way]

    async def _greetings(
        self, server: MCPServer[Any], choice: AgentChoice, settings: Settings
    ) -> tuple[Answers, dict[str, int]]:
        answers: Answers = {}
        connection = _connection(choice, settings)
        for version in HANDSHAKE_PROTOCOL_VERSIONS:
            connection = _connection(choice, settings)
            answers[version] = await _asked(server, connection, [_greeting(version)])
        for version in MODERN_PROTOCOL_VERSIONS:
            answers[version] = await _asked(
                server, _connection(choice, settings), [("server/discover", _envelope(version))]
            )
        return answers, json.loads(connection.memo())["seen"]

    async def _lists_of(self, server: MCPServer[Any], choice: AgentChoice) -> Answers:
        """The lists, which are the same for every agent and for as long as the process lives."""
        if server not in self._lists:
            lists: Answers = {}
            for version in HANDSHAKE_PROTOCOL_VERSIONS:
                asked = [_greeting(version), *((method, dict[str, Any]()) for method in LISTS)]
                lists[version] = await _asked(server, Connection(choice), asked)
            for version in MODERN_PROTOCOL_VERSIONS:
                asked = [(method, _envelope(version)) for method in LISTS]
                lists[version] = await _asked(server, Connection(choice), asked)
            self._lists[server] = lists
        return self._lists[server]


_NOT_KEPT = {
    "protocol", "version", "role", "pid", "token", "proof", "session", "memo", "command", "spooled",
    "arguments", "had_store", "news",
}  # fmt: skip
_NEW = AgentChoice(project="of nobody")
"""A project is a whole path, so none is called that."""
_NOBODY: dict[str, Any] = {
    "protocol": PROTOCOL, "version": __version__, "role": "session", "pid": 0
}  # fmt: skip


def _connection(choice: AgentChoice, settings: Settings) -> Connection:
    trusted = settings.hooks_are_trusted
    return Connection(choice, hooks=settings.hooks, hooks_are_trusted=trusted)


def _greeting(version: str) -> tuple[str, dict[str, Any]]:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": _CLIENT}
    return "initialize", params


def _envelope(version: str) -> dict[str, Any]:
    meta = {
        f"{ENVELOPE}protocolVersion": version,
        f"{ENVELOPE}clientInfo": _CLIENT,
        f"{ENVELOPE}clientCapabilities": {},
    }
    return {"_meta": meta}


async def _asked(
    server: MCPServer[Any], connection: Connection, asked: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, str]:
    """What the server answers one peer, by method, as JSON.

    Raises:
        StoreError: it refuses, or says nothing.
    """
    results: dict[str, str] = {}

    async def write(line: bytes) -> None:
        told = json.loads(line)
        if "result" not in told:
            raise StoreError(f"the server does not answer {asked[told['id']][0]}")
        results[asked[told["id"]][0]] = _compact(told["result"])

    lines = Lines(write)

    async def serve() -> None:
        CURRENT.set(connection)
        await lines.serve(server)

    with anyio.fail_after(ASK_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            for number, (method, params) in enumerate(asked):
                message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                await lines.take(json.dumps(message).encode() + b"\n")
            await lines.end()
    return results


def _compact(told: Any) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
