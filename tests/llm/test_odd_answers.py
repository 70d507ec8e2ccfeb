"""Odd answers over real HTTP, by the real LiteLLM: what is read of them, and what they count."""

import pytest
from tests.llm.odd_answers import ODD, OUT, SENT, Odd, message, takes_its_time
from tests.llm.test_chat import request, run

from memory_mcp.domain.chat import ChatReply
from memory_mcp.domain.errors import ModelError
from memory_mcp.llm.chat import LiteLlmChat
from memory_mcp.testing.model_server import ModelServer, Verbatim, verbatim


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")


async def asked(odd: Odd) -> ChatReply | ModelError:
    """What becomes of it; it was asked for once."""
    with ModelServer([odd.answer], loop=True) as server:
        chat = LiteLlmChat(server.base_url, 1.0 if takes_its_time(odd) else 20.0)
        try:
            return await chat.complete(request())
        except ModelError as error:
            return error
        finally:
            await chat.aclose()
            assert len(server.requests) == 1


def test_there_are_many_of_them_and_each_has_its_name() -> None:
    names = [odd.name for odd in ODD]
    assert len(set(names)) == len(names) >= 100


@pytest.mark.parametrize("odd", ODD, ids=[odd.name for odd in ODD])
async def test_an_odd_answer_is_read_where_it_can_be_and_never_counts_too_little(odd: Odd) -> None:
    came = await asked(odd)

    if isinstance(came, ChatReply):
        assert odd.outcome == "usable"
        assert odd.text in (None, came.text)
        assert came.is_told == (odd.generated is not None)
        if odd.generated is not None and came.is_told:
            assert came.tokens_in + came.tokens_out == sum(odd.generated)
    else:
        assert odd.outcome == ("unusable" if came.charged else "failed")
        assert odd.text is None or odd.text in str(came)
        told = came.usage is not None and not came.usage.is_empty
        if odd.outcome == "unusable" and odd.generated is not None:
            assert came.usage is not None
            assert came.usage.entered(0, 0) == (SENT, OUT)
        else:
            assert not told


# --- A provider with a shape of its own, which LiteLLM asks by another client ---

CLAUDE = {
    "id": "msg-1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": SENT, "output_tokens": OUT},
}
CACHED = {"input_tokens": 4, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 6}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


async def asked_of_claude(answer: Verbatim) -> ChatReply | ModelError:
    with ModelServer([answer], loop=True) as server:
        chat = LiteLlmChat(server.base_url.removesuffix("/v1"), 20)
        try:
            said = [{"role": "user", "content": "Well?"}]
            return await chat.complete(
                request("anthropic/claude-haiku-4-5", messages=said, tools=())
            )
        except ModelError as error:
            return error
        finally:
            await chat.aclose()
            assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [verbatim(CLAUDE), verbatim(CLAUDE | {"usage": CACHED | {"output_tokens": OUT}})],
    ids=["plain", "cached"],
)
async def test_anthropics_own_shape_is_counted_whole(answer: Verbatim) -> None:
    came = await asked_of_claude(answer)
    assert isinstance(came, ChatReply)
    assert (came.text, came.tokens_in, came.tokens_out, came.is_told) == ("Yes.", SENT, OUT, True)


@pytest.mark.parametrize(
    "answer",
    [
        verbatim({name: told for name, told in CLAUDE.items() if name != "usage"}),
        verbatim({name: told for name, told in CLAUDE.items() if name != "content"}),
        verbatim(CLAUDE | {"content": "Yes."}),
        verbatim(CLAUDE | {"content": None}),
        verbatim(CLAUDE | {"usage": {"input_tokens": -4, "output_tokens": -3}}),
        verbatim(b"<html>Yes.</html>"),
        verbatim(b""),
        verbatim(b'{"id": "msg-1", "con'),
        verbatim(CLAUDE, promised=9_000),
        verbatim(b"Bad gateway", 502),
    ],
    ids=[
        *("no usage", "no content", "a string", "null", "negative", "a page", "nothing", "half"),
        *("cut", "gateway"),
    ],
)
async def test_where_nothing_is_told_all_that_was_reserved_stays(answer: Verbatim) -> None:
    came = await asked_of_claude(answer)
    if isinstance(came, ChatReply):
        assert not came.is_told
    else:
        assert came.charged
        assert came.usage is None or came.usage.is_empty
        assert "Traceback" not in str(came)


@pytest.mark.parametrize("code", [400, 401, 429, 500, 529])
async def test_an_error_of_its_own_costs_nothing(code: int) -> None:
    came = await asked_of_claude(verbatim(OVERLOADED, code, retry_after="9"))
    assert isinstance(came, ModelError)
    assert not came.charged
    assert "Overloaded" in str(came)
    assert came.wait_seconds == (9 if code in (429, 500, 529) else 0)


def test_nothing_of_an_odd_answer_reaches_standard_error() -> None:
    told = message(content=None, tool_calls=[{"function": {"name": "f", "arguments": {"a": "x"}}}])
    with ModelServer([verbatim(told)]) as server:
        said = run(
            "import asyncio\n"
            "from memory_mcp.domain.chat import ChatRequest\n"
            "from memory_mcp.llm.chat import LiteLlmChat\n"
            "async def main():\n"
            f"    chat = LiteLlmChat({server.base_url!r})\n"
            "    said = {'role': 'user', 'content': 'y'}\n"
            "    asked = ChatRequest(model='openai/x', messages=[said])\n"
            "    print((await chat.complete(asked)).tool_calls[0].arguments)\n"
            "    await chat.aclose()\n"
            "asyncio.run(main())"
        )
    assert said == '{"a": "x"}\n'
