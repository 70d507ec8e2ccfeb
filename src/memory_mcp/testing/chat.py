"""A chat model that answers by script, in memory; and the words for what a model answers.

The same answers serve the scripted server (`memory_mcp.testing.model_server`).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from memory_mcp.domain.chat import ChatReply, ChatRequest, ToolCall

_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call to be made. `arguments` is passed on as it is, be it JSON or not."""

    name: str
    arguments: str
    id: str | None = None
    """Made up when `None`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model is to say: text, tool calls, or both. `+` makes one answer of two."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: str | None = None
    """`tool_calls` or `stop` unless said."""
    tokens: tuple[int, int] | None = None
    """Tokens in and out, as the provider counts them; a quarter of the characters unless said."""

    def __add__(self, other: "Answer") -> "Answer":
        """One answer that says and calls what both do, in order."""
        return replace(
            self,
            text=self.text + other.text,
            calls=self.calls + other.calls,
            finish_reason=other.finish_reason or self.finish_reason,
            tokens=other.tokens or self.tokens,
        )

    @property
    def ending(self) -> str:
        """Its finish reason."""
        return self.finish_reason or ("tool_calls" if self.calls else "stop")

    def usage(self, asked: str) -> tuple[int, int]:
        """Tokens in and out, for a request of that text."""
        said = self.text + "".join(call.name + call.arguments for call in self.calls)
        return self.tokens or (len(asked) // _CHARS_PER_TOKEN, 1 + len(said) // _CHARS_PER_TOKEN)

    def message(self, number: int) -> dict[str, Any]:
        """It as the assistant's message of OpenAI's chat completions; `number` makes ids unique."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.calls:
            message["tool_calls"] = [
                {
                    "id": f"call-{number}-{place}" if call.id is None else call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for place, call in enumerate(self.calls, 1)
            ]
        return message


def says(text: str, *, tokens: tuple[int, int] | None = None) -> Answer:
    """An answer in words."""
    return Answer(text=text, tokens=tokens)


def calls(name: str, /, **arguments: Any) -> Answer:
    """An answer that calls a tool; the sum of two calls both."""
    return Answer(calls=(Call(name=name, arguments=json.dumps(arguments, ensure_ascii=False)),))


Reply = Answer | str | Exception
"""What a script may hold: an answer, its text alone, or what is raised instead."""


class ScriptExhausted(AssertionError):
    """A model was asked more often than its script has answers: the test or the loop is wrong."""


class ScriptedChat:
    """The `ChatModel` port: gives the replies of a script, and keeps the requests.

    `script` is replies in order, the last of them for ever if `loop`, or a function from request to
    reply. `price_usd` is that of a token in and one out, and may be set at any time.
    """

    def __init__(
        self,
        script: Iterable[Reply] | Callable[[ChatRequest], Reply] = (),
        *,
        loop: bool = False,
        price_usd: tuple[float, float] | None = None,
    ) -> None:
        self.requests: list[ChatRequest] = []
        self.price_usd = price_usd
        self._function = script if callable(script) else None
        self._replies = [] if callable(script) else list(script)
        self._loop = loop

    def add(self, *replies: Reply) -> None:
        """Lengthen the script."""
        self._replies += replies

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The next reply.

        Raises:
            Exception: the script has one here.
            ScriptExhausted: the script has nothing here.
        """
        self.requests.append(request)
        reply = self._function(request) if self._function else self._next()
        if isinstance(reply, Exception):
            raise reply
        answer = says(reply) if isinstance(reply, str) else reply
        number = len(self.requests)
        message = answer.message(number)
        sent: list[Mapping[str, Any]] = [*request.messages, *request.tools]
        tokens_in, tokens_out = answer.usage(json.dumps(sent, ensure_ascii=False, default=str))
        return ChatReply(
            text=answer.text,
            tool_calls=tuple(
                ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in message.get("tool_calls", ())
            ),
            finish_reason=answer.ending,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=self.price(request.model, tokens_in, tokens_out),
            raw={"choices": [{"message": message, "finish_reason": answer.ending}]},
        )

    async def prepare(self) -> None:
        """Nothing to load."""

    def price(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """By `price_usd`, whatever the model."""
        if self.price_usd is None:
            return None
        return tokens_in * self.price_usd[0] + tokens_out * self.price_usd[1]

    async def aclose(self) -> None:
        """Nothing to close."""

    def _next(self) -> Reply:
        if not self._replies:
            raise ScriptExhausted(f"request {len(self.requests)} is past the end of the script")
        return self._replies[0] if self._loop and not self._replies[1:] else self._replies.pop(0)
