"""Chat with a model: what is asked, and what comes back.

Messages and tools have the shape of OpenAI's chat completions, which every provider is spoken to
in: they are kept exactly as they went out, so that whoever reads the ledger reads what was sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ChatMessage = Mapping[str, Any]
"""`{"role": "system", "user", "assistant" or "tool", "content": …}`, and what belongs to a role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One call of a model."""

    model: str
    """The provider's name and the model's: `anthropic/claude-haiku-4-5`, `openai/gpt-5-mini`."""
    messages: Sequence[ChatMessage]
    tools: Sequence[Mapping[str, Any]] = ()
    """`{"type": "function", "function": {"name", "description", "parameters"}}`, or none."""
    tokens_out_max: int = 2_000


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that a model wants called. `arguments` is what it wrote: JSON, or meant to be."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What a model answered, and what it cost."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str
    """`stop`, `tool_calls`, `length`, or what else a provider says."""
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    """By the price list at hand; `None` when the model has no known price."""
    raw: Mapping[str, Any]
    """The whole answer as it came."""
    is_told: bool = True
    """Whether the provider told the tokens; else they were counted here, from what is shown."""
