"""The prompts, and completions for their arguments and the resources'."""

from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Completion, CompletionArgument, CompletionContext
from pydantic import Field

from memory_mcp.domain.errors import MemoryMCPError
from memory_mcp.server.answers import passage_answer
from memory_mcp.server.connections import CURRENT
from memory_mcp.server.tools.tool import Surface

COMPLETIONS_MAX = 100
PROMPTS = {"memory": ("topic",)}
"""The prompts with their arguments."""


def register_prompts(server: MCPServer[Any], surface: Surface) -> None:
    """Put the prompts and the completions on the server."""
    services = surface.services

    @server.prompt(
        title="Start with memory",
        description="Puts core memory into the chat, and what is filed about a topic you name.",
    )
    async def memory(
        topic: Annotated[str, Field(description="A topic or tag to look up as well.")] = "",
    ) -> str:
        connection = CURRENT.get()
        try:
            agent_id = await surface.agent_of(connection)
        except MemoryMCPError as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
        connection.has_seen(await services.core_memory.blocks(agent_id))
        view = await services.view.context(agent_id, connection.zone)
        if not topic.strip():
            return view
        try:
            page = await services.archival.search(agent_id, topic)
        except MemoryMCPError as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
        found = passage_answer(page, topic, surface.budget, services.clock.now(), connection.zone)
        return f"{view}\n\nFiled about {topic!r}:\n{found.text}"

    @server.completion()
    async def complete(
        ref: Any, argument: CompletionArgument, _: CompletionContext | None
    ) -> Completion:
        wanted = argument.value.casefold()
        values = await _values(surface, getattr(ref, "uri", None), argument.name, wanted)
        fitting = [value for value in values if value.casefold().startswith(wanted)]
        has_more = len(fitting) > COMPLETIONS_MAX
        return Completion(
            values=fitting[:COMPLETIONS_MAX],
            total=None if has_more else len(fitting),
            has_more=has_more,
        )


async def _values(surface: Surface, uri: str | None, argument: str, beginning: str) -> list[str]:
    """What an argument may be: block labels, conversations, or for a topic the tags there are.

    Of what is without end one more than are told, of those that begin so.
    """
    services = surface.services
    agent_id = await surface.agent_of(CURRENT.get())
    most = COMPLETIONS_MAX + 1
    match argument:
        case "label":
            return [block.label for block in await services.core_memory.blocks(agent_id)]
        case "id" if uri and uri.startswith("memory://conversations"):
            return [
                one.id for one in await services.recall.conversations(agent_id, most, beginning)
            ]
        case "id" if uri and uri.startswith("memory://inbox"):
            return [one.id for one in await services.mail.inbox(agent_id, most, beginning)]
        case "topic":
            return await services.archival.tags(agent_id)
        case _:
            return []
