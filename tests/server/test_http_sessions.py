"""What an HTTP session has seen is its own, whatever number others are, and its token's."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.acceptance.processes import CLIENT, LEGACY, MODERN, HttpServer, http_server, text_of
from tests.server.test_http import ACCEPT, META

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.server import http_sessions
from memory_mcp.server.connections import Connection
from memory_mcp.server.http_sessions import IDLE_SECONDS, HttpSessions

OTHERS = 1_050
"""More than any bound that others' sessions are kept by in memory."""
ELSEWHERE = "Core memory was changed elsewhere since you last saw it."
ADA, BOB, BOTH = "a-token-for-ada-alone", "a-token-for-bob-alone", "a-token-for-both-of-them"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server as on a person's machine."""
    with http_server(tmp_path_factory.mktemp("sessions") / "memory.db") as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server with tokens of one agent each, and one of both."""
    tokens = {"MEMORY_MCP_HTTP_TOKENS": f"{ADA}=ada,{BOB}=Bob,{BOTH}=Ada|bob"}
    with http_server(tmp_path_factory.mktemp("guarded") / "memory.db", more=tokens) as server:
        yield server


class Peer:
    """A client that speaks plain HTTP, on one connection."""

    def __init__(self, server: HttpServer, path: str = "/mcp", **headers: str) -> None:
        self._http = httpx2.Client(headers=ACCEPT | headers, timeout=60)
        self.url = server.url + path
        self.session: str | None = None

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def begin(self) -> str:
        """A new session of the handshake era; its id."""
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        answer = self.post("initialize", hello, session=None)
        assert answer.status_code == 200, answer.text
        self.session = answer.headers["mcp-session-id"]
        return self.session

    def post(
        self, method: str, params: Any, session: str | None = "own", **headers: str
    ) -> httpx2.Response:
        """One request, in its own session unless another is named."""
        told = {"MCP-Protocol-Version": LEGACY} if session else {}
        if session:
            told["Mcp-Session-Id"] = (self.session or "") if session == "own" else session
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self._http.post(self.url, content=json.dumps(request), headers=told | headers)

    def call(self, tool: str, session: str | None = "own", **arguments: Any) -> str:
        """A tool's answer in the session."""
        answer = self.post("tools/call", {"name": tool, "arguments": arguments}, session)
        assert answer.status_code == 200, answer.text
        data = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
        return text_of(json.loads(data.removeprefix("data: "))["result"])

    def ask(self, tool: str, *, client: str = "asking", **arguments: Any) -> str:
        """A tool's answer in the era without sessions."""
        params = {"_meta": META, "name": tool, "arguments": arguments}
        answer = self.post(
            "tools/call",
            params,
            session=None,
            **{"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool},
            **{"User-Agent": client},
        )
        assert answer.status_code == 200, answer.text
        return text_of(answer.json()["result"])

    def ended(self, session: str) -> int:
        """Whether the session of that id could be ended; the status."""
        return self._http.delete(self.url, headers={"Mcp-Session-Id": session}).status_code


def test_a_session_is_told_of_changes_however_many_others_began_meanwhile(
    http: HttpServer,
) -> None:
    path = "/agents/crowd/mcp"
    with Peer(http, path) as one, Peer(http, path) as others:
        one.begin()
        one.call("core_memory_append", label="project", content="Mine.\nAnd.\nOurs.")
        for _ in range(OTHERS):
            others.begin()
        others.call("core_memory_append", label="project", content="Theirs.")
        told = one.call(
            "core_memory_replace", label="project", new_content="Mine, anew.\nAnd.\nOurs."
        )
        after = others.call("archival_search", query="anything")
        block = one.post("resources/read", {"uri": "memory://blocks/project"}).text
    assert "Theirs." in told
    assert "Mine, anew." in block
    assert "Theirs." in block
    assert "- Theirs." not in after


def test_invented_session_ids_are_not_found_and_push_nobody_out(http: HttpServer) -> None:
    path = "/agents/invented/mcp"
    with Peer(http, path) as one, Peer(http, path) as other:
        one.begin()
        one.call("core_memory_append", label="project", content="Mine.")
        for number in range(OTHERS):
            answer = other.post("tools/list", {}, session=f"{number:032x}")
            assert answer.status_code == 404
            assert answer.json()["error"]["message"] == "Session not found"
        other.begin()
        other.call("core_memory_append", label="project", content="Theirs.")
        assert "+ Theirs." in one.call("archival_search", query="anything")


def test_clients_without_sessions_are_told_of_changes_however_many_others_call(
    http: HttpServer,
) -> None:
    with Peer(http, "/agents/modern/mcp") as peer:
        peer.ask("core_memory_append", client="first", label="project", content="Mine.")
        for number in range(OTHERS):
            peer.ask("archival_search", client=f"other-{number}", query="anything")
        peer.ask("core_memory_append", client="last", label="project", content="Theirs.")
        told = peer.ask("archival_search", client="first", query="anything")
        again = peer.ask("archival_search", client="first", query="anything")
    assert "+ Theirs." in told
    assert ELSEWHERE not in again


# Whose a session is.


def test_a_session_is_its_tokens_and_to_any_other_it_is_none(guarded: HttpServer) -> None:
    path = "/agents/ada/mcp"
    with (
        Peer(guarded, path, Authorization=f"Bearer {ADA}") as own,
        Peer(guarded, path, Authorization=f"Bearer {BOTH}") as other,
    ):
        session = own.begin()
        answer = other.post("tools/list", {}, session=session)
        invented = other.post("tools/list", {}, session="0" * 32)
        assert (answer.status_code, answer.json()) == (404, invented.json())
        assert other.ended(session) == 404
        streamed = httpx2.get(
            guarded.url + path,
            headers={
                "Accept": "text/event-stream",
                "Authorization": f"Bearer {BOTH}",
                "Mcp-Session-Id": session,
            },
        )
        assert streamed.status_code == 404
        assert "1 passage" in own.call("archival_insert", content="The session goes on.")
        assert own.ended(session) == 200


def test_the_id_of_a_session_means_nothing_in_the_era_without_sessions(
    guarded: HttpServer,
) -> None:
    path = "/agents/ada/mcp"
    with (
        Peer(guarded, path, Authorization=f"Bearer {ADA}") as own,
        Peer(guarded, path, Authorization=f"Bearer {BOTH}") as other,
    ):
        session = own.begin()
        own.call("core_memory_append", label="project", content="Before.")
        other.ask("core_memory_append", label="project", content="News.")
        modern = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call"}
        named = {"Mcp-Name": "archival_search"}
        params = {"_meta": META, "name": "archival_search", "arguments": {"query": "x"}}
        other.post("tools/call", params, session=session, **modern, **named)
        assert "+ News." in own.call("archival_search", query="x")  # nobody saw it in its place


def test_an_address_is_one_agents_however_its_name_is_written(guarded: HttpServer) -> None:
    names = ("ada", "ADA", "\uff21da")
    with Peer(guarded, "/agents/ada/mcp", Authorization=f"Bearer {ADA}") as peer:
        session = peer.begin()
        for name in names:
            peer.url = f"{guarded.url}/agents/{name}/mcp"
            assert peer.post("tools/list", {}, session=session).status_code == 200
        peer.url = f"{guarded.url}/agents/bob/mcp"
        assert peer.post("tools/list", {}, session=session).status_code == 403


def resource(peer: Peer, uri: str) -> Any:
    """What a resource holds, or the error."""
    answer = peer.post("resources/read", {"uri": uri})
    data = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
    told = json.loads(data.removeprefix("data: "))
    return json.loads(told["result"]["contents"][0]["text"]) if "result" in told else told["error"]


def test_tokens_fence_mail(guarded: HttpServer) -> None:
    with (
        Peer(guarded, "/agents/ada/mcp", Authorization=f"Bearer {ADA}") as ada,
        Peer(guarded, "/agents/bob/mcp", Authorization=f"Bearer {BOB}") as bob,
    ):
        ada.begin()
        bob.begin()
        bob.call("archival_insert", content="Bob is there.")
        ada.call("send_to_agent", message="For bob alone.", to="BOB")
        (letter,) = resource(bob, "memory://inbox")["mail"]
        assert (letter["from"], letter["text"]) == ("ada", "For bob alone.")
        # An address of the other's, by any of his names, is not opened by her token.
        for name in ("bob", "Bob", "BOB", "%42ob"):
            ada.url = f"{guarded.url}/agents/{name}/mcp"
            assert ada.post("tools/list", {}).status_code == 403
            assert ada.post("initialize", {}, session=None).status_code == 403
        ada.url = f"{guarded.url}/agents/ada/mcp"
        assert resource(ada, "memory://inbox")["mail"] == []
        # She sees what she sent, and can't answer in his place.
        assert resource(ada, f"memory://inbox/{letter['id']}")["text"] == "For bob alone."
        refused = ada.call("send_to_agent", message="As him.", in_reply_to=letter["id"])
        assert "came to you, so you cannot answer it" in refused
        secret = bob.call("send_to_agent", message="A note.", to="default")
        mail = secret[secret.index("mail-") :][:37]
        assert "no mail" in resource(ada, f"memory://inbox/{mail}")["message"]
        assert "For bob alone." in secret  # told to him, with his next answer


# By unit: shares, and time.


class Time:
    """Seconds, set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sessions(tokens: int = 0, **more: Any) -> tuple[HttpSessions, Time, list[Connection]]:
    time, ended = Time(), list[Connection]()

    async def lay_by(_: Connection) -> None:
        pass

    told = {"lay_by": lay_by} | more
    return HttpSessions(tokens, ended=ended.append, now=time, **told), time, ended


def of(owner: str, **more: Any) -> Connection:
    return Connection(AgentChoice(), owner=owner, **more)


def test_a_token_fills_its_own_share_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sessions, "SESSIONS_MAX", 6)
    kept, _, _ = sessions(tokens=2)
    for number in range(3):
        assert kept.may_begin("a")
        kept.begin(f"a{number}", of("a"))
    assert not kept.may_begin("a")
    assert kept.may_begin("b")
    kept.end("a1")
    assert kept.may_begin("a")


def test_a_session_ends_by_its_own_time_unless_something_is_asked_in_it() -> None:
    kept, time, ended = sessions()
    idle, busy = of(""), of("")
    kept.begin("idle", idle)
    kept.begin("busy", busy)
    with kept.in_session("busy"):
        time.now = IDLE_SECONDS + 1
        assert kept.may_begin("")
        assert ended == [idle]
        assert kept.session("idle", "") is None
    time.now += IDLE_SECONDS
    assert kept.may_begin("")
    assert kept.session("busy", "") is busy
    time.now += 1
    assert kept.may_begin("")
    assert ended == [idle, busy]


async def test_what_was_laid_by_is_the_longest_idle_of_that_token_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_sessions, "CLIENTS_MAX", 2)
    laid: list[Connection] = []

    async def lay_by(connection: Connection) -> None:
        laid.append(connection)

    kept, _, _ = sessions(lay_by=lay_by)
    first, second, third, theirs = (of("a", alike=str(n)) for n in (1, 2, 3, 4))
    theirs.owner = "b"
    for one in (theirs, first, second, third):
        assert kept.client(one) is one
    with kept.in_client(first):
        await kept.make_room("a")
    assert laid == [second]
    assert kept.client(of("a", alike="1")) is first
    assert kept.client(of("b", alike="4")) is theirs
