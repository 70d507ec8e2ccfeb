"""How long HTTP's peers may take, and how many connections they may have.

uvicorn bounds the time between requests and the size of headers, but neither the time that headers
or a body may take, nor a peer that doesn't read its answer, nor the number of connections before
all file descriptors are gone; and the store's other door needs some of those. So this is uvicorn's
own protocol with one more clock, and a count.
"""

import asyncio
import logging
import socket
from collections import Counter
from typing import Any, Literal

from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

HEADER_SECONDS = 10.0
"""From a connection, or from the last answer on it, until the next request's headers are there."""
BODY_SECONDS = 60.0
"""From the headers of a request until its body is there."""
UNREAD_SECONDS = 30.0
"""How long a peer may leave unread what no more of can be sent before."""
CLOSING_SECONDS = 5.0
"""How long what was sent last may lie unread on a connection that is being closed."""
HEADER_BYTES_MAX = 16_384
CONNECTIONS_MAX = 4_000
"""Of all peers together; one peer (by its address) may have half of them."""
FILES_WANTED = 16_384
"""Open files that the process asks to be allowed, of which half are for HTTP."""
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 10\r\n"
    b"content-type: application/json\r\n\r\n"
    b'{"error": "too many connections are open; close some, or try again later."}'
)

Wait = Literal["headers", "body", "answer", "closing"]
SECONDS: dict[Wait, float] = {
    "headers": HEADER_SECONDS,
    "body": BODY_SECONDS,
    "closing": CLOSING_SECONDS,
}
"""For each that has a limit: an answer takes the time that the tool does."""


def connections_for_http() -> int:
    """How many connections HTTP may have, of the files this process may open; more if it may ask.

    The other half stays for the store, its sessions on this machine, and what else is open.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows, whose sockets are no files
    except ImportError:
        return CONNECTIONS_MAX
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError) as error:  # macOS has a limit of its own below it
            logger.debug("no more files may be opened: %s", error)
    return CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, soft // 2)


class Guests:
    """The connections of one server, by peer, and those of them that could be let go."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.most_each = max(1, most // 2)
        self._open: Counter[str] = Counter()
        self._waiting: dict[BoundedConnection, None] = {}
        """Those in which no request is under way, in the order in which they began to wait."""

    def admit(self, guest: "BoundedConnection") -> bool:
        """Whether it may stay. One that asks nothing gives way to it where there is no room."""
        full_of_its_own = self._open[guest.peer] >= self.most_each
        if full_of_its_own or self._open.total() >= self.most:
            gives_way = next(
                (
                    other
                    for other in self._waiting
                    if other.peer == guest.peer or not full_of_its_own
                ),
                None,
            )
            if gives_way is None:
                return False
            gives_way.let_go()
        self._open[guest.peer] += 1
        return True

    def waits(self, guest: "BoundedConnection", waits: bool) -> None:
        """Whether no request is under way on it."""
        if waits:
            self._waiting.setdefault(guest)
        else:
            self._waiting.pop(guest, None)

    def left(self, guest: "BoundedConnection") -> None:
        """It is gone."""
        self._waiting.pop(guest, None)
        self._open[guest.peer] -= 1
        if self._open[guest.peer] <= 0:
            del self._open[guest.peer]


class BoundedConnection(H11Protocol):
    """One connection, as uvicorn serves it, that ends when its peer takes too long."""

    peer = ""
    """The peer's address, without its port."""
    guests: Guests

    _admitted = False
    _waits_for: tuple[Wait, Any] | None = None
    _clock: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it in, if there is room."""
        super().connection_made(transport)
        # asyncio does so only for sockets that say they are TCP's, and ours came from a listener
        # that doesn't: each answer would wait 40 ms for its peer's delayed acknowledgement.
        if (open_socket := transport.get_extra_info("socket")) is not None:
            open_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = self.client[0] if self.client else ""
        self._admitted = self.guests.admit(self)
        if not self._admitted:
            transport.write(_REFUSAL)
            transport.close()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        super().connection_lost(exc)
        self._stop(self._clock)
        self._stop(self._unread)
        self._clock = self._unread = None
        if self._admitted:
            self._admitted = False
            self.guests.left(self)

    def let_go(self) -> None:
        """End it at once."""
        if self._admitted:
            self._admitted = False
            self.guests.left(self)
        self.transport.abort()

    # What uvicorn does, and then a look at what it waits for now.

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch()

    def shutdown(self) -> None:
        super().shutdown()
        self._watch()

    def pause_writing(self) -> None:
        """The peer doesn't read: it has some time to begin again."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(UNREAD_SECONDS, self.let_go)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop(self._unread)
        self._unread = None

    def _watch(self) -> None:
        """Set the clock for what the connection waits for, unless it runs already."""
        waits_for = self._now_waits_for()
        if waits_for == self._waits_for:
            return
        self._waits_for = waits_for
        self._stop(self._clock)
        seconds = SECONDS.get(waits_for[0])
        self._clock = self.loop.call_later(seconds, self._late) if seconds else None
        if self._admitted:
            self.guests.waits(self, waits_for[0] == "headers")

    def _now_waits_for(self) -> tuple[Wait, Any]:
        if self.transport.is_closing():
            return "closing", None
        cycle: Any = self.cycle  # uvicorn has none before the first request, whatever its type says
        if cycle is None or cycle.response_complete:
            return "headers", cycle
        return "body" if cycle.more_body else "answer", cycle

    def _late(self) -> None:
        self._clock = None
        if self.transport.is_closing() or self._now_waits_for()[0] == "body":
            self.let_go()
        else:
            self.transport.close()
            self._watch()

    @staticmethod
    def _stop(clock: asyncio.TimerHandle | None) -> None:
        if clock is not None:
            clock.cancel()


def bounded(guests: Guests) -> type[BoundedConnection]:
    """The protocol class for one server's connections, as uvicorn wants it."""
    return type("BoundedConnection", (BoundedConnection,), {"guests": guests})
