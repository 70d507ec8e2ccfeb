"""An OpenAI-compatible model server that answers by script, good and bad, over real HTTP.

In a test:

    with ModelServer([calls("memory_insert", text="x"), status(429), says("Done.")]) as server:
        chat = LiteLlmChat(server.base_url)
        ...
    assert server.requests[0].json["messages"] == ...

As a program it prints its address and serves until it is ended:

    python -m memory_mcp.testing.model_server --port 0 --script script.json

The file holds a list of answers, or rules, tried in order: the first that fits and has an answer
left gives it. `GET /requests` tells what was asked, `POST /release` lets held requests go on.

    [{"calls": [{"name": "memory_insert", "arguments": {"text": "x"}}]},
     {"fault": "status", "status": 429},
     {"text": "Done.", "tokens": [900, 12]}]

    {"rules": [{"system": "summary", "answers": [{"text": "A summary."}], "loop": true},
               {"said": "forget", "tools": ["memory_forget"], "answers": [{"text": "Forgotten."}]},
               {"answers": [{"text": "Yes."}], "loop": true}]}
"""

import argparse
import json
import re
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, cast, get_args

from memory_mcp.testing.chat import Answer, Call, says

FaultKind = Literal[
    "status",  # an error of the given status and message, as OpenAI words them
    "slow",  # the answer, its bytes spread over `seconds`
    "held",  # the answer, once the server is told to release it
    "dropped",  # the connection ends without a byte
    "cut",  # the connection ends in the middle of the answer
    "truncated",  # half of the JSON, as if it were whole
    "empty",  # no body
    "not json",  # a page for people
    "no choices",  # `choices: []`
    "huge",  # a text of `size` characters
    "legacy",  # `function_call` instead of `tool_calls`
    "uncounted",  # no usage
    "without ids",  # tool calls that have none
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An answer as no provider should give it."""

    kind: FaultKind
    answer: Answer = field(default_factory=lambda: says("Yes."))
    status: int = 500
    message: str = "The server had an error."
    seconds: float = 60.0
    size: int = 50_000_000


def status(code: int, message: str = "The server had an error.") -> Fault:
    """An error of the provider's."""
    return Fault(kind="status", status=code, message=message)


def slow(answer: Answer, seconds: float = 60.0) -> Fault:
    """The answer, dribbled over so many seconds."""
    return Fault(kind="slow", answer=answer, seconds=seconds)


def held(answer: Answer) -> Fault:
    """The answer, after `ModelServer.release`."""
    return Fault(kind="held", answer=answer)


def spoilt(kind: FaultKind, answer: Answer | None = None, *, size: int = 50_000_000) -> Fault:
    """An answer spoilt in one of the other ways; `size` is a huge one's."""
    return Fault(kind=kind, answer=answer or says("Yes."), size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbatim:
    """A body as it is, with its status and headers. More bytes may be promised than there are."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    promised: int | None = None


def verbatim(
    body: object, status: int = 200, *, promised: int | None = None, **headers: str
) -> Verbatim:
    """A body as it is, or JSON made of what isn't bytes; headers with `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Verbatim(body=raw, status=status, headers=told, promised=promised)


Scripted = Answer | Fault | Verbatim


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Answers for the requests that fit. Patterns are searched for; what is `None` always fits."""

    answers: list[Scripted]
    said: str | None = None
    """In the last message of a user or a tool."""
    system: str | None = None
    """In the system prompt."""
    tools: Sequence[str] = ()
    """All of these are offered."""
    loop: bool = False
    """The last answer is given for ever."""

    def fits(self, asked: "Asked") -> bool:
        """Whether the request is one of its own, and an answer is left."""
        return bool(
            self.answers
            and (self.said is None or re.search(self.said, asked.said))
            and (self.system is None or re.search(self.system, asked.system))
            and set(self.tools) <= set(asked.tools)
        )

    def take(self) -> Scripted:
        """Its next answer."""
        return self.answers[0] if self.loop and not self.answers[1:] else self.answers.pop(0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came over the wire. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def system(self) -> str:
        """The system prompt."""
        return "\n".join(self._texts("system", "developer"))

    @property
    def said(self) -> str:
        """The last message of a user or a tool."""
        return next(iter(reversed(self._texts("user", "tool"))), "")

    @property
    def tools(self) -> list[str]:
        """Names of the tools that are offered."""
        return [tool["function"]["name"] for tool in self.json.get("tools") or ()]

    def _texts(self, *roles: str) -> list[str]:
        def text(content: Any) -> str:
            if isinstance(content, list):
                parts = cast("list[dict[str, Any]]", content)
                return "\n".join(str(part.get("text", "")) for part in parts)
            return str(content or "")

        messages: list[dict[str, Any]] = self.json.get("messages") or []
        return [text(message.get("content")) for message in messages if message["role"] in roles]


class ModelServer:
    """The server, on loopback, from `with` on; `port` 0 takes a free one.

    `script` is answers in order, the last of them for ever if `loop`, or rules. A request without
    an answer gets status 400 and is counted in `unanswered`.
    """

    def __init__(
        self,
        script: Iterable[Scripted] | Iterable[Rule] = (),
        *,
        loop: bool = False,
        model: str = "scripted",
        port: int = 0,
    ) -> None:
        steps = list(script)
        answers = [step for step in steps if not isinstance(step, Rule)]
        self._rules = [step for step in steps if isinstance(step, Rule)]
        if answers:
            self._rules.append(Rule(answers=answers, loop=loop))
        self.model = model
        self.unanswered = 0
        self._requests: list[Asked] = []
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._http = _Server(("127.0.0.1", port), self)
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
        self._released.set()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """What a client is given: `http://127.0.0.1:PORT/v1`."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def requests(self) -> list[Asked]:
        """The chat requests so far, in the order in which they came."""
        with self._changed:
            return list(self._requests)

    def wait_for(self, count: int, seconds: float = 30.0) -> list[Asked]:
        """The requests, as soon as there are `count`.

        Raises:
            TimeoutError: there were not so many in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, seconds):
                raise TimeoutError(f"{len(self._requests)} of {count} requests in {seconds} s")
            return list(self._requests)

    def release(self) -> None:
        """Let every held request go on, now and later."""
        self._released.set()

    def answer_to(self, asked: Asked) -> tuple[Scripted, int]:
        """Record a request; its answer, and its number from 1 on."""
        with self._changed:
            self._requests.append(asked)
            self._changed.notify_all()
            number = len(self._requests)
            try:
                rule = next((rule for rule in self._rules if rule.fits(asked)), None)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                return status(400, f"not a chat request: {error!r}"), number
            if rule is None:
                self.unanswered += 1
                return status(400, f"The script has no answer to request {number}."), number
            return rule.take(), number

    def wait_for_release(self) -> None:
        """Return when requests need not be held any more."""
        self._released.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them, and no socket is left to the collector
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: ModelServer) -> None:
        self.owner = owner
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection, also those that a client keeps for later."""
        self.closing.set()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # it has ended by itself
                    pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is no error here
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] it is made by no other
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        owner = self.server.owner
        if self.path.endswith("/models"):
            model = {"id": owner.model, "object": "model", "created": 0, "owned_by": "script"}
            self._json(200, {"object": "list", "data": [model]})
        elif self.path == "/requests":
            asked = [{"headers": one.headers, "json": one.json} for one in owner.requests]
            self._json(200, {"requests": asked, "unanswered": owner.unanswered})
        else:
            self._error(404, f"There is no {self.path}.")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        owner = self.server.owner
        if len(body) < length:  # who was asking was killed in the middle of it
            self.close_connection = True
            return
        if self.path == "/release":
            owner.release()
            self._json(200, {})
        elif self.path.endswith(("/chat/completions", "/messages")):
            headers = {name.lower(): value for name, value in self.headers.items()}
            scripted, number = owner.answer_to(Asked(headers, body))
            if isinstance(scripted, Answer):
                self._send(200, self._completion(scripted, number, body))
            elif isinstance(scripted, Verbatim):
                self._verbatim(scripted)
            else:
                self._spoil(scripted, number, body)
        else:
            self._error(404, f"There is no {self.path}.")

    def _verbatim(self, answer: Verbatim) -> None:
        self.send_response(answer.status)
        headers = {"content-type": "application/json", **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        length = len(answer.body) if answer.promised is None else answer.promised
        self.send_header("content-length", str(length))
        self.end_headers()
        self.wfile.write(answer.body)
        if length > len(answer.body):
            self._reset()

    def _spoil(self, fault: Fault, number: int, asked: bytes) -> None:
        whole = self._completion(fault.answer, number, asked)
        match fault.kind:
            case "status":
                self._error(fault.status, fault.message)
            case "slow":
                self._head(200, len(whole))
                pause = fault.seconds / len(whole)
                for place in range(len(whole)):
                    self.wfile.write(whole[place : place + 1])
                    if self.server.closing.wait(pause):
                        break
            case "held":
                self.server.owner.wait_for_release()
                self._send(200, whole)
            case "dropped":
                self._reset()
            case "cut":
                self._head(200, len(whole))
                self.wfile.write(whole[: len(whole) // 2])
                self._reset()
            case "truncated":
                self._send(200, whole[: len(whole) // 2])
            case "empty":
                self._send(200, b"")
            case "not json":
                self._send(200, b"<html><body>It works!</body></html>", "text/html")
            case "no choices":
                self._json(200, json.loads(whole) | {"choices": []})
            case "huge":
                self._send(200, self._completion(says("x" * fault.size), number, asked))
            case "uncounted":
                answer = json.loads(whole)
                del answer["usage"]
                self._json(200, answer)
            case "without ids":
                answer = json.loads(whole)
                for call in answer["choices"][0]["message"]["tool_calls"]:
                    del call["id"]
                self._json(200, answer)
            case "legacy":
                answer = json.loads(whole)
                message = answer["choices"][0]["message"]
                (call,) = message.pop("tool_calls")
                message["function_call"] = call["function"]
                answer["choices"][0]["finish_reason"] = "function_call"
                self._json(200, answer)

    def _completion(self, answer: Answer, number: int, asked: bytes) -> bytes:
        tokens_in, tokens_out = answer.usage(asked.decode("utf-8", "replace"))
        choice = {"index": 0, "message": answer.message(number), "finish_reason": answer.ending}
        whole = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_700_000_000 + number,
            "model": self.server.owner.model,
            "choices": [choice],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }
        return json.dumps(whole).encode()

    def _error(self, code: int, message: str) -> None:
        self._json(code, {"error": {"message": message, "type": "scripted", "code": str(code)}})

    def _json(self, code: int, value: Mapping[str, Any]) -> None:
        self._send(code, json.dumps(value).encode())

    def _send(self, code: int, body: bytes, kind: str = "application/json") -> None:
        self._head(code, len(body), kind)
        self.wfile.write(body)

    def _head(self, code: int, length: int, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _reset(self) -> None:
        # Lingering for no time sends a reset instead of an orderly end.
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True


def read_script(text: str) -> list[Rule]:
    """The rules of a script file.

    Raises:
        ValueError: it is no script; the text says what is wrong.
    """
    told: Any = json.loads(text)
    rules: list[dict[str, Any]]
    try:
        rules = [{"answers": told}] if isinstance(told, list) else told["rules"]
        return [
            Rule(answers=[_scripted(one) for one in rule.pop("answers")], **rule) for rule in rules
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a script, see the top of model_server.py: {error!r}") from error


def _scripted(told: dict[str, Any]) -> Scripted:
    told = dict(told)
    fault = {
        name: told.pop(name)
        for name in ("fault", "status", "message", "seconds", "size")
        if name in told
    }
    called: list[dict[str, Any]] = told.pop("calls", [])
    told["calls"] = tuple(Call(**call | {"arguments": _arguments(call)}) for call in called)
    if told.get("tokens"):
        told["tokens"] = tuple(told["tokens"])
    answer = Answer(**told)
    if not fault:
        return answer
    kind = fault.pop("fault")
    if kind not in get_args(FaultKind):
        raise ValueError(f"no fault {kind!r}; there are {', '.join(get_args(FaultKind))}")
    return Fault(kind=kind, answer=answer, **fault)


def _arguments(call: Mapping[str, Any]) -> str:
    """Arguments as JSON; a string is passed on as it is."""
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def main() -> None:
    """Serve a script until interrupted or told to end; print the address first."""
    parser = argparse.ArgumentParser(description="A model server that follows a script.")
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--script", type=Path, required=True, help="JSON: answers or rules")
    told = parser.parse_args()
    try:
        rules = read_script(told.script.read_text("utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"{told.script}: {error}")

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with ModelServer(rules, port=told.port) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
