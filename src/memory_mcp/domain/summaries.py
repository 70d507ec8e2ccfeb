"""Summaries: what stands in view for messages that left it. Recall keeps every message."""

from dataclasses import dataclass
from datetime import datetime

from memory_mcp.domain.ids import SummaryId

MADE_BY_EXTRACT = "extract"
MADE_BY_IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSummary:
    """A summary on its way into the store, made from the last one and the messages that leave."""

    text: str
    first_seq: int
    """Places of the first and the last message that leave."""
    last_seq: int
    messages: int
    """How many leave."""
    last_at: datetime
    """When the last of them was said."""
    made_by: str
    """`extract`, or the model that wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The summary in view. What arrived after `last_seq` is in view itself."""

    id: SummaryId
    text: str
    first_seq: int
    last_seq: int
    messages: int
    """How many messages left with it."""
    covered: int
    """How many have left in all."""
    last_at: datetime
    made_by: str
    created_at: datetime
