"""Visits: clients that open a connection for each call count as one over a short time.

LangChain's adapters, CrewAI and AutoGen do so by default. By connection an `init` rule would lock
them out for good, each message would be a conversation of its own, and what they were shown would
never be known. So a connection that ends after one call leaves a memo, and the next one of a like
client resumes there: the same program and version, for the same agent, from the same place. One
memo is resumed by one connection, so two that are open at once stay apart. A connection that made
more than one call was a session of its own, and nobody resumes it.
"""

import logging
from datetime import timedelta

import anyio
from mcp.server.session import ServerSession

from memory_mcp.domain.errors import MemoryMCPError
from memory_mcp.domain.host_events import digest
from memory_mcp.domain.ids import AgentId, BlockId
from memory_mcp.domain.solver import Step
from memory_mcp.server.connections import Connection
from memory_mcp.server.memos import Memo, memo_in
from memory_mcp.services import Services

logger = logging.getLogger(__name__)

WITHIN = timedelta(minutes=10)
"""How long a memo waits: as long as the daemon stays after its last session."""
WITHOUT_CONNECTIONS = timedelta(days=1)
"""The same for clients of the protocol that has no connections: they never say that they left."""
CLIENT_CHARS_MAX = 400
ENDING_SECONDS = 5
"""How long a like client's first call waits for the memo of one that is just leaving."""
_ENDING: dict[tuple[AgentId, str], anyio.Event] = {}
"""Connections that are leaving, by agent and likeness; set when their memos are stored."""


async def resume(services: Services, connection: Connection, memo: Memo) -> None:
    """Have a connection, whose agent is known, resume where another one ended."""
    assert connection.agent is not None
    versions = {BlockId(block): version for block, version in memo.seen.items()}
    seen = await services.core_memory.as_of(connection.agent.id, versions)
    connection.conversation = memo.conversation
    connection.has_seen(seen)
    connection.step = Step(scope="connection", **memo.step.model_dump())


async def resume_visit(services: Services, connection: Connection, session: ServerSession) -> None:
    """Before a connection's first call: resume the last one of a like client, if there is one."""
    never = connection.place is None and connection.alike is None
    if never or connection.visitor or connection.resumed:
        return
    async with connection.view:
        if connection.visitor or connection.agent is None:  # another first call was quicker
            return
        connection.visitor = connection.alike or _likeness(connection.place or "", session)
        agent_id = connection.agent.id
        if (ending := _ENDING.get((agent_id, connection.visitor))) is not None:
            with anyio.move_on_after(ENDING_SECONDS):  # the last one has left, not yet its memo
                await ending.wait()
        memo = memo_in(await services.visits.take(agent_id, connection.visitor))
        if memo is not None:
            connection.resumes_visit = True
            await resume(services, connection, memo)


async def end_visit(services: Services, connection: Connection) -> None:
    """After a connection's end: nobody is there, and its memo is left if it was for one call."""
    if connection.agent is None:
        return
    was_visit = connection.calls == 1 or (connection.resumes_visit and not connection.calls)
    services.presence.left(connection.id)
    key, ended = (connection.agent.id, connection.visitor or ""), anyio.Event()
    if was_visit:
        _ENDING[key] = ended
    try:
        if was_visit and connection.visitor:
            await services.visits.put(
                connection.agent.id, connection.visitor, connection.memo(), WITHIN, _joined
            )
        ended.set()  # what is left has no hurry
        await services.presence.beat()
    except MemoryMCPError as error:  # it counts as there for a minute; the next one starts anew
        logger.warning("the end of a connection could not be noted: %s", error)
    finally:
        ended.set()
        if _ENDING.get(key) is ended:
            del _ENDING[key]


async def lay_by(services: Services, connection: Connection) -> None:
    """Keep in the store what a client without connections has seen, until it calls again.

    Raises:
        StoreError: the store cannot be written just now.
    """
    agent, alike = connection.agent, connection.alike
    if agent is None or not agent.is_made or alike is None or not connection.has_seen_any:
        return  # it was told nothing that could change
    await services.visits.put(agent.id, alike, connection.memo(), WITHOUT_CONNECTIONS, _joined)


def _likeness(place: str, session: ServerSession) -> str:
    """What like clients have in common."""
    client = session.client_params.client_info if session.client_params else None
    name, version = (client.name, client.version) if client else ("", "")
    told = f"{name} {version} {place}"
    # What differs may stand at the end.
    return told if len(told) <= CLIENT_CHARS_MAX else digest(told)


def _joined(before: str, later: str) -> str:
    one, other = memo_in(before), memo_in(later)
    return one.joined(other).model_dump_json() if one and other else later
