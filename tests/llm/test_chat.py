"""The chat model over real HTTP, by the real LiteLLM, against a server that follows a script."""

import logging
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import anyio
import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, environment

from memory_mcp.domain.chat import ChatReply, ChatRequest
from memory_mcp.domain.errors import ModelError, ModelRefused, ModelUnavailable
from memory_mcp.llm.chat import LiteLlmChat
from memory_mcp.testing.chat import Answer, Call, calls, says
from memory_mcp.testing.model_server import FaultKind, ModelServer, Scripted, slow, spoilt, status

KEY = "hush-hush-nothing-like-a-key"
INSERT = {
    "type": "function",
    "function": {
        "name": "memory_insert",
        "description": "Adds text.",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
    },
}
MESSAGES: list[dict[str, object]] = [
    {"role": "system", "content": "You keep memory in order."},
    {"role": "user", "content": "Ana moved to Łódź – 3 rooms.\n<b>&amp;</b> 🏠"},
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "call-7",
                "type": "function",
                "function": {"name": "memory_insert", "arguments": '{"text": "Łódź"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call-7", "content": "Added."},
]

Ask = Callable[..., Awaitable[ChatReply]]


def request(model: str = "openai/scripted", **told: object) -> ChatRequest:
    """A request with a tool."""
    usual: dict[str, object] = {"messages": MESSAGES, "tools": [INSERT], "tokens_out_max": 321}
    return ChatRequest(model=model, **(usual | told))  # pyright: ignore[reportArgumentType] fields by name


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment, whose shape nobody would know for one."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def ask() -> Ask:
    """Ask a server with this answer once, and see that it was asked once."""

    async def once(step: Scripted, seconds: float = 20) -> ChatReply:
        with ModelServer([step], loop=True) as server:
            chat = LiteLlmChat(server.base_url, seconds)
            try:
                return await chat.complete(request())
            finally:
                await chat.aclose()
                assert len(server.requests) == 1

    return once


async def test_what_is_sent_is_what_was_asked_and_nothing_else() -> None:
    with ModelServer([says("Done.")]) as server:
        chat = LiteLlmChat(server.base_url)
        await chat.complete(request())
        await chat.aclose()
    (asked,) = server.requests
    assert asked.json == {
        "model": "scripted",
        "messages": MESSAGES,
        "tools": [INSERT],
        "tool_choice": "auto",
        "max_tokens": 321,
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"


async def test_a_field_that_is_null_is_left_out_on_the_wire() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": MESSAGES[2]["tool_calls"]}
    with ModelServer([says("Done.")]) as server:
        chat = LiteLlmChat(server.base_url)
        await chat.complete(request(messages=[*MESSAGES[:2], message, MESSAGES[3]]))
        await chat.aclose()
    assert server.requests[0].json["messages"] == MESSAGES


async def test_a_request_without_tools_sends_none() -> None:
    with ModelServer([says("Done.")]) as server:
        chat = LiteLlmChat(server.base_url)
        await chat.complete(request(tools=()))
        await chat.aclose()
    assert set(server.requests[0].json) == {"model", "messages", "max_tokens"}


async def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with ModelServer([says("Hello.")]) as server:
        chat = LiteLlmChat(server.base_url)
        assert (await chat.complete(request())).text == "Hello."
        await chat.aclose()


async def test_text_usage_and_the_whole_answer_come_back(ask: Ask) -> None:
    reply = await ask(says("Hello – Łódź.", tokens=(812, 7)))
    assert (reply.text, reply.tool_calls, reply.finish_reason) == ("Hello – Łódź.", (), "stop")
    assert (reply.tokens_in, reply.tokens_out, reply.cost_usd) == (812, 7, None)
    assert reply.raw["id"] == "chatcmpl-1"
    assert reply.raw["choices"][0]["message"]["content"] == "Hello – Łódź."


async def test_tool_calls_keep_their_arguments_as_they_were_written(
    ask: Ask,
) -> None:
    odd = Answer(calls=(Call(name="memory_insert", arguments='{"text": "a",}  '),))
    reply = await ask(says("Two. ") + calls("memory_insert", text="Łódź") + odd)
    assert reply.text == "Two. "
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("call-1-1", "memory_insert", '{"text": "Łódź"}'),
        ("call-1-2", "memory_insert", '{"text": "a",}  '),
    ]
    assert reply.finish_reason == "tool_calls"


@pytest.mark.parametrize("kind", ["without ids", "legacy"])
async def test_a_call_without_an_id_or_in_the_old_shape_is_understood(
    kind: FaultKind, ask: Ask
) -> None:
    reply = await ask(spoilt(kind, calls("memory_insert", text="x")))
    (call,) = reply.tool_calls
    assert (call.name, call.arguments) == ("memory_insert", '{"text": "x"}')
    assert call.id


async def test_usage_that_is_not_told_is_counted(ask: Ask) -> None:
    reply = await ask(spoilt("uncounted", says("one two three four five")))
    assert 50 < reply.tokens_in < 500
    assert 4 <= reply.tokens_out <= 10


@pytest.mark.parametrize("code", [408, 409, 425, 429, 500, 501, 502, 503, 504, 529])
async def test_a_status_that_passes_is_unavailable(code: int, ask: Ask) -> None:
    with pytest.raises(ModelUnavailable, match=rf"\({code}\): Not now\. .*again later") as told:
        await ask(status(code, "Not now."))
    assert "'openai/scripted' at http://127.0.0.1:" in str(told.value)


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 405, 413, 415, 422])
async def test_a_status_that_stays_is_refused(code: int, ask: Ask) -> None:
    with pytest.raises(ModelRefused, match=rf"refused \({code}\): No such thing\. \w"):
        await ask(status(code, "No such thing."))


@pytest.mark.parametrize(
    ("message", "next_move"),
    [
        ("This model's maximum context length is 8192 tokens, you asked for 9000.", "Ask it less"),
        ("scripted does not support tools", "Check that the model takes tools"),
    ],
)
async def test_a_request_the_model_cannot_take_is_refused(
    message: str, next_move: str, ask: Ask
) -> None:
    with pytest.raises(ModelRefused, match=next_move):
        await ask(status(400, message))


@pytest.mark.parametrize(
    ("kind", "says_so", "charged"),
    [
        ("dropped", "could not be reached, or broke off: ", True),
        ("cut", "could not be reached, or broke off: ", True),
        ("truncated", "gave no answer that can be read", True),
        ("empty", "gave no answer", True),
        ("not json", "It works!", True),
        ("no choices", "without a choice", True),
        ("huge", "an answer of more than 8,000,000 bytes", True),
    ],
)
async def test_a_broken_answer_is_unavailable_and_may_have_cost_something(
    kind: FaultKind, says_so: str, charged: bool, ask: Ask
) -> None:
    with pytest.raises(ModelUnavailable, match=says_so) as raised:
        await ask(spoilt(kind))
    assert raised.value.charged == charged


async def test_a_key_in_the_address_is_not_told() -> None:
    chat = LiteLlmChat("http://ana:swordfish@127.0.0.1:9/v1?key=herring")
    with pytest.raises(ModelUnavailable, match=r"at http://127\.0\.0\.1:9/v1 could") as raised:
        await chat.complete(request())
    await chat.aclose()
    assert not re.search("swordfish|herring", str(raised.value))


async def test_bytes_that_dribble_do_not_stretch_the_time_limit(
    ask: Ask,
) -> None:
    await LiteLlmChat(None).prepare()
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match=r"no whole answer within 0\.5 s"):
        await ask(slow(says("Yes."), 60), 0.5)
    assert time.monotonic() - began < DEADLINE_SECONDS


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"])
async def test_a_server_that_is_not_there_is_unavailable(address: str) -> None:
    chat = LiteLlmChat(address, 20)
    with pytest.raises(ModelUnavailable, match=r"reached, or broke off: .*that it runs"):
        await chat.complete(request())
    await chat.aclose()


@pytest.mark.parametrize("model", ["scripted", "petals/scripted"])
async def test_a_model_without_a_provider_or_without_tools_is_refused_unasked(model: str) -> None:
    with ModelServer() as server:
        chat = LiteLlmChat(server.base_url)
        with pytest.raises(ModelRefused):
            await chat.complete(request(model))
        await chat.aclose()
    assert server.requests == []


@pytest.mark.parametrize("code", [400, 401, 429, 500])
async def test_an_error_never_quotes_a_key_and_is_clipped(code: int, ask: Ask) -> None:
    shaped = "sk-proj-kX3dE5fG7hJ9qL1mN2pQ4rS6tU8v"
    with pytest.raises(ModelError) as told:
        await ask(status(code, f"Incorrect key {KEY} or {shaped}. " + "More. " * 500))
    assert "Incorrect key [redacted] or [redacted: API key]" in str(told.value)
    assert len(str(told.value)) < 600
    # A traceback would quote the cause.
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


async def test_a_price_is_found_by_name_also_for_a_server_of_ones_own() -> None:
    with ModelServer([says("Hello.", tokens=(1_000_000, 10_000))]) as server:
        chat = LiteLlmChat(server.base_url)
        reply = await chat.complete(request("openai/gpt-4o-mini"))
        await chat.aclose()
    assert reply.cost_usd == pytest.approx(0.15 + 0.006)
    assert chat.price("openai/gpt-4o-mini", 1_000_000, 10_000) == reply.cost_usd


@pytest.mark.parametrize("model", ["openai/scripted", "nobody/knows", "", "azure/container"])
async def test_a_model_without_a_price_has_none(model: str) -> None:
    assert LiteLlmChat(None).price(model, 1000, 1000) is None


async def test_two_calls_at_once_are_two_requests_and_a_closed_chat_opens_again() -> None:
    with ModelServer([says("Yes.")], loop=True) as server:
        chat = LiteLlmChat(server.base_url)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.complete, request())
            tasks.start_soon(chat.complete, request())
        await chat.aclose()
        await chat.aclose()
        assert (await chat.complete(request())).text == "Yes."
        await chat.aclose()
    assert len(server.requests) == 3


async def test_a_cancelled_call_ends_and_the_next_one_works() -> None:
    with ModelServer([slow(says("Never.")), says("Yes.")]) as server:
        chat = LiteLlmChat(server.base_url)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.complete, request())
            await anyio.to_thread.run_sync(server.wait_for, 1)
            tasks.cancel_scope.cancel()
        assert (await chat.complete(request())).text == "Yes."
        await chat.aclose()


async def test_nothing_of_a_call_is_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], ask: Ask
) -> None:
    caplog.set_level(logging.INFO)
    await ask(says("Hello."))
    with pytest.raises(ModelUnavailable):
        await ask(status(500))
    with pytest.raises(ModelUnavailable):
        await ask(spoilt("truncated"))
    assert [record.name for record in caplog.records] == []
    assert capfd.readouterr() == ("", "")


def run(program: str, **more: str) -> str:
    """Run a program in a Python of its own, with warnings as errors; what it prints."""
    ended = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_the_adapter_loads_litellm_only_when_it_is_asked() -> None:
    said = run(
        "import sys, memory_mcp.llm.chat as chat\n"
        "chat.LiteLlmChat('http://127.0.0.1:9/v1')\n"
        "print('litellm' in sys.modules, 'httpx' in sys.modules)"
    )
    assert said == "False False\n"


def test_a_process_that_asked_ends_quietly() -> None:
    with ModelServer([says("Yes.")]) as server:
        said = run(
            "import asyncio\n"
            "from memory_mcp.domain.chat import ChatRequest\n"
            "from memory_mcp.llm.chat import LiteLlmChat\n"
            "async def main():\n"
            f"    chat = LiteLlmChat({server.base_url!r})\n"
            "    said = {'role': 'user', 'content': 'y'}\n"
            "    asked = ChatRequest(model='openai/x', messages=[said])\n"
            "    print((await chat.complete(asked)).text)\n"
            "    await chat.aclose()\n"
            "asyncio.run(main())"
        )
    assert said == "Yes.\n"


def test_without_litellm_a_call_says_what_to_install() -> None:
    said = run(
        "import asyncio, sys\n"
        "sys.modules['litellm'] = None\n"
        "from memory_mcp.domain.chat import ChatRequest\n"
        "from memory_mcp.domain.errors import ModelRefused\n"
        "from memory_mcp.llm.chat import LiteLlmChat\n"
        "try:\n"
        "    asyncio.run(LiteLlmChat(None).complete(ChatRequest(model='openai/x', messages=[])))\n"
        "except ModelRefused as error:\n"
        "    print(error)"
    )
    assert 'pip install "memory-mcp[llm]"' in said
