"""Tools for recall: finding what was said, and, for hosts without hooks, recording it."""

from typing import Annotated

from pydantic import Field

from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.domain.texts import counted
from memory_mcp.domain.times import parse_moment
from memory_mcp.server.answers import Answer, message_answer
from memory_mcp.server.tools.arguments import Cursor, EndDate, Limit, StartDate
from memory_mcp.server.tools.tool import Call, ToolSpec


async def conversation_search(
    query: Annotated[str | None, Field(description="Left out: the latest messages")] = None,
    roles: Annotated[list[str] | None, Field(description="user, assistant, tool, system")] = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    limit: Limit = 5,
    cursor: Cursor = None,
    *,
    call: Call,
) -> Answer:
    """Search what was said in all past conversations, by words and by meaning. Call it before you
    say you don't remember, and when the user refers to something earlier. Returns dated messages
    with their neighbours."""
    page = await call.services.recall.search(
        call.agent_id,
        query,
        roles=roles,
        start_date=start_date,
        end_date=end_date,
        limit=limit,
        cursor=cursor,
    )
    return message_answer(page, query, call.budget, call.services.clock.now())


async def conversation_append(
    role: Annotated[Role, Field(description="Who said it.")],
    content: Annotated[str, Field(description="The message, word for word.")],
    name: Annotated[str | None, Field(description="The speaker's name.")] = None,
    conversation: Annotated[
        str | None, Field(description="Its conversation's id. Left out: this one.")
    ] = None,
    created_at: Annotated[str | None, Field(description="ISO time. Left out: now.")] = None,
    *,
    call: Call,
) -> Answer:
    """Record one message of this conversation, so that conversation_search finds it later. Call it
    once for each message of the user and each answer of yours."""
    now = call.services.clock.now()
    message = NewMessage(
        role=role,
        content=content,
        name=name,
        conversation=conversation or call.connection.conversation,
        created_at=parse_moment(created_at, "created_at") if created_at else now,
        external_id=f"call-{call.key}" if call.key else None,
    )
    appended = await call.services.recall.append(call.agent_id, [message], call.host)
    statistics = await call.services.view.statistics(call.agent_id)
    (recorded,) = (*appended.stored, *appended.known, *appended.forgotten)
    return Answer(
        f"Recorded; {counted(statistics.messages, 'message')} in recall. [{recorded}]",
        {"id": recorded, "conversation": message.conversation},
    )


SEARCH = ToolSpec(conversation_search, "Search conversations", read_only=True)
APPEND = ToolSpec(conversation_append, "Record a message")
