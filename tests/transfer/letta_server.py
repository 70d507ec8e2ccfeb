"""A Letta server with what a real one of version 0.16.8 told, and with faults; over real HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

RECORDED = Path(__file__).with_name("data") / "letta-0.16.8-rest.json"
MISSING = object()


@dataclass
class Letta:
    """What it holds, as `lists` by path; what it does wrong; what it was asked."""

    told: dict[str, Any] = field(default_factory=lambda: json.loads(RECORDED.read_text("utf-8")))
    password: str | None = None
    broken: set[str] = field(default_factory=set[str])
    """Ids of messages that it cannot tell: any page with one of them is an error."""
    faults: list[tuple[int, dict[str, str], bytes]] = field(
        default_factory=list[tuple[int, dict[str, str], bytes]]
    )
    """Answers that it gives first, one a request."""
    ends_after: int | None = None
    """After so many requests it drops every connection."""
    largest_page: int = 1_000
    newest_first: bool = False
    """Whether it gives messages the newest first, whatever it is asked for."""
    asked: list[str] = field(default_factory=list[str])
    url: str = ""

    @property
    def lists(self) -> dict[str, list[dict[str, Any]]]:
        """What each path lists, the oldest first."""
        return self.told["lists"]

    def agent(self, name: str) -> dict[str, Any]:
        """The first agent of that name."""
        return next(each for each in self.lists["agents/"] if each["name"] == name)

    def messages(self, name: str) -> list[dict[str, Any]]:
        """The parts of that agent's messages."""
        return self.lists[f"agents/{self.agent(name)['id']}/messages"]

    def answer(self, path: str, query: dict[str, str]) -> Any:
        """The JSON for a path; `MISSING` where there is none."""
        if path in self.told:
            return self.told[path]
        if path == "conversations/":
            path = f"conversations/?{query['agent_id']}"
        if path not in self.lists:
            return MISSING
        runs: list[list[dict[str, Any]]] = []
        for each in self.lists[path]:  # parts of one message have one id
            if runs and runs[-1][0]["id"] == each["id"]:
                runs[-1].append(each)
            else:
                runs.append([each])
        ids = [run[0]["id"] for run in runs]
        first = ids.index(query["after"]) + 1 if "after" in query else 0
        last = ids.index(query["before"]) if "before" in query else len(runs)
        size = min(int(query["limit"]), self.largest_page)
        runs = runs[first:last]
        is_turned = self.newest_first and path.endswith("/messages")
        turned = is_turned or query.get("order") == "desc"
        page = runs[::-1][:size] if turned else runs[:size]
        if self.broken & {run[0]["id"] for run in page}:
            return None
        return [each for run in page for each in run]


@contextmanager
def serving(letta: Letta) -> Iterator[Letta]:
    """It, at an address of its own for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            letta.asked.append(self.path)
            if letta.ends_after is not None and len(letta.asked) > letta.ends_after:
                self.close_connection = True
                self.connection.close()
                return
            if letta.faults:
                status, headers, body = letta.faults.pop(0)
                self._send(status, headers, body)
                return
            path = asked.path.removeprefix("/v1/")
            query = {key: values[0] for key, values in parse_qs(asked.query).items()}
            allowed = f"Bearer {letta.password}"
            if letta.password and path != "health/" and self.headers["Authorization"] != allowed:
                self._json(401, {"detail": "Unauthorized"})
                return
            told = letta.answer(path, query)
            if told is MISSING:
                self._json(404, {"detail": "Not Found"})
            elif told is None:
                self._json(500, {"detail": "An unknown error occurred"})
            else:
                self._json(200, told)

        def _json(self, status: int, told: Any) -> None:
            self._send(status, {"Content-Type": "application/json"}, json.dumps(told).encode())

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        letta.url = f"http://127.0.0.1:{server.server_port}"
        yield letta
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
