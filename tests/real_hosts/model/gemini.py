"""Gemini's generateContent and streamGenerateContent."""

import json
from typing import Any

from tests.real_hosts.model.scenario import SEARCH, Asked
from tests.real_hosts.model.wire import Reply, text_of

from memory_mcp.testing.chat import Answer


def read(body: dict[str, Any]) -> Asked:
    """The request."""
    texts: list[tuple[str, int]] = []
    searched = False
    results: list[tuple[str, str]] = []
    for content in body.get("contents", ()):
        parts = content.get("parts", ())
        for part in parts:
            if answered := part.get("functionResponse"):
                told = answered.get("response") or {}
                text = told.get("output", told.get("error", told))
                results.append(
                    (answered.get("name", ""), text if isinstance(text, str) else str(text))
                )
        if content.get("role") == "model":
            for part in parts:
                if "functionCall" not in part or not texts:
                    continue
                if SEARCH.match(part["functionCall"].get("name", "")):
                    searched = True
                else:
                    texts[-1] = (texts[-1][0], texts[-1][1] + 1)
        elif said := [str(part["text"]) for part in parts if part.get("text")]:
            texts.append(("\n".join(said), 0))
            searched = False
    wanted = body.get("generationConfig") or {}
    return Asked(
        texts=texts,
        tools={
            function["name"]: None
            for tool in body.get("tools") or ()
            for function in tool.get("functionDeclarations", ())
        },
        searched=searched,
        results=results,
        system=text_of((body.get("systemInstruction") or {}).get("parts")),
        wants_json=wanted.get("responseMimeType") == "application/json",
    )


def write(answer: Answer, asked: Asked, body: dict[str, Any], number: int, stream: bool) -> Reply:
    """The answer as one response, or as a stream of one."""
    parts: list[dict[str, Any]] = [{"text": answer.text}] if answer.text else []
    for call in answer.calls:
        told = {"name": call.name, "args": json.loads(call.arguments)}
        # Newer models refuse a history whose calls have no signature, and so do their clients.
        parts.append({"functionCall": told, "thoughtSignature": "c2NyaXB0ZWQ="})
    tokens_in, tokens_out = answer.usage(json.dumps(body))
    response: dict[str, Any] = {
        "candidates": [
            {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": tokens_in,
            "candidatesTokenCount": tokens_out,
            "totalTokenCount": tokens_in + tokens_out,
        },
        "modelVersion": "scripted",
        "responseId": f"response-{number}",
    }
    return [(None, response)] if stream else response
