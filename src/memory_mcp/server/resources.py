"""The resources: what memory holds, to read. The list is the same for every connection."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import Annotations

from memory_mcp.domain.agents import Agent
from memory_mcp.domain.errors import BlockNotFound, MemoryMCPError, NotFound, RunNotFound
from memory_mcp.domain.ids import AgentId, ConversationId, PassageId, RunId
from memory_mcp.domain.mail import Letter
from memory_mcp.domain.messages import Conversation
from memory_mcp.domain.plain import as_json
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import to_iso
from memory_mcp.server.answers import (
    block_structure,
    letter_structure,
    message_structure,
    passage_structure,
)
from memory_mcp.server.connections import CURRENT
from memory_mcp.server.tools.tool import Surface

Shown = TypeVar("Shown")

INBOX_CHARS = 400_000
"""How much of all mails' texts the inbox shows; every one has its beginning there."""
INBOX_CHARS_LEAST = 200

_TEXT, _JSON = "text/plain", "application/json"


def register_resources(server: MCPServer[Any], surface: Surface) -> None:
    """Put the resources on the server."""
    services = surface.services

    async def agent_id() -> AgentId:
        return await _shown(surface.agent_of(CURRENT.get()))

    @server.resource(
        "memory://context",
        title="Memory in view",
        description="Exactly what memory puts in view: core memory blocks, and what lies beyond.",
        mime_type=_TEXT,
        annotations=Annotations(audience=["assistant"], priority=1.0),
    )
    async def context() -> str:
        return await _shown(services.view.context(await agent_id(), CURRENT.get().zone))

    @server.resource(
        "memory://blocks",
        title="Core memory blocks",
        description="All core memory blocks with their values, limits and versions.",
        mime_type=_JSON,
    )
    async def blocks() -> str:
        found = await _shown(services.core_memory.blocks(await agent_id()))
        return as_json([block_structure(block) for block in found])

    @server.resource(
        "memory://blocks/{label}",
        title="One core memory block",
        description="The value of one core memory block.",
        mime_type=_TEXT,
    )
    async def block(label: str) -> str:
        found = await _shown(services.core_memory.blocks(await agent_id()))
        for one in found:
            if one.label == label:
                return one.value
        labels = ", ".join(one.label for one in found)
        raise _resource_error(BlockNotFound(f"there is no block {label!r}. There are: {labels}."))

    @server.resource(
        "memory://stats",
        title="Memory statistics",
        description="How much is out of view: counts, dates, tags, block fill, index state.",
        mime_type=_JSON,
    )
    async def stats() -> str:
        told = asdict(await _shown(services.view.statistics(await agent_id())))
        shadow = asdict(await _shown(services.ledger.state()))
        exact = "o200k" if services.tokens.exact else "estimated"
        return as_json({**told, "shadow": shadow, "token_counts": exact})

    @server.resource(
        "memory://inbox",
        title="Inbox",
        description="The latest 100 mails that came from other agents, and which are unread.",
        mime_type=_JSON,
    )
    async def inbox() -> str:
        own = await agent_id()
        letters = await _shown(services.mail.inbox(own))
        unread = await _shown(services.mail.unread(own))  # of all, not of those shown
        return as_json({"unread": unread, "mail": list(_within(letters))})

    @server.resource(
        "memory://inbox/{id}",
        title="One mail",
        description="One mail, in full.",
        mime_type=_JSON,
    )
    async def mail(id: str) -> str:
        return as_json(letter_structure(await _shown(services.mail.one(await agent_id(), id))))

    @server.resource(
        "memory://agents",
        title="Agents",
        description="The agents of this store, each the owner of a memory of its own.",
        mime_type=_JSON,
    )
    async def agents() -> str:
        own = await agent_id()
        found = await _shown(services.agents.all())
        return as_json([{**agent_structure(agent), "is_you": agent.id == own} for agent in found])

    @server.resource(
        "memory://conversations",
        title="Conversations",
        description="The latest 100 conversations in recall, with their dates and sizes.",
        mime_type=_JSON,
    )
    async def conversations() -> str:
        found = await _shown(services.recall.conversations(await agent_id()))
        return as_json([conversation_structure(conversation) for conversation in found])

    @server.resource(
        "memory://conversations/{id}",
        title="One conversation",
        description="Every message of one conversation, in order.",
        mime_type=_JSON,
    )
    async def conversation(id: str) -> str:
        found, messages = await _shown(
            services.recall.conversation(await agent_id(), ConversationId(id))
        )
        told = [message_structure(message) for message in messages]
        return as_json({**conversation_structure(found), "content": told})

    @server.resource(
        "memory://passages/{id}",
        title="One passage",
        description="One passage of archival memory, in full.",
        mime_type=_JSON,
    )
    async def passage(id: str) -> str:
        found = await _shown(services.archival.passage(await agent_id(), PassageId(id)))
        return as_json(passage_structure(found))

    @server.resource(
        "memory://shadow/runs",
        title="Shadow runs",
        description="The latest runs of the agent that keeps this memory in order, newest first.",
        mime_type=_JSON,
    )
    async def shadow_runs() -> str:
        found = await _shown(services.ledger.runs(await agent_id()))
        return as_json([asdict(run) for run in found])

    @server.resource(
        "memory://payload",
        title="Last payload",
        description="Each call of the model in this agent's latest turn of its own, word for word; "
        "empty for an agent that has had none.",
        mime_type=_JSON,
    )
    async def payload() -> str:
        own = await agent_id()
        try:
            found = await services.ledger.last_turn(own)
        except RunNotFound:  # as for most: what is listed must be readable
            return as_json([])
        except MemoryMCPError as error:
            raise _resource_error(error) from error
        return as_json([asdict(call) for call in found.calls])

    @server.resource(
        "memory://shadow/runs/{id}",
        title="One shadow run",
        description="One run with every call of the model, word for word, and what it changed.",
        mime_type=_JSON,
    )
    async def shadow_run(id: str) -> str:
        found = await _shown(services.ledger.record(RunId(id)))
        if found.run.agent_id != await agent_id():
            raise _resource_error(RunNotFound(f"there is no run {clip(id, 60)!r} of this agent."))
        return as_json(asdict(found))


def _within(letters: Sequence[Letter]) -> Iterator[dict[str, Any]]:
    """Mails for scripts, whole as long as together they are not too much to read at one go."""
    left = INBOX_CHARS
    for letter in letters:
        shown = clip(letter.text, max(INBOX_CHARS_LEAST, left))
        left -= len(shown)
        cut = {"text": shown, "whole": f"memory://inbox/{letter.id}"}
        yield {**letter_structure(letter), **(cut if shown != letter.text else {})}


def agent_structure(agent: Agent) -> dict[str, Any]:
    """An agent for scripts."""
    return {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "project": agent.project,
        "tags": list(agent.tags),
        "model": agent.model,
        "created_at": to_iso(agent.created_at),
    }


def conversation_structure(conversation: Conversation) -> dict[str, Any]:
    """A conversation for scripts, without its messages."""
    return {
        "id": conversation.id,
        "external_id": conversation.external_id,
        "host": conversation.host,
        "started_at": to_iso(conversation.started_at),
        "last_at": to_iso(conversation.last_at),
        "messages": conversation.messages,
    }


async def _shown(result: Awaitable[Shown]) -> Shown:
    try:
        return await result
    except MemoryMCPError as error:
        raise _resource_error(error) from error


def _resource_error(error: MemoryMCPError) -> ResourceError:
    kind: Callable[[str], ResourceError] = (
        ResourceNotFoundError if isinstance(error, NotFound) else ResourceError
    )
    return kind(str(error))
