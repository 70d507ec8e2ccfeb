"""HTTP's sessions: which connection a request goes on with, kept where nobody can push it out.

A session of the handshake era is known by its id, to whoever showed the token it was begun with. It
ends when its client says so, or when nothing was asked in it for half an hour, as in the SDK; never
because others began theirs. A token has its share of all sessions, and past that share it begins no
more.

In the era after that there are no sessions: like clients of one token count as one. Past a number
of them, what the longest idle one has seen waits in the store until it calls again.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from memory_mcp.domain.errors import StoreError
from memory_mcp.server.connections import Connection

logger = logging.getLogger(__name__)

SESSIONS_MAX = 10_000
"""Sessions of all tokens together, which each have the same share of them."""
IDLE_SECONDS = 1_800
"""How long a session lasts in which nothing is asked and nobody listens."""
CLIENTS_MAX = 1_000
"""Clients without sessions, of each token, that are kept in memory; the rest wait in the store."""


@dataclass(slots=True, eq=False)
class _Kept:
    connection: Connection
    requests: int = 0
    idle_since: float = 0.0


class _Shelf:
    """Connections by key; those in which nothing is asked, in the order in which they fell idle."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by_key: dict[str, _Kept] = {}
        self._idle: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: str) -> Connection | None:
        kept = self._by_key.get(key)
        return kept.connection if kept else None

    def put(self, key: str, connection: Connection) -> None:
        kept = self._by_key[key] = _Kept(connection, idle_since=self._now())
        self._idle[key] = kept

    def drop(self, key: str) -> Connection | None:
        self._idle.pop(key, None)
        kept = self._by_key.pop(key, None)
        return kept.connection if kept else None

    def longest_idle(self) -> tuple[str, float] | None:
        """Its key, and for how many seconds nothing was asked in it."""
        for key, kept in self._idle.items():
            return key, self._now() - kept.idle_since
        return None

    @contextmanager
    def asked(self, key: str) -> Generator[None]:
        """A request is under way in it."""
        kept = self._by_key[key]
        kept.requests += 1
        self._idle.pop(key, None)
        try:
            yield
        finally:
            kept.requests -= 1
            if not kept.requests and self._by_key.get(key) is kept:
                kept.idle_since = self._now()
                self._idle[key] = kept

    def is_idle(self, key: str) -> bool:
        return key in self._idle


class HttpSessions:
    """The sessions and clients of one HTTP server."""

    def __init__(
        self,
        tokens: int,
        *,
        ended: Callable[[Connection], None],
        lay_by: Callable[[Connection], Awaitable[None]],
        now: Callable[[], float] = anyio.current_time,
    ) -> None:
        """`ended` is told of each session that is over; `lay_by` keeps one's memo in the store."""
        self.share = SESSIONS_MAX // max(1, tokens)
        self._ended = ended
        self._lay_by = lay_by
        self._now = now
        self._sessions = _Shelf(now)
        self._owned: Counter[str] = Counter()
        self._clients: dict[str, _Shelf] = {}

    # With sessions.

    def session(self, key: str, owner: str) -> Connection | None:
        """The session of that id, if it is the owner's; for anybody else there is none."""
        connection = self._sessions.get(key)
        return connection if connection is not None and connection.owner == owner else None

    def may_begin(self, owner: str) -> bool:
        """Whether the owner has room for one more session."""
        self._let_go_idle()
        return self._owned[owner] < self.share

    def begin(self, key: str, connection: Connection) -> None:
        """A session has begun, and is known by that id from now on."""
        self._sessions.put(key, connection)
        self._owned[connection.owner] += 1

    def end(self, key: str) -> None:
        """A session is over."""
        if (connection := self._sessions.drop(key)) is not None:
            self._owned[connection.owner] -= 1
            self._ended(connection)

    @contextmanager
    def in_session(self, key: str) -> Generator[None]:
        """A request is under way in it: until it is answered the session does not fall idle."""
        with self._sessions.asked(key):
            yield

    def _let_go_idle(self) -> None:
        while (found := self._sessions.longest_idle()) and found[1] > IDLE_SECONDS:
            self.end(found[0])

    # Without.

    def client(self, new: Connection) -> Connection:
        """The connection that clients like this one count as."""
        assert new.alike is not None
        clients = self._clients.setdefault(new.owner, _Shelf(self._now))
        if (known := clients.get(new.alike)) is not None:
            return known
        clients.put(new.alike, new)
        return new

    @contextmanager
    def in_client(self, connection: Connection) -> Generator[None]:
        """A request of it is under way."""
        assert connection.alike is not None
        with self._clients[connection.owner].asked(connection.alike):
            yield

    async def make_room(self, owner: str) -> None:
        """Past the bound, have what an owner's longest idle clients have seen wait in the store."""
        clients = self._clients.get(owner)
        while clients is not None and len(clients) > CLIENTS_MAX:
            found = clients.longest_idle()
            if found is None:
                return
            key = found[0]
            connection = clients.get(key)
            assert connection is not None
            try:
                with clients.asked(key):  # so that nobody else takes it up meanwhile
                    await self._lay_by(connection)
            except StoreError as error:  # it stays here, and the next request tries again
                logger.warning("what a client has seen could not be put aside: %s", error)
                return
            if clients.is_idle(key):  # else it has called again
                clients.drop(key)
