"""Use cases. They talk to the domain and the ports, never to an adapter."""

from dataclasses import dataclass

from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.ports import AgentStore, Clock, Encryption, Outbox, TokenCounter, VisitStore
from memory_mcp.services.archival import Archival
from memory_mcp.services.capture import Capture
from memory_mcp.services.copies import Copies
from memory_mcp.services.core_memory import CoreMemory
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.forgetting import Forgetting
from memory_mcp.services.housekeeping import Housekeeping
from memory_mcp.services.indexing import Indexing
from memory_mcp.services.ledger import Ledger
from memory_mcp.services.mail import Mail
from memory_mcp.services.presence import Presence
from memory_mcp.services.recall import Recall
from memory_mcp.services.requests import Requests
from memory_mcp.services.upkeep import Upkeep
from memory_mcp.services.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a front end may call, on one open store."""

    agents: AgentStore
    copies: Copies
    core_memory: CoreMemory
    recall: Recall
    eviction: Eviction
    archival: Archival
    capture: Capture
    forgetting: Forgetting
    upkeep: Upkeep
    mail: Mail
    presence: Presence
    visits: VisitStore
    housekeeping: Housekeeping
    view: View
    indexing: Indexing
    ledger: Ledger
    requests: Requests
    outbox: Outbox
    tokens: TokenCounter
    clock: Clock
    zone: Zone = UTC_ZONE
    """Where the person is for what this process does by itself; a session tells its own."""
    encryption: Encryption | None = None
    """There where the store is encrypted: then no text may lie beside it unsealed."""
