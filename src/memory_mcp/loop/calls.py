"""Calls of a model, within the caps: entered before they are made, settled when answered."""

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from anyio import to_thread

from memory_mcp.domain.chat import ChatMessage, ChatReply, ChatRequest
from memory_mcp.domain.errors import MemoryMCPError, ModelError, ModelUnavailable
from memory_mcp.domain.ids import RunId
from memory_mcp.domain.runs import CapHit, Caps, Lease, Spent
from memory_mcp.domain.usage import BELIEVED_MAX
from memory_mcp.ports import ChatModel, RunStore, TokenCounter

logger = logging.getLogger(__name__)

TOKENS_OUT_MAX = 2_000
RUN_SHARE = 5
"""Of what a run may take, at most this part is for one answer."""
RETRY_SECONDS = (1.0, 4.0)
"""How long is waited before a call that got no answer is made again."""
CHARGED_TRIES_MAX = 2
"""How often a call is made that may be charged without an answer that can be used."""
WAIT_SECONDS_MAX = 60.0
"""A provider that wants to be left alone for longer is not waited for: the run is tried later."""
REST = 160
REST_SECONDS_MAX = 2.0
"""After its writes for a call the run rests so many times as long: others want to write, too. A
real model takes so long that nobody notices."""
ESTIMATE_MARGIN = 1.1
"""Models count a little differently; the most a call may cost must not be too little."""


class CapReached(MemoryMCPError):
    """A call could have passed a cap and was not made."""

    def __init__(self, hit: CapHit) -> None:
        super().__init__(str(hit))
        self.hit = hit


class Calls:
    """What one run asks its model."""

    def __init__(
        self,
        model: str,
        chat: ChatModel,
        runs: RunStore,
        tokens: TokenCounter,
        caps: Caps,
        run_id: RunId,
        lease: Lease,
    ) -> None:
        self._model = model
        self._chat = chat
        self._runs = runs
        self._tokens = tokens
        self._caps = caps
        self._run_id = run_id
        self._lease = lease
        self._margin = ESTIMATE_MARGIN
        """By how much more the model counts than we do, as far as its answers have told."""

    async def ask(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> ChatReply:
        """One answer, tried again a few times where that may help.

        Raises:
            CapReached: it could have passed a cap.
            ModelError: there was no answer.
        """
        room = min(TOKENS_OUT_MAX, self._caps.run_tokens // RUN_SHARE)
        request = ChatRequest(
            model=self._model, messages=messages, tools=tools, tokens_out_max=room
        )
        charged = 0
        for pause in (*RETRY_SECONDS, None):
            try:
                return await self._once(request)
            except ModelUnavailable as error:
                charged += error.charged
                if pause is None or charged >= CHARGED_TRIES_MAX:
                    raise
                wait = max(pause, error.wait_seconds)
                if wait > WAIT_SECONDS_MAX:
                    raise
                logger.info("%s gave no answer, asked again in %s s", self._model, wait)
                logger.debug("because: %s", error)
                await anyio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def _once(self, request: ChatRequest) -> ChatReply:
        told = {
            "model": request.model,
            "messages": list(request.messages),
            "tools": list(request.tools),
            "max_tokens": request.tokens_out_max,
        }
        text = json.dumps([told["messages"], told["tools"]], ensure_ascii=False)
        counted = self._tokens.count(text)
        room = request.tokens_out_max
        tokens_in = math.ceil(counted * self._margin)
        usd = await self._price(tokens_in, room)
        most = Spent(tokens=tokens_in + room, usd=usd or 0.0, unpriced_calls=int(usd is None))
        began = time.monotonic()
        number = await self._runs.reserve(self._run_id, self._lease, told, most, self._caps)
        if isinstance(number, CapHit):
            raise CapReached(number)
        wrote = time.monotonic() - began
        try:
            reply = await self._chat.complete(request)
        except ModelError as error:
            await self._settle_failed(number, error, tokens_in, room, usd)
            raise
        spent = (reply.tokens_in, reply.tokens_out, reply.cost_usd)
        if not _believable(reply):
            spent = (tokens_in, room, usd)
        elif not reply.is_told:  # what was reserved stays, unless even more is shown
            into, out = max(tokens_in, reply.tokens_in), max(room, reply.tokens_out)
            spent = (into, out, _larger(reply.cost_usd, await self._price(into, out)))
        elif counted:
            self._margin = max(self._margin, ESTIMATE_MARGIN * reply.tokens_in / counted)
        into, out, cost = spent
        response = dict(reply.raw)
        await self._settle(number, response=response, tokens_in=into, tokens_out=out, usd=cost)
        await anyio.sleep(min(REST * wrote, REST_SECONDS_MAX))
        return reply

    async def _settle_failed(
        self, number: int, error: ModelError, tokens_in: int, room: int, usd: float | None
    ) -> None:
        """Enter a call without an answer: all that was reserved, where nothing says otherwise."""
        if not error.charged:
            spent = (0, 0, 0.0)
        elif error.usage is None or error.usage.is_empty:
            spent = (tokens_in, room, usd)
        else:
            into, out = error.usage.entered(tokens_in, room)
            spent = (into, out, _larger(error.usage.usd, await self._price(into, out)))
        into, out, cost = spent
        told = {"response": error.answer, "error": str(error)}
        await self._settle(number, **told, tokens_in=into, tokens_out=out, usd=cost)

    async def _price(self, tokens_in: int, tokens_out: int) -> float | None:
        # In a thread: the first price may have to load a library for it.
        price = self._chat.price
        usd = await to_thread.run_sync(price, self._model, tokens_in, tokens_out)
        return usd if usd is not None and 0 <= usd < math.inf else None

    async def _settle(self, number: int, **told: Any) -> None:
        # Shielded: what was spent is entered, whoever gives up waiting.
        with anyio.CancelScope(shield=True):
            await self._runs.settle(self._run_id, self._lease, number, **told)


def _believable(reply: ChatReply) -> bool:
    """Whether its numbers can be; a server's negative ones would make room under the caps."""
    tokens = (reply.tokens_in, reply.tokens_out)
    usd = 0.0 if reply.cost_usd is None else reply.cost_usd
    return all(0 <= each <= BELIEVED_MAX for each in tokens) and 0 <= usd < math.inf


def _larger(one: float | None, other: float | None) -> float | None:
    return max((usd for usd in (one, other) if usd is not None), default=None)
