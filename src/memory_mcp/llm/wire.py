"""The HTTP client that LiteLLM is given: it bounds what is read, and keeps what came.

LiteLLM cannot convert every answer, and says then neither what it held nor what it cost. What went
over the wire is kept for the call that is being made, so that both can still be read.
"""

import zlib
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

ANSWER_BYTES_MAX = 8_000_000
"""The most that is read of an answer: far more than a model says within any token limit."""


class AnswerTooLong(Exception):
    """The body of an answer went past the limit."""


class Exchange:
    """What came over the wire for one call; nothing, where another client than ours was used."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.body = bytearray()
        self.is_whole = False
        """Whether the body was read to its end."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer begins; a redirection's is forgotten."""
        self.status, self.headers = status, headers
        self.body.clear()
        self.is_whole = False


_EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def exchanging() -> Generator[Exchange]:
    """What comes over the wire inside of it, in this task and those that it starts."""
    exchange = Exchange()
    token = _EXCHANGE.set(exchange)
    try:
        yield exchange
    finally:
        _EXCHANGE.reset(token)


def http_client(seconds: float) -> Any:
    """An HTTP client that stops reading at `ANSWER_BYTES_MAX`, unpacked."""
    import httpx
    from litellm.llms.custom_httpx.http_handler import (  # pyright: ignore[reportMissingTypeStubs] it has none
        get_ssl_configuration,
    )

    class Bounded(httpx.AsyncByteStream):
        def __init__(self, stream: httpx.AsyncByteStream, packing: str, kept: Exchange) -> None:
            self._stream = stream
            # Few bytes may unpack to many: that is bounded here too.
            bits = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(packing)
            self._unpack = zlib.decompressobj(bits) if bits else None
            self._kept = kept

        async def __aiter__(self) -> AsyncIterator[bytes]:
            kept = self._kept
            async for packed in self._stream:
                room = ANSWER_BYTES_MAX - len(kept.body) + 1
                piece = self._unpack.decompress(packed, room) if self._unpack else packed
                kept.body += piece[:room]
                if len(kept.body) > ANSWER_BYTES_MAX:
                    raise AnswerTooLong
                yield piece
            kept.is_whole = True

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        kept = _EXCHANGE.get() or Exchange()
        kept.begin(response.status_code, dict(response.headers))
        packing = response.headers.get("content-encoding", "").strip().lower()
        response.stream = Bounded(response.stream, packing, kept)
        if packing in ("gzip", "x-gzip", "deflate"):
            del response.headers["content-encoding"]

    return httpx.AsyncClient(
        verify=get_ssl_configuration(),
        timeout=seconds,
        follow_redirects=True,
        event_hooks={"response": [bound]},
    )
