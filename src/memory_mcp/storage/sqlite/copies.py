"""Copies in SQLite: every row out, and in again with its id."""

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any

from memory_mcp.domain.copies import (
    AgentCopy,
    Attachment,
    BlockCopy,
    BlockVersionCopy,
    ConversationCopy,
    Copy,
    ForgottenCopy,
    ForgottenTextCopy,
    MessageCopy,
    PassageCopy,
    ReflectedCopy,
    SummaryCopy,
    kind_of,
)
from memory_mcp.domain.errors import AgentNotFound
from memory_mcp.domain.ids import MessageId
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import to_iso
from memory_mcp.ports import Clock, CopyKind, Page, Put
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.retold import add_aliases
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_AGENTS = """
SELECT seq, id, name, description, tags, system_prompt, project, context_limit, model, tool_rules,
    created_at
FROM agents WHERE deleted_at IS NULL ORDER BY seq
"""
_BLOCKS = """
SELECT b.seq, b.id, b.label, b.value, b.description, b.limit_chars, b.read_only, b.on_overflow,
    b.version, b.metadata, b.created_at, b.updated_at
FROM blocks b WHERE b.seq IN (SELECT block_seq FROM agent_blocks
    WHERE agent_seq IN (SELECT value FROM json_each(?))) ORDER BY b.seq
"""
_ATTACHED = """
SELECT ab.block_seq, a.name, ab.label, ab.position FROM agent_blocks ab
JOIN agents a ON a.seq = ab.agent_seq
WHERE a.seq IN (SELECT value FROM json_each(?)) ORDER BY a.seq
"""
_OF_THESE = "IN (SELECT value FROM json_each(:agents))"
_ALIASES = """
(SELECT json_group_array(external_id) FROM message_aliases WHERE message_id = {}.id)
"""
_PAGES: dict[CopyKind, str] = {
    "block_version": f"""
        SELECT h.block_seq * 1000000 + h.version, b.id, h.version, h.value, h.changed_by,
            h.changed_at
        FROM block_history h JOIN blocks b ON b.seq = h.block_seq
        WHERE (h.block_seq, h.version) > (:after / 1000000, :after % 1000000) AND h.block_seq IN
            (SELECT block_seq FROM agent_blocks WHERE agent_seq {_OF_THESE})
        ORDER BY h.block_seq, h.version LIMIT :limit""",
    "conversation": f"""
        SELECT c.seq, c.id, a.name, c.external_id, c.host, c.project, c.started_at, c.last_at
        FROM conversations c JOIN agents a ON a.seq = c.agent_seq
        WHERE c.seq > :after AND c.agent_seq {_OF_THESE} ORDER BY c.seq LIMIT :limit""",
    "forgotten": f"""
        SELECT f.rowid_, f.id, a.name, f.conversation, f.external_id, f.forgotten_at,
            {_ALIASES.format("f")}
        FROM (SELECT *, row_number() OVER (ORDER BY id) AS rowid_ FROM forgotten
            WHERE noun = 'message' AND agent_seq {_OF_THESE}) f JOIN agents a ON a.seq = f.agent_seq
        WHERE f.rowid_ > :after ORDER BY f.rowid_ LIMIT :limit""",
    "message": f"""
        SELECT m.seq, m.id, a.name, c.external_id, m.role, m.name, m.content, m.created_at,
            m.external_id, m.metadata, {_ALIASES.format("m")}
        FROM messages m JOIN agents a ON a.seq = m.agent_seq
            JOIN conversations c ON c.seq = m.conversation_seq
        WHERE m.seq > :after AND m.agent_seq {_OF_THESE} ORDER BY m.seq LIMIT :limit""",
    "passage": f"""
        SELECT p.seq, p.id, a.name, p.content,
            (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq),
            p.occurred_at, p.created_at, p.refreshed_at, p.origin, p.source, p.supersedes,
            p.external_id, p.metadata
        FROM passages p JOIN agents a ON a.seq = p.agent_seq
        WHERE p.seq > :after AND p.agent_seq {_OF_THESE} ORDER BY p.seq LIMIT :limit""",
    "forgotten_text": f"""
        SELECT f.rowid_, f.id, a.name, f.noun, f.digest, f.source, f.external_id, f.superseded_by,
            f.forgotten_at
        FROM (SELECT *, row_number() OVER (ORDER BY id) AS rowid_ FROM forgotten
            WHERE digest IS NOT NULL AND agent_seq {_OF_THESE}) f
            JOIN agents a ON a.seq = f.agent_seq
        WHERE f.rowid_ > :after ORDER BY f.rowid_ LIMIT :limit""",
}
_SUMMARIES = f"""
SELECT s.id, a.name, s.text,
    (SELECT id FROM messages WHERE agent_seq = a.seq AND seq >= s.first_seq ORDER BY seq LIMIT 1),
    (SELECT id FROM messages WHERE agent_seq = a.seq AND seq <= s.last_seq
        ORDER BY seq DESC LIMIT 1),
    s.messages, s.covered, s.last_at, s.made_by, s.created_at
FROM summaries s JOIN agents a ON a.seq = s.agent_seq WHERE s.agent_seq {_OF_THESE} ORDER BY s.seq
"""
_REFLECTED = f"""
SELECT a.name, (SELECT id FROM messages WHERE agent_seq = a.seq AND seq <= a.reflected_seq
    ORDER BY seq DESC LIMIT 1) AS message
FROM agents a WHERE a.seq {_OF_THESE} AND message IS NOT NULL ORDER BY a.seq
"""

_AGENT_SEQ = "SELECT seq FROM agents WHERE name = ?"
_AGENT_THERE = """
SELECT seq FROM agents WHERE id = ?1 OR name = ?2 OR (?3 IS NOT NULL AND project = ?3) LIMIT 1
"""
_PUT_AGENT = """
INSERT INTO agents (id, name, description, tags, system_prompt, project, context_limit, model,
    tool_rules, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_BLOCK_OF = """
SELECT b.seq, b.id, b.value, b.version FROM agent_blocks ab JOIN blocks b ON b.seq = ab.block_seq
WHERE ab.agent_seq = ? AND ab.label = ?
"""
_PUT_BLOCK = """
INSERT INTO blocks (id, label, value, description, limit_chars, read_only, on_overflow, version,
    metadata, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq
"""
_FILL_BLOCK = """
UPDATE blocks SET value = ?, description = ?, limit_chars = ?, read_only = ?, on_overflow = ?,
    version = version + 1, updated_at = ? WHERE seq = ? RETURNING version
"""
_ATTACH = "INSERT OR IGNORE INTO agent_blocks VALUES (?, ?, ?, ?)"
_PUT_VERSION = """
INSERT OR IGNORE INTO block_history (block_seq, version, value, changed_by, changed_at)
VALUES (?, ?, ?, ?, ?)
"""
_PUT_CONVERSATION = """
INSERT INTO conversations (id, agent_seq, external_id, host, project, started_at, last_at)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING seq
"""
_PUT_FORGOTTEN = """
INSERT INTO forgotten (id, noun, agent_seq, external_id, forgotten_at, conversation)
SELECT ?1, 'message', ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = ?1)
ON CONFLICT DO NOTHING RETURNING id
"""
_PUT_FORGOTTEN_TEXT = """
INSERT INTO forgotten
    (id, noun, agent_seq, digest, source, external_id, superseded_by, forgotten_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS (SELECT 1 FROM passages WHERE id = ?1)
ON CONFLICT DO NOTHING RETURNING id
"""
_MESSAGE_SEQ = "SELECT coalesce(max(seq), 0) FROM messages WHERE id = ?"
_LAST_SUMMARY = "SELECT coalesce(max(last_seq), 0) FROM summaries WHERE agent_seq = ?"
_PUT_SUMMARY = """
INSERT INTO summaries (id, agent_seq, text, first_seq, last_seq, messages, covered, last_at,
    made_by, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_REFLECT = "UPDATE agents SET reflected_seq = ?2 WHERE seq = ?1 AND reflected_seq < ?2"

KNOWN = Put(stored=False)
STORED = Put(stored=True)


class SqliteCopies:
    """The `CopyStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def heads(self, agents: Sequence[str] | None) -> list[Copy]:
        """The agents and their blocks: what everything else belongs to.

        Raises:
            AgentNotFound: there is none of that name; the text lists the agents there are.
        """

        def read(session: Session) -> list[Copy]:
            rows = _agents(session, agents)
            seqs = json.dumps([row[0] for row in rows])
            attached: dict[int, list[Attachment]] = {}
            for block, agent, label, position in session.all(_ATTACHED, (seqs,)):
                attached.setdefault(block, []).append(
                    Attachment(agent=agent, label=label, position=position)
                )
            blocks = [_block(row, attached[row[0]]) for row in session.all(_BLOCKS, (seqs,))]
            return [*map(_agent, rows), *blocks]

        return await self._database.read(read)

    async def page(
        self, kind: CopyKind, agents: Sequence[str] | None, after: int, limit: int
    ) -> Page:
        """The next rows of one kind, in the order they came."""

        def read(session: Session) -> Page:
            asked = {"agents": _seqs(session, agents), "after": after, "limit": limit}
            return [(row[0], _FROM_ROW[kind](row[1:])) for row in session.all(_PAGES[kind], asked)]

        return await self._database.read(read)

    async def tails(self, agents: Sequence[str] | None) -> list[Copy]:
        """What refers to messages: summaries, and how far was reflected."""

        def read(session: Session) -> list[Copy]:
            asked = {"agents": _seqs(session, agents)}
            summaries = [_summary(row) for row in session.all(_SUMMARIES, asked)]
            reflected = session.all(_REFLECTED, asked)
            return [*summaries, *(ReflectedCopy(agent=row[0], message=row[1]) for row in reflected)]

        return await self._database.read(read)

    async def put(self, copies: Sequence[Copy]) -> list[Put]:
        """Store copies in order, in one transaction; messages and passages have their own stores.

        What is there already stays as it is: a block with another text is refused, not overwritten.
        """

        def store(session: Session) -> list[Put]:
            now = to_iso(self._clock.now())
            return [_put(session, copy, now) for copy in copies]

        return await self._database.write(store)


def _agents(session: Session, names: Sequence[str] | None) -> list[Row]:
    rows = session.all(_AGENTS)
    if names is None:
        return rows
    wanted = {as_key(name).casefold() for name in names}
    found = [row for row in rows if row[2].casefold() in wanted or row[1] in names]
    if len(found) < len(wanted):
        known = ", ".join(clip(row[2], 40) for row in rows[:20])
        missing = wanted - {row[2].casefold() for row in found} - {row[1] for row in found}
        raise AgentNotFound(f"there is no agent {clip(min(missing), 60)!r}. There are: {known}.")
    return found


def _seqs(session: Session, names: Sequence[str] | None) -> str:
    return json.dumps([row[0] for row in _agents(session, names)])


# --- From rows ---


def _agent(row: Row) -> AgentCopy:
    return AgentCopy(
        id=row[1],
        name=row[2],
        description=row[3],
        tags=json.loads(row[4]),
        system_prompt=row[5],
        project=row[6],
        context_tokens=row[7],
        model=row[8],
        tool_rules=json.loads(row[9]),
        created_at=row[10],
    )


def _block(row: Row, attached: list[Attachment]) -> BlockCopy:
    return BlockCopy(
        id=row[1],
        label=row[2],
        value=row[3],
        description=row[4],
        limit=row[5],
        read_only=bool(row[6]),
        on_overflow=row[7],
        version=row[8],
        metadata=json.loads(row[9]),
        created_at=row[10],
        updated_at=row[11],
        agents=attached,
    )


def _version(row: Row) -> Copy:
    names = ("block", "version", "value", "changed_by", "changed_at")
    return BlockVersionCopy(**dict(zip(names, row, strict=True)))


def _conversation(row: Row) -> Copy:
    names = ("id", "agent", "conversation", "host", "project", "started_at", "last_at")
    return ConversationCopy(**dict(zip(names, row, strict=True)))


def _forgotten(row: Row) -> Copy:
    names = ("id", "agent", "conversation", "external_id", "forgotten_at")
    told = dict(zip(names, row[:-1], strict=True))
    return ForgottenCopy(**told, aliases=json.loads(row[-1]) or None)


def _forgotten_text(row: Row) -> Copy:
    names = ("id", "agent", "noun", "digest", "source", "external_id", "superseded_by")
    return ForgottenTextCopy(**dict(zip((*names, "forgotten_at"), row, strict=True)))


def _message(row: Row) -> Copy:
    return MessageCopy(
        id=row[0],
        agent=row[1],
        conversation=row[2],
        role=row[3],
        name=row[4],
        content=row[5],
        created_at=row[6],
        external_id=row[7],
        metadata=json.loads(row[8]) if row[8] else None,
        aliases=json.loads(row[9]) or None,
    )


def _passage(row: Row) -> Copy:
    return PassageCopy(
        id=row[0],
        agent=row[1],
        content=row[2],
        tags=sorted(json.loads(row[3])),
        occurred_at=row[4],
        created_at=row[5],
        refreshed_at=row[6],
        origin=row[7],
        source=row[8],
        supersedes=row[9],
        external_id=row[10],
        metadata=json.loads(row[11]) if row[11] else None,
    )


def _summary(row: Row) -> SummaryCopy:
    names = ("id", "agent", "text", "first_message", "last_message", "messages", "covered")
    return SummaryCopy(**dict(zip((*names, "last_at", "made_by", "created_at"), row, strict=True)))


_FROM_ROW: dict[CopyKind, Callable[[Row], Copy]] = {
    "block_version": _version,
    "conversation": _conversation,
    "forgotten": _forgotten,
    "message": _message,
    "passage": _passage,
    "forgotten_text": _forgotten_text,
}


# --- Into rows ---


def _put(session: Session, copy: Copy, now: str) -> Put:
    match copy:
        case AgentCopy():
            return _put_agent(session, copy, now)
        case BlockCopy():
            return _put_block(session, copy, now)
        case BlockVersionCopy():
            seq = session.value("SELECT seq FROM blocks WHERE id = ?", (copy.block,))
            if seq is not None:  # a block that was merged into one here keeps that one's history
                session.run(_PUT_VERSION, (seq, *astuple(copy)[1:]))
            return KNOWN
        case ReflectedCopy():
            seq, place = _agent_seq(session, copy.agent), _place(session, copy.message)
            session.run(_REFLECT, (seq, place))
            return KNOWN
        case ConversationCopy():
            agent = _agent_seq(session, copy.agent)
            at = (copy.started_at, copy.last_at)
            row = (copy.id, agent, copy.conversation, copy.host, copy.project, *at)
            return STORED if session.value(_PUT_CONVERSATION, row) else KNOWN
        case ForgottenCopy():
            agent = _agent_seq(session, copy.agent)
            row = (copy.id, agent, copy.external_id, copy.forgotten_at, copy.conversation)
            if not session.value(_PUT_FORGOTTEN, row):
                return KNOWN
            add_aliases(session, agent, MessageId(copy.id), copy.aliases or ())
            return STORED
        case ForgottenTextCopy():
            agent = _agent_seq(session, copy.agent)
            came_from = (copy.digest, copy.source, copy.external_id, copy.superseded_by)
            row = (copy.id, copy.noun, agent, *came_from, copy.forgotten_at)
            return STORED if session.value(_PUT_FORGOTTEN_TEXT, row) else KNOWN
        case SummaryCopy():
            return _put_summary(session, copy)
        case MessageCopy() | PassageCopy():
            raise AssertionError(f"a {kind_of(copy)} goes to its own store")


def _agent_seq(session: Session, name: str) -> int:
    seq = session.value(_AGENT_SEQ, (as_key(name),))
    if seq is None:
        raise AgentNotFound(f"there is no agent {clip(name, 60)!r} for this copy.")
    return seq


def _place(session: Session, message_id: str | None) -> int:
    return session.value(_MESSAGE_SEQ, (message_id,))


def _put_agent(session: Session, copy: AgentCopy, now: str) -> Put:
    if session.value(_AGENT_THERE, (copy.id, copy.name, copy.project)) is not None:
        return KNOWN
    row = (
        copy.id,
        copy.name,
        copy.description,
        json.dumps(copy.tags),
        copy.system_prompt,
        copy.project,
        copy.context_tokens,
        copy.model,
        json.dumps(copy.tool_rules),
        copy.created_at,
    )
    session.run(_PUT_AGENT, row)
    record_change(session, now, "agent", copy.id, "made", [copy.id], name=copy.name)
    return STORED


def _put_block(session: Session, copy: BlockCopy, now: str) -> Put:
    here = session.value("SELECT seq FROM blocks WHERE id = ?", (copy.id,))
    if here is not None:
        _attach(session, here, copy.agents)
        return KNOWN
    for each in copy.agents:
        place = (_agent_seq(session, each.agent), each.label)
        if (found := session.one(_BLOCK_OF, place)) is not None:
            seq, block_id, value, version = found
            if value not in ("", copy.value):
                return Put(
                    stored=False,
                    refused=f"agent {each.agent!r} has a block {each.label!r} with another text; "
                    "that one was kept",
                )
            _attach(session, seq, copy.agents)
            if value == copy.value:
                return KNOWN
            kept = (copy.description, copy.limit, copy.read_only, copy.on_overflow)
            version = session.value(_FILL_BLOCK, (copy.value, *kept, now, seq))
            session.run(_PUT_VERSION, (seq, version, copy.value, "import", now))
            _changed(session, block_id, each.label, now, "edited")
            return STORED
    row: tuple[Any, ...] = (
        copy.id,
        copy.label,
        copy.value,
        copy.description,
        copy.limit,
        copy.read_only,
        copy.on_overflow,
        copy.version,
        json.dumps(copy.metadata),
        copy.created_at,
        copy.updated_at,
    )
    seq = session.value(_PUT_BLOCK, row)
    _attach(session, seq, copy.agents)
    _changed(session, copy.id, copy.label, now, "made")
    return STORED


def _attach(session: Session, block_seq: int, attachments: Sequence[Attachment]) -> None:
    for each in attachments:
        agent = _agent_seq(session, each.agent)
        session.run(_ATTACH, (agent, each.label, block_seq, each.position))


def _changed(session: Session, block_id: str, label: str, now: str, operation: str) -> None:
    owners = [
        row[0]
        for row in session.all(
            "SELECT a.id FROM blocks b JOIN agent_blocks ab ON ab.block_seq = b.seq "
            "JOIN agents a ON a.seq = ab.agent_seq WHERE b.id = ? ORDER BY a.seq",
            (block_id,),
        )
    ]
    record_change(session, now, "block", block_id, operation, owners, label=label, by="import")


def _put_summary(session: Session, copy: SummaryCopy) -> Put:
    agent = _agent_seq(session, copy.agent)
    if session.value("SELECT 1 FROM summaries WHERE id = ?", (copy.id,)):
        return KNOWN
    first, last = _place(session, copy.first_message), _place(session, copy.last_message)
    if last < session.value(_LAST_SUMMARY, (agent,)):
        return Put(stored=False, refused="a later summary stands in view here already")
    session.run(
        _PUT_SUMMARY,
        (
            copy.id,
            agent,
            copy.text,
            first,
            last,
            copy.messages,
            copy.covered,
            copy.last_at,
            copy.made_by,
            copy.created_at,
        ),
    )
    return STORED
