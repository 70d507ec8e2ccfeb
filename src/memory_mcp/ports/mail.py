"""The ports of mail between agents, and of who is there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from memory_mcp.domain.agents import Agent
from memory_mcp.domain.ids import (
    AgentId,
    MailId,
)
from memory_mcp.domain.mail import Letter, News


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

    async def inbox(self, agent_id: AgentId, limit: int, beginning: str = "") -> list[Letter]:
        """The latest mails that came to the agent and whose ids begin so, newest first."""
        ...

    async def unread(self, agent_id: AgentId) -> int:
        """How many mails wait to be told to the agent."""
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

    async def remove(self, connections: Collection[str]) -> None:
        """These are there no longer."""
        ...
