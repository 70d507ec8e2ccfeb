"""The chat model: any provider that LiteLLM speaks to, or a server of the user's own.

LiteLLM takes seconds and some 200 MB to import, so that happens at the first call, in a thread, and
only where models are asked. It is told to keep to itself: no retries, no callbacks, no fetching of
price lists and tokenizers, no reading of `.env` files, nothing on standard error.
"""

import json
import logging
import os
import sys
import warnings
from threading import Lock
from typing import Any, cast

import anyio
import anyio.to_thread

from memory_mcp.domain.chat import ChatReply, ChatRequest
from memory_mcp.domain.errors import ModelRefused, ModelUnavailable
from memory_mcp.domain.reasoning import without_reasoning
from memory_mcp.llm.answers import fault_in, read_body, said_in, usage_in
from memory_mcp.llm.failures import Failures, named
from memory_mcp.llm.tokens import Tokens
from memory_mcp.llm.wire import ANSWER_BYTES_MAX, Exchange, exchanging, http_client

_LOADING = Lock()


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
            self._http = http_client(self._seconds)
        litellm.aclient_session = self._http
        with exchanging() as exchange:
            where = named(request.model, self._base_url)
            failures = Failures(where=where, seconds=self._seconds, exchange=exchange)
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
            # LiteLLM's own errors have no common base, and some providers let others through.
            except Exception as error:  # noqa: BLE001
                raw = _unconverted(exchange)
                if raw is None:
                    # Not `from error`: what a traceback quotes may hold the key and the payload.
                    raise failures.of(error) from None
            return await self._reply(request, raw, exchange, failures)

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
        # Without a limit on the answer the most that it may cost is no bound.
        if known is None or "max_tokens" in known:
            taken["max_tokens"] = request.tokens_out_max
        elif "max_completion_tokens" in known:
            taken["max_completion_tokens"] = request.tokens_out_max
        return provider, taken

    def _where(self, provider: str) -> dict[str, Any]:
        if self._base_url is None:
            return {}
        where: dict[str, Any] = {"api_base": self._base_url}
        if provider == "openai" and not os.environ.get("OPENAI_API_KEY"):
            where["api_key"] = "none"  # a local server wants none, but the client insists on one
        return where

    async def _reply(
        self, request: ChatRequest, raw: dict[str, Any], exchange: Exchange, failures: Failures
    ) -> ChatReply:
        said = said_in(raw)
        came = read_body(bytes(exchange.body)) if exchange.is_whole else None
        # LiteLLM makes zeros of what isn't there, and numbers of what is none.
        usage = usage_in(came or raw, said=said is not None and bool(said.all))
        if said is None:
            raise failures.unreadable()
        if not (said.text or said.tool_calls) and (fault := fault_in(came)):
            raise failures.of_fault(fault, usage, came)
        if len(said.all) > ANSWER_BYTES_MAX:
            raise failures.too_long()
        count = self._tokens.count
        sent = json.dumps([*request.messages, *request.tools], ensure_ascii=False, default=str)
        sent_tokens = said_tokens = 0
        if usage.tokens_in is None:
            sent_tokens = await anyio.to_thread.run_sync(count, sent)
        if usage.tokens_out is None and said.all:
            said_tokens = await anyio.to_thread.run_sync(count, said.all)
        tokens_in, tokens_out = usage.entered(sent_tokens, said_tokens)
        priced = await anyio.to_thread.run_sync(self.price, request.model, tokens_in, tokens_out)
        costs = [cost for cost in (priced, usage.usd) if cost is not None]
        return ChatReply(
            text=without_reasoning(said.text),
            tool_calls=said.tool_calls,
            finish_reason=said.finish_reason,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=max(costs, default=None),
            raw=raw,
            is_told=usage.is_told,
        )


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
    # What doesn't fit its own types it tells to standard error otherwise, with the payload.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings")
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logger = logging.getLogger(name)
        # What matters comes as an exception; its log lines may quote the payload.
        logger.setLevel(logging.CRITICAL)
        logger.handlers.clear()
    for name in ("openai", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _plain(answer: Any) -> dict[str, Any]:
    """The answer as JSON would have it."""
    return cast("dict[str, Any]", answer.model_dump(mode="json", warnings=False))


def _unconverted(exchange: Exchange) -> dict[str, Any] | None:
    """The answer as it came, if it came whole and holds a message that LiteLLM couldn't read."""
    if exchange.status is None or exchange.status >= 400 or not exchange.is_whole:
        return None
    told = read_body(bytes(exchange.body))
    return cast("dict[str, Any]", told) if said_in(told) is not None else None
