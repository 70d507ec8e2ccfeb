"""Anthropic's Messages, whole and streamed."""

import json
from typing import Any

from tests.real_hosts.model.scenario import SEARCH, Asked
from tests.real_hosts.model.wire import Events, Reply, text_of

from memory_mcp.testing.chat import Answer

REMINDER = "<system-reminder>"


def read(body: dict[str, Any]) -> Asked:
    """The request. Reminders of the host's are nobody's words."""
    texts: list[tuple[str, int]] = []
    searched = False
    called: dict[str, str] = {}
    results: list[tuple[str, str]] = []
    for message in body.get("messages", ()):
        content = message.get("content")
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        if message["role"] == "user":
            said = [str(part.get("text", "")) for part in blocks if part.get("type") == "text"]
            said = [text for text in said if text and not text.lstrip().startswith(REMINDER)]
            results += [
                (called.get(part.get("tool_use_id", ""), ""), text_of(part.get("content")))
                for part in blocks
                if part.get("type") == "tool_result"
            ]
            if said:
                texts.append(("\n".join(said), 0))
                searched = False
        elif message["role"] == "assistant":
            for part in blocks:
                if part.get("type") != "tool_use":
                    continue
                called[part["id"]] = part["name"]
                if SEARCH.match(part["name"]):
                    searched = True
                elif texts:
                    texts[-1] = (texts[-1][0], texts[-1][1] + 1)
    return Asked(
        texts=texts,
        tools={tool["name"]: None for tool in body.get("tools", ()) if "name" in tool},
        searched=searched,
        results=results,
        system=text_of(body.get("system")),
    )


def write(answer: Answer, asked: Asked, body: dict[str, Any], number: int) -> Reply:
    """The answer as a message, or as the events that it comes in."""
    content: list[dict[str, Any]] = []
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    for place, call in enumerate(answer.calls, 1):
        content.append({
            "type": "tool_use", "id": call.id or f"toolu_{number:06d}_{place}", "name": call.name,
            "input": json.loads(call.arguments),
        })  # fmt: skip
    tokens_in, tokens_out = answer.usage(json.dumps(body))
    usage = {
        "input_tokens": tokens_in, "output_tokens": tokens_out,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
    }  # fmt: skip
    ending = "tool_use" if answer.calls else "end_turn"
    message: dict[str, Any] = {
        "id": f"msg_{number:06d}", "type": "message", "role": "assistant",
        "model": body.get("model", "scripted"), "content": content, "stop_reason": ending,
        "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    if not body.get("stream"):
        return message
    return _events(message, content, ending, tokens_out)


def _events(
    message: dict[str, Any], content: list[dict[str, Any]], ending: str, tokens: int
) -> Events:
    begun = message | {"content": [], "stop_reason": None}
    events: Events = [("message_start", {"message": begun})]
    for index, part in enumerate(content):
        if part["type"] == "text":
            empty = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": part["text"]}
        else:
            empty = part | {"input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(part["input"])}
        events += [
            ("content_block_start", {"index": index, "content_block": empty}),
            ("content_block_delta", {"index": index, "delta": delta}),
            ("content_block_stop", {"index": index}),
        ]
    ended = {"stop_reason": ending, "stop_sequence": None}
    events += [
        ("message_delta", {"delta": ended, "usage": {"output_tokens": tokens}}),
        ("message_stop", {}),
    ]
    return [(name, {"type": name} | data) for name, data in events if isinstance(data, dict)]
