"""Hosts' sessions in SQLite: what hooks leave beside their conversation's messages."""

import json
from datetime import datetime, timedelta

from memory_mcp.domain.host_sessions import HostSession
from memory_mcp.domain.ids import AgentId, ConversationId, new_id
from memory_mcp.domain.messages import Message
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock, SessionEdit
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_FIND = "SELECT seq, id FROM conversations WHERE agent_seq = ? AND external_id = ?"
_MAKE = """
INSERT INTO conversations (id, agent_seq, external_id, host, project, started_at, last_at)
VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING seq, id
"""
_OPEN = """
UPDATE conversations SET ended_at = NULL, host = coalesce(host, ?), project = coalesce(project, ?)
WHERE seq = ?
"""
_END = "UPDATE conversations SET ended_at = ? WHERE seq = ? AND ended_at IS NULL"
# Agents are few, and each finds its conversation by an index.
_OWNER = """
SELECT a.id FROM agents a CROSS JOIN conversations c ON c.agent_seq = a.seq AND c.external_id = ?
WHERE c.host = ? AND a.deleted_at IS NULL ORDER BY c.seq LIMIT 1
"""
_GET = "SELECT seen, transcript, offset, last_sign FROM host_sessions WHERE conversation_seq = ?"
_PUT = """
INSERT INTO host_sessions (conversation_seq, seen, transcript, offset, last_sign)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET seen = excluded.seen, transcript = excluded.transcript,
    offset = excluded.offset, last_sign = excluded.last_sign
"""
_LATEST = """
SELECT id, seq, role, name, content, created_at, external_id FROM messages
WHERE conversation_seq = ? ORDER BY seq DESC LIMIT ?
"""
# The likely one, then another or two: whether there is only one is all that counts.
_OPEN_ONES = """
SELECT c.external_id FROM conversations c JOIN host_sessions s ON s.conversation_seq = c.seq
WHERE c.agent_seq = ?1 AND c.host = ?2 AND c.last_at >= ?3 AND c.ended_at IS NULL
ORDER BY c.external_id IS ?4 DESC, c.last_at DESC LIMIT 2
"""
OPEN_WITHIN = timedelta(days=1)
"""A session of which nothing was heard for longer counts as ended: not every host tells its end."""
_ANSWERED = """
SELECT c.external_id, (SELECT max(m.created_at) FROM messages m
    WHERE m.conversation_seq = c.seq AND m.role = 'assistant') AS answered
FROM conversations c JOIN host_sessions s ON s.conversation_seq = c.seq
WHERE c.agent_seq = ? AND c.host = ? AND c.last_at >= ? AND answered BETWEEN ? AND ?
ORDER BY c.last_at DESC LIMIT 1
"""
_HEARD = """
SELECT c.host, max(max(c.last_at, coalesce(c.ended_at, '')))
FROM host_sessions s JOIN conversations c ON c.seq = s.conversation_seq
WHERE c.host IS NOT NULL GROUP BY c.host
"""


class SqliteHostSessions:
    """The `HostSessionStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(
        self, agent_id: AgentId, conversation: str, host: str, project: str | None, at: datetime
    ) -> None:
        """A session started, or was taken up again: its conversation is open."""

        def begin(session: Session) -> None:
            agent_seq = seq_of(session, agent_id)
            found = session.one(_FIND, (agent_seq, conversation))
            started = to_iso(at)
            row = (new_id("conversation"), agent_seq, conversation, host, project, started, started)
            seq, conversation_id = found or session.all(_MAKE, row)[0]
            session.run(_OPEN, (host, project, seq))
            self._changed(session, agent_id, conversation_id, "started")

        await self._database.write(begin)

    async def owner(self, host: str, conversation: str) -> AgentId | None:
        """Whose memory a host's session went to first; `None` for one that is not known."""
        found = await self._database.read(
            lambda session: session.value(_OWNER, (as_key(conversation), host))
        )
        return AgentId(found) if found else None

    async def end(self, agent_id: AgentId, conversation: str, at: datetime) -> None:
        """A session ended; one that nobody heard of before leaves nothing."""

        def end(session: Session) -> None:
            if found := session.one(_FIND, (seq_of(session, agent_id), conversation)):
                session.run(_END, (to_iso(at), found[0]))
                self._changed(session, agent_id, found[1], "ended")

        await self._database.write(end)

    async def get(self, agent_id: AgentId, conversation: str) -> HostSession:
        """The session as its hooks left it; a new one where there is none."""

        def get(session: Session) -> HostSession:
            found = session.one(_FIND, (seq_of(session, agent_id), conversation))
            return _session_of(session, found[0]) if found else HostSession()

        return await self._database.read(get)

    async def edit(self, agent_id: AgentId, conversation: str, edit: SessionEdit) -> None:
        """Change what is known of a session; one without a conversation is left alone."""

        def change(session: Session) -> None:
            found = session.one(_FIND, (seq_of(session, agent_id), conversation))
            if found is None:
                return
            before = _session_of(session, found[0])
            after = edit(before)
            if after != before:
                seen = json.dumps(None if after.seen is None else dict(after.seen))
                row = (found[0], seen, after.transcript, after.offset, after.last_sign)
                session.run(_PUT, row)

        await self._database.write(change)

    async def latest(self, agent_id: AgentId, conversation: str, limit: int) -> list[Message]:
        """The last messages that came to a conversation, the newest first."""

        def latest(session: Session) -> list[Message]:
            found = session.one(_FIND, (seq_of(session, agent_id), conversation))
            rows = session.all(_LATEST, (found[0], limit)) if found else []
            return [_message(row, found[1], conversation) for row in rows if found]

        return await self._database.read(latest)

    async def open_session(self, agent_id: AgentId, host: str, likely: str | None) -> str | None:
        """The conversation of that host that has not ended: the likely one, or the only one."""
        since = to_iso(self._clock.now() - OPEN_WITHIN)

        def find(session: Session) -> str | None:
            asked = (seq_of(session, agent_id), host, since, likely)
            rows = session.all(_OPEN_ONES, asked)
            found = [conversation for (conversation,) in rows]
            if likely in found:
                return likely
            return found[0] if len(found) == 1 else None

        return await self._database.read(find)

    async def answered_at(
        self, agent_id: AgentId, host: str, at: datetime, within: timedelta
    ) -> str | None:
        """The conversation of that host whose last answer came at about that moment."""
        earliest, latest = to_iso(at - within), to_iso(at + within)

        def find(session: Session) -> str | None:
            asked = (seq_of(session, agent_id), host, earliest, earliest, latest)
            found = session.one(_ANSWERED, asked)
            return found[0] if found else None

        return await self._database.read(find)

    async def last_heard(self) -> dict[str, datetime]:
        """When hooks of each host last told something, whoever's memory it went to."""
        rows = await self._database.read(lambda session: session.all(_HEARD))
        return {host: from_iso(at) for host, at in rows}

    def _changed(
        self, session: Session, agent_id: AgentId, conversation_id: str, operation: str
    ) -> None:
        now = to_iso(self._clock.now())
        record_change(session, now, "conversation", conversation_id, operation, [agent_id])


def _session_of(session: Session, conversation_seq: int) -> HostSession:
    row = session.one(_GET, (conversation_seq,))
    if row is None:
        return HostSession()
    seen, transcript, offset, last_sign = row
    return HostSession(
        seen=json.loads(seen), transcript=transcript, offset=offset, last_sign=last_sign
    )


def _message(row: Row, conversation_id: str, conversation: str) -> Message:
    message_id, seq, role, name, content, created_at, external_id = row
    return Message(
        id=message_id,
        seq=seq,
        conversation_id=ConversationId(conversation_id),
        conversation=conversation,
        role=role,
        name=name,
        content=content,
        created_at=from_iso(created_at),
        external_id=external_id,
    )
