"""The tool that talks to other agents."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from memory_mcp.server.answers import Answer, sending_answer
from memory_mcp.server.tools.arguments import no_truth
from memory_mcp.server.tools.tool import Call, ToolSpec


async def send_to_agent(
    message: Annotated[str, Field(description="Must make sense by itself")],
    to: Annotated[
        str | None, Field(description="Name or id; shadow: who keeps this memory in order")
    ] = None,
    tags: Annotated[list[str] | None, Field(description="To all agents with all of them")] = None,
    wait_seconds: Annotated[
        int, BeforeValidator(no_truth), Field(description="For answers: 0 to 600")
    ] = 0,
    in_reply_to: Annotated[str | None, Field(description="Mail this answers")] = None,
    *,
    call: Call,
) -> Answer:
    """Send mail to other agents, or answer theirs. Returns where it went, and the answers that
    came within wait_seconds; later ones come with a later tool answer."""
    sending = await call.services.mail.send(
        call.agent_id,
        message,
        to=to,
        tags=tags,
        wait_seconds=wait_seconds,
        in_reply_to=in_reply_to,
        key=call.key,
        progress=call.progress,
    )
    return sending_answer(sending, wait_seconds, call.budget, call.connection.zone)


SEND = ToolSpec(send_to_agent, "Send mail to agents")
