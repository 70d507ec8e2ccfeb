"""The chat model: any provider that LiteLLM speaks to, or a server of the user's own.

LiteLLM takes seconds and some 200 MB to import, so that happens at the first call, in a thread, and
only where models are asked. It is told to keep to itself: no retries, no callbacks, no fetching of
price lists and tokenizers, no reading of `.env` files, nothing on standard error.
"""

import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus
from threading import Lock
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import anyio
import anyio.to_thread

from memory_mcp.domain.chat import ChatReply, ChatRequest, ToolCall
from memory_mcp.domain.errors import ModelRefused, ModelUnavailable
from memory_mcp.domain.redact import redact
from memory_mcp.llm.tokens import Tokens

ANSWER_BYTES_MAX = 8_000_000
"""The most that is read of an answer: far more than a model says within any token limit."""

_QUOTE_CHARS = 300
_LOADING = Lock()
# LiteLLM puts its classes before what a provider says, often twice.
_PREFIX = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Timeout)(?: Error)?: )+(?:\w+Exception - )?")
# These say of a request that it may go better the next time; all others from 400 on that it won't.
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_NEXT_MOVES = {
    400: "Check that the model takes tools and as many tokens as are asked of it.",
    401: "Check the provider's key in the environment.",
    402: "Check the provider's account.",
    403: "Check what the provider's key is allowed.",
    404: "Check MEMORY_MCP_MODEL and MEMORY_MCP_MODEL_BASE_URL.",
    413: "Ask it less at a time: a smaller context limit, or a model with a larger one.",
    429: "It is busy, or its quota is used up; ask again later.",
}


class LiteLlmChat:
    """The `ChatModel` port. One at a time in a process: LiteLLM has one HTTP client for all.

    Close it with `aclose`, in the event loop that used it.
    """

    def __init__(self, base_url: str | None, seconds: float = 120) -> None:
        """With a `base_url` that server is asked; `seconds` is the limit of a whole call."""
        self._base_url = base_url
        self._seconds = seconds
        self._tokens = Tokens()
        self._http: Any = None

    async def prepare(self) -> None:
        """Import LiteLLM, off the event loop; some seconds the first time. Calls do so themselves.

        Raises:
            ModelRefused: it isn't installed.
        """
        await anyio.to_thread.run_sync(_litellm)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One call of a model: one request on the wire, whatever comes back.

        Messages and tools go out as they are, but for fields that are `None`: LiteLLM leaves
        those out. (Azure AI's own adapter may ask once more after status 422.)

        Raises:
            ModelUnavailable: it gave no answer this time; another try may help.
            ModelRefused: it will give none as it is asked.
        """
        await self.prepare()
        litellm = _litellm()
        if self._http is None:
            self._http = _http_client(self._seconds)
        litellm.aclient_session = self._http
        try:
            provider, taken = self._provider(litellm, request)
            with anyio.fail_after(self._seconds):  # LiteLLM's own limit is one for each read
                answer = await litellm.acompletion(
                    model=request.model,
                    messages=[dict(message) for message in request.messages],
                    timeout=self._seconds,
                    num_retries=0,
                    max_retries=0,
                    **self._where(provider),
                    **taken,
                )
            raw = _plain(answer)
        except (ModelRefused, ModelUnavailable):
            raise
        # LiteLLM's own errors have no common base, and some providers' code lets others through.
        except Exception as error:  # noqa: BLE001
            # Not `from error`: what a traceback quotes may hold the key and the whole payload.
            raise self._translated(error, request.model) from None
        return await self._reply(request, raw)

    def price(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """What a call costs, in US dollars, by LiteLLM's own list; `None` when that has no price.

        A model of the user's own server is priced too when its name is in the list: a cap that
        bites too early does less harm than one that doesn't. The first call imports LiteLLM,
        unless `prepare` has.

        Raises:
            ModelRefused: LiteLLM isn't installed.
        """
        litellm = _litellm()
        try:
            cost_in, cost_out = litellm.cost_per_token(
                model=model, prompt_tokens=tokens_in, completion_tokens=tokens_out
            )
            known = litellm.model_cost[litellm.get_model_info(model)["key"]]
        # Its errors for a model without a price are of several classes.
        except Exception:  # noqa: BLE001
            return None
        # It reckons with zero where its list has nothing.
        return cost_in + cost_out if "input_cost_per_token" in known else None

    async def aclose(self) -> None:
        """End the connections, and what LiteLLM left running in this event loop."""
        if self._http is None:
            return
        from litellm.litellm_core_utils.logging_worker import (  # pyright: ignore[reportMissingTypeStubs] it has none
            GLOBAL_LOGGING_WORKER,
        )
        from litellm.responses.streaming_iterator import (  # pyright: ignore[reportMissingTypeStubs] it has none
            drain_logging_tasks,
        )

        litellm = _litellm()
        # Without any callback it still queues what would be told to one, in tasks of its own.
        await drain_logging_tasks()
        await GLOBAL_LOGGING_WORKER.stop(discard_pending=True)
        # It keeps clients by address and key; they would be found again with their connections cut.
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()
        if litellm.aclient_session is self._http:
            litellm.aclient_session = None
        await self._http.aclose()
        self._http = None

    def _provider(self, litellm: Any, request: ChatRequest) -> tuple[str, dict[str, Any]]:
        """The provider's name, and what of the request's parameters it takes.

        LiteLLM's `drop_params` would do that too, but leaves out the tools without a word, and
        sends a request that got status 422 a second time.
        """
        _, provider, _, _ = litellm.get_llm_provider(model=request.model, api_base=self._base_url)
        known = litellm.get_supported_openai_params(
            model=request.model, custom_llm_provider=provider
        )
        taken: dict[str, Any] = {}
        if request.tools:
            if known is not None and "tools" not in known:
                raise ModelRefused(
                    f"Model {request.model!r} takes no tools, as far as LiteLLM knows. "
                    "Set MEMORY_MCP_MODEL to one that does."
                )
            taken["tools"] = [dict(tool) for tool in request.tools]
            if known is None or "tool_choice" in known:
                taken["tool_choice"] = "auto"  # OpenAI's default, but llama-cpp-python's is none
        if known is None or "max_tokens" in known:
            taken["max_tokens"] = request.tokens_out_max
        return provider, taken

    def _where(self, provider: str) -> dict[str, Any]:
        if self._base_url is None:
            return {}
        where: dict[str, Any] = {"api_base": self._base_url}
        if provider == "openai" and not os.environ.get("OPENAI_API_KEY"):
            where["api_key"] = "none"  # a local server wants none, but the client insists on one
        return where

    def _named(self, model: str) -> str:
        return f"Model {model!r}" + (f" at {_shown(self._base_url)}" if self._base_url else "")

    def _translated(self, error: Exception, model: str) -> ModelRefused | ModelUnavailable:
        where = self._named(model)
        causes = list(_causes(error))
        if any(isinstance(cause, _AnswerTooLong) for cause in causes):
            return _too_long(where)
        if _timed_out(causes):
            return ModelUnavailable(
                f"{where} gave no whole answer within {self._seconds:g} s. Ask again later.",
                charged=True,
            )
        if any(isinstance(cause, OSError) for cause in causes) or _is_connection(causes):
            reason = next((cause for cause in causes if isinstance(cause, OSError)), causes[-1])
            return ModelUnavailable(
                f"{where} could not be reached, or broke off: {_quoted(reason)}. "
                "Check that it runs and that the address is right; ask again later.",
                charged=not _never_reached(causes),
            )
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) else 500
        if type(error).__name__ == "ContextWindowExceededError":
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        move = _NEXT_MOVES.get(status)
        if 400 <= status < 500 and status not in _PASSING:
            move = move or "It will not do as it is asked; see what it says."
            return ModelRefused(f"{where} refused ({status:d}): {_quoted(error)}. {move}")
        move = move or "Ask again later."
        return ModelUnavailable(
            f"{where} gave no answer ({status:d}): {_quoted(error)}. {move}",
            charged=any(isinstance(cause, json.JSONDecodeError) for cause in causes),
        )

    async def _reply(self, request: ChatRequest, raw: dict[str, Any]) -> ChatReply:
        where = self._named(request.model)
        choices: list[dict[str, Any]] = raw.get("choices") or []
        message: dict[str, Any] = (choices[0].get("message") or {}) if choices else {}
        if not message:
            raise ModelUnavailable(
                f"{where} gave an answer without a choice. Ask again later.", charged=True
            )
        text = str(message.get("content") or "")
        tool_calls = tuple(_tool_calls(message))
        said = text + "".join(call.name + call.arguments for call in tool_calls)
        if len(said) > ANSWER_BYTES_MAX:
            raise _too_long(where)
        usage: dict[str, Any] = raw.get("usage") or {}
        tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
        # LiteLLM makes zeros of what isn't there.
        if not tokens_in:
            sent = json.dumps([*request.messages, *request.tools], ensure_ascii=False, default=str)
            tokens_in = await anyio.to_thread.run_sync(self._tokens.count, sent)
        if not tokens_out and said:
            tokens_out = await anyio.to_thread.run_sync(self._tokens.count, said)
        tokens_in, tokens_out = int(tokens_in), int(tokens_out or 0)
        return ChatReply(
            text=text,
            tool_calls=tool_calls,
            finish_reason=str(choices[0].get("finish_reason") or "stop"),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=self.price(request.model, tokens_in, tokens_out),
            raw=raw,
        )


class _AnswerTooLong(Exception):
    """The body of an answer went past the limit."""


def _litellm() -> Any:
    """LiteLLM, told how to behave.

    Raises:
        ModelRefused: it isn't installed.
    """
    with _LOADING:
        first = "litellm" not in sys.modules
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else importing it asks the network
        os.environ["LITELLM_MODE"] = "PRODUCTION"  # else it reads the .env of the folder it is in
        try:
            import litellm
        except ImportError:
            raise ModelRefused(
                "To ask a model, memory-mcp needs LiteLLM, which isn't installed here: "
                'pip install "memory-mcp[llm]".'
            ) from None
        if first or not litellm.suppress_debug_info:
            _silence(litellm)
        return litellm


def _silence(litellm: Any) -> None:
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_hf_tokenizer_download = True
    litellm.drop_params = False  # see `_provider`
    litellm.num_retries = 0
    litellm.disable_aiohttp_transport = True  # httpx everywhere: one kind of client to close
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logger = logging.getLogger(name)
        # What matters comes as an exception; its log lines may quote the payload.
        logger.setLevel(logging.CRITICAL)
        logger.handlers.clear()
    for name in ("openai", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _http_client(seconds: float) -> Any:
    """An HTTP client that stops reading at `ANSWER_BYTES_MAX`."""
    import httpx
    from litellm.llms.custom_httpx.http_handler import (  # pyright: ignore[reportMissingTypeStubs] it has none
        get_ssl_configuration,
    )

    class Bounded(httpx.AsyncByteStream):
        def __init__(self, stream: httpx.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            read = 0
            async for piece in self._stream:
                read += len(piece)
                if read > ANSWER_BYTES_MAX:
                    raise _AnswerTooLong
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = Bounded(response.stream)

    return httpx.AsyncClient(
        verify=get_ssl_configuration(),
        timeout=seconds,
        follow_redirects=True,
        event_hooks={"response": [bound]},
    )


def _plain(answer: Any) -> dict[str, Any]:
    """The answer as JSON would have it."""
    return cast("dict[str, Any]", answer.model_dump(mode="json"))


def _tool_calls(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    called: list[dict[str, Any]] = message.get("tool_calls") or []
    if not called and message.get("function_call"):  # before there were tools, there were functions
        called = [{"function": message["function_call"]}]
    for call in called:
        function: dict[str, Any] = call.get("function") or {}
        arguments = function.get("arguments")
        yield ToolCall(
            id=str(call.get("id") or f"call-{uuid4().hex}"),
            name=str(function.get("name") or ""),
            arguments=arguments if isinstance(arguments, str) else json.dumps(arguments or {}),
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, the last first."""
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.__cause__ or step.__context__


def _is_connection(causes: list[BaseException]) -> bool:
    import httpx

    return any(isinstance(cause, httpx.TransportError) for cause in causes)


def _never_reached(causes: list[BaseException]) -> bool:
    """Whether no request went out; a connection that breaks later may have cost its answer."""
    import httpx

    return any(isinstance(cause, httpx.ConnectError | ConnectionRefusedError) for cause in causes)


def _timed_out(causes: list[BaseException]) -> bool:
    import httpx

    return any(isinstance(cause, TimeoutError | httpx.TimeoutException) for cause in causes)


def _too_long(where: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"{where} gave an answer of more than {ANSWER_BYTES_MAX:,} bytes; the rest was not read. "
        "Check what stands behind that address.",
        charged=True,
    )


def _shown(url: str) -> str:
    """An address without what may be a key in it: this goes into the ledger."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the given address"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _quoted(error: BaseException) -> str:
    """What an error says, without keys, on one line, clipped."""
    said = _PREFIX.sub("", " ".join(str(error).split())) or type(error).__name__
    for name, value in os.environ.items():
        if len(value) >= 8 and any(
            mark in name.upper() for mark in ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
        ):
            said = said.replace(value, "[redacted]")
    said = redact(said)
    return (said if len(said) <= _QUOTE_CHARS else said[: _QUOTE_CHARS - 1] + "…").rstrip(". ")
