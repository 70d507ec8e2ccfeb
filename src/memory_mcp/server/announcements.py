"""Update announcements, in both eras, for what any process changes.

2026-07-28 clients hold a `subscriptions/listen` stream; older ones sent `resources/subscribe`.
Both hear only of their own agent's memory. The outbox is watched while somebody listens: what this
process commits is announced at once; that another one did, a cheap number (`PRAGMA data_version`)
says. The changes table says what.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
from mcp.server import ServerRequestContext
from mcp.server.subscriptions import ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from memory_mcp.domain.agents import DEFAULT_AGENT
from memory_mcp.domain.blocks import SHARED_TEMPLATES
from memory_mcp.domain.errors import StoreError
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.names import name_key
from memory_mcp.ports import Change, Outbox
from memory_mcp.server.connections import CURRENT, Connection

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
GATHER_SECONDS = 0.01
"""What is committed within that is looked up at one go."""
IDLE_POLLS = 40
"""Looks without a listener after which watching ends."""
SUBSCRIPTIONS_MAX = 10_000
"""Of all connections of one token, or of all if none is asked for."""
SUBSCRIPTIONS_EACH_MAX = 200
NOTIFY_SECONDS = 1
EVERYTHING = (
    "memory://context",
    "memory://blocks",
    "memory://stats",
    "memory://inbox",
    "memory://agents",
    "memory://conversations",
    "memory://shadow/runs",
)
"""What is announced to who was away for longer than changes are kept."""
SHARED = {template.label for template in SHARED_TEMPLATES}

Listener = Callable[[ServerEvent], None]


class Announcements:
    """The SDK's subscription bus, by agent, with the older era's subscriptions beside it."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._pulse = 0
        self._last: int | None = None
        """The newest change announced; `None` while nobody listens."""
        self._listeners: dict[object, tuple[Connection, Listener]] = {}
        self._subscribed: dict[Connection, dict[str, Any]] = {}
        """By connection, the addresses it asked for, and the session each was asked for in."""
        self._wanted = anyio.Event()
        self._expected = False

    # The SDK's SubscriptionBus.

    async def publish(self, event: ServerEvent) -> None:
        """Deliver an event to every listener, whatever its agent."""
        for _, listener in list(self._listeners.values()):
            listener(event)
        await anyio.lowlevel.checkpoint()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Register a listen stream of the connection at hand; returns how to end it."""
        token = object()
        self._listeners[token] = (CURRENT.get(), listener)
        return lambda: self._listeners.pop(token, None) and None

    # The handshake era's requests.

    async def on_subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        """`resources/subscribe`."""
        connection, uri = CURRENT.get(), str(params.uri)
        own = self._subscribed.get(connection, {})
        if uri not in own and len(own) >= SUBSCRIPTIONS_EACH_MAX:
            text = f"a connection may subscribe to {SUBSCRIPTIONS_EACH_MAX} resources at once."
            raise MCPError(code=INVALID_PARAMS, message=text)
        of_owner = sum(
            len(uris) for other, uris in self._subscribed.items() if other.owner == connection.owner
        )
        if uri not in own and of_owner >= SUBSCRIPTIONS_MAX:  # nobody's is ended for it
            text = f"{SUBSCRIPTIONS_MAX:,} resources are subscribed to already; end some sessions."
            raise MCPError(code=INVALID_PARAMS, message=text)
        self._subscribed.setdefault(connection, {})[uri] = ctx.session
        return EmptyResult()

    async def on_unsubscribe(
        self, _: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        """`resources/unsubscribe`."""
        connection = CURRENT.get()
        own = self._subscribed.get(connection, {})
        own.pop(str(params.uri), None)
        if not own:
            self.forget(connection)
        return EmptyResult()

    def forget(self, connection: Connection) -> None:
        """The connection has ended."""
        self._subscribed.pop(connection, None)

    async def expect(self) -> None:
        """Somebody is about to listen: what changes from now on will be announced."""
        if self._last is None:
            self._pulse = await self._outbox.pulse()  # first, or a commit in between is passed over
            self._last = await self._outbox.last_seq()
        self._expected = True
        self._wanted.set()

    async def watch(self) -> None:
        """Announce changes as they come, for as long as the server runs."""
        while True:
            await self._wanted.wait()
            idle = 0
            while idle < IDLE_POLLS or self._expected:
                listened_to = self._listeners or self._subscribed or self._expected
                self._expected = False
                with anyio.move_on_after(POLL_SECONDS) as poll:
                    await self._outbox.committed()  # by us: then at once
                    await anyio.sleep(GATHER_SECONDS)
                idle = 0 if listened_to else idle + poll.cancelled_caught
                try:
                    await self._look()
                except StoreError as error:  # the next look will see what this one missed
                    logger.warning("changes could not be looked up: %s", error)
            self._wanted, self._last = anyio.Event(), None

    async def _look(self) -> None:
        pulse = await self._outbox.pulse()
        if pulse == self._pulse or self._last is None:
            return
        while changes := await self._outbox.since(self._last):
            self._last = changes[-1].seq
            for change in changes:
                await self._announce(change)
        self._pulse = pulse

    async def _announce(self, change: Change) -> None:
        if change.noun == "agent" and change.operation == "made":
            for connection in self._all_listening():
                _meet(change, connection)
        if change.noun == "store":  # lines are gone that nobody here has read
            await self._announce_all()
        for uri in uris_of(change):
            event = ResourceUpdated(uri=uri)
            for connection, listener in list(self._listeners.values()):
                if _concerns(change, connection):
                    listener(event)
            for connection, wanted in list(self._subscribed.items()):
                if uri in wanted and _concerns(change, connection):
                    await self._notify(connection, uri, wanted[uri])

    async def _announce_all(self) -> None:
        for _, listener in list(self._listeners.values()):
            for uri in EVERYTHING:
                listener(ResourceUpdated(uri=uri))
        for connection, wanted in list(self._subscribed.items()):
            for uri, session in list(wanted.items()):
                await self._notify(connection, uri, session)

    def _all_listening(self) -> set[Connection]:
        return {*self._subscribed} | {connection for connection, _ in self._listeners.values()}

    async def _notify(self, connection: Connection, uri: str, session: Any) -> None:
        try:
            with anyio.move_on_after(NOTIFY_SECONDS) as notifying:
                await session.send_resource_updated(uri)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            self.forget(connection)
            return
        if notifying.cancelled_caught:  # it doesn't read, and others wait behind it
            logger.warning("a client that does not read is no longer told of changes")
            self.forget(connection)


def uris_of(change: Change) -> Iterable[str]:
    """The resources a change is seen in."""
    match change.noun:
        case "block":
            label = change.details.get("label", "")
            return (
                f"memory://blocks/{label}",
                "memory://blocks",
                "memory://context",
                "memory://stats",
            )
        case "message":
            return ("memory://conversations", "memory://stats", "memory://context")
        case "summary":
            return ("memory://context", "memory://stats")
        case "passage":
            return ("memory://stats", "memory://context")
        case "run":
            return (
                f"memory://shadow/runs/{change.noun_id}",
                "memory://shadow/runs",
                "memory://stats",
            )
        case "mail":
            return ("memory://inbox", "memory://context", "memory://stats")
        case "agent":
            return ("memory://agents", "memory://stats", "memory://context")
        case _:
            return ()


def _meet(change: Change, connection: Connection) -> None:
    """Somebody made the agent whose memory a connection hears of, and which wasn't there yet."""
    agent, choice = connection.agent, connection.choice
    if agent is None or agent.is_made:
        return
    name, project = change.details.get("name", ""), change.details.get("project")
    wanted = name_key(choice.name or DEFAULT_AGENT)
    by_project = choice.name is None and choice.project is not None
    if project == choice.project if by_project else name_key(name) == wanted:
        connection.agent = replace(agent, id=AgentId(change.noun_id), name=name)


def _concerns(change: Change, connection: Connection) -> bool:
    """Whether its agent's memory changed; whose memory a listener hears of is known by then."""
    agent = connection.agent
    if agent is not None and not agent.is_made and change.noun == "block":
        # All that it has yet; who else has it doesn't matter.
        told = change.operation not in ("attached", "detached")
        return told and change.details.get("label") in SHARED
    return change.noun == "agent" or (agent is not None and agent.id in change.agent_ids)
