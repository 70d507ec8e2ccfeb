"""The scripted chat model, which other tests trust."""

import pytest

from memory_mcp.domain.chat import ChatRequest
from memory_mcp.domain.errors import ModelUnavailable
from memory_mcp.testing.chat import Answer, Call, ScriptedChat, ScriptExhausted, calls, says

HELLO = ChatRequest(model="any", messages=[{"role": "user", "content": "Hello."}])


async def test_replies_come_in_order_and_requests_are_kept() -> None:
    chat = ScriptedChat(["One.", calls("find", query="x") + calls("end"), says("Three.")])
    first, second, third = [await chat.complete(HELLO) for _ in range(3)]
    assert (first.text, first.finish_reason) == ("One.", "stop")
    assert [(call.name, call.arguments) for call in second.tool_calls] == [
        ("find", '{"query": "x"}'),
        ("end", "{}"),
    ]
    assert second.finish_reason == "tool_calls"
    assert third.text == "Three."
    assert chat.requests == [HELLO] * 3


async def test_every_call_has_an_id_of_its_own() -> None:
    chat = ScriptedChat([calls("find") + calls("find")], loop=True)
    replies = [await chat.complete(HELLO) for _ in range(3)]
    ids = {call.id for reply in replies for call in reply.tool_calls}
    assert len(ids) == 6


async def test_an_error_in_the_script_is_raised_and_the_script_goes_on() -> None:
    chat = ScriptedChat([ModelUnavailable("Busy."), "Yes."])
    with pytest.raises(ModelUnavailable, match="Busy"):
        await chat.complete(HELLO)
    assert (await chat.complete(HELLO)).text == "Yes."


async def test_a_function_answers_by_the_request() -> None:
    chat = ScriptedChat(lambda request: f"{len(request.messages)} messages")
    assert (await chat.complete(HELLO)).text == "1 messages"


async def test_a_script_that_is_used_up_says_so() -> None:
    chat = ScriptedChat()
    chat.add("One.")
    await chat.complete(HELLO)
    with pytest.raises(ScriptExhausted, match="request 2 is past the end"):
        await chat.complete(HELLO)


async def test_tokens_and_price_are_what_was_set() -> None:
    chat = ScriptedChat([says("Yes.", tokens=(1000, 10))], price_usd=(0.001, 0.01))
    reply = await chat.complete(HELLO)
    assert (reply.tokens_in, reply.tokens_out) == (1000, 10)
    assert reply.cost_usd == pytest.approx(1.1)
    chat.price_usd = None
    assert chat.price("any", 1, 1) is None


async def test_arguments_that_are_no_json_stay_as_they_are() -> None:
    chat = ScriptedChat([Answer(calls=(Call(name="find", arguments="{oops", id="a"),))])
    (call,) = (await chat.complete(HELLO)).tool_calls
    assert (call.id, call.arguments) == ("a", "{oops")
