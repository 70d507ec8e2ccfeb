"""Mail between agents: sent, waited for, and told once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from memory_mcp.domain.agents import Agent
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import AgentId, MailId
from memory_mcp.domain.mail import (
    SHADOW,
    Letter,
    News,
    Reach,
    reach_of,
    require_mail,
    require_wait,
)
from memory_mcp.domain.names import name_key
from memory_mcp.domain.texts import clip, require_tags
from memory_mcp.ports import AgentStore, MailStore, Outbox, Outgoing, Posted

POLL_SECONDS = 0.25
"""How often a waiting sender looks whether another process has written something."""
PROGRESS_SECONDS = 5
TOLD_AT_ONCE = 10
"""Mails told with one answer; the next answers bring the others."""
INBOX_MAX = 100

AskShadow = Callable[[AgentId, str, int], Awaitable[str]]
"""Asks the shadow agent of an agent's store, and waits so many seconds at most for its answer."""
Progress = Callable[[float, float, str], Awaitable[None]]
"""Told while waiting: seconds so far, seconds in all, and what is waited for."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that went to one agent, and its answer if it was waited for and came."""

    letter: Letter
    reach: Reach
    answer: Letter | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of one call: what was sent, and whose mailboxes were full."""

    sent: Sequence[Sent]
    full: Sequence[str] = ()
    from_shadow: str | None = None
    """The shadow agent's answer, where it was asked."""


async def _nobody(*_: object) -> None:
    pass


class Mail:
    """`ask_shadow` answers what is sent to the shadow agent.

    `is_resident` says whether an agent runs by itself and so answers without a session.
    """

    def __init__(
        self,
        store: MailStore,
        agents: AgentStore,
        outbox: Outbox,
        *,
        is_resident: Callable[[Agent], bool],
        ask_shadow: AskShadow,
    ) -> None:
        self._store = store
        self._agents = agents
        self._outbox = outbox
        self._is_resident = is_resident
        self._ask_shadow = ask_shadow

    async def send(
        self,
        sender_id: AgentId,
        message: str,
        *,
        to: str | None = None,
        tags: Sequence[str] | None = None,
        wait_seconds: int = 0,
        in_reply_to: str | None = None,
        key: str | None = None,
        hops: int = 0,
        root: MailId | None = None,
        progress: Progress = _nobody,
    ) -> Sending:
        """Send a mail to one agent, to all with the tags, or in answer to one that came.

        Waits `wait_seconds` at most for the answers, and no longer than until all are there. What a
        `key` sends is sent once. `hops`: how many mails it follows from, the
        first of which was `root`.

        Raises:
            InvalidInput, AgentNotFound, MailNotFound, MailboxFull: nothing was sent.
        """
        text = require_mail(message)
        require_wait(wait_seconds)
        wanted = require_tags(list(tags)) if tags else ()
        if in_reply_to is not None and wanted:
            raise InvalidInput(
                "an answer goes to whoever sent the mail; leave tags out. Nothing was sent."
            )
        if in_reply_to is None and (to is None) == (not wanted):
            raise InvalidInput(await self._whom(sender_id, both=to is not None))
        if to is not None and in_reply_to is None and name_key(to) == SHADOW:
            answer = await self._ask_shadow(sender_id, message, wait_seconds)
            return Sending((), from_shadow=answer)
        outgoing = Outgoing(
            sender_id=sender_id,
            text=text,
            to=to.strip() if to is not None else None,
            tags=wanted,
            in_reply_to=MailId(in_reply_to) if in_reply_to is not None else None,
            awaited_s=wait_seconds,
            hops=hops,
            root=root,
        )
        posting = await self._store.send(outgoing, key)
        sent = [Sent(one.letter, self._reach(one)) for one in posting.posted]
        if wait_seconds:
            sent = await self._answered(sender_id, sent, wait_seconds, key, progress)
        return Sending(sent, posting.full)

    def _reach(self, posted: Posted) -> Reach:
        return reach_of(resident=self._is_resident(posted.recipient), live=posted.live)

    async def _whom(self, sender_id: AgentId, *, both: bool) -> str:
        wrong = "both to and tags were given" if both else "neither to nor tags was given"
        return (
            f"{wrong}; nothing was sent. Give to (one agent's name or id), or tags (every agent "
            f"that has them all), or in_reply_to. {await self._others(sender_id)}"
        )

    async def _others(self, sender_id: AgentId) -> str:
        agents = [agent for agent in await self._agents.all() if agent.id != sender_id]
        if not agents:
            return "There is no other agent yet; `memory-mcp agents create NAME` makes one."
        return f"Other agents: {', '.join(_named(agent) for agent in agents[:20])}."

    async def _answered(
        self,
        sender_id: AgentId,
        sent: list[Sent],
        wait_seconds: int,
        key: str | None,
        progress: Progress,
    ) -> list[Sent]:
        """The same with the answers that came in time."""
        ids = [one.letter.id for one in sent]
        began = anyio.current_time()
        ends = began + wait_seconds
        found: dict[MailId, Letter] = {}
        try:
            told_at, told = began, -1
            while True:
                pulse = await self._outbox.pulse()  # first, or what comes meanwhile is passed over
                found = await self._store.answers(sender_id, ids, key)
                now = anyio.current_time()
                if len(found) > told or now - told_at >= PROGRESS_SECONDS:
                    told_at, told = now, len(found)
                    await progress(
                        now - began, wait_seconds, f"{len(found)} of {len(ids)} answered"
                    )
                if len(found) == len(ids) or now >= ends:
                    break
                await self._changed(pulse, min(ends, now + PROGRESS_SECONDS))
        finally:
            if len(found) < len(ids):
                with anyio.CancelScope(shield=True):
                    await self._store.stop_waiting(sender_id, ids)
        return [Sent(one.letter, one.reach, found.get(one.letter.id)) for one in sent]

    async def _changed(self, pulse: int, until: float) -> None:
        """Returns when any process has committed something, or at that time."""
        while (left := until - anyio.current_time()) > 0:
            with anyio.move_on_after(min(POLL_SECONDS, left)) as poll:
                await self._outbox.committed()
            if not poll.cancelled_caught or await self._outbox.pulse() != pulse:
                return

    async def take(self, agent_id: AgentId, key: str | None = None) -> News:
        """What the agent was not told yet, for its next answer or prompt; told by this.

        With the `key` of the call whose answer it goes into, that call alone can be told it again.
        A resident reads its mail itself, in turns of its own; a host beside it is told nothing.
        """
        if self._is_resident(await self._agents.get(agent_id)):
            return News()
        return await self._store.take(agent_id, TOLD_AT_ONCE, key)

    async def take_turn(self, agent_id: AgentId, key: str) -> News:
        """The next mail of a resident, for a turn of its own."""
        return await self._store.take(agent_id, 1, key)

    async def exchanged(self, letter: Letter) -> int:
        """How many mails the letter's exchange has so far."""
        return await self._store.exchanged(letter.root)

    async def told_to(self, agent_id: AgentId, key: str) -> News:
        """What the answer to the call of that key told."""
        return await self._store.told_to(agent_id, key)

    async def inbox(
        self, agent_id: AgentId, limit: int = INBOX_MAX, beginning: str = ""
    ) -> list[Letter]:
        """The latest mails that came to the agent and whose ids begin so, newest first.

        They don't count as told by it.
        """
        return await self._store.inbox(agent_id, limit, beginning)

    async def unread(self, agent_id: AgentId) -> int:
        """How many mails wait to be told to the agent, in the inbox or too many for it."""
        return await self._store.unread(agent_id)

    async def one(self, agent_id: AgentId, mail_id: str) -> Letter:
        """A mail that came to the agent, or that it sent.

        Raises:
            MailNotFound: there is none with that id.
        """
        return await self._store.one(agent_id, MailId(mail_id))

    async def all(self, agent_id: AgentId | None, limit: int) -> tuple[list[Letter], int]:
        """The latest mails, of one agent or of all, newest first; and how many there are."""
        await self._store.expire()
        return await self._store.all(agent_id, limit)


def _named(agent: Agent) -> str:
    tags = f" (tags: {clip(', '.join(agent.tags), 80)})" if agent.tags else ""
    return f"{clip(agent.name, 40)}{tags}"
