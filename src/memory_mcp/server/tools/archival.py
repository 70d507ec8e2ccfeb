"""Tools for archival memory."""

from typing import Annotated, Literal

from pydantic import Field

from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.times import parse_moment
from memory_mcp.server.answers import Answer, filed_answer, passage_answer
from memory_mcp.server.tools.arguments import Cursor, EndDate, Limit, StartDate
from memory_mcp.server.tools.tool import Call, ToolSpec


async def archival_insert(
    content: Annotated[str, Field(description="Must make sense by itself")],
    tags: Annotated[list[str] | None, Field(description="To find it by")] = None,
    occurred_at: Annotated[
        str | None, Field(description="ISO date of what it tells, if not today")
    ] = None,
    *,
    call: Call,
) -> Answer:
    """File a text for good, out of view until it is searched: details, decisions with their
    reasons, lessons, documents. The same text again refreshes the one that is there."""
    zone = call.connection.zone
    passage = NewPassage(
        content=content,
        tags=tuple(tags or ()),
        occurred_at=parse_moment(occurred_at, "occurred_at", zone) if occurred_at else None,
    )
    filed = await call.services.archival.file(call.agent_id, [passage])
    total = await call.services.archival.count(call.agent_id)
    return filed_answer(filed[0], total, zone)


async def archival_search(
    query: Annotated[str, Field(description="Words or a question")],
    tags: Annotated[list[str] | None, Field(description="Only so tagged")] = None,
    tag_match: Literal["any", "all"] = "any",
    start_date: StartDate = None,
    end_date: EndDate = None,
    limit: Limit = 5,
    cursor: Cursor = None,
    *,
    call: Call,
) -> Answer:
    """Search what was filed in archival memory, by words and by meaning. Call it before you ask
    the user again or start on something that may be known. Returns dated passages, and which tags
    there are."""
    page = await call.services.archival.search(
        call.agent_id,
        query,
        tags=tags,
        tag_match=tag_match,
        start_date=start_date,
        end_date=end_date,
        zone=call.connection.zone,
        limit=limit,
        cursor=cursor,
    )
    now, zone = call.services.clock.now(), call.connection.zone
    return passage_answer(page, query, call.budget, now, zone)


INSERT = ToolSpec(archival_insert, "File in archival memory", idempotent=True)
SEARCH = ToolSpec(archival_search, "Search archival memory", read_only=True)
