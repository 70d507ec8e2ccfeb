"""Messages that no client sends, through three doors: does everything go on?

Half of them are good requests with one thing spoiled, half are bytes. After each batch the server
must answer a ping, each line it wrote must be JSON, and what was stored before must be as it was.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from tests.acceptance.processes import CLIENT, LEGACY, Answer, Server, http_server
from tests.acceptance.test_bad_input import GOOD
from tests.proof.chaos import STAYS
from tests.proof.figure import Figure, Scale

from memory_mcp.rendezvous import Rendezvous

BATCH = 100
LINE_SECONDS = 60
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**63) - 1, 1e308, 0.1, "", " ", "\0", "\ud800",
    "x" * 70_000, "\u2028", "[", "{}", [], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": []}}},
    "../../etc/hosts", "memory://blocks/human", "9999-12-31", "0000-00-00", "🦤" * 50,
)  # fmt: skip
METHODS = (
    "ping", "initialize", "tools/list", "tools/call", "resources/list", "resources/read",
    "resources/subscribe", "prompts/list", "prompts/get", "completion/complete",
    "logging/setLevel", "server/discover", "notifications/cancelled",
    "notifications/initialized", "notifications/progress", "no/such/method", "",
)  # fmt: skip


class Maker:
    """Makes messages by chance; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._id = 1_000_000

    def line(self) -> bytes:
        """One line, with its end."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.15:
            return (
                bytes(chance.choices(range(256), k=chance.randrange(200))).replace(b"\n", b"")
                + b"\n"
            )
        text = json.dumps(self._message()).encode()
        if kind < 0.35:
            text = self._spoiled(text)
        return text.replace(b"\n", b" ") + b"\n"

    def _message(self) -> Any:
        chance = self._chance
        self._id += 1
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": self._id}
        if chance.random() < 0.6:
            tool, given = chance.choice(list(GOOD.items()))
            arguments = {name: value for name, value in given.items() if value is not None}
            for name in chance.sample(sorted(arguments), chance.randrange(1, len(arguments) + 1)):
                arguments[name] = chance.choice(ODD)
            # What was spoiled into something good would be stored; it is looked for nowhere.
            message |= {"method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        else:
            message |= {"method": chance.choice(METHODS), "params": chance.choice(ODD)}
        for name in chance.sample(sorted(message), chance.choice((0, 0, 0, 1, 2))):
            message[name] = chance.choice(ODD)
        return [message] if chance.random() < 0.03 else message

    def _spoiled(self, text: bytes) -> bytes:
        chance = self._chance
        at = chance.randrange(len(text))
        return chance.choice(
            (
                text[:at],
                text[at:],
                text[:at] + b"\xff" + text[at:],
                text[:at] + text,
                text[:at] + text[at + 1 :],
            )
        )


def trial(scale: Scale) -> list[Figure]:
    """Send batches to each of the three doors in turn."""
    batches = scale.of(10, 200)
    doors: dict[str, Callable[[Path, Maker, int], list[str]]] = {
        "standard input": _on_stdio,
        "the daemon": _on_daemon,
        "HTTP": _on_http,
    }
    broken: list[str] = []
    for number, (name, send) in enumerate(doors.items()):
        database = scale.folder / f"fuzz-{number}.db"
        made = Maker(scale.seed * 1000 + number)
        broken += [f"{name}: {told}" for told in send(database, made, batches)]
    sent = len(doors) * batches * BATCH
    seen = (
        f"{sent:,} odd messages at {', '.join(doors)}: {len(broken) or 'no'} crash, hang or line"
        " that is no JSON"
    )
    return [Figure(promise="D19", seen=seen, broken=broken)]


def _on_stdio(database: Path, made: Maker, batches: int) -> list[str]:
    with Server(database, "--tools", "capture") as server:
        return _on_lines(server, made, batches)


def _on_daemon(database: Path, made: Maker, batches: int) -> list[str]:
    with Server(database, "--tools", "capture", more=STAYS, daemon=True) as server:
        try:
            return _on_lines(server, made, batches)
        finally:
            Rendezvous(str(database)).end()


def _on_lines(server: Server, made: Maker, batches: int) -> list[str]:
    broken: list[str] = []
    server.greet()
    server.call("core_memory_append", label="persona", content="Stays as it is.")
    for batch in range(batches):
        for _ in range(BATCH):
            server.write(made.line())
        ping = f"ping-{batch}"
        server.send({"jsonrpc": "2.0", "id": ping, "method": "ping"})
        while True:
            line = server.line(LINE_SECONDS)
            if line is None:
                return [*broken, f"ended in batch {batch}: {server.errors()[-500:]}"]
            try:
                answer: Answer = json.loads(line)
            except ValueError:
                broken.append(f"batch {batch}: no JSON: {line[:200]!r}")
                continue
            if answer.get("id") == ping:
                break
    if "Stays as it is." not in server.read("memory://blocks/persona"):
        broken.append("a line of core memory is gone")
    if "Traceback" in server.errors():
        broken.append(f"a traceback: {server.errors()[-500:]}")
    return broken


def _on_http(database: Path, made: Maker, batches: int) -> list[str]:
    broken: list[str] = []
    headers = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": LEGACY,
    }
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
    greeting = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
    with (
        http_server(database) as server,
        httpx2.Client(headers=headers, timeout=LINE_SECONDS) as client,
    ):
        for batch in range(batches):
            for _ in range(BATCH):
                answer = client.post(f"{server.url}/mcp", content=made.line())
                if answer.status_code >= 500:
                    broken.append(f"batch {batch}: {answer.status_code} {answer.text[:200]}")
            welcomed = client.post(f"{server.url}/mcp", content=json.dumps(greeting))
            if welcomed.status_code != 200:
                broken.append(f"batch {batch}: no greeting any more: {welcomed.status_code}")
                break
    return broken
