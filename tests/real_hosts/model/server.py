"""The scripted model server that real hosts are pointed at: four wires, one scenario, on loopback.

It records every request with what it was answered, so that a test sees what reached the model.
`memory_mcp.testing.model_server` is of the other kind: one wire, with every fault of a provider's.
"""

import gzip
import html
import json
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.real_hosts.model import anthropic, chat_completions, gemini, responses
from tests.real_hosts.model.scenario import REFUSAL, Asked, Given, Scenario
from tests.real_hosts.model.wire import Events, Reply, texts_in

MODELS = ("scripted", "claude-sonnet-4-6", "gpt-5.4", "gemini-3-pro")
ZSTD_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request to a model, and what it was answered."""

    number: int
    at: float
    """Seconds since 1970."""
    path: str
    headers: Mapping[str, str]
    """Without keys; names in lower case."""
    body: dict[str, Any]
    asked: Asked
    given: Given

    @cached_property
    def text(self) -> str:
        """Every text of the request, one below the other, without HTML's escapes."""
        return html.unescape("\n".join(texts_in(self.body)))


@dataclass
class ModelServer:
    """The server, from `with` on. `node` unpacks Zstandard, which Python 3.11 cannot."""

    scenario: Scenario
    node: Path | None = None
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    unknown: list[str] = field(default_factory=list[str])
    """Paths that are of none of the wires; they were answered `{}`."""

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; the wires' paths come after it, with or without `/v1`."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def wait_for(self, wanted: Callable[[Exchange], bool], seconds: float) -> bool:
        """Whether such a request has come, or comes in time."""
        with self.changed:
            return self.changed.wait_for(lambda: any(map(wanted, self.exchanges)), seconds)

    def record(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any], asked: Asked
    ) -> Exchange:
        """Answer a request, and keep both."""
        given = self.scenario.answer(asked)
        secret = {"authorization", "x-api-key", "x-goog-api-key"}
        with self.changed:
            exchange = Exchange(
                number=len(self.exchanges) + 1,
                at=time.time(),
                path=path,
                headers={name: value for name, value in headers.items() if name not in secret},
                body=body,
                asked=asked,
                given=given,
            )
            self.exchanges.append(exchange)
            self.changed.notify_all()
        return exchange


def unpacked(body: bytes, encoding: str, node: Path | None = None) -> bytes:
    """A request's body without its compression.

    Raises:
        ValueError: it is packed in a way that cannot be undone here.
    """
    match encoding:
        case "" | "identity":
            return body
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case "zstd" if node is not None:
            read = "require('fs').readFileSync(0)"
            program = f"process.stdout.write(require('zlib').zstdDecompressSync({read}))"
            return subprocess.run(
                [node, "-e", program],
                input=body,
                capture_output=True,
                check=True,
                timeout=ZSTD_SECONDS,
            ).stdout
        case _:
            raise ValueError(f"a body in {encoding} cannot be read here")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    owner: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # hosts end connections whenever they like


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] it is made by no other
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        if "models" not in self.path:
            self.server.owner.unknown.append(f"GET {self.path}")
            self._json({})
            return
        listed = [
            {
                "id": name, "object": "model", "type": "model", "display_name": name, "created": 1,
                "created_at": "2026-01-01T00:00:00Z", "owned_by": "scripted",
            }
            for name in MODELS
        ]  # fmt: skip
        self._json({"object": "list", "data": listed, "has_more": False})

    def do_POST(self) -> None:
        raw = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        try:
            encoding = headers.get("content-encoding", "")
            body = json.loads(unpacked(raw, encoding, self.server.owner.node))
        except ValueError as error:
            self._json({"error": {"message": str(error), "type": "invalid_request_error"}}, 400)
            return
        if path.endswith(("/count_tokens", ":countTokens")):
            self._json({"input_tokens": len(raw) // 4, "totalTokens": len(raw) // 4})
        elif path.endswith("/messages"):
            self._answer(headers, body, anthropic.read(body), anthropic.write)
        elif path.endswith("/responses"):
            self._answer(headers, body, responses.read(body), responses.write)
        elif path.endswith("/chat/completions"):
            self._answer(headers, body, chat_completions.read(body), chat_completions.write)
        elif "enerateContent" in path:

            def write(answer: Any, asked: Asked, body: dict[str, Any], number: int) -> Reply:
                return gemini.write(answer, asked, body, number, "stream" in path)

            self._answer(headers, body, gemini.read(body), write)
        else:
            self.server.owner.unknown.append(f"POST {path}")
            self._json({})

    def _answer(
        self,
        headers: Mapping[str, str],
        body: dict[str, Any],
        asked: Asked,
        write: Callable[[Any, Asked, dict[str, Any], int], Reply],
    ) -> None:
        exchange = self.server.owner.record(self.path, headers, body, asked)
        if exchange.given.refused:
            told = {"type": "invalid_request_error", "message": REFUSAL, "code": 400}
            self._json({"type": "error", "error": told}, 400)
            return
        reply = write(exchange.given.answer, asked, body, exchange.number)
        if isinstance(reply, list):
            self._events(reply)
        else:
            self._json(reply)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _events(self, events: Events) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for name, data in events:
            told = data if isinstance(data, str) else json.dumps(data)
            head = f"event: {name}\n" if name else ""
            self.wfile.write(f"{head}data: {told}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def _json(self, value: Mapping[str, Any], status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
