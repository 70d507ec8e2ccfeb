"""Asks a Letta server: whether it answers, lets us in, and says something that can be read."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.json_values import as_text, objects
from memory_mcp.domain.texts import clip
from memory_mcp.transfer.letta.address import Address

if TYPE_CHECKING:
    import httpx2

TRIES = 5
WAIT_SECONDS_MOST = 30.0
_TRY_AGAIN = {429, 502, 503, 504}
_TIMEOUT_SECONDS = 120.0


class NoAnswer(Exception):
    """The server answered, and not with what was asked."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """A server that is asked for pages of what it has."""

    def __init__(self, address: Address) -> None:
        import httpx2

        self.name = address.name
        base = address.url.rstrip("/").removesuffix("/v1")
        # What the environment says of proxies is for hosts elsewhere.
        near = urlsplit(base).hostname in ("localhost", "127.0.0.1", "::1")
        headers = {"Accept": "application/json"}
        if address.token:
            headers["Authorization"] = f"Bearer {address.token}"
        try:
            self._client = httpx2.Client(
                base_url=f"{base}/v1/",
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                trust_env=not near,
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise ImportRefused(f"{self.name} is no address of a server: {error}.") from error
        self._has_token = bool(address.token)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **asked: Any) -> Any:
        """The JSON that stands there.

        Raises:
            ImportRefused: the server is not there, is none, or does not let us in.
            NoAnswer: it has no answer to this.
        """
        import httpx2

        wait = 1.0
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._at_home(self._client.get(path, params=asked))
            except httpx2.TransportError as error:
                if attempt == TRIES or isinstance(error, httpx2.ConnectError):
                    raise ImportRefused(self._unreachable(error)) from error
            else:
                if answer.status_code not in _TRY_AGAIN or attempt == TRIES:
                    return self._read(path, answer)
                wait = _told_wait(answer.headers.get("Retry-After")) or wait
            time.sleep(min(wait, WAIT_SECONDS_MOST))
            wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def pages(self, path: str, size: int, **asked: Any) -> Iterator[list[dict[str, Any]]]:
        """What a list holds, page by page, the oldest first."""
        last: str | None = None
        while page := self.page(path, size, after=last, order="asc", **asked):
            yield page
            if (newest := as_text(page[-1].get("id"))) in (last, ""):
                return  # a server that knows no pages
            last = newest

    def page(
        self,
        path: str,
        size: int,
        *,
        after: str | None = None,
        before: str | None = None,
        **asked: Any,
    ) -> list[dict[str, Any]]:
        """One page of a list: what came after one of its things, or before it."""
        places = {key: each for key, each in (("after", after), ("before", before)) if each}
        return objects(self.get(path, limit=size, **places, **asked))

    def _at_home(self, answer: "httpx2.Response") -> "httpx2.Response":
        """The answer, or the one from elsewhere on the same server, where it sends us there."""
        there = answer.next_request
        here = answer.request.url
        if there is None or (there.url.scheme, there.url.netloc) != (here.scheme, here.netloc):
            return answer
        return self._client.send(there)

    def _read(self, path: str, answer: "httpx2.Response") -> Any:
        status, where = answer.status_code, f"{self.name} (/v1/{path})"
        if status in (401, 403):
            hint = "does not take the token" if self._has_token else "wants a token"
            raise ImportRefused(
                f"{where} {hint} (status {status}). Put the server's password or API key in "
                "MEMORY_MCP_LETTA_TOKEN, or in a file that --token-file names."
            )
        if 300 <= status < 400:
            other = clip(answer.headers.get("Location", "elsewhere"), 200)
            raise ImportRefused(
                f"{where} sends us on to {other}. Only the address that you name is asked: give "
                "that one if it is yours."
            )
        if status == 429:
            raise ImportRefused(
                f"{where} lets nobody ask so often (status 429), also after {TRIES} attempts. What "
                "came in is stored; run the same command again later."
            )
        try:
            told = answer.json()
        except (ValueError, RecursionError) as error:
            kind = answer.headers.get("Content-Type", "nothing").split(";")[0]
            if status >= 500:
                raise NoAnswer(status, f"{where} answers {status}") from error
            raise ImportRefused(
                f"{where} answers {kind} (status {status}) and no JSON: a proxy or another program "
                "stands there. A Letta server's address reads like http://localhost:8283."
            ) from error
        if status >= 400:
            raise NoAnswer(status, f"{where} answers {status}: {clip(json.dumps(told), 200)}")
        return told

    def _unreachable(self, error: Exception) -> str:
        return (
            f"{self.name} does not answer ({clip(str(error) or type(error).__name__, 120)}). What "
            "came in so far is stored. When the server runs there, give the same command again: it "
            "stores nothing twice. From a server that no longer runs: memory-mcp import "
            "letta-postgres ADDRESS_OF_ITS_DATABASE"
        )


def _told_wait(after: str | None) -> float | None:
    return float(after) if after and after.isascii() and after.isdigit() else None
