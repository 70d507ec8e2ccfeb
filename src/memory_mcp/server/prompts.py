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
        values = await _values(surface, getattr(ref, "uri", None), argument.name)
        wanted = argument.value.casefold()
        fitting = [value for value in values if value.casefold().startswith(wanted)]
        return Completion(
            values=fitting[:COMPLETIONS_MAX],
            total=len(fitting),
            has_more=len(fitting) > COMPLETIONS_MAX,
        )


async def _values(surface: Surface, uri: str | None, argument: str) -> list[str]:
    """What an argument may be: block labels, conversations, or for a topic the tags there are."""
    services = surface.services
    agent_id = await surface.agent_of(CURRENT.get())
    match argument:
        case "label":
            return [block.label for block in await services.core_memory.blocks(agent_id)]
        case "id" if uri and uri.startswith("memory://conversations"):
            return [one.id for one in await services.recall.conversations(agent_id)]
        case "id" if uri and uri.startswith("memory://inbox"):
            return [letter.id for letter in await services.mail.inbox(agent_id)]
        case "topic":
            return [tag.tag for tag in (await services.view.statistics(agent_id)).tags]
        case _:
            return []
