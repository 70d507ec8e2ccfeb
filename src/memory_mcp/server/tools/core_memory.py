"""Tools for core memory."""

from typing import Annotated

from pydantic import Field

from memory_mcp.domain.errors import Conflict, InvalidInput
from memory_mcp.server.answers import Answer, edit_answer
from memory_mcp.server.tools.tool import Call, ToolSpec

Label = Annotated[str, Field(description="human, persona, project or another block")]


async def core_memory_append(
    label: Label,
    content: Annotated[str, Field(description="New lines")],
    *,
    call: Call,
) -> Answer:
    """Add lines to a core memory block, which is in view in every conversation. Call it the moment
    you learn something lasting about the user (human), yourself (persona) or the work (project):
    one short fact a line, dated where it may change. Returns the block."""
    async with call.connection.view:
        edited = await call.services.core_memory.append(
            call.agent_id, label, content, only_news=True, key=call.key
        )
        call.connection.edited(edited.before, edited.after)
    return edit_answer(edited, added=True)


async def core_memory_replace(
    label: Label,
    new_content: Annotated[str, Field(description="Empty deletes")],
    old_content: Annotated[
        str | None,
        Field(description="Exact text, found once; left out: the whole block"),
    ] = None,
    *,
    call: Call,
) -> Answer:
    """Correct, shorten or delete text in a core memory block. Call it when a fact changed, rather
    than adding a second, or when a block gets full. Returns the block."""
    if old_content is not None and not old_content.strip():
        # Perhaps a client that cannot leave it out means the whole block, perhaps its model forgot
        # the text: the one would lose what the other wants kept.
        raise InvalidInput(
            "old_content is empty, which says no place; nothing was changed. Give the exact text "
            "to replace. To rewrite the whole block, leave old_content out or give all the block's "
            "present text; to add lines, call core_memory_append."
        )
    service, connection = call.services.core_memory, call.connection
    async with connection.view:
        seen = connection.seen_block(label)
        try:
            edited = await service.replace(
                call.agent_id, label, new_content, old_content, seen, key=call.key
            )
        except Conflict:  # its text shows the block as it is now
            connection.has_seen_block(label, await service.blocks(call.agent_id))
            raise
        connection.edited(edited.before, edited.after)
    return edit_answer(edited)


APPEND = ToolSpec(core_memory_append, "Add to core memory")
REPLACE = ToolSpec(
    core_memory_replace,
    "Edit core memory",
    destructive=True,
    empty_is_said=("old_content",),
)
