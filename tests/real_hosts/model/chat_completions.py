"""OpenAI's Chat Completions, whole and streamed."""

import json
from typing import Any

from tests.real_hosts.model.scenario import SEARCH, Asked
from tests.real_hosts.model.wire import Events, Reply, text_of

from memory_mcp.testing.chat import Answer


def read(body: dict[str, Any]) -> Asked:
    """The request."""
    texts: list[tuple[str, int]] = []
    systems: list[str] = []
    searched = False
    called: dict[str, str] = {}
    results: list[tuple[str, str]] = []
    for message in body.get("messages", ()):
        role = message["role"]
        if role == "user":
            texts.append((text_of(message.get("content")), 0))
            searched = False
        elif role == "assistant" and texts:
            for call in message.get("tool_calls") or ():
                called[call.get("id", "")] = call["function"]["name"]
                if SEARCH.match(call["function"]["name"]):
                    searched = True
                else:
                    texts[-1] = (texts[-1][0], texts[-1][1] + 1)
        elif role == "tool":
            name = called.get(message.get("tool_call_id", ""), "")
            results.append((name, text_of(message.get("content"))))
        elif role in ("system", "developer"):
            systems.append(text_of(message.get("content")))
    offered = [tool["function"]["name"] for tool in body.get("tools") or () if "function" in tool]
    return Asked(
        texts=texts,
        tools=dict.fromkeys(offered),
        searched=searched,
        results=results,
        system="\n".join(systems),
        wants_json=(body.get("response_format") or {}).get("type")
        in ("json_object", "json_schema"),
    )


def write(answer: Answer, asked: Asked, body: dict[str, Any], number: int) -> Reply:
    """The answer as a completion, or as the chunks that it comes in."""
    message = answer.message(number)
    tokens_in, tokens_out = answer.usage(json.dumps(body))
    usage = {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }
    base: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "created": 1_700_000_000 + number,
        "model": body.get("model", "scripted"),
    }
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": answer.ending}
        return base | {"object": "chat.completion", "choices": [choice], "usage": usage}
    delta = {name: value for name, value in message.items() if value is not None}
    if answer.calls:
        delta["tool_calls"] = [
            {"index": place} | call for place, call in enumerate(message["tool_calls"])
        ]
    chunk = base | {"object": "chat.completion.chunk"}
    ended = {"index": 0, "delta": {}, "finish_reason": answer.ending}
    events: Events = [
        (None, chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}),
        (None, chunk | {"choices": [ended]}),
        (None, chunk | {"choices": [], "usage": usage}),
        (None, "[DONE]"),
    ]
    return events
