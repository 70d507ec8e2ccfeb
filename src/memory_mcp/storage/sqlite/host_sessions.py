"""Hosts' sessions in SQLite: what hooks leave beside their conversation's messages."""

import json
from dataclasses import replace
from datetime import datetime

from memory_mcp.domain.host_events import HostSession
from memory_mcp.domain.ids import AgentId, new_id
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock, SessionEdit
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Session, as_key

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
_GET = "SELECT seen, transcript, offset FROM host_sessions WHERE conversation_seq = ?"
_PUT = """
INSERT INTO host_sessions (conversation_seq, seen, transcript, offset) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET seen = excluded.seen, transcript = excluded.transcript,
    offset = excluded.offset
"""
_LATEST = """
SELECT external_id FROM messages WHERE conversation_seq = ? ORDER BY seq DESC LIMIT 1
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
                told = json.dumps(dict(after.seen))
                session.run(_PUT, (found[0], told, after.transcript, after.offset))

        await self._database.write(change)

    async def latest(self, agent_id: AgentId, conversation: str) -> str | None:
        """The external id of the last message that came to a conversation."""

        def latest(session: Session) -> str | None:
            found = session.one(_FIND, (seq_of(session, agent_id), conversation))
            return session.value(_LATEST, (found[0],)) if found else None

        return await self._database.read(latest)

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
    return replace(HostSession(), seen=json.loads(row[0]), transcript=row[1], offset=row[2])
