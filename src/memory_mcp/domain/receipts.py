"""Receipts: what a forgetting took from where, by whom, and how far it is gone; never a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from memory_mcp.domain.forgetting import KEPT_DAYS, kept_until
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.texts import counted
from memory_mcp.domain.times import Zone, for_reading

Asked = Literal["agent", "conversation", "id", "text", "time"]
"""By what it was asked for."""
AskedBy = Literal["command", "request"]
"""A person's command, or a request that came by mail or a tool."""

IDS_KEPT = 1_000
"""So many ids stand on a line of a receipt; the number is of all."""
UNTOUCHED = "beside the store, not touched"
"""The place of copies that a forgetting leaves alone."""


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """How much of one noun went from one place."""

    noun: str
    place: str
    number: int
    ids: Sequence[str] = ()
    """At most `IDS_KEPT` of them; names of files where it is files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One forgetting."""

    id: str
    agent_id: AgentId
    asked: Asked
    asked_by: AskedBy
    at: datetime
    undone_at: datetime | None = None
    gone_at: datetime | None = None
    """Since when nothing of it can be put back."""
    erased_at: datetime | None = None
    """Since when the store's file holds no byte of it."""
    is_kept: bool = False
    """Whether something of it can be put back in this store."""
    lines: Sequence[ReceiptLine] = ()

    def state(self, zone: Zone) -> str:
        """How far it is gone, in words."""
        if self.erased_at:
            return f"gone for good, and erased from the file on {for_reading(self.erased_at, zone)}"
        if self.gone_at:
            return (
                f"gone for good since {for_reading(self.gone_at, zone)}; the file's freed pages "
                "are still to be overwritten"
            )
        if self.undone_at:
            return f"put back on {for_reading(self.undone_at, zone)}, as far as could be"
        if not self.is_kept:
            return "nothing of it is in this store, and nothing of it can be put back"
        until = for_reading(kept_until(self.at), zone)
        return f"can be put back until {until} ({KEPT_DAYS} days): forget --undo {self.id}"

    def told(self, zone: Zone) -> str:
        """All of it, for a person."""
        head = (
            f"{self.id}  {for_reading(self.at, zone)}, by {self.asked}, asked for by a "
            f"{self.asked_by}"
        )
        lines = [
            f"- {each.place}: {counted(each.number, each.noun)}"
            + (
                f" ({', '.join(each.ids[:5])}{', …' if each.number > 5 else ''})"
                if each.ids
                else ""
            )
            for each in self.lines
        ]
        return "\n".join([head, *lines, f"State: {self.state(zone)}"])
