"""The scripted model server that real hosts are pointed at, asked as they ask it."""

import gzip
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from tests.real_hosts.model.scenario import REFUSAL, SUMMARY, Scenario, Scene
from tests.real_hosts.model.server import ModelServer, unpacked
from tools import npm

from memory_mcp.testing.chat import calls, says

SCENES = [
    Scene(
        key="typed-one",
        answers=[
            says("I look.") + calls("archival_search", query="tide"),
            says("It is high at noon."),
        ],
    ),
    Scene(key="typed-two", answers=[says("Two.")]),
    Scene(key="order-one", answers=[says("Seen.")], subagent=True),
    Scene(key="typed-refused", refused=True),
]
WIRES = {
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "gemini": "/v1beta/models/scripted:generateContent",
}
TOOL = "mcp__memory__archival_search"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(Scenario(SCENES)) as running:
        yield running


def post(url: str, body: bytes, **headers: str) -> str:
    """Send a body, get a text."""
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def asked(wire: str, prompt: str, *, tools: bool = True, answered: bool = False) -> dict[str, Any]:
    """A request with a prompt, `answered`: after the call of the tool was made."""
    call, said = {"query": "tide"}, "High at noon."
    match wire:
        case "messages":
            messages: list[dict[str, Any]] = [
                {"role": "user", "content": [{"type": "text", "text": prompt}]}
            ]
            if answered:
                use = {"type": "tool_use", "id": "t", "name": TOOL, "input": call}
                result = {"type": "tool_result", "tool_use_id": "t", "content": said}
                reminder = {"type": "text", "text": "<system-reminder>typed-two</system-reminder>"}
                messages.append({"role": "assistant", "content": [use]})
                messages.append({"role": "user", "content": [result, reminder]})
            return {"messages": messages, "tools": [{"name": TOOL}] if tools else []}
        case "responses":
            items: list[dict[str, Any]] = [
                {"type": "message", "role": "user", "content": [{"text": prompt}]}
            ]
            if answered:
                items.append({"type": "function_call", "call_id": "t", "name": "archival_search"})
                items.append({"type": "function_call_output", "call_id": "t", "output": said})
            inner = {"name": "archival_search"}
            space = {"type": "namespace", "name": "mcp__memory", "tools": [inner]}
            return {"input": items, "tools": [space] if tools else []}
        case "chat":
            messages = [{"role": "user", "content": prompt}]
            if answered:
                told = {"id": "t", "function": {"name": TOOL, "arguments": "{}"}}
                messages.append({"role": "assistant", "tool_calls": [told]})
                messages.append({"role": "tool", "tool_call_id": "t", "content": said})
            offered = [{"type": "function", "function": {"name": TOOL}}]
            return {"messages": messages, "tools": offered if tools else []}
        case _:
            contents: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": prompt}]}]
            if answered:
                told = {"name": TOOL, "args": call}
                back = {"name": TOOL, "response": {"output": said}}
                contents.append({"role": "model", "parts": [{"functionCall": told}]})
                contents.append({"role": "user", "parts": [{"functionResponse": back}]})
            declared = [{"functionDeclarations": [{"name": TOOL}]}]
            return {"contents": contents, "tools": declared if tools else []}


def ask(server: ModelServer, wire: str, body: dict[str, Any]) -> str:
    """Ask in one wire's way."""
    return post(server.url + WIRES[wire], json.dumps(body).encode())


@pytest.mark.parametrize("wire", WIRES)
def test_words_come_before_a_call_and_the_last_words_after_its_answer(
    server: ModelServer, wire: str
) -> None:
    first = ask(server, wire, asked(wire, "Hello (typed-one)"))
    assert "I look." in first
    assert "archival_search" in first
    assert "tide" in first
    assert "It is high at noon." in ask(
        server, wire, asked(wire, "Hello (typed-one)", answered=True)
    )
    before, after = server.exchanges
    assert (before.given.kind, before.given.key) == ("turn", "typed-one")
    assert [text for _, text in after.asked.results] == ["High at noon."]
    assert before.asked.results == []


@pytest.mark.parametrize("wire", WIRES)
def test_what_streams_says_the_same(server: ModelServer, wire: str) -> None:
    body = asked(wire, "Hello (typed-two)") | {"stream": True}
    path = WIRES[wire].replace(":generateContent", ":streamGenerateContent?alt=sse")
    streamed = post(server.url + path, json.dumps(body).encode())
    events = [line for line in streamed.splitlines() if line.startswith("data: ")]
    assert any('"Two."' in line for line in events)
    assert all(json.loads(line[6:]) for line in events if line != "data: [DONE]")


@pytest.mark.parametrize("wire", WIRES)
def test_a_provider_that_refuses_answers_with_an_error(server: ModelServer, wire: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as told:
        ask(server, wire, asked(wire, "Hello (typed-refused)"))
    with told.value as answer:
        assert answer.code == 400
        assert REFUSAL in answer.read().decode()
    assert server.exchanges[0].given.refused


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("Your task is to create a detailed summary of the conversation so far.", "compaction"),
        ("You are performing a CONTEXT CHECKPOINT COMPACTION.", "compaction"),
        ("First think. Then, generate the <state_snapshot>.", "compaction"),
        ("Do as told (order-one)", "subagent"),
        ("Nothing of the scenario", "turn"),
    ],
)
def test_what_a_request_is_for_is_told_apart(server: ModelServer, prompt: str, kind: str) -> None:
    said = ask(server, "messages", asked("messages", prompt))
    assert server.exchanges[0].given.kind == kind
    assert (SUMMARY in said) == (kind == "compaction")


def test_a_request_without_tools_is_asked_on_the_side(server: ModelServer) -> None:
    ask(server, "chat", asked("chat", "Hello (typed-two)", tools=False))
    assert server.exchanges[0].given.kind == "aside"


def test_a_tool_that_is_deferred_is_searched_for_once(server: ModelServer) -> None:
    body = asked("messages", "Hello (typed-one)") | {"tools": [{"name": "ToolSearch"}]}
    assert '"select:mcp__memory__archival_search"' in ask(server, "messages", body)
    use = {"type": "tool_use", "id": "s", "name": "ToolSearch", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "s", "content": "no such tool"}
    body["messages"] += [
        {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]},
    ]  # fmt: skip
    assert "There is no tool archival_search among 1." in ask(server, "messages", body)


def test_the_key_that_stands_last_counts_since_hosts_put_theirs_first(server: ModelServer) -> None:
    said = ask(server, "gemini", asked("gemini", "<hook>typed-one</hook> Hello (typed-two)"))
    assert "Two." in said


def test_what_memory_adds_behind_a_prompt_is_no_prompt_of_its_own(server: ModelServer) -> None:
    body = asked("chat", "Hello (typed-one)", answered=True)
    quoted = "<hook_context><memory-mcp>\nuser: Hello (typed-two)\n</memory-mcp></hook_context>"
    body["messages"].insert(1, {"role": "user", "content": quoted})
    assert "It is high at noon." in ask(server, "chat", body)


def test_packed_bodies_are_read(server: ModelServer) -> None:
    body = json.dumps(asked("chat", "Hello (typed-two)")).encode()
    url = server.url + WIRES["chat"]
    assert "Two." in post(url, gzip.compress(body), **{"Content-Encoding": "gzip"})
    with pytest.raises(urllib.error.HTTPError) as told:
        post(url, body, **{"Content-Encoding": "br"})
    told.value.close()
    assert told.value.code == 400


def test_zstandard_is_unpacked_by_node() -> None:
    node = npm.node()
    read = "require('fs').readFileSync(0)"
    pack = f"process.stdout.write(require('zlib').zstdCompressSync({read}))"
    packed = subprocess.run([node, "-e", pack], input=b"tide", capture_output=True, check=True)
    assert packed.stdout != b"tide"
    assert unpacked(packed.stdout, "zstd", node) == b"tide"


def test_no_key_is_recorded(server: ModelServer) -> None:
    body = json.dumps(asked("chat", "Hello (typed-two)")).encode()
    post(server.url + WIRES["chat"], body, Authorization="Bearer secret", **{"X-Api-Key": "secret"})
    assert "secret" not in str(server.exchanges[0].headers)
