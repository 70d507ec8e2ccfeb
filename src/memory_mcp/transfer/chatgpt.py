"""ChatGPT's export: `conversations.json`, one or in parts, or the zip it comes in.

A conversation is a tree, since a message may be edited and an answer asked for again; what was said
is the path from the root to `current_node`. The other branches are counted and left out.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from memory_mcp.domain.host_events import tool_in_short
from memory_mcp.domain.json_values import (
    as_list,
    as_object,
    as_text,
    moment_of,
    name_of,
    objects,
    unpacked,
)
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.transfer.report import Item, Report, dated, storable
from memory_mcp.transfer.source import Source, items_of

MEMBER = r"(^|/)conversations[-_0-9]*\.jsonl?$"
KNOWN = {
    r"(^|/)(user|user_settings|account)\.json$": "account data and settings",
    r"(^|/)(message_feedback|model_comparisons)\.json$": "marks that were given to answers",
    r"(^|/)shared_conversations\.json$": "links to conversations that were shared",
    r"(^|/)(export_manifest|conversation_asset_file_names|library_files)\.json$": (
        "lists of the files in the export"
    ),
    r"(^|/)(ads|sora|shopping|group_chats|tasks)\.json$": "data of other services",
    r"(^|/)chat\.html$": "the page that shows the conversations",
    r"(^|/)(file[-_]|dalle-generations/|user-[^/]*/|[^/]+/audio/)|\.dat$": (
        "files that were uploaded or made"
    ),
}
"""What an export holds beside the conversations."""
_ROLES = {"user", "assistant", "tool", "system"}
_NOT_SAID = {
    "thoughts": "thoughts",
    "reasoning_recap": "thoughts",
    "user_editable_context": "custom instructions",
    "model_editable_context": "what ChatGPT was told of the user's memories",
    "app_pairing_content": "contents of other windows",
    "computer_output": "screens of ChatGPT's computer",
}
_TYPES = {
    "", "text", "code", "multimodal_text", "execution_output", "system_error", "tether_quote",
    "tether_browsing_display", "sonic_webpage", "citable_code_output",
}  # fmt: skip
"""Types of contents whose words are taken."""
_ASSETS = {"real_time_user_audio_video": "audio", "video_container": "video"}
_MARK = re.compile("\ue200([a-z_]+)\ue202?([^\ue201]*)\ue201|【[^】]*†[^】]*】")
"""A mark in an answer: of a source, or of a name or link whose words are in it."""


def read(source: Source, report: Report) -> Iterator[Item]:
    """Every message on the path to each conversation's current node."""
    for document in source.documents(MEMBER, "conversations.json", KNOWN):
        name = document.name
        with document.opened() as stream:
            for number, told in items_of(stream, report, name):
                place = f"{name}, conversation {number:,}"
                for each in objects(told.get("conversations")) or [told]:
                    if isinstance(each.get("mapping"), dict):
                        yield from _messages(each, place, report)
                        continue
                    claude = "chat_messages" in each
                    what = " (Claude.ai writes such: import claude-ai)" if claude else ""
                    report.not_understand(f"records of an unknown kind{what}", place)


def _messages(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    nodes = cast("dict[str, Any]", told["mapping"])
    key = as_text(told.get("id")) or as_text(told.get("conversation_id")) or place
    more = {"title": as_text(told.get("title")), "gizmo": as_text(told.get("gizmo_id"))}
    more = {name: value for name, value in more.items() if value}
    at = dated(told, place, report, "create_time", "update_time")
    path = _path(nodes, told)
    said = [moment_of(as_object(node.get("message")).get("create_time")) for node in path]
    at = at or next((each for each in said if each), None)
    on_branches = len([node for node in nodes.values() if as_object(node).get("message")])
    if not on_branches:
        report.left_out["conversations without a message"] += 1
    for node in path:
        message = as_object(node.get("message"))
        if not message:
            continue
        # Recall keeps what was said once: half an answer would stay when the whole one comes.
        if node is path[-1] and message.get("status") == "in_progress":
            on_branches -= 1
            report.left_out["answers that were still being written (export again for them)"] += 1
            continue
        on_branches -= 1
        where = f"{place}, message {as_text(message.get('id')) or node['id']}"
        made = _message(message, key, at, where, report)
        if made is not None:
            at = made.created_at
            if more:
                metadata = {"chatgpt": {**more, **(made.metadata or {}).get("chatgpt", {})}}
                made, more = replace(made, metadata=metadata), {}
            yield Item(made, where)
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
    told: dict[str, Any], conversation: str, before: datetime | None, place: str, report: Report
) -> NewMessage | None:
    """The message; `None` for what is not one, of which the report is told."""
    author, content = as_object(told.get("author")), as_object(told.get("content"))
    metadata = as_object(told.get("metadata"))
    kind, role = as_text(content.get("content_type")), as_text(author.get("role"))
    if metadata.get("is_visually_hidden_from_conversation") is True:
        left = "hidden messages (instructions and context that ChatGPT added)"
        report.left_out[left] += 1
        return None
    if kind in _NOT_SAID:
        report.left_out[_NOT_SAID[kind]] += 1
        return None
    if kind not in _TYPES:
        report.not_understand(f"contents of the type {kind[:40]!r}", place)
    text = _text(content, metadata, place, report)
    if not text.strip():
        if kind in _TYPES:
            report.left_out["messages without a word"] += 1
        return None
    if role not in _ROLES:
        report.not_understand(f"messages of the role {role[:40]!r}", place)
        return None
    at = dated(told, place, report, "create_time", "update_time") or before
    if at is None:
        report.refuse(place, "neither it nor its conversation has a time")
        return None
    name = name_of(author.get("name"))
    recipient = as_text(told.get("recipient"))
    if role == "assistant" and recipient.startswith("canmore.") and (document := _canvas(text)):
        text = document  # what the user sees beside the conversation, and works on
    elif role == "assistant" and recipient not in ("", "all"):
        role, name = "tool", name_of(recipient)
        text = tool_in_short(name or "tool", text, "")
    elif role == "tool":
        text = tool_in_short(name or "tool", "", text)
    model = as_text(metadata.get("model_slug"))
    return NewMessage(
        role=cast("Role", role),
        content=storable(text, report),
        created_at=at,
        conversation=conversation,
        name=name,
        external_id=as_text(told.get("id")) or None,
        metadata={"chatgpt": {"model": model}} if model else None,
    )


def _canvas(text: str) -> str:
    """A document that ChatGPT wrote or changed; empty where it is in another shape."""
    told = as_object(unpacked(text))
    changed = [as_text(each.get("replacement")) for each in objects(told.get("updates"))]
    written = as_text(told.get("content")) or "\n\n".join(filter(None, changed))
    name = as_text(told.get("name"))
    return f"[canvas{f' {name}' if name else ''}]\n{written}" if written.strip() else ""


def _text(content: dict[str, Any], metadata: dict[str, Any], place: str, report: Report) -> str:
    parts: list[str] = []
    transcribed = any(
        each.get("content_type") == "audio_transcription" for each in objects(content.get("parts"))
    )
    for part in as_list(content.get("parts")):
        if isinstance(part, str):
            parts.append(part)
            continue
        if part is None:
            report.left_out["parts of messages with nothing in them"] += 1
            continue
        told = as_object(part)
        kind = as_text(told.get("content_type"))
        if text := as_text(told.get("text")):
            parts.append(text)
        elif kind.endswith("_asset_pointer"):
            asset = kind.removesuffix("_asset_pointer")
            asset = _ASSETS.get(asset, asset)
            report.left_out["images and files"] += 1
            if not (asset == "audio" and transcribed):
                parts.append(f"[{asset}]")
        elif kind == "audio_transcription":
            report.left_out["recordings in which nothing was understood"] += 1
        elif kind in _NOT_SAID:
            report.left_out[_NOT_SAID[kind]] += 1
        else:
            report.not_understand(f"parts of messages of the type {kind[:40]!r}", place)
    parts += [as_text(content.get(name)) for name in ("title", "text", "result")]
    shown = "[image]" in parts
    for each in objects(metadata.get("attachments")):
        image = as_text(each.get("mime_type")).startswith("image/")
        if (name := as_text(each.get("name"))) and not (image and shown):
            report.left_out["contents of attachments"] += 1
            parts.append(f"[{name}]")
    return _MARK.sub(_shown, "\n".join(part for part in parts if part))


def _shown(mark: re.Match[str]) -> str:
    """What a person sees of a mark."""
    told = as_text(mark[2])
    if mark[1] == "entity":
        names = [each for each in as_list(unpacked(told)) if isinstance(each, str)]
        return names[1] if len(names) > 1 else "".join(names)
    return told.split("\ue202")[0] if mark[1] in ("url", "link_title") else ""
