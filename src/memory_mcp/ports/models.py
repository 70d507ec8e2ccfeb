"""Time, embedders, token counts and chat models."""

from array import array
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from memory_mcp.domain.chat import ChatReply, ChatRequest
from memory_mcp.domain.vectors import Packed

if TYPE_CHECKING:
    Vector = array[float]
else:  # arrays cannot be subscripted before Python 3.12
    Vector = array

"""A unit vector of the embedder's `dims` single-precision floats."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors. Called off the event loop; may be called from several threads."""

    @property
    def name(self) -> str:
        """What the store remembers its vectors by; another name means vectors of another kind."""
        ...

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def inline(self) -> bool:
        """Quick enough (under a millisecond a memory) to run before a write, not after it."""
        ...

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One unit vector for each text; zeros for a text with nothing it knows.

        Raises:
            EmbedderError: the embedder cannot run.
        """
        ...


class BulkEmbedder(Protocol):
    """The same embedder in processes of its own, for many thousands of texts."""

    @property
    def parallel(self) -> int:
        """How many calls run at once."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Its processes run as long as this is open, and no longer."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[Packed]:
        """For each text its vector as the store keeps it; only while it is running.

        Raises:
            EmbedderError: the embedder cannot run.
            EmbedderGone: a process was ended from outside.
        """
        ...


class TokenCounter(Protocol):
    """Counts tokens as a model would."""

    @property
    def exact(self) -> bool:
        """Whether counts are a vocabulary's (o200k) or an estimate."""
        ...

    def count(self, text: str) -> int:
        """Tokens in `text`."""
        ...

    def fits(self, text: str, tokens: int) -> bool:
        """Whether `text` has at most that many tokens; may answer without counting."""
        ...


class ChatModel(Protocol):
    """Answers chat requests; the worker alone has one."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One call of a model, not tried twice.

        Raises:
            ModelUnavailable: it gave no answer this time; another try may help.
            ModelRefused: it will give none as it is asked.
        """
        ...

    async def prepare(self) -> None:
        """Load what calls need, off the event loop; calls do so themselves.

        Raises:
            ModelRefused: it isn't installed.
        """
        ...

    def price(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """What a call costs, in US dollars; `None` when the model has no known price."""
        ...
