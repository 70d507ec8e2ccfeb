"""OpenAI's Responses, whole and streamed; tools may have a namespace, or be searched for."""

import json
from typing import Any

from tests.real_hosts.model.scenario import SEARCH, Asked
from tests.real_hosts.model.wire import Events, Reply, text_of

from memory_mcp.testing.chat import Answer


def read(body: dict[str, Any]) -> Asked:
    """The request."""
    told = body.get("input") or []
    items: list[dict[str, Any]] = told
    if isinstance(told, str):
        items = [{"role": "user", "content": told}]
    tools: dict[str, str | None] = {}
    for tool in body.get("tools") or ():
        _offer(tool, tools)
    texts: list[tuple[str, int]] = []
    searched = False
    called: dict[str, str] = {}
    results: list[tuple[str, str]] = []
    for item in items:
        kind = item.get("type", "message")
        if kind.endswith("_call"):
            called[item.get("call_id", "")] = item.get("name", "")
        elif kind.endswith("_call_output"):
            name = called.get(item.get("call_id", ""), "")
            results.append((name, text_of(item.get("output"))))
        if kind == "message" and item.get("role") == "user":
            texts.append((text_of(item.get("content")), 0))
            searched = False
        elif kind in ("function_call", "custom_tool_call", "local_shell_call") and texts:
            if SEARCH.match(item.get("name", "")):
                searched = True
            else:
                texts[-1] = (texts[-1][0], texts[-1][1] + 1)
        elif kind == "tool_search_call":
            searched = True
        elif kind == "tool_search_output":
            for tool in item.get("tools") or ():
                _offer(tool, tools)
    return Asked(
        texts=texts,
        tools=tools,
        searched=searched,
        results=results,
        system=str(body.get("instructions") or ""),
        wants_json=bool((body.get("text") or {}).get("format", {}).get("type") == "json_schema"),
    )


def _offer(tool: dict[str, Any], tools: dict[str, str | None]) -> None:
    if tool.get("type") == "namespace":
        for inner in tool.get("tools") or ():
            tools[inner["name"]] = tool["name"]
    elif tool.get("type") == "tool_search":
        tools.setdefault("tool_search", None)
    elif "name" in tool:
        tools.setdefault(tool["name"], None)


def write(answer: Answer, asked: Asked, body: dict[str, Any], number: int) -> Reply:
    """The answer as a response, or as the events that it comes in."""
    output: list[dict[str, Any]] = []
    if answer.text:
        said = {"type": "output_text", "text": answer.text, "annotations": []}
        output.append({
            "type": "message", "id": f"msg_{number:06d}", "role": "assistant",
            "status": "completed", "content": [said],
        })  # fmt: skip
    for place, call in enumerate(answer.calls, 1):
        output.append(_call(call.name, call.arguments, asked, f"{number:06d}_{place}"))
    tokens_in, tokens_out = answer.usage(json.dumps(body))
    usage = {
        "input_tokens": tokens_in, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens_out, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens_in + tokens_out,
    }  # fmt: skip
    begun: dict[str, Any] = {
        "id": f"resp_{number:06d}", "object": "response", "created_at": 1_700_000_000 + number,
        "model": body.get("model", "scripted"), "status": "in_progress", "output": [],
    }  # fmt: skip
    ended = begun | {"status": "completed", "output": output, "usage": usage}
    return _events(begun, output, ended) if body.get("stream") else ended


def _call(name: str, arguments: str, asked: Asked, mark: str) -> dict[str, Any]:
    if name == "tool_search":
        wanted = {"query": json.loads(arguments)["query"].removeprefix("select:"), "limit": 8}
        return {
            "type": "tool_search_call", "id": f"ts_{mark}", "call_id": f"call_{mark}",
            "execution": "client", "status": "completed", "arguments": wanted,
        }  # fmt: skip
    call: dict[str, Any] = {
        "type": "function_call", "id": f"fc_{mark}", "call_id": f"call_{mark}", "name": name,
        "arguments": arguments, "status": "completed",
    }  # fmt: skip
    if namespace := asked.tools.get(name):
        call["namespace"] = namespace
    return call


def _events(begun: dict[str, Any], output: list[dict[str, Any]], ended: dict[str, Any]) -> Events:
    events: list[tuple[str, dict[str, Any]]] = [("response.created", {"response": begun})]
    for place, item in enumerate(output):
        where: dict[str, Any] = {"output_index": place}
        is_message = item["type"] == "message"
        started = item | {"content": [], "status": "in_progress"} if is_message else item
        events.append(("response.output_item.added", where | {"item": started}))
        if is_message:
            part = where | {"item_id": item["id"], "content_index": 0}
            text = item["content"][0]["text"]
            empty = {"type": "output_text", "text": "", "annotations": []}
            events += [
                ("response.content_part.added", part | {"part": empty}),
                ("response.output_text.delta", part | {"delta": text}),
                ("response.output_text.done", part | {"text": text}),
                ("response.content_part.done", part | {"part": item["content"][0]}),
            ]
        elif item["type"] == "function_call":
            part = where | {"item_id": item["id"]}
            told = item["arguments"]
            events += [
                ("response.function_call_arguments.delta", part | {"delta": told}),
                ("response.function_call_arguments.done", part | {"arguments": told}),
            ]
        events.append(("response.output_item.done", where | {"item": item}))
    events.append(("response.completed", {"response": ended}))
    return [
        (name, {"type": name, "sequence_number": place} | data)
        for place, (name, data) in enumerate(events)
    ]
