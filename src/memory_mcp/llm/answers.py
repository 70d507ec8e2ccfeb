"""A provider's answer, read from its JSON: what LiteLLM cannot convert was paid for all the same.

The shape is that of OpenAI's chat completions, with what servers make of it: parts instead of text,
pieces of a stream, objects instead of JSON in a string, a message where choices should be.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from memory_mcp.domain.chat import ToolCall
from memory_mcp.domain.usage import Usage, usage_of

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_THOUGHT_PARTS = ("thinking", "reasoning", "redacted_thinking")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model said, called, and thought where anybody may read it."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str
    thought: str

    @property
    def all(self) -> str:
        """Everything that it generated, as far as it is shown."""
        return self.text + self.thought + "".join(c.name + c.arguments for c in self.tool_calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error that a provider told in a body; `status` if it named one of HTTP's."""

    text: str
    status: int | None = None


def _mapping(told: object) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else."""
    return cast("Mapping[str, Any]", told) if isinstance(told, Mapping) else {}


def _list(told: object) -> list[Any]:
    return cast("list[Any]", told) if isinstance(told, list) else []


def read_body(body: bytes) -> Any:
    """The JSON of a body; pieces of a stream are put together. `None` where it is neither."""
    text = body.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pieces = list(_pieces(text))
    return _joined(pieces) if pieces else None


def said_in(told: object) -> Said | None:
    """What the model said, or `None` where there is no message at all."""
    choice = _choice(told)
    if choice is None:
        return None
    message = _message(choice)
    if message is None:
        return None
    finish = choice.get("finish_reason") or choice.get("finish_details") or "stop"
    tool_calls = tuple(_tool_calls(message))
    if tool_calls and finish in ("stop", "function_call"):
        finish = "tool_calls"
    thought = "".join(_text(message.get(name), thoughts=True) for name in _THOUGHTS)
    content = message.get("content")
    return Said(
        text=_text(content),
        tool_calls=tool_calls,
        finish_reason=finish if isinstance(finish, str) else "stop",
        thought=thought + _thoughts_of(content),
    )


def fault_in(told: object) -> Fault | None:
    """The error that a body tells instead of an answer, or beside an empty one."""
    given = _mapping(told)
    choice = _first(given.get("choices"))
    for error in (given.get("error"), choice.get("error"), given.get("detail")):
        if fault := _fault(error):
            return fault
    if given.get("object") == "error" or ("choices" not in given and "message" in given):
        return _fault(given)
    return None


def usage_in(told: object, *, said: bool) -> Usage:
    """The usage that a body tells, wherever in it."""
    given = _mapping(told)
    places = (
        given.get("usage"),
        given.get("usageMetadata"),
        _mapping(given.get("x_groq")).get("usage"),
        given if "eval_count" in given else None,
    )
    usages = [usage_of(place, said=said) for place in places if place is not None]
    return next((usage for usage in usages if not usage.is_empty), Usage())


def was_generated(told: object) -> bool:
    """Whether an error's body says that the model had answered: with something nobody can use."""
    return "failed_generation" in _mapping(_mapping(told).get("error"))


def _first(told: object) -> Mapping[str, Any]:
    """The first choice that holds anything, or an empty one."""
    told = list(_mapping(told).values()) or told
    choices = [choice for each in _list(told) if (choice := _mapping(each))]
    held = (each for each in choices if any((_message(each) or {}).values()))
    return next(held, choices[0] if choices else {})


def _choice(told: object) -> Mapping[str, Any] | None:
    given = _mapping(told)
    if choice := _first(given.get("choices")):
        return choice
    if isinstance(given.get("message"), Mapping):  # Ollama's own shape
        return {**given, "finish_reason": given.get("done_reason")}
    return None


def _message(choice: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for name in ("message", "delta"):
        found: Any = choice.get(name)
        if isinstance(found, Mapping):
            return _mapping(cast("object", found))
        if isinstance(found, str):
            return {"content": found}
    if isinstance(choice.get("text"), str):
        return {"content": choice["text"]}
    return None


def _text(told: object, *, thoughts: bool = False, levels: int = 4) -> str:
    """The text of a content: a string, a part, or a list of them, in so many levels."""
    if isinstance(told, str) or not levels:
        return told if isinstance(told, str) else ""
    levels -= 1
    if isinstance(told, list):
        parts = _list(cast("object", told))
        return "".join(_text(part, thoughts=thoughts, levels=levels) for part in parts)
    part = _mapping(told)
    if not thoughts and part.get("type") in _THOUGHT_PARTS:
        return ""
    names = ("text", "content", "value", *(("thinking", "summary") if thoughts else ()))
    texts = (_text(part.get(name), thoughts=thoughts, levels=levels) for name in names)
    return next((text for text in texts if text), "")


def _thoughts_of(content: object) -> str:
    parts = [_mapping(part) for part in _list(content)]
    told = (part for part in parts if part.get("type") in _THOUGHT_PARTS)
    return "".join(_text(part, thoughts=True) for part in told)


def _tool_calls(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    told: Any = message.get("tool_calls") or []
    if not told and message.get("function_call"):  # before there were tools, there were functions
        told = [{"function": message["function_call"]}]
    for given in map(_mapping, [told] if isinstance(told, Mapping) else _list(told)):
        if not given:
            continue
        function = _mapping(given.get("function")) or given
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments or {}, ensure_ascii=False, default=str)
        name = function.get("name")
        yield ToolCall(
            id=str(given.get("id") or f"call-{uuid4().hex}"),
            name=name if isinstance(name, str) else "",
            arguments=arguments,
        )


def _fault(error: object) -> Fault | None:
    if isinstance(error, list):
        error = next(iter(_list(cast("object", error))), None)
    if isinstance(error, str):
        return Fault(text=error) if error.strip() else None
    given = _mapping(error)
    status = next((s for name in ("status", "code") if (s := _status(given.get(name)))), None)
    names = ("message", "msg", "detail", "error")
    text = next((told for name in names if (told := _worded(given.get(name)))), "")
    if not text and not status:
        return None
    return Fault(text=text or "an error without words", status=status)


def _worded(told: object) -> str:
    if isinstance(told, str):
        return told
    return json.dumps(told, ensure_ascii=False, default=str) if told else ""


def _status(told: object) -> int | None:
    if isinstance(told, str) and told.isdecimal() and len(told) == 3:
        told = int(told)
    return told if type(told) is int and 400 <= told < 600 else None


def _pieces(text: str) -> Iterator[Mapping[str, Any]]:
    """The pieces of a stream, by events or by lines."""
    for line in text.splitlines():
        told = line.strip().removeprefix("data:").strip()
        if not told.startswith("{"):
            continue
        try:
            piece: Any = json.loads(told, strict=False)
        except (ValueError, RecursionError):
            continue
        yield _mapping(piece)


def _joined(pieces: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One answer of the pieces of a stream: its first choice's."""
    whole: dict[str, Any] = {}
    said: dict[str, str] = {}
    calls: dict[Any, dict[str, Any]] = {}
    finish: Any = None
    seen = False
    for piece in pieces:
        whole |= {name: value for name, value in piece.items() if value is not None}
        choice = _choice(piece)
        message = _message(choice) if choice is not None else None
        if choice is None or message is None:
            continue
        seen = True
        finish = choice.get("finish_reason") or finish
        for name in ("content", *_THOUGHTS):
            said[name] = said.get(name, "") + _text(message.get(name), thoughts=name != "content")
        for place, call in enumerate(_list(message.get("tool_calls"))):
            _add_call(calls, place, _mapping(call))
    if seen:
        message = {**said, "role": "assistant", "tool_calls": list(calls.values())}
        whole["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
        whole.pop("message", None)
    return whole


def _add_call(calls: dict[Any, dict[str, Any]], place: int, piece: Mapping[str, Any]) -> None:
    call = calls.setdefault(piece.get("index", place), {"function": {"name": "", "arguments": ""}})
    call["id"] = call.get("id") or piece.get("id")
    inner = _mapping(piece.get("function"))
    for name in ("name", "arguments"):
        if (told := inner.get(name)) is not None:
            call["function"][name] += told if isinstance(told, str) else json.dumps(told)
