"""Messages as a Letta server tells them, put together again.

Of one message its REST API tells several smaller ones under one id: thoughts, words, calls.
"""

import json
from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.json_values import as_object, as_text, objects
from memory_mcp.domain.texts import clip
from memory_mcp.transfer.report import Report

_IN_PLACE = {
    "system_message": "system",
    "user_message": "user",
    "summary_message": "summary",
    "tool_return_message": "tool",
    "approval_request_message": "approval",
    "approval_response_message": "approval",
}
"""The role of a message, by a part of it that only such a one has."""


def put_together(page: list[dict[str, Any]], report: Report) -> Iterator[dict[str, Any]]:
    """Messages as an agent file has them."""
    parts: list[dict[str, Any]] = []
    for each in page:
        if parts and each.get("id") != parts[0].get("id"):
            yield _message(parts, report)
            parts = []
        parts.append(each)
    if parts:
        yield _message(parts, report)


def _message(parts: list[dict[str, Any]], report: Report) -> dict[str, Any]:
    first, role = parts[0], "assistant"
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    rest: dict[str, Any] = {}
    for part in parts:
        kind = as_text(part.get("message_type"))
        role = _IN_PLACE.get(kind, role)
        match kind:
            case "system_message" | "assistant_message":
                content += _texts(part.get("content"))
            case "user_message":
                content += _texts(_as_written(part.get("content")))
            case "summary_message":
                content += _texts(part.get("summary"))
            case "reasoning_message":
                # Older kinds of agents keep their thoughts as texts.
                is_text = part.get("source") != "reasoner_model"
                text = {"type": "text", "text": part.get("reasoning")}
                content.append(text if is_text else {"type": "reasoning"})
            case "hidden_reasoning_message":
                content.append({"type": "omitted_reasoning"})
            case "tool_call_message" | "approval_request_message":
                calls += _calls(part)
            case "tool_return_message":
                rest["tool_returns"] = _returns(part)
            case "approval_response_message":
                rest |= _approvals(part)
            case _:
                report.not_understood[f"messages of the type {clip(kind, 40)!r}"] += 1
    return {
        "id": first.get("id"),
        "role": role,
        "created_at": first.get("date"),
        "name": first.get("name"),
        "content": content,
        "tool_calls": calls,
        **rest,
    }


def _texts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else objects(content)


def _as_written(content: Any) -> Any:
    """A user's words; the server has unpacked them, so JSON that is left is the user's own."""
    if not isinstance(content, str) or not content.lstrip().startswith("{"):
        return content
    try:
        told = as_object(json.loads(content))
    except (ValueError, RecursionError):
        return content
    if told.get("type") != "user_message":
        return content
    return json.dumps({"type": "user_message", "message": content})


def _calls(part: dict[str, Any]) -> list[dict[str, Any]]:
    calls = objects(part.get("tool_calls")) or objects([part.get("tool_call")])
    return [
        {
            "id": call.get("tool_call_id"),
            "name": call.get("name"),
            "arguments": call.get("arguments"),
        }
        for call in calls
    ]


def _returns(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"tool_call_id": each.get("tool_call_id"), "func_response": _packed(each)}
        for each in objects(part.get("tool_returns")) or [part]
    ]


def _packed(told: dict[str, Any]) -> Any:
    """An answer as it was stored: a text of its own could be taken for a packed one."""
    answer = told.get("tool_return")
    if not isinstance(answer, str):
        return answer
    return json.dumps({"status": told.get("status"), "message": answer})


def _approvals(part: dict[str, Any]) -> dict[str, Any]:
    approvals = [
        {**each, "func_response": _packed(each)} if "tool_return" in each else each
        for each in objects(part.get("approvals"))
    ]
    return {
        "approvals": approvals,
        "approve": part.get("approve"),
        "denial_reason": part.get("reason"),
    }
