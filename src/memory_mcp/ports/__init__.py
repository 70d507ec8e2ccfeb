"""What the services need from the outside, in domain words.

Each method of a store is one whole step: it reads, decides through the pure functions it is given,
writes and commits, so no service ever holds a transaction open over anything slow.
"""

from memory_mcp.ports.agents import AgentStore
from memory_mcp.ports.blocks import BlockStore, Edited, Standing
from memory_mcp.ports.copies import CopyKind, CopyReader, CopyStore, Page, Place, Put
from memory_mcp.ports.encryption import Encryption
from memory_mcp.ports.forgetting import ForgettingStore, StoreFiles, Trace
from memory_mcp.ports.mail import MailStore, Outgoing, Posted, Posting, PresenceStore
from memory_mcp.ports.messages import (
    Appended,
    Backlog,
    HostSessionStore,
    MessageStore,
    SessionEdit,
    SummaryStore,
)
from memory_mcp.ports.models import BulkEmbedder, ChatModel, Clock, Embedder, TokenCounter, Vector
from memory_mcp.ports.passages import Filed, PassageStore, TakenIn, UpkeepStore
from memory_mcp.ports.runs import LeaseStore, Rewritten, RunEnd, RunStore
from memory_mcp.ports.searching import Candidate, MessageFilter, PassageFilter, Question
from memory_mcp.ports.store import Change, IndexStore, Outbox, StatisticsStore, Unembedded
from memory_mcp.ports.visits import VisitStore
from memory_mcp.ports.workers import Stores

__all__ = [
    "AgentStore",
    "Appended",
    "Backlog",
    "BlockStore",
    "BulkEmbedder",
    "Candidate",
    "Change",
    "ChatModel",
    "Clock",
    "CopyKind",
    "CopyReader",
    "CopyStore",
    "Edited",
    "Embedder",
    "Encryption",
    "Filed",
    "ForgettingStore",
    "HostSessionStore",
    "IndexStore",
    "LeaseStore",
    "MailStore",
    "MessageFilter",
    "MessageStore",
    "Outbox",
    "Outgoing",
    "Page",
    "PassageFilter",
    "PassageStore",
    "Place",
    "Posted",
    "Posting",
    "PresenceStore",
    "Put",
    "Question",
    "Rewritten",
    "RunEnd",
    "RunStore",
    "SessionEdit",
    "Standing",
    "StatisticsStore",
    "StoreFiles",
    "Stores",
    "SummaryStore",
    "TakenIn",
    "TokenCounter",
    "Trace",
    "Unembedded",
    "UpkeepStore",
    "Vector",
    "VisitStore",
]
