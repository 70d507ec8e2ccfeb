"""The HTTP door: whose memory an address is, who may come in, and what is turned away."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from tests.acceptance.processes import (
    CLIENT,
    LEGACY,
    MODERN,
    Answer,
    HttpServer,
    http_server,
    run,
    text_of,
)
from tests.server.connecting import WAIT_SECONDS, Updates, read, tell, told_of

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.server.http import Address

MODES = ["auto", "legacy"]
MIB = 2**20
ALL, WORK = "a-token-for-every-agent", "a-token-for-work-only"
ELSEWHERE = "Core memory was changed elsewhere since you last saw it."


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server as `memory-mcp serve --http` is on a person's machine."""
    with http_server(tmp_path_factory.mktemp("http") / "memory.db") as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server that wants tokens."""
    tokens = {"MEMORY_MCP_HTTP_TOKENS": f"{ALL},{WORK}=office|home"}
    with http_server(tmp_path_factory.mktemp("guarded") / "memory.db", more=tokens) as server:
        yield server


META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


WRITES: dict[str, Any] = {"tool": "archival_insert", "arguments": {"content": "The tides."}}


def post(
    server: HttpServer,
    path: str = "/mcp",
    *,
    tool: str = "archival_search",
    arguments: Answer | None = None,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> httpx2.Response:
    """One request of 2026-07-28: a tool call, or any body at all."""
    params = {"_meta": META, "name": tool, "arguments": arguments or {"query": "tides"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    told = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    return httpx2.post(
        server.url + path,
        content=json.dumps(call).encode() if body is None else body,
        headers=ACCEPT | told | (headers or {}),
        timeout=WAIT_SECONDS,
    )


def begin_session(server: HttpServer, path: str, **headers: str) -> str:
    """Shake hands as clients of 2025-11-25 do; the session's id."""
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
    request = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
    answer = httpx2.post(
        server.url + path, content=json.dumps(request), headers=ACCEPT | headers, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return answer.headers["mcp-session-id"]


def list_in_session(server: HttpServer, path: str, session: str, **headers: str) -> httpx2.Response:
    """Ask for the tools in a session."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    told = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
    content = json.dumps(request)
    return httpx2.post(
        server.url + path, content=content, headers=ACCEPT | told | headers, timeout=30
    )


# Whose memory an address is.


@pytest.mark.parametrize("mode", MODES)
async def test_each_address_is_the_memory_of_its_agent_and_the_human_is_shared(
    http: HttpServer, mode: str
) -> None:
    agent = f"work-{mode}"
    with anyio.fail_after(WAIT_SECONDS):
        async with (
            Client(f"{http.url}/mcp?structured=1", mode=mode, cache=None) as default,
            Client(f"{http.url}/agents/{agent}/mcp", mode=mode, cache=None) as work,
        ):
            await tell(default, "core_memory_append", label="project", content=f"Garden {mode}.")
            await tell(work, "core_memory_append", label="project", content=f"Office {mode}.")
            await tell(work, "core_memory_append", label="human", content=f"Ana {mode}.")
            await tell(work, "archival_insert", content=f"A passage of the office {mode}.")
            found = await default.call_tool("archival_search", {"query": "office passage"})
            own = await read(default, "memory://blocks/project")
            others = await read(work, "memory://blocks/project")
            human = await read(default, "memory://blocks/human")
            agents = json.loads(await read(work, "memory://agents"))
    assert (f"Garden {mode}." in own, "Office" in own) == (True, False)
    assert others == f"Office {mode}."
    assert f"Ana {mode}." in human
    assert found.structured_content
    assert found.structured_content["total"] == 0
    assert [one["name"] for one in agents if one["is_you"]] == [agent]


async def test_two_sessions_of_like_clients_are_told_of_each_others_changes(
    http: HttpServer,
) -> None:
    address = f"{http.url}/agents/like/mcp"
    with anyio.fail_after(WAIT_SECONDS):
        async with (
            Client(address, mode="legacy", cache=None) as one,
            Client(address, mode="legacy", cache=None) as other,
        ):
            await tell(one, "core_memory_append", label="project", content="News.")
            told = await tell(other, "archival_search", query="anything")
            again = await tell(other, "archival_search", query="anything")
            own = await tell(one, "archival_search", query="anything")
    assert told.endswith(f"{ELSEWHERE}\n<project> is at version 2:\n + News.")
    assert ELSEWHERE not in again
    assert ELSEWHERE not in own


@pytest.mark.parametrize("mode", MODES)
async def test_every_one_of_like_clients_hears_what_it_listens_for(
    http: HttpServer, mode: str
) -> None:
    address = f"{http.url}/agents/listeners-{mode}/mcp"
    heard = [Updates() for _ in range(3)]
    with anyio.fail_after(WAIT_SECONDS):
        async with AsyncExitStack() as stack:
            for updates in heard:
                client = Client(address, mode=mode, message_handler=updates.handle, cache=None)
                client = await stack.enter_async_context(client)
                listening = told_of(client, updates, ["memory://blocks/project"])
                await stack.enter_async_context(listening)
            async with Client(address, mode=mode) as writer:
                await tell(writer, "core_memory_append", label="project", content="News.")
            for updates in heard:
                await updates.until("memory://blocks/project")


async def test_a_listener_that_has_left_costs_the_others_nothing(http: HttpServer) -> None:
    address = f"{http.url}/agents/leaving/mcp"
    gone, staying = Updates(), Updates()
    with anyio.fail_after(WAIT_SECONDS):
        async with Client(address, mode="legacy", message_handler=gone.handle) as leaving:
            async with told_of(leaving, gone, ["memory://blocks/project"]):
                pass
        client = Client(address, mode="legacy", message_handler=staying.handle)
        async with client as listener:
            async with told_of(listener, staying, ["memory://blocks/project"]):
                await tell(listener, "core_memory_append", label="project", content="News.")
                await staying.until("memory://blocks/project")
    assert gone.uris == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/mcpx",
        "/mcp/more",
        "/agents",
        "/agents/office",
        "/agents//mcp",
        "/agents/%20/mcp",
        "/agents/a%2Fb/mcp",
        "/agents/a%252Fb/mcp",
        "/agents/a%5Cb/mcp",
        "/agents/a%3Fb/mcp",
        "/agents/a%23b/mcp",
        "/agents/a%0Ab/mcp",
        "/agents/a%00b/mcp",
        "/agents/%ff/mcp",  # no UTF-8
        f"/agents/{'x' * 101}/mcp",
    ],
)
def test_an_address_that_is_no_agents_is_not_found(http: HttpServer, path: str) -> None:
    answer = post(http, path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize("name", ["Ana's", "ünïcode", "東京", "two words", "agent-1", "a.b"])
def test_an_agent_may_have_any_name_that_fits_an_address(http: HttpServer, name: str) -> None:
    assert post(http, f"/agents/{name}/mcp").status_code == 200
    assert name not in [agent["name"] for agent in agents_of(http)]  # it was only read for
    assert post(http, f"/agents/{name}/mcp", **WRITES).status_code == 200
    assert name in [agent["name"] for agent in agents_of(http)]


def test_a_session_of_one_agent_does_not_open_another(http: HttpServer) -> None:
    session = begin_session(http, "/agents/mine/mcp")
    assert list_in_session(http, "/agents/mine/mcp", session).status_code == 200
    for path in ("/agents/yours/mcp", "/mcp"):
        answer = list_in_session(http, path, session)
        assert answer.status_code == 404
        assert "belongs to another agent" in answer.json()["error"]


def test_a_session_that_is_none_is_not_found(http: HttpServer) -> None:
    assert list_in_session(http, "/mcp", "0123456789abcdef").status_code == 404


# Who may come in.


def test_on_this_machine_no_token_is_asked_for(http: HttpServer) -> None:
    assert post(http).status_code == 200
    assert post(http, headers={"Authorization": "Bearer whatever"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [
        ("/mcp", None, 401),
        ("/mcp", "", 401),
        ("/mcp", "Bearer", 401),
        ("/mcp", f"Bearer {ALL}x", 401),
        ("/mcp", f"Bearer {ALL[:-1]}", 401),
        ("/mcp", f"Bearer {ALL.upper()}", 401),
        ("/mcp", f"Bearer {WORK}=office|home", 401),
        ("/mcp", f"Basic {ALL}", 401),
        ("/mcp", ALL, 401),  # no scheme
        ("/mcp", f"Bearer {ALL}", 200),
        ("/mcp", f"bearer {ALL}", 200),  # RFC 9110: schemes have no case
        ("/agents/office/mcp", f"Bearer {ALL}", 200),
        ("/agents/office/mcp", f"Bearer {WORK}", 200),
        ("/agents/home/mcp", f"Bearer {WORK}", 200),
        ("/mcp", f"Bearer {WORK}", 403),
        ("/agents/default/mcp", f"Bearer {WORK}", 403),
        ("/agents/secret/mcp", f"Bearer {WORK}", 403),
        ("/agents/secret/mcp", None, 401),
    ],
)
def test_a_token_opens_its_agents_and_no_other(
    guarded: HttpServer, path: str, authorization: str | None, status: int
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = post(guarded, path, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    if status != 200:
        assert answer.json()["error"]


def test_a_refused_request_makes_no_agent(guarded: HttpServer) -> None:
    post(guarded, "/agents/intruder/mcp", headers={"Authorization": f"Bearer {WORK}"}, **WRITES)
    post(guarded, "/agents/intruder/mcp", **WRITES)
    post(guarded, "/agents/office/mcp", headers={"Authorization": f"Bearer {WORK}"}, **WRITES)
    names = [agent["name"] for agent in agents_of(guarded)]
    assert "office" in names
    assert "intruder" not in names


def agents_of(server: HttpServer) -> list[Any]:
    """The agents a server knows."""
    params = {"_meta": META, "uri": "memory://agents"}
    request = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": params}
    told = {"Mcp-Method": "resources/read", "Mcp-Name": "memory://agents"}
    headers = told | {"Authorization": f"Bearer {ALL}"}
    answer = post(server, body=json.dumps(request).encode(), headers=headers)
    return json.loads(answer.json()["result"]["contents"][0]["text"])


def test_every_request_of_a_session_wants_the_token(guarded: HttpServer) -> None:
    session = begin_session(guarded, "/agents/office/mcp", Authorization=f"Bearer {WORK}")
    for authorization, status in ((f"Bearer {WORK}", 200), ("Bearer wrong", 401)):
        headers = {"Authorization": authorization}
        answer = list_in_session(guarded, "/agents/office/mcp", session, **headers)
        assert answer.status_code == status


@pytest.mark.parametrize(
    "header",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "https://localhost.evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_a_web_page_that_is_not_of_this_machine_is_turned_away(
    http: HttpServer, header: dict[str, str]
) -> None:
    answer = post(http, headers=header)
    assert answer.status_code in (403, 421), answer.text


def test_a_web_page_of_this_machine_may_ask(http: HttpServer) -> None:
    assert post(http, headers={"Origin": "http://localhost:3000"}).status_code == 200


# What is turned away.


def test_a_body_above_sixteen_mebibytes_is_refused(http: HttpServer) -> None:
    assert post(http, body=b"x" * (16 * MIB + 1)).status_code == 413


def test_ten_megabytes_of_content_are_refused_in_words(http: HttpServer) -> None:
    answer = post(http, tool="archival_insert", arguments={"content": "x" * 10_000_000})
    result = answer.json()["result"]
    assert result["isError"]
    assert "10,000,000 characters; the limit is 100,000" in text_of(result)


def test_half_a_character_gets_an_answer(http: HttpServer) -> None:
    answer = post(http, tool="archival_insert", arguments={"content": "\ud800"})
    result = answer.json()["result"]
    assert result["isError"]
    assert "half of a character" in text_of(result)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]',
        b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":"\\ud800","method":"tools/list"}',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_a_body_that_is_no_message_is_a_bad_request(http: HttpServer, body: bytes) -> None:
    answer = post(http, body=body, headers={"Mcp-Method": "tools/list"})
    assert answer.status_code == 400, answer.text
    assert "error" in answer.json()


# Its beginning and its end.


def refused(*address: str, folder: Path, more: dict[str, str] | None = None) -> str:
    """The one sentence with which a server refuses to start."""
    ended = run(
        "--database", folder / "m.db", "serve", "--http", *address, folder=folder, more=more
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_beyond_this_machine_it_does_not_serve_without_tokens(tmp_path: Path) -> None:
    line = refused("0.0.0.0:8765", folder=tmp_path)
    assert "0.0.0.0 can be reached from other machines, so memory needs a token there" in line
    assert "MEMORY_MCP_HTTP_TOKENS" in line


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "[::]:80", "192.0.2.1:80", "example.org", "10.1.1.1"]
)
def test_other_addresses_than_the_loopbacks_are_beyond_this_machine(address: str) -> None:
    assert not Address.parse(address).is_local


def test_a_port_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "'99999' is no port" in refused("127.0.0.1:99999", folder=tmp_path)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:http", ":-1", "99999", "[::1]:1:2"])
def test_an_address_without_a_port_that_can_be_meant_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="is no port"):
        Address.parse(address)


@pytest.mark.parametrize(
    ("told", "host", "port"),
    [
        ("", "127.0.0.1", 8765),
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),
        ("localhost", "localhost", 8765),
        ("localhost:9000", "localhost", 9000),
        ("[::1]:9000", "::1", 9000),
        ("[::1]", "::1", 8765),
        ("::1", "::1", 8765),
    ],
)
def test_what_an_address_leaves_out_is_this_machine_and_the_usual_port(
    told: str, host: str, port: int
) -> None:
    address = Address.parse(told)
    assert (address.host, address.port, address.is_local) == (host, port, True)


def test_a_port_that_is_taken_is_refused_in_one_sentence(http: HttpServer, tmp_path: Path) -> None:
    address = http.url.removeprefix("http://")
    assert address in refused(address, folder=tmp_path)


def test_it_says_where_it_serves(http: HttpServer) -> None:
    told = http.database.with_name("http-stderr").read_text()
    assert told.startswith(f"memory-mcp: {http.url}/mcp")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
def test_a_signal_ends_it(tmp_path: Path) -> None:
    number = signal.SIGINT  # SIGTERM, see below
    with http_server(tmp_path / "memory.db") as server:
        assert post(server).status_code == 200
        server.process.send_signal(number)
        # It may also end as one whom the signal has killed.
        assert server.process.wait(8) in (0, 128 + number, -number)
        told = server.database.with_name("http-stderr").read_text()
    assert "Traceback" not in told


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
@pytest.mark.parametrize("mode", MODES)
async def test_a_signal_ends_it_while_clients_listen(tmp_path: Path, mode: str) -> None:
    updates = Updates()
    with http_server(tmp_path / "memory.db") as server:
        ended: int | None = None
        with anyio.move_on_after(WAIT_SECONDS):
            client = Client(f"{server.url}/mcp", mode=mode, message_handler=updates.handle)
            async with client, told_of(client, updates, ["memory://context"]):
                server.process.send_signal(signal.SIGTERM)
                with anyio.move_on_after(8):
                    await anyio.to_thread.run_sync(server.process.wait, abandon_on_cancel=True)
                ended = server.process.poll()
                server.process.kill()
        assert ended in (0, 128 + signal.SIGTERM, -signal.SIGTERM), "it did not end"


def test_two_servers_on_one_store_serve_side_by_side(http: HttpServer) -> None:
    with http_server(http.database, "--in-process") as second:
        content = {"content": "A passage through the second server."}
        assert post(second, tool="archival_insert", arguments=content).status_code == 200
        found = post(http, arguments={"query": "passage through the second server"})
    assert content["content"] in text_of(found.json()["result"])
