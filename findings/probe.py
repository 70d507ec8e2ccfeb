"""An MCP server on stdio with little in it, which writes down what it receives.

`probe.py LOG [--wait SECONDS]` appends to LOG a line `{"started": process id, "environment":
[names], "sessions": {variables named …SESSION_ID}}` and then every message that it gets. It
answers `initialize` after SECONDS. Its texts are words that occur nowhere else, so that they can
be found again in a request to a model.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

INSTRUCTIONS = "PROBE-INSTRUCTIONS: this server exists to be looked at."
ADDED = {"_meta": {"anthropic/alwaysLoad": True}, "annotations": {"readOnlyHint": True}}
NOTE = {
    "type": "object",
    "properties": {
        "words": {"type": "string"},
        "tag": {"type": "string"},
        "limit": {"type": "integer"},
    },
    "required": ["words"],
}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
TOOLS = [
    {"name": "look", "description": "Text and structure.", "inputSchema": NOTHING},
    {"name": "plain", "description": "Text alone.", "inputSchema": NOTHING},
    {"name": "two_texts", "description": "Two texts.", "inputSchema": NOTHING},
    {"name": "long_list", "description": "A long structure.", "inputSchema": NOTHING},
    {"name": "note", "description": "Takes words, a tag or a limit or not.", "inputSchema": NOTE},
]
RESOURCES = [
    {"uri": "probe://first", "name": "first", "mimeType": "text/plain"},
    {"uri": "probe://absent", "name": "absent", "mimeType": "text/plain"},
]
LONG = {"numbers": [f"item-{number:05d}" for number in range(3000)]}


def text(words: str) -> dict[str, Any]:
    """A content block."""
    return {"type": "text", "text": words}


def call(name: str) -> dict[str, Any]:
    """A tool's result."""
    if name == "look":
        structure = {"word": "PROBE-STRUCTURE"}
        return {"content": [text("PROBE-TEXT")], "structuredContent": structure}
    if name == "long_list":
        return {"content": [text("PROBE-TEXT, 3000 items")], "structuredContent": LONG}
    if name == "two_texts":
        return {"content": [text("PROBE-ONE"), text("PROBE-TWO")]}
    return {"content": [text(f"PROBE-PLAIN {name}")]}


def answer(message: dict[str, Any], wait: float) -> dict[str, Any]:
    """The `result` or `error` member of a response."""
    method, parameters = message["method"], message.get("params") or {}
    if method == "initialize":
        time.sleep(wait)
        offers: dict[str, Any] = {"tools": {}, "resources": {}, "prompts": {}}
        result: dict[str, Any] = {
            "protocolVersion": parameters["protocolVersion"],
            "capabilities": offers,
            "serverInfo": {"name": "probe", "version": "1"},
            "instructions": INSTRUCTIONS,
        }
        return {"result": result}
    if method == "tools/list":
        return {"result": {"tools": [tool | ADDED for tool in TOOLS]}}
    if method == "tools/call":
        return {"result": call(parameters["name"])}
    if method == "resources/list":
        return {"result": {"resources": RESOURCES}}
    if method == "resources/templates/list":
        return {"result": {"resourceTemplates": []}}
    if method == "resources/read" and parameters["uri"] == "probe://first":
        read = {"uri": "probe://first", "mimeType": "text/plain", "text": "PROBE-RESOURCE"}
        return {"result": {"contents": [read]}}
    if method == "resources/read":
        return {"error": {"code": -32002, "message": "Resource not found"}}
    if method == "prompts/list":
        return {"result": {"prompts": []}}
    if method == "ping":
        return {"result": {}}
    return {"error": {"code": -32601, "message": f"No method {method}"}}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("log", type=Path)
    arguments.add_argument("--wait", type=float, default=0)
    given = arguments.parse_args()
    with given.log.open("a", encoding="utf-8", buffering=1) as log:
        start: dict[str, Any] = {"started": os.getpid(), "environment": sorted(os.environ)}
        sessions = {n: value for n, value in os.environ.items() if n.endswith("SESSION_ID")}
        log.write(json.dumps(start | {"sessions": sessions}) + "\n")
        for line in sys.stdin:
            received = json.loads(line)
            log.write(json.dumps(received) + "\n")
            if "id" in received and "method" in received:
                sent = {"jsonrpc": "2.0", "id": received["id"], **answer(received, given.wait)}
                sys.stdout.write(json.dumps(sent) + "\n")
                sys.stdout.flush()
