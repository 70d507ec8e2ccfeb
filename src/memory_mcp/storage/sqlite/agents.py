"""Agents in SQLite."""

import json
from collections.abc import Sequence

from memory_mcp.domain.agents import (
    DEFAULT_AGENT,
    Agent,
    AgentChoice,
    project_agent_names,
    require_agent_name,
)
from memory_mcp.domain.blocks import OWN_TEMPLATES, SHARED_TEMPLATES, BlockTemplate
from memory_mcp.domain.errors import AgentNotFound
from memory_mcp.domain.ids import AgentId, new_id
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.domain.tool_rules import ToolRule, rules_from_json, rules_to_json
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_COLUMNS = "id, name, description, project, created_at, context_limit, tool_rules"
_BY_ID = f"SELECT {_COLUMNS} FROM agents WHERE id = ?"
_SET_CONTEXT = "UPDATE agents SET context_limit = ? WHERE id = ?"
_SET_RULES = "UPDATE agents SET tool_rules = ? WHERE id = ?"
_BY_NAME = f"SELECT {_COLUMNS} FROM agents WHERE name = ? OR id = ?"
_BY_PROJECT = f"SELECT {_COLUMNS} FROM agents WHERE project = ?"
_ALL = f"SELECT {_COLUMNS} FROM agents ORDER BY seq"
_INSERT = "INSERT INTO agents (id, name, project, created_at) VALUES (?, ?, ?, ?) RETURNING seq"
_INSERT_BLOCK = """
INSERT INTO blocks (id, label, value, description, limit_chars, read_only, on_overflow,
    created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq
"""
_INSERT_HISTORY = """
INSERT INTO block_history (block_seq, version, value, changed_by, changed_at)
VALUES (?, 1, ?, 'created', ?)
"""
_ATTACH = "INSERT INTO agent_blocks (agent_seq, label, block_seq, position) VALUES (?, ?, ?, ?)"
# The user's shared blocks are those the default agent has: it is made with the store.
_SHARED = """
SELECT block_seq FROM agent_blocks JOIN agents ON agents.seq = agent_seq
WHERE agents.name = ? AND label = ?
"""


def seq_of(session: Session, agent_id: AgentId) -> int:
    """The row of an agent.

    Raises:
        AgentNotFound: there is none with that id.
    """
    seq = session.value("SELECT seq FROM agents WHERE id = ?", (agent_id,))
    if seq is None:
        raise AgentNotFound(f"there is no agent {agent_id!r} in this store.")
    return seq


class SqliteAgents:
    """The `AgentStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def choose(self, choice: AgentChoice) -> Agent:
        """The agent a choice means, made with its blocks if it isn't there yet."""
        name = require_agent_name(choice.name) if choice.name else None
        project = as_key(choice.project) if choice.project else None
        found = await self._database.read(lambda session: _find(session, name, project))
        return found or await self._database.write(
            lambda session: self._find_or_make(session, name, project)
        )

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

        def find(session: Session) -> Agent:
            key = as_key(name)
            if (row := session.one(_BY_NAME, (key, key))) is not None:
                return _from_row(row)
            names = ", ".join(clip(row[1], 40) for row in session.all(_ALL)[:20])
            raise AgentNotFound(f"there is no agent {clip(name, 60)!r}. There are: {names}.")

        return await self._database.read(find)

    async def set_context_tokens(self, agent_id: AgentId, tokens: int | None) -> Agent:
        """Give the agent a context limit of its own, or take it away."""
        return await self._set(agent_id, _SET_CONTEXT, tokens)

    async def set_tool_rules(self, agent_id: AgentId, rules: Sequence[ToolRule]) -> Agent:
        """Give the agent these tool rules instead of those it has."""
        return await self._set(agent_id, _SET_RULES, json.dumps(rules_to_json(rules)))

    async def _set(self, agent_id: AgentId, statement: str, value: int | str | None) -> Agent:
        def change(session: Session) -> Agent:
            session.run(statement, (value, agent_id))
            agent = agent_of(session, agent_id)
            now = to_iso(self._clock.now())
            record_change(session, now, "agent", agent_id, "changed", [agent_id], name=agent.name)
            return agent

        return await self._database.write(change)

    def _find_or_make(self, session: Session, name: str | None, project: str | None) -> Agent:
        # Looked up again inside the lock: another process may have made it meanwhile.
        if found := _find(session, name, project):
            return found
        if session.value("SELECT count(*) FROM agents") == 0:
            default = self._make(session, DEFAULT_AGENT, None)
            asked = name.casefold() if name else None
            if asked == DEFAULT_AGENT or (asked is None and project is None):
                return default
        if name is None and project is not None:
            plain, distinct = project_agent_names(project)
            taken = session.value("SELECT 1 FROM agents WHERE name = ?", (plain,))
            return self._make(session, distinct if taken else plain, project)
        return self._make(session, name or DEFAULT_AGENT, None)

    def _make(self, session: Session, name: str, project: str | None) -> Agent:
        now = to_iso(self._clock.now())
        agent_id = new_id("agent")
        agent_seq = session.value(_INSERT, (agent_id, name, project, now))
        position = 0
        for template in SHARED_TEMPLATES:
            block_seq = session.value(_SHARED, (DEFAULT_AGENT, template.label))
            block_seq = block_seq or _make_block(session, template, now)
            session.run(_ATTACH, (agent_seq, template.label, block_seq, position))
            position += 1
        for template in OWN_TEMPLATES:
            block_seq = _make_block(session, template, now)
            session.run(_ATTACH, (agent_seq, template.label, block_seq, position))
            position += 1
        record_change(session, now, "agent", agent_id, "made", [agent_id], name=name)
        return _from_row((agent_id, name, "", project, now, None, "[]"))


def agent_of(session: Session, agent_id: AgentId) -> Agent:
    """The agent with that id.

    Raises:
        AgentNotFound: there is none.
    """
    if (row := session.one(_BY_ID, (agent_id,))) is None:
        raise AgentNotFound(f"there is no agent {agent_id!r} in this store.")
    return _from_row(row)


def _find(session: Session, name: str | None, project: str | None) -> Agent | None:
    if name is not None:
        row = session.one(_BY_NAME, (name, name))
    elif project is not None:
        row = session.one(_BY_PROJECT, (project,))
    else:
        row = session.one(_BY_NAME, (DEFAULT_AGENT, DEFAULT_AGENT))
    return _from_row(row) if row else None


def _make_block(session: Session, template: BlockTemplate, now: str) -> int:
    block_seq = session.value(
        _INSERT_BLOCK,
        (
            new_id("block"),
            template.label,
            template.value,
            template.description,
            template.limit_chars,
            template.read_only,
            template.on_overflow,
            now,
            now,
        ),
    )
    session.run(_INSERT_HISTORY, (block_seq, template.value, now))
    return block_seq


def _from_row(row: Row) -> Agent:
    agent_id, name, description, project, created_at, context_tokens, tool_rules = row
    return Agent(
        id=AgentId(agent_id),
        name=name,
        description=description,
        project=project,
        created_at=from_iso(created_at),
        context_tokens=context_tokens,
        tool_rules=rules_from_json(json.loads(tool_rules)),
    )
