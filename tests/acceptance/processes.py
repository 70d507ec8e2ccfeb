"""Real processes of memory-mcp, started as a host or a person starts them.

`Server` speaks raw lines: what a test wants to see may be what no client library would send.
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tests.encrypted import more_for_processes

if sys.platform != "win32":
    import resource

DEADLINE_SECONDS = 30
"""For one answer or one process's end: far more than it takes, so that only a hang is one."""

LEGACY, MODERN = "2025-11-25", "2026-07-28"
CLIENT = {"name": "line-client", "version": "1"}

Answer = dict[str, Any]


def environment(**more: str) -> dict[str, str]:
    """The environment of a person who has set nothing for memory-mcp."""
    ours = ("MEMORY_MCP_", "CLAUDE_PROJECT_DIR", "PYTHONUNBUFFERED")
    here = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return here | more_for_processes() | more


def command(*arguments: object) -> list[str]:
    """The command line of memory-mcp."""
    return [sys.executable, "-P", "-m", "memory_mcp", *map(str, arguments)]


def run(
    *arguments: object, folder: Path, stdin: bytes = b"", more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in `folder`, which belongs to no project."""
    ended = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**(more or {})),
        input=stdin,
        capture_output=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )
    out, err = ended.stdout.decode(), ended.stderr.decode()
    return subprocess.CompletedProcess(ended.args, ended.returncode, out, err)


def heed_interrupts() -> None:
    """For `preexec_fn` of a child that is to be interrupted as from a terminal.

    Where the tests run as a background job, SIGINT is ignored, and a child inherits that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _no_file_larger_than(size: int) -> Callable[[], None]:
    """For `preexec_fn` of a child that may write no file past `size` bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


class Server:
    """A stdio server process and the client's end of its pipes.

    It has its process to itself unless `daemon`: then it is a bridge to the store's daemon, which
    ends with its last session unless `more` says otherwise. `file_bytes_max` is what a disk that
    gets full looks like to one process.
    """

    def __init__(
        self,
        database: Path,
        *arguments: object,
        more: Mapping[str, str] | None = None,
        daemon: bool = False,
        file_bytes_max: int | None = None,
    ) -> None:
        form = () if daemon else ("--in-process",)
        more = {"MEMORY_MCP_DAEMON_IDLE_SECONDS": "0"} | dict(more or {})
        self._stderr = open(database.with_name(f"stderr-{id(self)}"), "w+b")
        self._process = subprocess.Popen(
            command("--database", database, *form, *arguments),
            cwd=database.parent,
            env=environment(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            preexec_fn=_no_file_larger_than(file_bytes_max) if file_bytes_max else None,
        )
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._ids = 0
        self._reader = threading.Thread(target=self._read, args=(self._stdout,), daemon=True)
        self._reader.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._reader.join(DEADLINE_SECONDS)
        for pipe in (self._stdin, self._stdout, self._stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout
        return self._process.stdout

    def _read(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._lines.put(line)
        self._lines.put(None)

    @property
    def pid(self) -> int:
        """The process a host started."""
        return self._process.pid

    # What goes in.

    def write(self, data: bytes) -> None:
        """Exactly these bytes."""
        self._stdin.write(data)
        self._stdin.flush()

    def send(self, message: Any) -> None:
        """One message, as a line of JSON; lone surrogates become escapes."""
        self.write(json.dumps(message).encode() + b"\n")

    def request(self, method: str, params: Answer | None = None, **more: Any) -> int:
        """Send a request; returns its id."""
        self._ids += 1
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params or {}}
        self.send(message | more)
        return self._ids

    # What comes out.

    def line(self, seconds: float = DEADLINE_SECONDS) -> bytes | None:
        """The next line as it came; `None` at the end."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"no line within {seconds} s; stderr: {self.errors()}") from None

    def receive(self) -> Answer:
        """The next message."""
        line = self.line()
        assert line is not None, f"the server ended without an answer; stderr: {self.errors()}"
        return json.loads(line)

    def rest(self) -> list[Answer]:
        """Every message up to the end of the process's output."""
        return [json.loads(line) for line in iter(self.line, None)]

    def errors(self) -> str:
        """What the process has said on standard error so far."""
        self._stderr.flush()
        return Path(self._stderr.name).read_text("utf-8", "replace")

    # Both.

    def ask(self, method: str, params: Answer | None = None) -> Answer:
        """Send a request and wait for its answer."""
        asked = self.request(method, params)
        while (answer := self.receive()).get("id") != asked:
            pass
        return answer

    def greet(self) -> Answer:
        """The handshake of 2025-11-25; returns the server's greeting."""
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        answer = self.ask("initialize", hello)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool and wait; the result, or the JSON-RPC error under `error`."""
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        return answer.get("result", answer)

    def read(self, uri: str) -> str:
        """The text of a resource."""
        return self.ask("resources/read", {"uri": uri})["result"]["contents"][0]["text"]

    # Its end.

    def close_input(self) -> None:
        """End of input: how a host says good-bye."""
        self._stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at whatever instruction it is, and wait until it is gone."""
        self._process.kill()
        self._process.wait(DEADLINE_SECONDS)

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        """The exit code, once it has ended."""
        return self._process.wait(seconds)


def text_of(result: Answer) -> str:
    """What a model reads of a tool's result, or of a JSON-RPC error."""
    if "error" in result:
        return result["error"]["message"]
    return "\n".join(part["text"] for part in result["content"])


def wait_until(holds: Callable[[], object]) -> None:
    """Look at another process again and again, until it is so."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < DEADLINE_SECONDS, "it never came to be"
        time.sleep(0.01)


def free_port() -> int:
    """A port of the loopback that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class HttpServer:
    """An HTTP server process, already listening."""

    def __init__(self, database: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.database = database
        self.url = f"http://127.0.0.1:{port}"
        self.process = process


@contextmanager
def http_server(
    database: Path,
    *arguments: object,
    more: Mapping[str, str] | None = None,
    files: int | None = None,
) -> Iterator[HttpServer]:
    """Serve HTTP on a free port of the loopback; `files`: how many the process may open."""

    def limited() -> None:
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_NOFILE, (files or 0, files or 0))

    port = free_port()
    with open(database.with_name("http-stderr"), "w+b") as errors:
        process = subprocess.Popen(
            command("--database", database, "serve", "--http", f"127.0.0.1:{port}", *arguments),
            cwd=database.parent,
            env=environment(**(more or {})),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            preexec_fn=limited if files else None,
        )
        try:
            _wait_until_it_listens(process, port)
            yield HttpServer(database, port, process)
        finally:
            process.kill()
            process.wait(DEADLINE_SECONDS)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    started = time.monotonic()
    while time.monotonic() - started < DEADLINE_SECONDS:
        assert process.poll() is None, f"the server ended with exit code {process.returncode}"
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the server does not listen")
