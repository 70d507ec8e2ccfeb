"""Claude.ai's export: `conversations.json`, or the zip it comes in."""

from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.host_events import tool_in_short
from memory_mcp.domain.json_values import (
    as_list,
    as_object,
    as_text,
    moment_of,
    name_of,
    objects,
    text_in,
    told_of,
)
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.transfer.report import Item, Report, storable
from memory_mcp.transfer.source import Source, items_of

MEMBER = r"(^|/)conversations[-_0-9]*\.json$"
_ROLES: dict[str, Role] = {"human": "user", "user": "user", "assistant": "assistant"}


def read(source: Source, report: Report) -> Iterator[Item]:
    """Every message of every conversation."""
    for document in source.documents(MEMBER, "conversations.json"):
        name = document.name
        with document.opened() as stream:
            for number, told in items_of(stream, report, name):
                conversation = as_object(told)
                place = f"{name}, conversation {number:,}"
                if not isinstance(conversation.get("chat_messages"), list):
                    report.refuse(place, "it has no chat_messages, as Claude.ai writes them")
                    continue
                yield from _messages(conversation, place, report)


def _messages(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    key = as_text(told.get("uuid")) or place
    title = as_text(told.get("name"))
    at = moment_of(told.get("created_at"))
    for number, message in enumerate(objects(told["chat_messages"]), 1):
        at = moment_of(message.get("created_at")) or at
        sender = as_text(message.get("sender"))
        external = as_text(message.get("uuid")) or f"message-{number}"
        if sender not in _ROLES:
            report.left_out[f"messages of the unknown sender {sender[:40]!r}"] += 1
            continue
        if at is None:
            report.left_out["messages without a time, in conversations without one"] += 1
            continue
        for part, (role, name, text) in enumerate(_parts(message, _ROLES[sender], report)):
            made = NewMessage(
                role=role,
                content=storable(text, report),
                created_at=at,
                conversation=key,
                name=name,
                external_id=f"{external}:{part}" if part else external,
                metadata={"claude_ai": {"title": title}} if title else None,
            )
            title = ""
            yield Item(made, f"{place}, message {made.external_id}")


def _parts(
    message: dict[str, Any], role: Role, report: Report
) -> Iterator[tuple[Role, str | None, str]]:
    """What was said, and each use of a tool by itself."""
    said: list[str] = []
    tools: list[tuple[Role, str | None, str]] = []
    for part in objects(message.get("content")):
        match as_text(part.get("type")):
            case "text" if as_text(part.get("text")):
                said.append(as_text(part["text"]))
            case "tool_use":
                name = name_of(part.get("name")) or "tool"
                tools.append(("tool", name, tool_in_short(name, told_of(part.get("input")), "")))
            case "tool_result":
                name = name_of(part.get("name")) or "tool"
                tools.append(("tool", name, tool_in_short(name, "", text_in(part.get("content")))))
            case "thinking":
                report.left_out["thoughts"] += 1
            case _:
                pass
    if not said and (text := as_text(message.get("text"))) and not tools:
        said.append(text)
    for name in ("attachments", "files"):
        for each in as_list(message.get(name)):
            file = as_text(as_object(each).get("file_name")) or "file"
            said.append(f"[{file}]")
            report.left_out["contents of attachments"] += 1
    if text := "\n\n".join(said):
        yield role, None, text
    yield from tools
