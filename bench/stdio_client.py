"""A JSON-RPC client over a child's stdin and stdout, so small that it costs every server the same.

One thread, no event loop: a request is one `write`, an answer one or two `read`s.
"""

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Self

PROTOCOL_VERSION = "2025-11-25"
READ_BYTES = 1 << 16
STDERR_SHOWN_BYTES = 2000


class ServerGone(Exception):
    """The server closed its stdout, or said nothing for as long as we would wait."""


class CallRefused(Exception):
    """The server answered with an error."""


class StdioClient:
    """A started server; `initialize` has to be called before anything else."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 60.0,
    ) -> None:
        self._stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin = self.process.stdin
        self._stdout = self.process.stdout
        self._timeout_s = timeout_s
        self._unread = b""
        self._last_id = 0

    def initialize(self) -> dict[str, Any]:
        """Shake hands; return what the server said about itself."""
        client = {"name": "memory-mcp-bench", "version": "1"}
        params = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client}
        answer = self.request("initialize", params)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool; return its result.

        Raises:
            CallRefused: If the tool or the protocol answered with an error.
            ServerGone: If no answer came.
        """
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        sent = self.send(method, params)
        while (answer := self.receive())["id"] != sent:
            pass
        return result_of(answer)

    def send(self, method: str, params: Mapping[str, Any]) -> int:
        """Send one request without waiting; return its id."""
        self._last_id += 1
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._write(message)
        return self._last_id

    def receive(self) -> dict[str, Any]:
        """Wait for the next answer, whichever request it belongs to."""
        while True:
            message = json.loads(self._read_line())
            if "id" in message and "method" not in message:
                return message

    def notification(self) -> dict[str, Any]:
        """Wait for the next notification; answers that come before it are passed over."""
        while True:
            message = json.loads(self._read_line())
            if "method" in message and "id" not in message:
                return message

    def close(self, *, grace_s: float = 10.0) -> None:
        """End the server as hosts do: close its stdin, wait, and kill what stays."""
        self._stdin.close()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stdout.close()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, message: Mapping[str, Any]) -> None:
        # Raw, because a pipe takes only part of a long line at once.
        rest = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while rest:
                rest = rest[os.write(self._stdin.fileno(), rest) :]
        except BrokenPipeError:
            raise self._gone("closed its stdin") from None

    def _read_line(self) -> bytes:
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._stdout], [], [], self._timeout_s)
            if not ready:
                raise self._gone(f"said nothing for {self._timeout_s:.0f} s")
            read = os.read(self._stdout.fileno(), READ_BYTES)
            if not read:
                raise self._gone("closed its stdout")
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _gone(self, what: str) -> ServerGone:
        self._stderr.seek(0)
        said = self._stderr.read()[-STDERR_SHOWN_BYTES:].decode(errors="replace").strip()
        return ServerGone(f"the server {what}" + (f"; its last words:\n{said}" if said else ""))


def result_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The result inside an answer.

    Raises:
        CallRefused: If there is an error instead, of the protocol's kind or of a tool's.
    """
    if "error" in answer:
        raise CallRefused(answer["error"].get("message", "no message"))
    result = answer["result"]
    if result.get("isError"):
        raise CallRefused(" ".join(part.get("text", "") for part in result["content"]))
    return result
