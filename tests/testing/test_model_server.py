"""The scripted model server, spoken to by the standard library's own HTTP client."""

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, environment

from memory_mcp.testing.chat import calls, says
from memory_mcp.testing.model_server import ModelServer, Rule, held, read_script, status


def ask(address: str, said: str = "Hello.", system: str = "", tools: tuple[str, ...] = ()) -> Any:
    """Ask a chat model; the message of its answer."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": said}]
    offered = [{"type": "function", "function": {"name": name}} for name in tools]
    body = {"model": "any", "messages": messages, "tools": offered}
    return post(f"{address}/chat/completions", body)["choices"][0]["message"]


def post(address: str, body: object) -> Any:
    """Send JSON, get JSON."""
    with urllib.request.urlopen(
        urllib.request.Request(address, json.dumps(body).encode()), timeout=DEADLINE_SECONDS
    ) as answer:
        return json.load(answer)


def get(address: str) -> Any:
    """Get JSON."""
    with urllib.request.urlopen(address, timeout=DEADLINE_SECONDS) as answer:
        return json.load(answer)


def test_answers_come_in_order_and_requests_are_recorded_to_the_byte() -> None:
    with ModelServer([says("One."), calls("find", query="Łódź")]) as server:
        assert ask(server.base_url)["content"] == "One."
        (call,) = ask(server.base_url, "And now?")["tool_calls"]
        assert call["function"] == {"name": "find", "arguments": '{"query": "Łódź"}'}
        assert [asked.said for asked in server.requests] == ["Hello.", "And now?"]
        assert server.requests[0].body.startswith(b'{"model": "any", "messages": [')


def test_a_request_past_the_script_is_an_error_and_counted() -> None:
    with ModelServer([status(429)]) as server:
        for code in (429, 400):
            with pytest.raises(urllib.error.HTTPError) as told:
                ask(server.base_url)
            told.value.close()
            assert told.value.code == code
        assert server.unanswered == 1


def test_rules_choose_by_text_system_prompt_and_tools() -> None:
    rules = [
        Rule(said="forget", tools=["forget"], answers=[calls("forget")]),
        Rule(system="[Ss]ummar[iy]", answers=[says("A summary.")], loop=True),
        Rule(answers=[says("Yes.")], loop=True),
    ]
    with ModelServer(rules) as server:
        assert ask(server.base_url, "forget it")["content"] == "Yes."
        assert ask(server.base_url, "forget it", tools=("forget", "find"))["tool_calls"]
        assert ask(server.base_url, "forget it", tools=("forget", "find"))["content"] == "Yes."
        for _ in range(3):
            assert ask(server.base_url, system="You summarise.")["content"] == "A summary."
        assert server.unanswered == 0


def test_many_at_once_get_one_answer_each() -> None:
    script = [says(str(number)) for number in range(200)]
    with ModelServer(script) as server, ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda _: ask(server.base_url)["content"], range(200)))
        assert sorted(said, key=int) == [str(number) for number in range(200)]
        assert len(server.requests) == 200


def test_a_held_request_is_seen_and_waits_for_its_release() -> None:
    answers: list[str] = []
    with ModelServer([held(says("At last."))]) as server:
        asker = threading.Thread(target=lambda: answers.append(ask(server.base_url)["content"]))
        asker.start()
        server.wait_for(1, DEADLINE_SECONDS)
        assert answers == []
        with pytest.raises(TimeoutError, match="1 of 2 requests"):
            server.wait_for(2, 0.01)
        server.release()
        asker.join(DEADLINE_SECONDS)
    assert answers == ["At last."]


def test_half_a_request_is_none() -> None:
    with ModelServer([says("Yes.")]) as server:
        where = urlsplit(server.base_url)
        with socket.create_connection((where.hostname, where.port)) as asking:
            head = "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n"
            asking.sendall(head.encode() + b'{"model": ')
            asking.shutdown(socket.SHUT_WR)
            assert asking.recv(1) == b""
        assert get(f"http://{where.netloc}/requests") == {"requests": [], "unanswered": 0}


def test_models_are_listed() -> None:
    with ModelServer(model="tiny") as server:
        assert [one["id"] for one in get(f"{server.base_url}/models")["data"]] == ["tiny"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Expecting"),
        ("7", "not a script"),
        ('{"rules": [{"said": "x"}]}', "answers"),
        ('[{"txet": "x"}]', "txet"),
        ('[{"fault": "hiccup"}]', "no fault 'hiccup'; there are status, slow, held"),
    ],
)
def test_a_file_that_is_no_script_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_script(text)


def test_as_a_program_it_prints_its_address_serves_and_ends_when_told(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(
        json.dumps(
            [
                {"text": "One.", "tokens": [900, 12]},
                {"calls": [{"name": "find", "arguments": {"query": "x"}}]},
                {"calls": [{"name": "find", "arguments": "{oops"}]},
                {"fault": "held", "text": "At last."},
            ]
        )
    )
    program = [sys.executable, "-P", "-m", "memory_mcp.testing.model_server", "--script", script]
    with subprocess.Popen(program, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        address = server.stdout.readline().strip()
        root = address.removesuffix("/v1")
        assert ask(address)["content"] == "One."
        asked = [ask(address)["tool_calls"][0]["function"]["arguments"] for _ in range(2)]
        assert asked == ['{"query": "x"}', "{oops"]
        post(f"{root}/release", {})
        assert ask(address)["content"] == "At last."
        recorded = get(f"{root}/requests")
        assert (len(recorded["requests"]), recorded["unanswered"]) == (4, 0)
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE_SECONDS) == 0
