"""A model server on loopback that plays a script, and writes down every request it gets.

`models.py FOLDER` reads FOLDER/script.json and writes FOLDER/port (once it listens) and
FOLDER/requests.jsonl: `{"path": …, "body": …}` by line. The script says what follows a prompt that
holds a word: `{"WORD": [{"tool": {arguments}}, …, "closing words"]}`. A tool is found by the end of
its name, for hosts put prefixes before it, or by its description. Protocols: Anthropic's Messages,
OpenAI's Responses and Chat Completions and Gemini's generateContent, as far as the hosts need them.
"""

import gzip
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
SCRIPT: dict[str, list[Any]] = json.loads((FOLDER / "script.json").read_text("utf-8"))
NUMBERS = itertools.count(1)
LOG = threading.Lock()
CALL = "call"  # what stands for a tool call among the user's texts
Step = tuple[str, dict[str, Any]] | str


def text_of(content: Any) -> str:
    """The words of a message, whichever way its content is written."""
    if isinstance(content, str):
        return content
    parts = (part for part in content or [] if isinstance(part, dict))
    return "\n".join(str(part.get("text", "")) for part in parts)


def next_step(history: list[tuple[str, str]], tools: list[dict[str, Any]]) -> Step:
    """What the script says after this history: a call (name, arguments), or words."""
    for index in range(len(history) - 1, -1, -1):
        role, text = history[index]
        word = max(SCRIPT, key=text.rfind, default="")
        if role != "user" or word not in text:
            continue
        done = sum(role == CALL for role, _ in history[index:])
        if done >= len(SCRIPT[word]):
            return "The script has ended."
        step = SCRIPT[word][done]
        if isinstance(step, str):
            return step
        ((wanted, arguments),) = step.items()
        for tool in tools:
            if tool["name"].endswith(wanted) or tool.get("description") == wanted:
                return tool["name"], arguments
        return f"No tool {wanted} among {sorted(tool['name'] for tool in tools)}."
    return "Nothing in the script fits."


def anthropic(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a streamed message."""
    history: list[tuple[str, str]] = []
    for message in body["messages"]:
        history.append((message["role"], text_of(message["content"])))
        if message["role"] == "assistant" and isinstance(message["content"], list):
            history += [(CALL, "") for part in message["content"] if part["type"] == "tool_use"]
    step = next_step(history, body.get("tools", []))
    number = next(NUMBERS)
    head = {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": []}
    head |= {"model": body["model"], "stop_reason": None, "stop_sequence": None}
    usage = {"input_tokens": 500, "output_tokens": 20}
    yield "message_start", {"message": head | {"usage": usage}}
    if isinstance(step, str):
        block: dict[str, Any] = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": step}
    else:
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": step[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(step[1])}
    yield "content_block_start", {"index": 0, "content_block": block}
    yield "content_block_delta", {"index": 0, "delta": delta}
    yield "content_block_stop", {"index": 0}
    reason = "end_turn" if isinstance(step, str) else "tool_use"
    yield "message_delta", {"delta": {"stop_reason": reason}, "usage": usage}
    yield "message_stop", {}


def responses(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a streamed response."""
    tools: list[dict[str, Any]] = []
    spaces: dict[str, str] = {}
    for tool in body.get("tools", []):
        inner = tool.get("tools", [])
        spaces |= {each["name"]: tool["name"] for each in inner}
        tools += inner or [tool] * ("name" in tool)
    history: list[tuple[str, str]] = []
    given = body["input"]
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        if item.get("type") in ("function_call", "custom_tool_call"):
            history.append((CALL, ""))
        elif "role" in item:
            history.append((item["role"], text_of(item.get("content"))))
    step = next_step(history, tools)
    number = next(NUMBERS)
    if isinstance(step, str):
        part = {"type": "output_text", "text": step, "annotations": []}
        item = {"type": "message", "role": "assistant", "id": f"msg_{number}", "content": [part]}
    else:
        item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
        item |= {"name": step[0], "arguments": json.dumps(step[1])}
        item |= {"namespace": spaces[step[0]]} if step[0] in spaces else {}
    item["status"] = "completed"
    usage = {"input_tokens": 500, "output_tokens": 20, "total_tokens": 520}
    usage |= {"input_tokens_details": {"cached_tokens": 0}}
    usage |= {"output_tokens_details": {"reasoning_tokens": 0}}
    response = {"id": f"resp_{number}", "object": "response", "created_at": int(time.time())}
    response |= {"model": body.get("model"), "status": "in_progress", "output": []}
    response |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    ended = response | {"status": "completed", "output": [item], "usage": usage}
    yield "response.created", {"sequence_number": 0, "response": response}
    yield "response.output_item.added", {"sequence_number": 1, "output_index": 0, "item": item}
    yield "response.output_item.done", {"sequence_number": 2, "output_index": 0, "item": item}
    yield "response.completed", {"sequence_number": 3, "response": ended}


def chat(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks of a completion; whole in the first, when nobody asked for a stream."""
    history: list[tuple[str, str]] = []
    for message in body["messages"]:
        history.append((message["role"], text_of(message.get("content"))))
        history += [(CALL, "") for _ in message.get("tool_calls") or []]
    step = next_step(history, [tool["function"] for tool in body.get("tools") or []])
    number = next(NUMBERS)
    says: dict[str, Any] = {"role": "assistant", "content": step}
    if not isinstance(step, str):
        function = {"name": step[0], "arguments": json.dumps(step[1])}
        call = {"index": 0, "id": f"call_{number}", "type": "function", "function": function}
        says = {"role": "assistant", "content": None, "tool_calls": [call]}
    reason = "stop" if isinstance(step, str) else "tool_calls"
    usage = {"prompt_tokens": 500, "completion_tokens": 20, "total_tokens": 520}
    head = {"id": f"chat_{number}", "created": int(time.time()), "model": body.get("model")}
    if not body.get("stream"):
        choice = {"index": 0, "message": says, "finish_reason": reason}
        yield head | {"object": "chat.completion", "choices": [choice], "usage": usage}
        return
    head["object"] = "chat.completion.chunk"
    yield head | {"choices": [{"index": 0, "delta": says, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    yield head | {"choices": [], "usage": usage}


def gemini(body: dict[str, Any]) -> dict[str, Any]:
    """An answer with one candidate."""
    history: list[tuple[str, str]] = []
    for content in body["contents"]:
        parts = content["parts"]
        if any("text" in part for part in parts):
            history.append((content.get("role", "user"), text_of(parts)))
        history += [(CALL, "") for part in parts if "functionCall" in part]
    declared = [d for tool in body.get("tools") or [] for d in tool.get("functionDeclarations", [])]
    step = next_step(history, declared)
    part: dict[str, Any] = {"text": step}
    if not isinstance(step, str):
        part = {"functionCall": {"name": step[0], "args": step[1]}, "thoughtSignature": "c2ln"}
    counts = {"promptTokenCount": 500, "candidatesTokenCount": 20, "totalTokenCount": 520}
    says = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [says], "usageMetadata": counts, "modelVersion": "scripted"}


class Handler(BaseHTTPRequestHandler):
    """Answers in the protocol that the path names."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep standard error for what matters."""

    def body(self) -> Any:
        """The request's JSON, chunked or compressed as it may come."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if self.headers.get("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        return json.loads(raw or b"{}")

    def whole(self, answer: dict[str, Any]) -> None:
        """Send one JSON object."""
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def stream(self, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
        """Send server-sent events; one without a name is data alone."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for name, data in events:
            if name:
                self.wfile.write(f"event: {name}\n".encode())
                data = {"type": name} | data
            self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
        self.close_connection = True

    def do_HEAD(self) -> None:
        """Somebody looks whether we are there."""
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """Lists of models."""
        model = {"id": "scripted", "object": "model", "type": "model", "display_name": "scripted"}
        self.whole({"object": "list", "data": [model], "has_more": False})

    def do_POST(self) -> None:
        """One turn of the script."""
        body, path = self.body(), self.path.partition("?")[0]
        with LOG, (FOLDER / "requests.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"path": path, "body": body}) + "\n")
        if path.endswith("/messages"):
            self.stream(anthropic(body))
        elif path.endswith("/responses"):
            self.stream(responses(body))
        elif path.endswith("/chat/completions"):
            if body.get("stream"):
                self.stream(("", chunk) for chunk in chat(body))
            else:
                self.whole(next(chat(body)))
        elif path.endswith(":generateContent"):
            self.whole(gemini(body))
        elif path.endswith(":streamGenerateContent"):
            self.stream(iter([("", gemini(body))]))
        else:
            self.whole({"input_tokens": 500, "totalTokens": 500})


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (FOLDER / "port.new").write_text(str(server.server_port))
    (FOLDER / "port.new").rename(FOLDER / "port")
    server.serve_forever()
