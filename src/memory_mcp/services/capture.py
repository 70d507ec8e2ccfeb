"""Capture: what hosts tell through their hooks becomes memory, and memory is told to them.

A session is shown the context once; from then on what changed since, as differences. What its
history still holds is not told again: not at a resume, not in a fork, and after a compaction once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.differences import BlockChange, compile_briefly
from memory_mcp.domain.host_events import (
    HostEvent,
    message_of,
    session_key,
    storable,
    told_at,
    told_prefix,
    turn_mark,
)
from memory_mcp.domain.host_sessions import CompactionSign, HostSession
from memory_mcp.domain.ids import AgentId, BlockId
from memory_mcp.domain.messages import Message, NewMessage
from memory_mcp.domain.own_output import ENCLOSING_CHARS, LEAD, enclosed
from memory_mcp.domain.redact import redact
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.ports import HostSessionStore
from memory_mcp.services.core_memory import CoreMemory
from memory_mcp.services.recall import Recall
from memory_mcp.services.view import View

RECENT_MESSAGES = 50
"""So far back in a session is looked for what an event may repeat."""
ECHO_SECONDS = 3
"""Within so long of a line of its transcript a prompt's hook tells the same prompt."""
ANSWERED_WITHIN = timedelta(minutes=2)
"""So far back an answer is looked for that a hook tells as the turn's last."""
PARENT_SECONDS = 3
"""How exactly a fork tells when its parent's last answer came."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What a session is to be told, and what it will have seen then; `text` may be empty."""

    text: str
    seen: dict[BlockId, int]


class Capture:
    """Each event is stored once, however often it is told; nothing a host sends is refused."""

    def __init__(
        self, sessions: HostSessionStore, recall: Recall, core_memory: CoreMemory, view: View
    ) -> None:
        self._sessions = sessions
        self._recall = recall
        self._core_memory = core_memory
        self._view = view

    async def session(self, agent_id: AgentId, session: str) -> HostSession:
        """A session as its hooks left it."""
        return await self._sessions.get(agent_id, session_key(session))

    async def owner(self, host: str, session: str) -> AgentId | None:
        """Whose a host's session is: whose memory it went to first; `None` for an unknown one."""
        return await self._sessions.owner(host, session_key(session))

    async def last_heard(self) -> dict[str, datetime]:
        """When hooks of each host last told something, whoever's memory it went to."""
        return await self._sessions.last_heard()

    async def take_in(
        self, agent_id: AgentId, host: str, events: Sequence[HostEvent], heard_at: datetime
    ) -> None:
        """Store what happened in a session, in order.

        `heard_at` is when the hook was called. It must be the same when that call is told again.
        """
        said: list[NewMessage] = []
        heard: set[str] = set()
        """Sessions of which words came since they were last compacted."""
        for event in events:
            session, at = session_key(event.session), event.at or heard_at
            if event.is_said and event.label is None:
                if session not in heard:
                    heard.add(session)
                    await self._words_came(agent_id, session)
                if (message := await self._message(agent_id, session, event, at, said)) is not None:
                    said.append(message)
                continue
            await self._append(agent_id, host, said)
            heard.discard(session)
            match event.kind:
                case "start":
                    await self._begin(agent_id, host, session, event, at)
                case "end":
                    await self._sessions.end(agent_id, session, at)
                case "compaction":
                    await self._compacted(agent_id, session, event.name)
                case _ if event.label is not None:
                    await self._saw_own_edit(agent_id, session, event.label)
                case _:
                    pass
        await self._append(agent_id, host, said)

    async def saw(self, agent_id: AgentId, session: str, versions: Mapping[BlockId, int]) -> None:
        """A session's history holds these blocks, by version, from now on."""
        key = session_key(session)
        known = (await self._sessions.get(agent_id, key)).seen
        if known is not None and any(known.get(each) != now for each, now in versions.items()):
            await self._sessions.edit(agent_id, key, lambda now: now.saw(versions))

    async def open_session(self, agent_id: AgentId, host: str, likely: str | None) -> str | None:
        """The host's session with an agent that is open: the likely one, or the only one."""
        return await self._sessions.open_session(agent_id, host, likely)

    async def read_to(self, agent_id: AgentId, session: str, transcript: str, offset: int) -> None:
        """A session's transcript was read so far, and what was in it is stored."""
        await self._sessions.edit(
            agent_id,
            session_key(session),
            lambda now: replace(now, transcript=transcript, offset=offset),
        )

    async def telling(
        self, agent_id: AgentId, session: str, chars: int, zone: Zone = UTC_ZONE
    ) -> Telling:
        """What the session must be told now, in at most `chars` characters.

        The whole context where its history holds nothing of it; else what changed since. Times are
        those of `zone`.
        """
        known = await self._sessions.get(agent_id, session_key(session))
        blocks = await self._core_memory.blocks(agent_id)
        seen = {block.id: block.version for block in blocks}
        room = chars - ENCLOSING_CHARS
        if known.seen is None:
            lead = f"{LEAD}\n\n"
            context = await self._view.context_within(
                agent_id, room - len(lead), asked_in=session_key(session), zone=zone
            )
            return Telling(enclosed(lead + context), seen)
        changed = [block for block in blocks if known.seen.get(block.id) != block.version]
        changes = await self._changes(agent_id, changed, known.seen) if changed else []
        text = enclosed(clip(compile_briefly(changes), room)) if changes else ""
        return Telling(text, seen)

    async def told(self, agent_id: AgentId, session: str, telling: Telling) -> None:
        """The session was told that."""
        await self._sessions.edit(
            agent_id, session_key(session), lambda now: replace(now, seen=telling.seen)
        )

    async def _begin(
        self, agent_id: AgentId, host: str, session: str, event: HostEvent, at: datetime
    ) -> None:
        await self._sessions.begin(agent_id, session, host, event.folder, at)
        if event.name == "clear":
            await self._sessions.edit(agent_id, session, lambda now: replace(now, seen=None))
        elif event.name == "compact":
            await self._compacted(agent_id, session, "restart")
        elif event.parent or event.idle_seconds is not None:
            await self._inherit(agent_id, host, session, event, at)

    async def _inherit(
        self, agent_id: AgentId, host: str, session: str, event: HostEvent, at: datetime
    ) -> None:
        """A session that begins on a copied history has seen what the copied one had."""
        if (await self._sessions.get(agent_id, session)).seen is not None:
            return
        parent = session_key(event.parent) if event.parent else None
        if parent is None and event.idle_seconds is not None:
            answered = at - timedelta(seconds=event.idle_seconds)
            within = timedelta(seconds=PARENT_SECONDS)
            parent = await self._sessions.answered_at(agent_id, host, answered, within)
        if parent is None:
            return
        seen = (await self._sessions.get(agent_id, parent)).seen
        await self._sessions.edit(agent_id, session, lambda now: replace(now, seen=seen))

    async def _compacted(self, agent_id: AgentId, session: str, name: str | None) -> None:
        signs: dict[str | None, CompactionSign] = {"restart": "restart", "done": "done"}
        sign = signs.get(name, "attempt")
        await self._sessions.edit(agent_id, session, lambda now: now.after(sign))

    async def _words_came(self, agent_id: AgentId, session: str) -> None:
        known = await self._sessions.get(agent_id, session)
        if known.after_words() != known:
            await self._sessions.edit(agent_id, session, lambda now: now.after_words())

    async def _changes(
        self, agent_id: AgentId, changed: Sequence[Block], seen: Mapping[BlockId, int]
    ) -> list[BlockChange]:
        versions = {block.id: seen[block.id] for block in changed if block.id in seen}
        before = {block.id: block for block in await self._core_memory.as_of(agent_id, versions)}
        return [
            BlockChange(
                label=block.label,
                seen=before[block.id].value if block.id in before else "",
                now=block.value,
                version=block.version,
                seen_version=seen.get(block.id, 0),
            )
            for block in changed
            if block.id not in before or before[block.id].value != block.value
        ]

    async def _saw_own_edit(self, agent_id: AgentId, session: str, label: str) -> None:
        """The session's own model edited a block, so it need not be told."""
        blocks = await self._core_memory.blocks(agent_id)
        now = {block.id: block.version for block in blocks if block.label == label}
        await self._sessions.edit(agent_id, session, lambda known: known.saw(now))

    async def _append(self, agent_id: AgentId, host: str, said: list[NewMessage]) -> None:
        if said:
            await self._recall.append(agent_id, said, host)
            said.clear()

    async def _message(
        self,
        agent_id: AgentId,
        session: str,
        event: HostEvent,
        at: datetime,
        before: Sequence[NewMessage],
    ) -> NewMessage | None:
        """The event as a message; `None` where the session holds the same event already."""
        text = storable(event.text)
        message = message_of(event, session, at, text)
        if event.key:
            return message
        if before:  # of the same call: what it repeats lies further back
            return message
        latest = await self._sessions.latest(agent_id, session, RECENT_MESSAGES)
        return None if _is_echo(event, message, latest) else message


def _is_echo(event: HostEvent, message: NewMessage, latest: Sequence[Message]) -> bool:
    """Whether an event without an id of its own is in the session already, as one of the latest.

    Told again, with nothing said between, it is the same; and a transcript may be quicker.
    """
    prefix = told_prefix(event.kind, message.content)
    if latest and not event.stamped:
        last = latest[0].external_id or ""
        if last.startswith(prefix) and last.endswith(f":{turn_mark(event.turn)}"):
            return True
    if event.kind == "answer":
        return _is_told(message, latest)
    if event.kind == "prompt":
        for other in latest:
            if other.role == "user" and told_at(other.external_id or "") is None:
                apart = abs((other.created_at - message.created_at).total_seconds())
                if apart <= ECHO_SECONDS and _plain(other.content) == _plain(message.content):
                    return True
    return False


def _is_told(answer: NewMessage, latest: Sequence[Message]) -> bool:
    """Whether the words of an answer came by the transcript just before.

    A host may keep in several lines what its hook tells as one answer.
    """
    words, said = _plain(answer.content), ""
    for other in latest:
        if other.role == "user" or answer.created_at - other.created_at > ANSWERED_WITHIN:
            said = ""
        elif other.role == "assistant" and told_at(other.external_id or "") is None:
            part = _plain(other.content)
            said = f"{part} {said}" if said else part
            if words in (part, said):
                return True
    return False


def _plain(text: str) -> str:
    return " ".join(redact(text).split())
