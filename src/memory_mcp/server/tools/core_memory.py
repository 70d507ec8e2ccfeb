"""Tools for core memory."""

from typing import Annotated

from pydantic import Field

from memory_mcp.ports import Edited
from memory_mcp.server.answers import Answer, edit_answer
from memory_mcp.server.tools.tool import Call, ToolSpec

Label = Annotated[str, Field(description="Block to edit: human, persona, project, …")]


async def core_memory_append(
    label: Label,
    content: Annotated[str, Field(description="Text to add as new lines.")],
    *,
    call: Call,
) -> Answer:
    """Add lines to a core memory block, which you see in every conversation. Call it the moment
    you learn something lasting about the user (human), how you should be (persona) or the work
    (project): one short, self-contained fact a line, dated where it may change. Returns the block."""
    edited = await call.services.core_memory.append(call.agent_id, label, content)
    return _edited(call, edited)


async def core_memory_replace(
    label: Label,
    new_content: Annotated[str, Field(description="What to put there; empty deletes.")],
    old_content: Annotated[
        str | None,
        Field(description="Exact text to replace, found once. Left out: the whole block."),
    ] = None,
    *,
    call: Call,
) -> Answer:
    """Correct, shorten or delete text in a core memory block. Call it when a fact changed, rather
    than adding a second one, or when a block gets full. Returns the block."""
    edited = await call.services.core_memory.replace(
        call.agent_id, label, new_content, old_content
    )
    return _edited(call, edited)


def _edited(call: Call, edited: Edited) -> Answer:
    call.connection.edited(edited.before, edited.after)
    return edit_answer(edited)


APPEND = ToolSpec(core_memory_append, "Add to core memory")
REPLACE = ToolSpec(core_memory_replace, "Edit core memory", destructive=True)
