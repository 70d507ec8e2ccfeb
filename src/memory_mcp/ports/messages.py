"""The ports of recall: messages, hosts' sessions, summaries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from memory_mcp.domain.host_sessions import HostSession
from memory_mcp.domain.ids import (
    AgentId,
    ConversationId,
    MessageId,
)
from memory_mcp.domain.messages import Conversation, Message, NewMessage
from memory_mcp.domain.summaries import NewSummary, Summary
from memory_mcp.ports.models import Vector
from memory_mcp.ports.searching import Candidate, MessageFilter, Question


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch of messages."""

    stored: Sequence[MessageId]
    known: Sequence[MessageId]
    """Those that were there already, by external id."""
    forgotten: Sequence[MessageId] = ()
    """Those that were forgotten since, and stay so."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """A run of messages in view: their places, how many they are, when the last was said."""

    first_seq: int
    last_seq: int
    messages: int
    last_at: datetime


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

    async def contents(self, agent_id: AgentId, messages: Sequence[NewMessage]) -> dict[int, str]:
        """What is stored under the messages' ids in their conversations; by their indexes."""
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

    async def conversations(
        self, agent_id: AgentId, limit: int, beginning: str = ""
    ) -> list[Conversation]:
        """The agent's conversations whose ids begin so, latest first."""
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

    async def owner(self, host: str, conversation: str) -> AgentId | None:
        """Whose memory a host's session went to first; `None` for one that is not known."""
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

    async def latest(self, agent_id: AgentId, conversation: str, limit: int) -> list[Message]:
        """The last messages that came to a conversation, the newest first."""
        ...

    async def open_session(self, agent_id: AgentId, host: str, likely: str | None) -> str | None:
        """The conversation of that host that has not ended: the likely one, or the only one."""
        ...

    async def answered_at(
        self, agent_id: AgentId, host: str, at: datetime, within: timedelta
    ) -> str | None:
        """The conversation of that host whose last answer came at about that moment."""
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

    async def make_anew(self, agent_id: AgentId, summary: Summary, text: str, told: int) -> bool:
        """Give a summary that was dropped another text, made of `told` messages that are there.

        False, and nothing changed, when one of them was forgotten meanwhile, or it has a text.
        """
        ...

    async def told(self, summary: Summary, agent_id: AgentId) -> int:
        """How many messages are there up to the last that a summary tells of."""
        ...

    async def unwritten(self) -> list[tuple[AgentId, Summary, Summary | None]]:
        """Summaries in view that were extracted, and that no model has been asked to write yet.

        Each with its agent, and the one it was made from.
        """
        ...
