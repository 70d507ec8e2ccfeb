"""ChatGPT's export: `conversations.json`, one or in parts, or the zip it comes in.

A conversation is a tree, since a message may be edited and an answer asked for again; what was said
is the path from the root to `current_node`. The other branches are counted and left out.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from memory_mcp.domain.host_events import tool_in_short
from memory_mcp.domain.json_values import as_list, as_object, as_text, moment_of, name_of
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.transfer.report import Item, Report, storable
from memory_mcp.transfer.source import Source, items_of

MEMBER = r"(^|/)conversations[-_0-9]*\.json$"
_ROLES = {"user", "assistant", "tool", "system"}
_EMPTY = {"", "text", "code", "multimodal_text", "execution_output"}
_THOUGHTS = {"thoughts", "reasoning_recap"}


def read(source: Source, report: Report) -> Iterator[Item]:
    """Every message on the path to each conversation's current node."""
    for document in source.documents(MEMBER, "conversations.json"):
        name = document.name
        with document.opened() as stream:
            for number, told in items_of(stream, report, name):
                place = f"{name}, conversation {number:,}"
                conversation = as_object(told)
                if not isinstance(conversation.get("mapping"), dict):
                    report.refuse(place, "it has no mapping of messages, as ChatGPT writes one")
                    continue
                yield from _messages(conversation, place, report)


def _messages(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    nodes = cast("dict[str, Any]", told["mapping"])
    key = as_text(told.get("id")) or as_text(told.get("conversation_id")) or place
    title = as_text(told.get("title"))
    at = moment_of(told.get("create_time")) or moment_of(told.get("update_time"))
    path = _path(nodes, told)
    said = [moment_of(as_object(node.get("message")).get("create_time")) for node in path]
    at = at or next((each for each in said if each), None)
    on_branches = len([node for node in nodes.values() if as_object(node).get("message")])
    for node in path:
        message = as_object(node.get("message"))
        if not message:
            continue
        on_branches -= 1
        made = _message(message, key, at, title, report)
        if isinstance(made, str):
            report.left_out[made] += 1
        elif made is not None:
            at, title = made.created_at, ""
            yield Item(made, f"{place}, message {made.external_id}")
    if on_branches > 0:
        report.left_out["messages on other branches than the last"] += on_branches


def _path(nodes: dict[str, Any], told: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes from the root to the current one; a circle ends where it closes."""
    place = as_text(told.get("current_node"))
    if place not in nodes:
        place = next(
            (each for each in reversed(nodes) if not as_object(nodes[each]).get("children")), ""
        )
    path: list[dict[str, Any]] = []
    seen: set[str] = set()
    while place in nodes and place not in seen:
        seen.add(place)
        node = as_object(nodes[place])
        path.append({"id": place, **node})
        place = as_text(node.get("parent"))
    path.reverse()
    return path


def _message(
    told: dict[str, Any], conversation: str, before: datetime | None, title: str, report: Report
) -> NewMessage | str | None:
    """The message; or why it was left out; `None` for what nobody said."""
    author, content = as_object(told.get("author")), as_object(told.get("content"))
    metadata = as_object(told.get("metadata"))
    kind, role = as_text(content.get("content_type")), as_text(author.get("role"))
    if metadata.get("is_visually_hidden_from_conversation") is True:
        return "hidden messages (instructions and context that ChatGPT added)"
    if kind in _THOUGHTS:
        return "thoughts"
    if kind == "user_editable_context":
        return "custom instructions"
    text = _text(content, report)
    if not text.strip():
        return None if kind in _EMPTY else f"contents of the type {kind[:40]!r} without a text"
    if role not in _ROLES:
        return f"messages of the unknown role {role[:40]!r}"
    at = moment_of(told.get("create_time")) or before
    if at is None:
        return "messages without a time, in conversations without one"
    name = name_of(author.get("name"))
    recipient = as_text(told.get("recipient"))
    if role == "assistant" and recipient not in ("", "all"):
        role, name = "tool", name_of(recipient)
        text = tool_in_short(name or "tool", text, "")
    elif role == "tool":
        text = tool_in_short(name or "tool", "", text)
    more = {"title": title} if title else {}
    if model := as_text(metadata.get("model_slug")):
        more["model"] = model
    return NewMessage(
        role=cast("Role", role),
        content=storable(text, report),
        created_at=at,
        conversation=conversation,
        name=name,
        external_id=as_text(told.get("id")) or None,
        metadata={"chatgpt": more} if more else None,
    )


def _text(content: dict[str, Any], report: Report) -> str:
    parts: list[str] = []
    for part in as_list(content.get("parts")):
        if isinstance(part, str):
            parts.append(part)
            continue
        told = as_object(part)
        kind = as_text(told.get("content_type"))
        if text := as_text(told.get("text")):
            parts.append(text)
        elif "asset_pointer" in kind:
            parts.append(f"[{kind.removesuffix('_asset_pointer')}]")
            report.left_out["images and files"] += 1
    parts += [as_text(content.get(name)) for name in ("text", "result")]
    return "\n".join(part for part in parts if part)
