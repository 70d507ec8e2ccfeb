"""What the services need from the outside, in domain words.

Each method of a store is one whole step: it reads, decides through the pure functions it is given,
writes and commits, so no service ever holds a transaction open over anything slow.
"""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from memory_mcp.domain.agents import Agent, AgentChoice, AgentSettings, Holdings
from memory_mcp.domain.blocks import Block, BlockSettings, BlockTemplate, BlockVersion, Edit
from memory_mcp.domain.chat import ChatReply, ChatRequest
from memory_mcp.domain.copies import Copy
from memory_mcp.domain.drafts import Draft
from memory_mcp.domain.forgetting import Forgotten, Found, NearDuplicate, Pending, Restored
from memory_mcp.domain.host_events import HostSession
from memory_mcp.domain.ids import (
    AgentId,
    BlockId,
    ConversationId,
    MailId,
    MessageId,
    PassageId,
    RunId,
)
from memory_mcp.domain.mail import Letter, News
from memory_mcp.domain.messages import Conversation, Message, NewMessage, Role
from memory_mcp.domain.passages import NewPassage, Passage, TagMatch
from memory_mcp.domain.runs import (
    CapHit,
    Caps,
    Lease,
    NewRun,
    Run,
    RunRecord,
    RunState,
    Spent,
    Undone,
    Unreflected,
)
from memory_mcp.domain.statistics import Statistics
from memory_mcp.domain.summaries import NewSummary, Summary
from memory_mcp.domain.times import Window
from memory_mcp.domain.tool_rules import ToolRule

CopyKind = Literal["block_version", "conversation", "forgotten", "message", "passage"]
"""The kinds of copies that there may be many of."""

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

    async def prepare(self) -> None:
        """Load what calls need, off the event loop; calls do so themselves.

        Raises:
            ModelRefused: it isn't installed.
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
    has_news: bool = False
    """Whether mail came, or one of the agent's own expired, that it was not told of."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """Mail to send: `to` one agent, or to all with the `tags`, or in answer to one that came."""

    sender_id: AgentId
    text: str
    to: str | None = None
    tags: Sequence[str] = ()
    in_reply_to: MailId | None = None
    awaited_s: int = 0
    """For how long the sender's call waits for answers; they are kept for it meanwhile."""
    hops: int = 0
    """How many mails it follows from; an answer follows from what it answers, too."""
    root: MailId | None = None
    """The mail that began the exchange, if another one did."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A mail that was sent, with its recipient as it was then."""

    letter: Letter
    recipient: Agent
    live: bool
    """Whether a connection of the recipient was there within the last minute."""


@dataclass(frozen=True, slots=True)
class Posting:
    """What became of mail to send: what was sent, and whose mailboxes were full."""

    posted: Sequence[Posted]
    full: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch of messages."""

    stored: Sequence[MessageId]
    known: Sequence[MessageId]
    """Those that were there already, by external id, or that were forgotten since."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """A run of messages in view: their places, how many they are, when the last was said."""

    first_seq: int
    last_seq: int
    messages: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the outbox. `agent_ids` are the agents whose memory it concerns."""

    seq: int
    at: datetime
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

    async def create(self, name: str, settings: AgentSettings) -> Agent:
        """Make an agent with its blocks.

        Raises:
            Taken: there is one of that name, or a block of a group has a label that is in use.
        """
        ...

    async def set(self, agent_id: AgentId, settings: AgentSettings) -> Agent:
        """Set all of that for an agent. Tags that come or go bring or take their group's block.

        Raises:
            AgentNotFound: there is none with that id.
            Taken: a block of a group has a label that is in use; nothing was changed.
            BlockLimitExceeded: the persona is too long; nothing was changed.
        """
        ...

    async def holdings(self, agent_id: AgentId) -> Holdings:
        """What would go with the agent."""
        ...

    async def delete(self, agent_id: AgentId) -> Agent:
        """Delete the agent, with all it has; it can be restored until it is purged.

        Raises:
            InvalidInput: it is the default agent.
        """
        ...

    async def restore(self, name: str) -> Agent:
        """Bring a deleted agent back.

        Raises:
            AgentNotFound: none of that name is deleted; the text lists those that are.
        """
        ...

    async def purge_deleted(self, before: datetime) -> list[str]:
        """Remove for good, with all their rows, agents deleted before then; their names."""
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

    async def create(
        self, agent_id: AgentId, template: BlockTemplate, group: str | None = None
    ) -> Block:
        """Make a block and attach it to the agent; or, with `group`, to all who have that tag.

        Raises:
            Taken: one of them has a block of that label; nothing was made.
            AgentNotFound: nobody has the tag.
        """
        ...

    async def attach(self, block: str, owner_id: AgentId, agent_id: AgentId) -> Block:
        """Attach a block, by its id or by its label with `owner_id`, to another agent.

        Raises:
            BlockNotFound: there is none.
            Taken: the agent has a block of that label.
        """
        ...

    async def detach(self, agent_id: AgentId, label: str) -> Block:
        """Take a block from an agent. The block is kept, also when nobody has it any more.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        ...

    async def set(self, agent_id: AgentId, label: str, settings: BlockSettings) -> Block:
        """Set what holds for a block besides its value.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        ...

    async def overwrite(
        self, agent_id: AgentId, label: str, value: str, settings: BlockSettings | None = None
    ) -> Edited:
        """Give a block a value by a person's word, with what else is to be set.

        Raises:
            BlockNotFound, BlockLimitExceeded: nothing was changed.
        """
        ...

    async def undo(self, agent_id: AgentId, label: str, version: int | None) -> Edited:
        """Give a block the value it had at a version again; without one, at the last but one.

        Raises:
            BlockNotFound, BlockLimitExceeded: nothing was changed.
            InvalidInput: it has no such version.
        """
        ...

    async def history(self, agent_id: AgentId, label: str) -> list[BlockVersion]:
        """Every value the block had, the newest first.

        Raises:
            BlockNotFound: the agent has no such block.
        """
        ...


class MailStore(Protocol):
    """Mail between agents."""

    async def send(self, outgoing: Outgoing, key: str | None = None) -> Posting:
        """Send it to each recipient; what a `key` sent is sent once.

        Raises:
            InvalidInput: to oneself, or in answer to a mail that was answered or has expired.
            AgentNotFound: there is no such agent, or none with all the tags.
            MailNotFound: no such mail came to the sender.
            MailboxFull: no recipient has room.
        """
        ...

    async def answers(
        self, agent_id: AgentId, mail_ids: Sequence[MailId], key: str | None = None
    ) -> dict[MailId, Letter]:
        """The answers there are to mails of the agent's own; they count as read by it now."""
        ...

    async def stop_waiting(self, agent_id: AgentId, mail_ids: Sequence[MailId]) -> None:
        """Nobody waits for answers to these any more: they come with a later tool answer."""
        ...

    async def take(self, agent_id: AgentId, limit: int, key: str | None = None) -> News:
        """What the agent was not told yet, at most that many mails; it counts as told now."""
        ...

    async def told_to(self, agent_id: AgentId, key: str) -> News:
        """What was told to the agent with the answer to the call of that key."""
        ...

    async def one(self, agent_id: AgentId, mail_id: MailId) -> Letter:
        """A mail that came to the agent, or that it sent.

        Raises:
            MailNotFound: there is none with that id.
        """
        ...

    async def inbox(self, agent_id: AgentId, limit: int) -> list[Letter]:
        """The latest mails that came to the agent, newest first."""
        ...

    async def all(self, agent_id: AgentId | None, limit: int) -> tuple[list[Letter], int]:
        """The latest mails, of one agent or of all, newest first; and how many there are."""
        ...

    async def exchanged(self, root: MailId) -> int:
        """How many mails followed from one, itself among them."""
        ...

    async def for_residents(self) -> list[AgentId]:
        """Agents that run by themselves, have mail to read, and are not at one yet."""
        ...

    async def expire(self) -> int:
        """Let mail expire that was not read in time; how many did."""
        ...


class PresenceStore(Protocol):
    """Which connections are there."""

    async def put(self, connections: Mapping[str, AgentId]) -> None:
        """These connections, by what they are known by, are there now."""
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
        """Store messages in order, once each by external id; those that were forgotten stay so."""
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

    async def known(self, agent_id: AgentId, messages: Sequence[NewMessage]) -> set[int]:
        """Which of the messages are there already, by external id or their own; as indexes."""
        ...

    async def backlog(self, agent_id: AgentId, after_seq: int, keep: int) -> Backlog | None:
        """What arrived after `after_seq`, but for the last `keep`; `None` when that is nothing."""
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

    async def last_heard(self) -> dict[str, datetime]:
        """When hooks of each host last told something, whoever's memory it went to."""
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

        False, and nothing changed, when another eviction or a forgetting came before.
        """
        ...

    async def unwritten(self) -> list[tuple[AgentId, Summary, Summary | None]]:
        """Summaries in view that were extracted, and that no model has been asked to write yet.

        Each with its agent, and the one it was made from.
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
        """Store passages; the same text (or external id) again refreshes the one there.

        What one supersedes is removed in the same step, and kept for some days.

        Raises:
            PassageNotFound: one supersedes a passage that the agent doesn't have; none was stored.
        """
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
            PassageNotFound: the agent has no such passage; the text says what became of it.
        """
        ...

    async def count(self, agent_id: AgentId, only: PassageFilter) -> int:
        """How many passages the filter admits."""
        ...

    async def top_tags(self, agent_id: AgentId, limit: int) -> list[tuple[str, int]]:
        """The most used tags with their numbers of passages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A summary's text, written anew by a run."""

    summary_id: str
    before: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ends."""

    state: RunState
    outcome: str
    draft: Draft | None = None
    """What is done now; nothing without one."""
    rewritten: Rewritten | None = None
    reflected_seq: int | None = None
    """Up to which message the agent's memory counts as reflected on."""


class LeaseStore(Protocol):
    """Who may be the store's worker."""

    async def take(self, name: str, holder: str, seconds: float) -> Lease | None:
        """The lease, if nobody alive has it."""
        ...

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Keep it for so long from now.

        Raises:
            LeaseLost: somebody else has it.
        """
        ...

    async def give_back(self, lease: Lease) -> None:
        """Let the next one have it at once."""
        ...

    async def holder(self, name: str) -> str | None:
        """Who has it, if anybody alive does."""
        ...


class RunStore(Protocol):
    """The shadow agent's ledger. What a worker writes, it writes under its lease."""

    async def begin(self, run: NewRun, lease: Lease | None, progress: Mapping[str, Any]) -> Run:
        """Enter a run: `running` under a lease, else `waiting` for a worker."""
        ...

    async def resume(
        self,
        lease: Lease,
        model: str | None,
        *,
        residents: bool = False,
        busy: Collection[RunId] = (),
        left: Collection[RunId] = (),
    ) -> tuple[Run, Mapping[str, Any]] | None:
        """The oldest open run that may go on, with its progress; it is `running` then.

        `model` is the one that goes on with it, `None` the one it began with, which may be there no
        more. Of the turns of residents, or of all others; the worker's own `busy` ones are left
        out, and those of deleted agents. A run whose workers died too often is `abandoned` on the
        way; a resident's turn is not, as somebody waits to be told so. Nobody died over
        those that the holder of the lease `left` itself.
        """
        ...

    async def save(self, run_id: RunId, lease: Lease, progress: Mapping[str, Any]) -> None:
        """Keep how far a run has come."""
        ...

    async def reserve(
        self, run_id: RunId, lease: Lease, request: Mapping[str, Any], most: Spent, caps: Caps
    ) -> int | CapHit:
        """Enter a call with the most it may cost, if that passes no cap; its number."""
        ...

    async def settle(
        self,
        run_id: RunId,
        lease: Lease,
        number: int,
        *,
        response: Any = None,
        error: str | None = None,
        tokens_in: int,
        tokens_out: int,
        usd: float | None,
    ) -> None:
        """Enter what a call came to."""
        ...

    async def pause(self, run_id: RunId, lease: Lease, hit: CapHit) -> bool:
        """Let a run wait for the next day; whether this is the first the day's cap is heard of."""
        ...

    async def end(self, run_id: RunId, lease: Lease, end: RunEnd) -> list[Block]:
        """End a run and do what it drafted, in one transaction.

        Blocks that moved on meanwhile are merged; where they cannot be, nothing is done, and they
        are returned as they are now.

        Raises:
            BlockNotFound: a block it edited is gone; nothing is done.
        """
        ...

    async def runs(self, agent_id: AgentId | None, limit: int) -> list[Run]:
        """The latest runs, newest first."""
        ...

    async def record(self, run_id: RunId | None) -> RunRecord:
        """A run with its calls and changes; without an id the latest one.

        Raises:
            RunNotFound: there is none.
        """
        ...

    async def undo(self, run_id: RunId) -> Undone:
        """Put back what a run changed, where nobody changed it since.

        Raises:
            RunNotFound: there is none with that id.
        """
        ...

    async def count(self) -> int:
        """How many runs there are."""
        ...

    async def has_open(self) -> bool:
        """Whether a run waits for a worker, or for the next one."""
        ...

    async def spent_on(self, day_start: datetime) -> Spent:
        """What all calls since then came to."""
        ...

    async def unreflected(self, reflect_turns: int) -> list[Unreflected]:
        """For each agent what its reflection has not read yet; agents without any are left out."""
        ...

    async def paused(self, caps: Caps | None) -> str | None:
        """Why no run may start now, if so: a person's word, or the day's cap."""
        ...

    async def set_paused(self, paused: bool) -> None:
        """Let no run start until told otherwise; or let them start again."""
        ...

    async def prune(self, before: datetime, bytes_max: int) -> int:
        """Throw away payloads from before then, and the oldest past that size; how many runs'."""
        ...


class ForgettingStore(Protocol):
    """What is taken out of memory, and kept for some days so that it can be put back."""

    async def find(self, agent_id: AgentId, text: str) -> Found:
        """Everything of the agent's that holds exactly this text, whatever its capitals."""
        ...

    async def hold(self, agent_id: AgentId, found: Found, pending: Pending | None) -> None:
        """Let what was found wait for its word, in place of what waited before."""
        ...

    async def pending(self, agent_id: AgentId) -> Pending | None:
        """What waits for its word, if anything does."""
        ...

    async def confirm(self, agent_id: AgentId, code: str) -> Forgotten:
        """Forget what waits for this word: exactly that, in one transaction.

        Raises:
            InvalidInput: nothing waits, it waited too long, or for another word.
        """
        ...

    async def forget(self, agent_id: AgentId, ids: Sequence[str]) -> Forgotten:
        """Forget the agent's passages and messages with these ids, in one transaction."""
        ...

    async def restore(self, agent_id: AgentId, ids: Sequence[str] | None) -> Restored:
        """Put these of the agent's back; without ids what its user forgot last."""
        ...

    async def purge(self) -> int:
        """Let go for good what was kept long enough, of every agent; how much it was."""
        ...


class UpkeepStore(Protocol):
    """What is done in the background to keep a store in order."""

    async def compare(self, agent_id: AgentId, rows: int) -> bool:
        """Compare the next passages that came with all others; whether more may be waiting."""
        ...

    async def near_duplicates(self, agent_id: AgentId, limit: int) -> list[NearDuplicate]:
        """Pairs of passages that say nearly the same, nearest first."""
        ...

    async def check(self) -> list[str] | None:
        """What is wrong with the store, in words; `None` when it was looked at lately."""
        ...


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a copy: new here, or known; or refused, with the reason."""

    stored: bool
    refused: str | None = None


Page = Sequence[tuple[int, Copy]]
"""Copies, each with the place after which the next page begins."""


class CopyStore(Protocol):
    """Everything a store holds, out and in again. `agents` are names; `None`: every agent."""

    async def heads(self, agents: Sequence[str] | None) -> list[Copy]:
        """The agents and their blocks: what everything else belongs to."""
        ...

    async def page(
        self, kind: CopyKind, agents: Sequence[str] | None, after: int, limit: int
    ) -> Page:
        """The next rows of one kind, in the order they came."""
        ...

    async def tails(self, agents: Sequence[str] | None) -> list[Copy]:
        """What refers to messages: summaries, and how far was reflected."""
        ...

    async def put(self, copies: Sequence[Copy]) -> list[Put]:
        """Store copies in order, in one transaction; messages and passages have their own stores.

        What is there already stays as it is: a block with another text is refused, not overwritten.
        """
        ...


class Outbox(Protocol):
    """The changes table: what wakes other processes."""

    async def last_seq(self) -> int:
        """The newest change there is."""
        ...

    async def since(self, seq: int) -> list[Change]:
        """Changes after `seq`, oldest first."""
        ...

    async def latest(self, agent_id: AgentId | None, limit: int) -> list[Change]:
        """The newest changes, of one agent's memory or of all, oldest of them first."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a worker reads and writes besides the services."""

    runs: RunStore
    messages: MessageStore
    summaries: SummaryStore
    mail: MailStore
    leases: LeaseStore
