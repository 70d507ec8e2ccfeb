"""Why a model gave no answer, in words for a person, and whether that may have cost something.

What was sent counts until the provider says otherwise: by an error of its own, or because nothing
ever reached it. An answer that nobody can read was generated all the same.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from memory_mcp.domain.errors import ModelRefused, ModelUnavailable
from memory_mcp.domain.redact import redact
from memory_mcp.domain.usage import Usage
from memory_mcp.llm.answers import Fault, fault_in, read_body, usage_in, was_generated
from memory_mcp.llm.wire import ANSWER_BYTES_MAX, AnswerTooLong, Exchange

_QUOTE_CHARS = 300
# LiteLLM puts its classes before what a provider says, often twice.
_PREFIX = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Timeout)(?: Error)?: )+(?:\w+Exception - )?")
# And after it where it failed in its own code, and all of the answer.
_WITHIN = re.compile(r"Traceback \(most recent|received_args|, Original Response|Handle with `lite")
# These say of a request that it may go better the next time; all others from 400 on that it won't.
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    499,
}
# Said by whoever stood between: it waited for an answer that the model may have been giving.
_BETWEEN = {408, 499, 502, 504, 520, 524, 598, 599}
_NEXT_MOVES = {
    400: "Check that the model takes tools and as many tokens as are asked of it.",
    401: "Check the provider's key in the environment.",
    402: "Check the provider's account.",
    403: "Check what the provider's key is allowed.",
    404: "Check MEMORY_MCP_MODEL and MEMORY_MCP_MODEL_BASE_URL.",
    413: "Ask it less at a time: a smaller context limit, or a model with a larger one.",
    429: "It is busy, or its quota is used up; ask again later.",
}
_RETRY_AFTER_MAX = 86_400.0

Failure = ModelRefused | ModelUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The failures of one call. `where` names the model and its address."""

    where: str
    seconds: float
    """The limit of the call."""
    exchange: Exchange

    def of(self, error: Exception) -> Failure:
        """What an exception of LiteLLM's, or of what it uses, comes to."""
        causes = list(_causes(error))
        if any(isinstance(cause, AnswerTooLong) for cause in causes):
            return self.too_long()
        if _timed_out(causes):
            return ModelUnavailable(
                f"{self.where} gave no whole answer within {self.seconds:g} s. Ask again later.",
                charged=not _never_reached(causes),
            )
        if any(isinstance(cause, OSError) for cause in causes) or _is_connection(causes):
            reason = next((cause for cause in causes if isinstance(cause, OSError)), causes[-1])
            return ModelUnavailable(
                f"{self.where} could not be reached, or broke off: {_quoted(reason)}. "
                "Check that it runs and that the address is right; ask again later.",
                charged=not _never_reached(causes),
            )
        told = _error_told(causes)
        answered = self.exchange.status or (told.status_code if told else None)
        if answered is not None and answered < 400:
            return self.unreadable()
        named = getattr(error, "status_code", None)
        status = answered or (named if isinstance(named, int) else 500)
        if type(error).__name__ == "ContextWindowExceededError":
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        body = read_body(bytes(self.exchange.body)) if self.exchange.body else None
        return self._of_status(
            status,
            _quoted(error),
            usage_in(body, said=True),
            body,
            # An error that no server told was made of an answer, or before anything was sent.
            unknown=answered is None and status >= 500,
            generated=was_generated(body) or "failed_generation" in str(error),
            wait_seconds=_wait_seconds(told.headers if told else self.exchange.headers),
        )

    def of_fault(self, fault: Fault, usage: Usage, answer: object = None) -> Failure:
        """What an error in the body of an answer comes to, whatever the answer's own status."""
        text = _quoted(fault.text)
        if fault.status is not None:
            wait = _wait_seconds(self.exchange.headers)
            return self._of_status(fault.status, text, usage, answer, wait_seconds=wait)
        return ModelUnavailable(
            f"{self.where} gave no answer: {text}. Ask again later.",
            charged=not usage.is_empty,
            usage=usage,
            answer=answer,
            wait_seconds=_wait_seconds(self.exchange.headers),
        )

    def unreadable(self) -> Failure:
        """An answer with status 200 that holds no message, nor says what is wrong."""
        body = bytes(self.exchange.body)
        told = read_body(body)
        usage = usage_in(told, said=True)
        if told is not None and (fault := fault_in(told)):
            return self.of_fault(fault, usage, told)
        return ModelUnavailable(
            f"{self.where} gave {_shape(body, told)}. "
            "Check what stands behind that address; ask again later.",
            charged=True,
            usage=usage,
            answer=told,
        )

    def too_long(self) -> Failure:
        """More was sent than is read."""
        return ModelUnavailable(
            f"{self.where} gave an answer of more than {ANSWER_BYTES_MAX:,} bytes; the rest was "
            "not read. Check what stands behind that address.",
            charged=True,
        )

    def _of_status(
        self,
        status: int,
        text: str,
        usage: Usage,
        answer: object,
        *,
        unknown: bool = False,
        generated: bool = False,
        wait_seconds: float = 0,
    ) -> Failure:
        move = _NEXT_MOVES.get(status)
        charged = unknown or generated or not usage.is_empty or status in _BETWEEN
        told: dict[str, Any] = {"charged": charged, "usage": usage}
        if generated or not usage.is_empty:
            told["answer"] = answer
        if 400 <= status < 500 and status not in _PASSING:
            move = move or "It will not do as it is asked; see what it says."
            return ModelRefused(f"{self.where} refused ({status:d}): {text}. {move}", **told)
        move = move or "Ask again later."
        told["wait_seconds"] = wait_seconds
        return ModelUnavailable(f"{self.where} gave no answer ({status:d}): {text}. {move}", **told)


def _wait_seconds(headers: Mapping[str, str]) -> float:
    """What `Retry-After` says, as far as it is a number of seconds."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return 0
    return seconds if 0 < seconds <= _RETRY_AFTER_MAX else 0


def named(model: str, base_url: str | None) -> str:
    """How a model is called in an error: with its address, if it is the user's own."""
    return f"Model {model!r}" + (f" at {_shown(base_url)}" if base_url else "")


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

    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, ConnectionRefusedError)
    return any(isinstance(cause, unsent) for cause in causes)


def _timed_out(causes: list[BaseException]) -> bool:
    import httpx

    return any(isinstance(cause, TimeoutError | httpx.TimeoutException) for cause in causes)


def _error_told(causes: list[BaseException]) -> Any:
    """The response with an error, where another client than ours was used."""
    import httpx

    told = (cause for cause in causes if isinstance(cause, httpx.HTTPStatusError))
    return next((error.response for error in told), None)


def _shown(url: str) -> str:
    """An address without what may be a key in it: this goes into the ledger."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the given address"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _shape(body: bytes, told: object) -> str:
    """What an answer that cannot be used looks like.

    A page for people is quoted; what a model may have said is not: this text stays in the ledger,
    whatever is forgotten.
    """
    if isinstance(told, dict):
        return f"an answer without a choice, of {len(body):,} bytes"
    if not body.strip():
        return "no answer: nothing but an end"
    text = body[:4_000].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        words = " ".join(re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", text).split())
        return f"no answer but a page: {_quoted(words)}"
    return f"no answer that can be read, of {len(body):,} bytes"


def _quoted(error: BaseException | str) -> str:
    """What an error says, without keys, on one line, clipped."""
    told = _WITHIN.split(" ".join(str(error).split()))[0]
    said = _PREFIX.sub("", told) or type(error).__name__
    for name, value in os.environ.items():
        if len(value) >= 8 and any(
            mark in name.upper() for mark in ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
        ):
            said = said.replace(value, "[redacted]")
    said = redact(said)
    return (said if len(said) <= _QUOTE_CHARS else said[: _QUOTE_CHARS - 1] + "…").rstrip(". ")
