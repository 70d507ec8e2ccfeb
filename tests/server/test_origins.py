"""Host and Origin, compared whole."""

import socket
from pathlib import Path

import pytest
from tests.acceptance.processes import http_server
from tests.server.test_http import post

from memory_mcp.server.origins import host_in, refusal_of

LOCAL = [
    "localhost", "LOCALHOST", "LocalHost:8765", "localhost.", "localhost.:80", "127.0.0.1",
    "127.0.0.1:8765", "[::1]", "[::1]:8765", "[0:0:0:0:0:0:0:1]:65535", "[0000::0001]",
]  # fmt: skip
ELSEWHERE = [
    "", " ", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil-localhost",
    "evil.example:8765", "localhost:80.evil.example", "127.0.0.1:8765.evil.example",
    "127.0.0.1:8765@evil.example", "user@localhost", "localhost:", "localhost:0", "localhost:65536",
    "localhost:999999", "localhost:80:80", "localhost:-1", "localhost:8o", "localhost..",
    "localhost:\u0663", "localhost/", "localhost#", "127.1", "2130706433", "0x7f000001",
    "0177.0.0.1",
    "::1", "[::1", "::1]", "[::1]evil", "[::1].evil.example", "[::2]", "[127.0.0.1]",
    "[::ffff:127.0.0.1]", "[::1%25lo]", "localhost,evil.example", "localhost evil", "localhost\t",
    "[]", ".", ":80", "lo\u00e7alhost", "loc\u0430lhost", "localh\u00f6st",
]  # fmt: skip
PAGES = [f"{scheme}://{host}" for host in LOCAL for scheme in ("http", "https", "HTTP")]
FOREIGN = [
    *(f"http://{host}" for host in ELSEWHERE),
    "null", "", "localhost", "//localhost", "file://localhost", "ftp://localhost",
    "chrome-extension://localhost", "http:localhost", "http:/localhost",
    "http://localhost/x", "http://localhost?x", " http://localhost", "http://localhost ",
    "http://http://localhost", "javascript://localhost",
]  # fmt: skip


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_is_known_by_each_of_its_names(host: str) -> None:
    assert refusal_of([host], [], local=True) is None


@pytest.mark.parametrize("host", ELSEWHERE)
def test_any_other_host_is_turned_away(host: str) -> None:
    refusal = refusal_of([host], [], local=True)
    assert refusal is not None
    assert refusal.status_code == 421


@pytest.mark.parametrize("origin", PAGES)
def test_a_page_of_this_machine_may_ask(origin: str) -> None:
    assert refusal_of(["localhost:8765"], [origin], local=True) is None


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_elsewhere_is_turned_away(origin: str) -> None:
    for local in (True, False):
        refusal = refusal_of(["localhost:8765"], [origin], local=local)
        assert refusal is not None
        assert refusal.status_code == 403


def test_none_and_several_are_turned_away() -> None:
    for hosts in ([], ["localhost", "localhost"], ["localhost", "evil.example"]):
        refusal = refusal_of(hosts, [], local=True)
        assert refusal is not None
        assert refusal.status_code == 421
    for pages in (["http://localhost", "http://localhost"], ["http://localhost", "null"]):
        refusal = refusal_of(["localhost"], pages, local=True)
        assert refusal is not None
        assert refusal.status_code == 403


def test_where_others_may_connect_a_page_must_be_of_the_host_that_was_asked() -> None:
    assert refusal_of(["memory.example:8765"], [], local=False) is None
    assert refusal_of(["memory.example"], ["https://Memory.Example."], local=False) is None
    assert refusal_of(["memory.example"], ["http://localhost:6274"], local=False) is None
    for page in ("https://evil.example", "https://memory.example.evil.example"):
        assert refusal_of(["memory.example"], [page], local=False) is not None


def test_a_name_is_read_in_lower_case_and_an_address_in_its_shortest_form() -> None:
    assert host_in("MEMORY.example.:1") == "memory.example"
    assert host_in("[2001:DB8:0:0::1]:1") == "2001:db8::1"


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Host: localhost\r\nHost: localhost\r\n",
        b"Host: localhost\r\nHost: evil.example\r\n",
        b"Host: localhost.evil.example\r\n",
        b"Host: localhost:80.evil.example\r\n",
        b"Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n",
        b"Host: localhost\r\nOrigin: http://localhost:80.evil.example\r\n",
    ],
    ids=repr,
)
def test_the_server_itself_turns_them_away(tmp_path: Path, headers: bytes) -> None:
    with http_server(tmp_path / "memory.db") as server:
        port = int(server.url.rpartition(":")[2])
        for version in (b"1.1", b"1.0"):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
                head = b"GET /mcp HTTP/" + version + b"\r\nConnection: close\r\n"
                peer.sendall(head + headers + b"\r\n")
                status = int(peer.makefile("rb").readline().split()[1])
            assert status in (400, 403, 421)
        assert post(server, headers={"Host": f"LOCALHOST.:{port}"}).status_code == 200
