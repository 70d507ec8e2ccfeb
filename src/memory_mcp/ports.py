"""What the services need from the outside, in domain words.

Each method of a store is one whole step: it reads, decides through the pure functions it is given,
writes and commits, so no service ever holds a transaction open over anything slow.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from memory_mcp.domain.agents import Agent, AgentChoice
from memory_mcp.domain.blocks import Block, Edit
from memory_mcp.domain.chat import ChatReply, ChatRequest
from memory_mcp.domain.host_events import HostSession
from memory_mcp.domain.ids import AgentId, BlockId, ConversationId, MessageId, PassageId
from memory_mcp.domain.messages import Conversation, Message, NewMessage, Role
from memory_mcp.domain.passages import NewPassage, Passage, TagMatch
from memory_mcp.domain.statistics import Statistics
from memory_mcp.domain.summaries import NewSummary, Summary
from memory_mcp.domain.times import Window
from memory_mcp.domain.tool_rules import ToolRule

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

    def price(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """What a call costs, in US dollars; `None` when the model has no known price."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A search, ready for a store: quoted terms and the question's vector, either may be empty."""

    terms: Sequence[str]
    vector: Vector | None


@dataclass(slots=True)
class Candidate:
    """One row a search leg brought up. Scores are raw: higher is better, 0 is not found."""

    seq: int
    lexical: float = 0.0
    cosine: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages a search may return."""

    roles: Sequence[Role] = ()
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageFilter:
    """Which passages a search may return."""

    tags: Sequence[str] = ()
    tag_match: TagMatch = "any"
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for an agent at one moment."""

    blocks: Sequence[Block]
    tool_rules: Sequence[ToolRule]


@dataclass(frozen=True, slots=True)
class Edited:
    """A block as an edit found it and as the edit left it; equal when nothing changed."""

    before: Block
    after: Block
    evicted: Sequence[Passage] = ()
    """What had to leave the block to keep within its limit, oldest first; now archival memory."""


@dataclass(frozen=True, slots=True)
class Filed:
    """A passage that was filed; `refreshed` when the same text was there already."""

    passage: Passage
    refreshed: bool


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch of messages."""

    stored: Sequence[MessageId]
    known: Sequence[MessageId]
    """Those that were there already, by external id."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the outbox. `agent_ids` are the agents whose memory it concerns."""

    seq: int
    noun: str
    noun_id: str
    operation: str
    agent_ids: Sequence[AgentId]
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A row that waits for its vector, with the text to embed."""

    noun: Literal["message", "passage"]
    seq: int
    text: str


class AgentStore(Protocol):
    """Agents."""

    async def choose(self, choice: AgentChoice) -> Agent:
        """The agent a choice means, made with its blocks if it isn't there yet."""
        ...

    async def all(self) -> list[Agent]:
        """Every agent, oldest first."""
        ...

    async def get(self, agent_id: AgentId) -> Agent:
        """One agent.

        Raises:
            AgentNotFound: there is none with that id.
        """
        ...

    async def named(self, name: str) -> Agent:
        """The agent with that name or id.

        Raises:
            AgentNotFound: there is none; the text lists the agents there are.
        """
        ...

    async def set_context_tokens(self, agent_id: AgentId, tokens: int | None) -> Agent:
        """Give the agent a context limit of its own, or take it away."""
        ...

    async def set_tool_rules(self, agent_id: AgentId, rules: Sequence[ToolRule]) -> Agent:
        """Give the agent these tool rules instead of those it has."""
        ...


class BlockStore(Protocol):
    """Core memory."""

    async def standing(self, agent_id: AgentId) -> Standing:
        """What holds for the agent at this moment."""
        ...

    async def of_agent(self, agent_id: AgentId) -> list[Block]:
        """The agent's blocks, in the order they stand in view."""
        ...

    async def as_of(self, agent_id: AgentId, versions: Mapping[BlockId, int]) -> list[Block]:
        """The agent's blocks as they were at those versions; unknown ones are missing."""
        ...

    async def edit(
        self, agent_id: AgentId, label: str, edit: Edit, key: str | None = None
    ) -> Edited:
        """Apply `edit` to the block's current value, in one transaction.

        The edit of a `key` is made once: asked again, the answer is what it did then. Lines that
        a block has no more room for are filed in the same transaction, for every agent that has the
        block, with the time they were written.

        Raises:
            BlockNotFound: the agent has no such block; the text lists its labels.
        """
        ...


class MessageStore(Protocol):
    """Recall."""

    async def append(
        self,
        agent_id: AgentId,
        messages: Sequence[NewMessage],
        vectors: Sequence[Vector | None],
        host: str | None,
    ) -> Appended:
        """Store messages in order, once each by external id."""
        ...

    async def search(
        self, agent_id: AgentId, question: Question, only: MessageFilter
    ) -> list[Candidate]:
        """The best rows of each leg, filters applied before ranking."""
        ...

    async def latest(
        self, agent_id: AgentId, only: MessageFilter, limit: int, before_seq: int | None
    ) -> list[Message]:
        """The newest messages, newest first, older than `before_seq` if given."""
        ...

    async def arrived(self, agent_id: AgentId, after_seq: int, limit: int) -> list[Message]:
        """Messages in the order they arrived, from the first after `after_seq` on."""
        ...

    async def last_arrived(self, agent_id: AgentId, after_seq: int, limit: int) -> list[Message]:
        """The latest arrivals after `after_seq`, in the order they arrived."""
        ...

    async def get(self, seqs: Sequence[int]) -> dict[int, Message]:
        """Messages by place; places of forgotten ones are missing."""
        ...

    async def neighbours(self, seqs: Sequence[int]) -> dict[int, tuple[Message | None, ...]]:
        """For each place the message before and the one after it in its conversation."""
        ...

    async def count(self, agent_id: AgentId, only: MessageFilter) -> int:
        """How many messages the filter admits."""
        ...

    async def conversations(self, agent_id: AgentId, limit: int) -> list[Conversation]:
        """The agent's conversations, latest first."""
        ...

    async def conversation(
        self, agent_id: AgentId, conversation_id: ConversationId
    ) -> tuple[Conversation, list[Message]]:
        """One conversation with its messages in order.

        Raises:
            ConversationNotFound: the agent has no such conversation.
        """
        ...


SessionEdit = Callable[[HostSession], HostSession]
"""One change of what is known of a host's session."""


class HostSessionStore(Protocol):
    """Hosts' sessions: when they began and ended, and what hooks have told them."""

    async def begin(
        self, agent_id: AgentId, conversation: str, host: str, project: str | None, at: datetime
    ) -> None:
        """A session started, or was taken up again: its conversation is open."""
        ...

    async def end(self, agent_id: AgentId, conversation: str, at: datetime) -> None:
        """A session ended; one that nobody heard of before leaves nothing."""
        ...

    async def get(self, agent_id: AgentId, conversation: str) -> HostSession:
        """The session as its hooks left it; a new one where there is none."""
        ...

    async def edit(self, agent_id: AgentId, conversation: str, edit: SessionEdit) -> None:
        """Change what is known of a session; one without a conversation is left alone."""
        ...

    async def latest(self, agent_id: AgentId, conversation: str) -> str | None:
        """The external id of the last message that came to a conversation."""
        ...


class SummaryStore(Protocol):
    """What stands in view for evicted messages."""

    async def latest(self, agent_id: AgentId) -> Summary | None:
        """The agent's summary in view, if anything was evicted yet."""
        ...

    async def chain(self, agent_id: AgentId) -> list[Summary]:
        """Every summary the agent ever had in view, oldest first."""
        ...

    async def evict(self, agent_id: AgentId, summary: NewSummary, after: Summary | None) -> bool:
        """Put a summary in view, made from the one `after`; the messages it tells of leave.

        False, and nothing changed, when another eviction came before.
        """
        ...


class PassageStore(Protocol):
    """Archival memory."""

    async def file(
        self,
        agent_id: AgentId,
        passages: Sequence[NewPassage],
        vectors: Sequence[Vector | None],
    ) -> list[Filed]:
        """Store passages; the same text (or external id) again refreshes the one there."""
        ...

    async def search(
        self, agent_id: AgentId, question: Question, only: PassageFilter
    ) -> list[Candidate]:
        """The best rows of each leg, filters applied before ranking."""
        ...

    async def get(self, seqs: Sequence[int]) -> dict[int, Passage]:
        """Passages by place; places of forgotten ones are missing."""
        ...

    async def by_id(self, agent_id: AgentId, passage_id: PassageId) -> Passage:
        """One passage.

        Raises:
            PassageNotFound: the agent has no such passage.
        """
        ...

    async def count(self, agent_id: AgentId, only: PassageFilter) -> int:
        """How many passages the filter admits."""
        ...

    async def top_tags(self, agent_id: AgentId, limit: int) -> list[tuple[str, int]]:
        """The most used tags with their numbers of passages."""
        ...


class Outbox(Protocol):
    """The changes table: what wakes other processes."""

    async def last_seq(self) -> int:
        """The newest change there is."""
        ...

    async def since(self, seq: int) -> list[Change]:
        """Changes after `seq`, oldest first."""
        ...

    async def committed(self) -> None:
        """Returns when this process has committed something."""
        ...

    async def pulse(self) -> int:
        """A number that differs whenever any process has committed since the last call."""
        ...


class IndexStore(Protocol):
    """The derived indexes."""

    async def unembedded(self, limit: int) -> list[Unembedded]:
        """Rows that wait for a vector, oldest first."""
        ...

    async def add_vectors(self, rows: Sequence[Unembedded], vectors: Sequence[Vector]) -> None:
        """Give rows their vectors."""
        ...

    async def rebuild(self) -> None:
        """Make every derived table anew from the canonical text; vectors follow."""
        ...


class StatisticsStore(Protocol):
    """Numbers about what is stored."""

    async def of_agent(self, agent_id: AgentId) -> Statistics:
        """One agent's memory in numbers."""
        ...
