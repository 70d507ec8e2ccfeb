"""Odd answers over real HTTP, by the real LiteLLM: what is read of them, and what they count."""

import pytest
from tests.llm.odd_answers import ODD, OUT, SENT, Odd, takes_its_time
from tests.llm.test_chat import request

from memory_mcp.domain.chat import ChatReply
from memory_mcp.domain.errors import ModelError
from memory_mcp.llm.chat import LiteLlmChat
from memory_mcp.testing.model_server import ModelServer


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


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
