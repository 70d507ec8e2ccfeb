"""Agents in SQLite."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from memory_mcp.domain.agents import (
    DEFAULT_AGENT,
    KEPT_AFTER_DELETION,
    Agent,
    AgentChoice,
    AgentSettings,
    Holdings,
    Moved,
    project_agent_names,
    require_agent_name,
    require_new_name,
    unmade,
    unmade_name,
)
from memory_mcp.domain.blocks import OWN_TEMPLATES, PERSONA, SHARED_TEMPLATES
from memory_mcp.domain.errors import AgentNotFound, BlockLimitExceeded, InvalidInput, Taken
from memory_mcp.domain.ids import AgentId, new_id
from memory_mcp.domain.names import name_key
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.domain.tool_rules import ToolRule, rules_from_json, rules_to_json
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.attachments import (
    attach,
    catch_up,
    detach,
    join_group,
    leave_group,
    make_block,
)
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.erasing import let_erase
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.purge import purge_agent
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_COLUMNS = """id, name, description, project, created_at, context_limit, tool_rules, tags,
    system_prompt, model, deleted_at"""
_BY_ID = f"SELECT {_COLUMNS} FROM agents WHERE id = ?"
_BY_NAME = f"SELECT {_COLUMNS} FROM agents WHERE name_key = ?"
_BY_PROJECT = f"SELECT {_COLUMNS} FROM agents WHERE project = ?"
_ALL = f"SELECT {_COLUMNS} FROM agents WHERE deleted_at IS NULL ORDER BY seq"
_PROJECTS = "SELECT project FROM agents WHERE project IS NOT NULL ORDER BY seq"
_DELETED = f"SELECT {_COLUMNS} FROM agents WHERE deleted_at IS NOT NULL ORDER BY seq"
_INSERT = """
INSERT INTO agents (id, name, name_key, project, created_at) VALUES (?, ?, ?, ?, ?) RETURNING seq
"""
_SET = {
    column: f"UPDATE agents SET {column} = ? WHERE id = ?"
    for column in (
        "context_limit", "deleted_at", "description", "model", "project", "system_prompt", "tags",
        "tool_rules",
    )
}  # fmt: skip
_PERSONA = """
SELECT b.seq, b.id, b.limit_chars,
    (SELECT count(*) FROM agent_blocks o WHERE o.block_seq = b.seq), ab.position
FROM agent_blocks ab JOIN blocks b ON b.seq = ab.block_seq
WHERE ab.agent_seq = ? AND ab.label = 'persona'
"""
_MOVE_PERSONA = "UPDATE agent_blocks SET position = ? WHERE agent_seq = ? AND label = 'persona'"
_REWRITE = """
UPDATE blocks SET value = ?, version = version + 1, updated_at = ? WHERE seq = ? AND value <> ?
RETURNING version
"""
_INSERT_HISTORY = """
INSERT INTO block_history (block_seq, version, value, changed_by, changed_at)
VALUES (?, ?, ?, 'person', ?)
"""
_HOLDINGS = """
SELECT (SELECT count(*) FROM agent_blocks ab WHERE ab.agent_seq = ?1 AND NOT EXISTS (
        SELECT 1 FROM agent_blocks o WHERE o.block_seq = ab.block_seq AND o.agent_seq <> ?1)
        AND (SELECT group_tag FROM blocks WHERE seq = ab.block_seq) IS NULL),
    (SELECT count(*) FROM messages WHERE agent_seq = ?1),
    (SELECT count(*) FROM conversations WHERE agent_seq = ?1),
    (SELECT count(*) FROM passages WHERE agent_seq = ?1),
    (SELECT count(*) FROM mail WHERE recipient_seq = ?1 AND state = 'queued')
"""
# Whether anybody has put anything into an agent, beyond what it was made with.
_USED = """
SELECT description <> '' OR tags <> '[]' OR system_prompt <> '' OR tool_rules <> '[]'
    OR EXISTS (SELECT 1 FROM messages WHERE agent_seq = a.seq)
    OR EXISTS (SELECT 1 FROM passages WHERE agent_seq = a.seq)
    OR EXISTS (SELECT 1 FROM mail WHERE a.seq IN (sender_seq, recipient_seq))
    OR EXISTS (SELECT 1 FROM agent_blocks ab JOIN blocks b ON b.seq = ab.block_seq
        WHERE ab.agent_seq = a.seq AND (b.version > 1 OR b.value <> '') AND NOT EXISTS (
            SELECT 1 FROM agent_blocks o WHERE o.block_seq = b.seq AND o.agent_seq <> a.seq))
FROM agents a WHERE id = ?
"""
# The user's shared blocks are those the default agent has: it is made with the store.
_SHARED = """
SELECT block_seq FROM agent_blocks JOIN agents ON agents.seq = agent_seq
WHERE agents.name_key = ? AND label = ?
"""


def seq_of(session: Session, agent_id: AgentId) -> int:
    """The row of an agent.

    One that isn't there yet has row 0, to which nothing belongs.

    Raises:
        AgentNotFound: there is none with that id, or it was deleted.
    """
    if unmade_name(agent_id) is not None:
        return 0
    row = session.one("SELECT seq, deleted_at FROM agents WHERE id = ?", (agent_id,))
    if row is None:
        raise AgentNotFound(f"there is no agent {agent_id!r} in this store.")
    if row[1] is not None:
        raise AgentNotFound(_was_deleted(agent_of(session, agent_id)))
    return row[0]


class SqliteAgents:
    """The `AgentStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def choose(self, choice: AgentChoice) -> Agent:
        """The agent a choice means, made with its blocks if it isn't there yet."""
        choice = _checked(choice)
        found = await self._database.read(lambda session: _find(session, choice))
        return found or await self._database.write(
            lambda session: self._find_or_make(session, choice)
        )

    async def find(self, choice: AgentChoice) -> Agent:
        """The same to read for: one that isn't there yet is not made, and has nothing."""
        choice = _checked(choice)

        def find(session: Session) -> Agent:
            return _find(session, choice) or unmade(_new_name(session, choice), choice.project)

        return await self._database.read(find)

    async def projects(self) -> list[str]:
        """Every folder that an agent was made for, those of deleted agents too."""
        rows = await self._database.read(lambda session: session.all(_PROJECTS))
        return [project for (project,) in rows]

    async def all(self) -> list[Agent]:
        """Every agent, oldest first."""
        rows = await self._database.read(lambda session: session.all(_ALL))
        return [_from_row(row) for row in rows]

    async def get(self, agent_id: AgentId) -> Agent:
        """One agent.

        Raises:
            AgentNotFound: there is none with that id.
        """
        return await self._database.read(lambda session: agent_of(session, agent_id))

    async def named(self, name: str) -> Agent:
        """The agent with that name or id.

        Raises:
            AgentNotFound: there is none; the text lists the agents there are.
        """
        return await self._database.read(lambda session: agent_named(session, name))

    async def create(self, name: str, settings: AgentSettings) -> Agent:
        """Make an agent with its blocks.

        Raises:
            Taken: there is one of that name, or a block of a group has a label that is in use.
        """
        wanted, settings = require_new_name(name), settings.require()

        def create(session: Session) -> Agent:
            if agent := _called(session, wanted):
                raise Taken(
                    _was_deleted(agent)
                    if agent.deleted_at
                    else f"there is an agent {agent.name!r} already; `memory-mcp agents set "
                    f"{agent.name}` changes what holds for it."
                )
            # The default agent is made with the store; its blocks are the shared ones.
            made = self._find_or_make(session, AgentChoice(name=wanted))
            return self._change(session, made, settings)

        return await self._database.write(create)

    async def set(self, agent_id: AgentId, settings: AgentSettings) -> Agent:
        """Set all of that for an agent. Tags that come or go bring or take their group's block.

        Raises:
            AgentNotFound: there is none with that id.
            Taken: a block of a group has a label that is in use; nothing was changed.
            BlockLimitExceeded: the persona is too long; nothing was changed.
        """
        wanted = settings.require()

        def change(session: Session) -> Agent:
            seq_of(session, agent_id)
            return self._change(session, agent_of(session, agent_id), wanted)

        return await self._database.write(change)

    async def move(self, agent_id: AgentId, project: str) -> Moved:
        """Give an agent another project; an empty agent that has it gives way, and is deleted.

        Raises:
            AgentNotFound: there is none with that id.
            InvalidInput: it is the default agent.
            Taken: an agent with memory of its own has that project; nothing was changed.
        """
        wanted = as_key(project)

        def move(session: Session) -> Moved:
            seq_of(session, agent_id)
            agent = agent_of(session, agent_id)
            if name_key(agent.name) == DEFAULT_AGENT:
                raise InvalidInput(
                    "the default agent is for what belongs to no project, so it gets none. Nothing "
                    "was changed."
                )
            if agent.project == wanted:
                return Moved(agent)
            row = session.one(_BY_PROJECT, (wanted,))
            holder = _from_row(row) if row else None
            gave_way = None
            if holder is not None:
                if holder.deleted_at is None:
                    self._give_way(session, holder, agent)
                    gave_way = holder
                session.run(_SET["project"], (None, holder.id))
            session.run(_SET["project"], (wanted, agent_id))
            self._record(session, agent, "changed")
            return Moved(agent_of(session, agent_id), gave_way)

        return await self._database.write(move)

    def _give_way(self, session: Session, holder: Agent, to: Agent) -> None:
        """Delete an agent that nothing was put into yet."""
        if session.value(_USED, (holder.id,)):
            raise Taken(
                f"{clip(holder.project or '', 200)} is the project of agent {holder.name!r}, which "
                "has a memory of its own; nothing was changed. To bring that over first: "
                f"memory-mcp --agent {holder.name} export jsonl - | "
                f"memory-mcp --agent {to.name} import jsonl -; then memory-mcp agents delete "
                f"{holder.name} --yes, and this again."
            )
        session.run(_SET["deleted_at"], (to_iso(self._clock.now()), holder.id))
        self._record(session, holder, "deleted")

    async def holdings(self, agent_id: AgentId) -> Holdings:
        """What would go with the agent."""

        def count(session: Session) -> Holdings:
            row = session.one(_HOLDINGS, (seq_of(session, agent_id),))
            assert row is not None
            names = ("blocks", "messages", "conversations", "passages", "unread")
            return Holdings(**dict(zip(names, row, strict=True)))

        return await self._database.read(count)

    async def delete(self, agent_id: AgentId) -> Agent:
        """Delete the agent, with all it has; it can be restored until it is purged.

        Raises:
            InvalidInput: it is the default agent.
        """

        def delete(session: Session) -> Agent:
            agent = agent_of(session, agent_id)
            seq_of(session, agent_id)
            if name_key(agent.name) == DEFAULT_AGENT:
                raise InvalidInput(
                    "the default agent cannot be deleted: whoever names no agent is it, and the "
                    "blocks that all agents share are its. Nothing was changed."
                )
            now = self._clock.now()
            session.run(_SET["deleted_at"], (to_iso(now), agent_id))
            self._record(session, agent, "deleted")
            return replace(agent, deleted_at=now)

        return await self._database.write(delete)

    async def restore(self, name: str) -> Agent:
        """Bring a deleted agent back.

        Raises:
            AgentNotFound: none of that name is deleted; the text lists those that are.
        """

        def restore(session: Session) -> Agent:
            agent = _called(session, name)
            if agent is None or agent.deleted_at is None:
                names = ", ".join(clip(row[1], 40) for row in session.all(_DELETED)[:20])
                raise AgentNotFound(
                    f"no agent {clip(name, 60)!r} was deleted. "
                    + (f"There are: {names}." if names else "None is.")
                )
            session.run(_SET["deleted_at"], (None, agent.id))
            seq, now = seq_of(session, agent.id), to_iso(self._clock.now())
            for tag in agent.tags:
                catch_up(session, seq, tag, now)
            self._record(session, agent, "restored")
            return replace(agent, deleted_at=None)

        return await self._database.write(restore)

    async def purge_deleted(self, before: datetime) -> list[str]:
        """Remove for good, with all their rows, agents deleted before then; their names."""

        def due(session: Session) -> list[Agent]:
            deleted = [_from_row(row) for row in session.all(_DELETED)]
            return [agent for agent in deleted if agent.deleted_at and agent.deleted_at < before]

        def purge(session: Session) -> list[str]:
            agents = due(session)
            for agent in agents:
                self._purge(session, agent)
            return [agent.name for agent in agents]

        return await self._database.write_over(purge) if await self._database.read(due) else []

    async def purge_now(self, agent_id: AgentId) -> None:
        """Remove a deleted agent for good, with all its rows; one in use is left alone."""

        def purge(session: Session) -> None:
            for agent in [_from_row(row) for row in session.all(_DELETED)]:
                if agent.id == agent_id:
                    self._purge(session, agent)

        await self._database.write_over(purge)

    def _purge(self, session: Session, agent: Agent) -> None:
        purge_agent(session, agent.id)
        self._record(session, agent, "purged")
        let_erase(session, to_iso(self._clock.now()))

    async def set_context_tokens(self, agent_id: AgentId, tokens: int | None) -> Agent:
        """Give the agent a context limit of its own, or take it away."""
        return await self.set(agent_id, AgentSettings(context_tokens=tokens or 0))

    async def set_tool_rules(self, agent_id: AgentId, rules: Sequence[ToolRule]) -> Agent:
        """Give the agent these tool rules instead of those it has."""
        return await self.set(agent_id, AgentSettings(tool_rules=tuple(rules)))

    def _change(self, session: Session, agent: Agent, settings: AgentSettings) -> Agent:
        """Set what is to be set, and tell the others."""
        rules = settings.tool_rules
        values: dict[str, str | int | None] = {
            "description": settings.description,
            "system_prompt": settings.system_prompt,
            "model": settings.model,
            "context_limit": settings.context_tokens,
            "tags": None if settings.tags is None else json.dumps(settings.tags),
            "tool_rules": None if rules is None else json.dumps(rules_to_json(rules)),
        }
        for column, value in values.items():
            if value is not None:
                empty = column in ("model", "context_limit") and not value
                session.run(_SET[column], (None if empty else value, agent.id))
        seq, now = seq_of(session, agent.id), to_iso(self._clock.now())
        if settings.tags is not None:
            had, has = ({name_key(tag): tag for tag in of} for of in (agent.tags, settings.tags))
            for key in [key for key in had if key not in has]:
                leave_group(session, seq, had[key], now)
            for key in [key for key in has if key not in had]:
                join_group(session, seq, has[key], now)
        if settings.persona is not None:
            self._set_persona(session, seq, agent, settings.persona)
        self._record(session, agent, "changed")
        return agent_of(session, agent.id)

    def _set_persona(self, session: Session, agent_seq: int, agent: Agent, value: str) -> None:
        """A persona of its own: the one it has, or a new block in place of a shared one."""
        row = session.one(_PERSONA, (agent_seq,))
        seq, block_id, limit, owners, position = row or (None, "", PERSONA.limit_chars, 0, -1)
        now = to_iso(self._clock.now())
        if len(value) > limit:
            raise BlockLimitExceeded(
                f"the persona has {len(value):,} characters, and the block has room for {limit:,}; "
                "nothing was changed."
            )
        if seq is None or owners > 1:
            if seq is not None:
                detach(session, agent_seq, seq, "persona", now)
            own = make_block(session, replace(PERSONA, value=value), now)
            attach(session, agent_seq, own, "persona", now)
            session.run(_MOVE_PERSONA, (position, agent_seq))
        elif version := session.value(_REWRITE, (value, now, seq, value)):
            session.run(_INSERT_HISTORY, (seq, version, value, now))
            record_change(
                session, now, "block", block_id, "edited", [agent.id], label="persona", by="person"
            )

    def _record(self, session: Session, agent: Agent, operation: str) -> None:
        now = to_iso(self._clock.now())
        record_change(session, now, "agent", agent.id, operation, [agent.id], name=agent.name)

    def _find_or_make(self, session: Session, choice: AgentChoice) -> Agent:
        # Looked up again inside the lock: another process may have made it meanwhile.
        if found := _find(session, choice):
            return found
        if session.value("SELECT count(*) FROM agents") == 0:
            default = self._make(session, DEFAULT_AGENT, None)
            if name_key(_new_name(session, choice)) == DEFAULT_AGENT:
                return default
        return self._make(session, _new_name(session, choice), choice.project)

    def _make(self, session: Session, name: str, project: str | None) -> Agent:
        now = to_iso(self._clock.now())
        agent_id = new_id("agent")
        agent_seq = session.value(_INSERT, (agent_id, name, name_key(name), project, now))
        for template in SHARED_TEMPLATES:
            block_seq = session.value(_SHARED, (DEFAULT_AGENT, template.label))
            block_seq = block_seq or make_block(session, template, now)
            attach(session, agent_seq, block_seq, template.label, now)
        for template in OWN_TEMPLATES:
            attach(session, agent_seq, make_block(session, template, now), template.label, now)
        more = {"project": project} if project else {}
        record_change(session, now, "agent", agent_id, "made", [agent_id], name=name, **more)
        return agent_of(session, AgentId(agent_id))


def agent_of(session: Session, agent_id: AgentId) -> Agent:
    """The agent with that id.

    Raises:
        AgentNotFound: there is none.
    """
    if (name := unmade_name(agent_id)) is not None:
        return unmade(name)
    if (row := session.one(_BY_ID, (agent_id,))) is None:
        raise AgentNotFound(f"there is no agent {agent_id!r} in this store.")
    return _from_row(row)


def agents_in_use(session: Session) -> list[Agent]:
    """Every agent that is not deleted, oldest first."""
    return [_from_row(row) for row in session.all(_ALL)]


def agent_named(session: Session, name: str) -> Agent:
    """The agent with that name or id.

    Raises:
        AgentNotFound: there is none; the text lists the agents there are.
    """
    agent = _called(session, name)
    if agent is not None and agent.deleted_at is None:
        return agent
    names = ", ".join(clip(one.name, 40) for one in agents_in_use(session)[:20])
    reason = _was_deleted(agent) if agent else f"there is no agent {clip(name, 60)!r}."
    raise AgentNotFound(f"{reason} There are: {names}.")


def _called(session: Session, name: str) -> Agent | None:
    """The agent with that id, or else with that name; a deleted one too."""
    key = as_key(name)
    row = session.one(_BY_ID, (key,)) or session.one(_BY_NAME, (name_key(key),))
    return _from_row(row) if row else None


def _was_deleted(agent: Agent) -> str:
    assert agent.deleted_at is not None
    until = agent.deleted_at + KEPT_AFTER_DELETION
    return (
        f"agent {agent.name!r} was deleted on {agent.deleted_at:%Y-%m-%d}. Until {until:%Y-%m-%d} "
        f"`memory-mcp agents restore {agent.name}` brings it back with all it had; or use another "
        "name."
    )


def _checked(choice: AgentChoice) -> AgentChoice:
    """The choice as it can be looked up.

    Raises:
        InvalidInput: it names an agent, and that is no name.
    """
    return AgentChoice(
        name=require_agent_name(choice.name) if choice.name else None,
        project=as_key(choice.project) if choice.project and not choice.name else None,
        formerly=tuple(map(as_key, choice.formerly)),
    )


def _new_name(session: Session, choice: AgentChoice) -> str:
    """What the agent is called that is made for a choice."""
    if choice.name is not None or choice.project is None:
        return choice.name or DEFAULT_AGENT
    plain, distinct = project_agent_names(choice.project)
    return distinct if session.one(_BY_NAME, (name_key(plain),)) else plain


def _find(session: Session, choice: AgentChoice) -> Agent | None:
    if choice.name is None and choice.project is not None:
        found = (session.one(_BY_PROJECT, (each,)) for each in (*choice.formerly, choice.project))
        row = next((each for each in found if each), None)
        agent = _from_row(row) if row else None
    else:
        agent = _called(session, choice.name or DEFAULT_AGENT)
    if agent is not None and agent.deleted_at is not None:
        raise AgentNotFound(_was_deleted(agent))
    return agent


def _from_row(row: Row) -> Agent:
    agent_id, name, description, project, created_at, context_tokens, tool_rules, *more = row
    tags, system_prompt, model, deleted_at = more
    return Agent(
        id=AgentId(agent_id),
        name=name,
        description=description,
        project=project,
        created_at=from_iso(created_at),
        context_tokens=context_tokens,
        tool_rules=rules_from_json(json.loads(tool_rules)),
        tags=tuple(json.loads(tags)),
        system_prompt=system_prompt,
        model=model,
        deleted_at=from_iso(deleted_at) if deleted_at else None,
    )
