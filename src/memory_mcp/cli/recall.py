"""`memory-mcp recall`: what was said, latest last."""

import argparse
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.printing import print_json, print_messages
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.domain.messages import Message
    from memory_mcp.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Print the latest messages, those that answer a question, or a conversation."
    )
    parser.epilog = (
        "example: memory-mcp recall --limit 20\n"
        '         memory-mcp recall "when did we choose Postgres?" --role user\n'
        "         memory-mcp recall --conversation conversation-0199…"
    )
    parser.add_argument("query", nargs="?", help="words or a question; without: the latest")
    parser.add_argument("--conversation", metavar="ID", help="this one, from its beginning")
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="how many, 1 to 50")
    parser.add_argument(
        "--role", action="append", metavar="ROLE", help="only: user, assistant, tool, system"
    )
    parser.add_argument("--from", dest="start_date", metavar="DATE", help="from that day on")
    parser.add_argument("--to", dest="end_date", metavar="DATE", help="to the end of that day")
    parser.add_argument("--json", action="store_true", help="for scripts")


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> dict[str, Any]:
    """Find them."""
    from memory_mcp.domain.ids import ConversationId

    agent = await services.agents.find(settings.agent)
    if arguments.conversation is not None:
        if arguments.query or arguments.role or arguments.start_date or arguments.end_date:
            raise InvalidInput("--conversation prints a whole one; leave query and filters out.")
        wanted = ConversationId(arguments.conversation)
        _, messages = await services.recall.conversation(agent.id, wanted)
        return {"total": len(messages), "messages": [_told(message) for message in messages]}
    page = await services.recall.search(
        agent.id,
        arguments.query,
        roles=arguments.role,
        start_date=arguments.start_date,
        end_date=arguments.end_date,
        zone=settings.zone,
        limit=arguments.limit,
    )
    found = [_told(hit.message) for hit in page.hits]
    # As in a chat, the latest stands last, right above the prompt.
    return {"total": page.total, "messages": found if page.ranked else found[::-1]}


def show(answer: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print them."""
    if arguments.json:
        print_json(answer)
        return
    print_messages(answer["messages"])
    shown = len(answer["messages"])
    print(f"{shown:,} of {counted(answer['total'], 'message')}.")


def _told(message: "Message") -> dict[str, Any]:
    from memory_mcp.domain.times import to_iso

    return {
        "id": message.id,
        "conversation": message.conversation_id,
        "role": message.role,
        "name": message.name,
        "at": to_iso(message.created_at),
        "content": message.content,
    }
