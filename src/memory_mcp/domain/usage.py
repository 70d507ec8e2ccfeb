"""What a provider says that a call used, read so that nothing it generated goes uncounted.

Providers agree on no shape: reasoning may be among the tokens that came out or beside them, a total
may hold more than its parts, and a number may be missing, a string, negative or nonsense. What is
not told believably is `None` here, and the most that the call was allowed stays entered for it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

BELIEVED_MAX = 2_000_000
"""More tokens than any model takes or gives in one call: a number past it is a mistake."""
USD_BELIEVED_MAX = 1_000.0

_IN = ("prompt_tokens", "input_tokens", "prompt_eval_count", "promptTokenCount")
_OUT = ("completion_tokens", "output_tokens", "eval_count", "candidatesTokenCount")
_TOTAL = ("total_tokens", "totalTokenCount")
_DETAILS_IN = ("prompt_tokens_details", "input_tokens_details")
_DETAILS_OUT = ("completion_tokens_details", "output_tokens_details")
_REASONING = ("reasoning_tokens", "thinking_tokens", "thoughtsTokenCount")
_CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens in and out, all in one, and US dollars; `None` where nothing believable is told."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    total: int | None = None
    usd: float | None = None

    @property
    def is_told(self) -> bool:
        """Whether both sides of it are known, or their sum."""
        return self.total is not None or None not in (self.tokens_in, self.tokens_out)

    @property
    def is_empty(self) -> bool:
        """Whether it tells nothing."""
        return self.tokens_in is None and self.tokens_out is None and self.total is None

    def entered(self, sent: int, room: int) -> tuple[int, int]:
        """Tokens in and out for the ledger: what is not told counts as all that it could be.

        `sent` is what was reckoned for the request, `room` the most that was asked for.
        """
        if self.total is not None and self.tokens_in is None:
            tokens_in = max(0, self.total - self.tokens_out) if self.tokens_out is not None else 0
            tokens_in = tokens_in or min(sent, self.total)
        else:
            tokens_in = sent if self.tokens_in is None else self.tokens_in
        if self.tokens_out is not None:
            return tokens_in, self.tokens_out
        return tokens_in, room if self.total is None else max(0, self.total - tokens_in)


def usage_of(told: object, *, said: bool = True) -> Usage:
    """The usage that a provider told, in any of the shapes there are.

    `said`: whether the answer holds anything; then no tokens out are not believed.
    """
    if not isinstance(told, Mapping):
        return Usage()
    given = cast("Mapping[str, Any]", told)
    tokens_in, tokens_out = _largest(given, _IN) or None, _largest(given, _OUT)
    total = _largest(given, _TOTAL) or None
    if tokens_in is not None:
        tokens_in += _apart(given, tokens_in, has_prompt="prompt_tokens" in given)
    if tokens_out is not None:
        tokens_out += _reasoning_apart(given, tokens_in, tokens_out, total)
    if not tokens_out and said:
        tokens_out = None
    if total is not None and tokens_in is not None and total > tokens_in + (tokens_out or 0):
        tokens_out = total - tokens_in
    if total is not None and total < (tokens_in or 0) + (tokens_out or 0):
        total = None  # it contradicts its parts
    if total is not None and tokens_in is not None and tokens_out is None:
        total = None  # nothing left for an answer that is there: so it tells nothing
    return Usage(tokens_in=tokens_in, tokens_out=tokens_out, total=total, usd=_usd(given))


def _reasoning_apart(
    given: Mapping[str, Any], tokens_in: int | None, tokens_out: int, total: int | None
) -> int:
    """Reasoning that is beside the tokens out, not among them; what isn't certain counts."""
    reasoning = _largest(given, _REASONING) or 0
    for details in _DETAILS_OUT:
        reasoning = max(reasoning, _largest(given.get(details), _REASONING) or 0)
    if not reasoning or reasoning > tokens_out:
        return reasoning
    among = total is not None and tokens_in is not None and total >= tokens_in + tokens_out
    return 0 if among else reasoning  # where there is a total, it holds what is beside


def _apart(given: Mapping[str, Any], tokens_in: int, *, has_prompt: bool) -> int:
    """Cached tokens that are beside the tokens in: Anthropic's own shape tells them so."""
    cached = sum(_number(given.get(name)) or 0 for name in _CACHED)
    if has_prompt:  # OpenAI's shape tells them among the prompt's, unless there are more of them
        for details in _DETAILS_IN:
            cached = max(cached, _largest(given.get(details), ("cached_tokens",)) or 0)
        return cached if cached > tokens_in else 0
    return cached


def _largest(given: object, names: tuple[str, ...]) -> int | None:
    if not isinstance(given, Mapping):
        return None
    told = cast("Mapping[str, Any]", given)
    numbers = [number for name in names if (number := _number(told.get(name))) is not None]
    return max(numbers, default=None)


def _number(told: object) -> int | None:
    """A count of tokens, rounded up; `None` for what cannot be one."""
    number = _finite(told)
    return math.ceil(number) if number is not None and 0 <= number <= BELIEVED_MAX else None


def _usd(given: Mapping[str, Any]) -> float | None:
    cost = _finite(given.get("cost"))
    return cost if cost is not None and 0 < cost <= USD_BELIEVED_MAX else None


def _finite(told: object) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    try:
        number = float(told)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
