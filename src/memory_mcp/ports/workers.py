"""What a worker reads and writes besides the services."""

from dataclasses import dataclass

from memory_mcp.ports.mail import MailStore
from memory_mcp.ports.messages import MessageStore, SummaryStore
from memory_mcp.ports.runs import LeaseStore, RunStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a worker reads and writes besides the services."""

    runs: RunStore
    messages: MessageStore
    summaries: SummaryStore
    mail: MailStore
    leases: LeaseStore
