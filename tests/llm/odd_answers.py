"""Answers as no provider should give them, each with what the model generated for it.

`generated` is what the provider will want to be paid for: tokens in and out. An answer that tells
no usage is taken to have used all that it was allowed.
"""

import gzip
import json
from dataclasses import dataclass
from typing import Any, Literal

from memory_mcp.testing.chat import calls, says
from memory_mcp.testing.model_server import Fault, Scripted, slow, spoilt, status, verbatim

Outcome = Literal["usable", "unusable", "failed"]
"""`usable` as an answer; `unusable`, but most likely charged; `failed`: nothing was generated."""

SENT = 40
OUT = 30
TOLD = {"prompt_tokens": SENT, "completion_tokens": OUT, "total_tokens": SENT + OUT}
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """An odd answer."""

    name: str
    answer: Scripted
    outcome: Outcome
    generated: tuple[int, int] | None = (SENT, OUT)
    """`None`: nobody knows; all that was reserved stays entered."""
    text: str | None = None
    """What is to be read of it, where it matters."""


def whole(**told: Any) -> dict[str, Any]:
    """An answer, with some of its fields changed; those that are `...` are left out."""
    message = {"role": "assistant", "content": "Yes."}
    answer: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": TOLD,
    }
    return {name: value for name, value in (answer | told).items() if value is not ...}


def message(finish: Any = "stop", **fields: Any) -> dict[str, Any]:
    """An answer with this message."""
    told = {"role": "assistant", "content": "Yes."} | fields
    kept = {name: value for name, value in told.items() if value is not ...}
    return whole(choices=[{"index": 0, "message": kept, "finish_reason": finish}])


def call(**function: Any) -> dict[str, Any]:
    """An answer with this call."""
    told = {"name": "memory_insert", "arguments": '{"text": "x"}'} | function
    one = {"id": "call-1", "type": "function", "function": told}
    return message("tool_calls", content=None, tool_calls=[one])


def usage(told: Any) -> dict[str, Any]:
    """An answer with this usage."""
    return whole(usage=told)


def events(*pieces: object) -> bytes:
    """Pieces of a stream, as events."""
    told = [json.dumps(piece) for piece in pieces]
    return (
        "".join(f"data: {piece}\n\n" for piece in [*told, "[DONE]"])
        .replace('"[DONE]"', "[DONE]")
        .encode()
    )


def piece(**delta: Any) -> dict[str, Any]:
    """A piece of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}


STREAM = events(
    piece(role="assistant", content="Y"),
    piece(content="es"),
    piece(content="."),
    {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": TOLD},
)


def _usable(name: str, body: Any, text: str | None = "Yes.", **told: Any) -> Odd:
    return Odd(name=name, answer=verbatim(body), outcome="usable", text=text, **told)


def _unusable(name: str, body: Any, **told: Any) -> Odd:
    return Odd(name=name, answer=verbatim(body), outcome="unusable", **told)


def _failed(name: str, body: Any, code: int = 200, **told: Any) -> Odd:
    answer = verbatim(body, code)
    return Odd(name=name, answer=answer, outcome="failed", generated=(0, 0), **told)


def _told(name: str, told: Any, generated: tuple[int, int] | None = None) -> Odd:
    return _usable(f"usage: {name}", usage(told), generated=generated)


TEXT = {"type": "text", "text": "Yes."}
DETAILS = "completion_tokens_details"
CONTENTS = [
    _usable("content: a list of parts", message(content=[TEXT])),
    _usable("content: many parts", message(content=[{"type": "text", "text": c} for c in "Yes."])),
    _usable("content: strings in a list", message(content=["Ye", "s."])),
    _usable("content: one part", message(content=TEXT)),
    _usable("content: a text within a text", message(content=[{"text": {"value": "Yes."}}])),
    _usable("content: a part of an image", message(content=[TEXT, {"type": "image_url"}])),
    _usable(
        "content: a thought and a text",
        message(content=[{"type": "thinking", "thinking": [{"text": "Hm."}]}, TEXT]),
    ),
    _usable("content: null", message(content=None), ""),
    _usable("content: missing", message(content=...), ""),
    _usable("content: empty", message(content=""), ""),
    _usable("content: an empty list", message(content=[]), ""),
    _usable("content: a number", message(content=7), ""),
    _usable("content: null, with a refusal", message(content=None, refusal="I can't."), ""),
    _usable("content: filtered", message("content_filter", content=None), ""),
    _usable("content: cut off", message("length", content="Yes.")),
    _usable("content: with a thought beside", message(reasoning_content="Hm. No. Yes.")),
    _usable("content: with a thought beside, by its other name", message(reasoning="Hm.")),
    _usable("content: a closing mark alone", message(content="Hm.\n</think>\n\nYes.")),
    _usable("content: a thought without an end", message(content="<think>Hm."), ""),
]
SHAPES = [
    _usable("message: a string", whole(choices=[{"message": "Yes."}])),
    _usable("message: a piece of a stream", whole(choices=[piece(content="Yes.")["choices"][0]])),
    _usable("message: a completion's text", whole(choices=[{"index": 0, "text": "Yes."}])),
    _usable(
        "message: in the second choice",
        whole(choices=[{"message": None}, {"message": {"content": "Yes."}}]),
    ),
    _usable("message: at the top", whole(choices=..., message={"content": "Yes."})),
    _usable("message: no role", message(role=...)),
    _usable("message: an unknown role", message(role="model")),
    _usable("finish: unknown", message("because")),
    _usable("finish: null", message(None)),
    _usable("finish: a number", message(7)),
    _usable("finish: missing", whole(choices=[{"message": {"content": "Yes."}}])),
    _usable("top: no id nor date", whole(id=None, created=None, model=None)),
    _usable("top: a date in words", whole(created="yesterday")),
    _usable("top: an empty error", whole(error={"message": "", "code": None})),
    _usable("top: a mark of byte order", b"\xef\xbb\xbf" + json.dumps(whole()).encode()),
    _usable(
        "top: a line break in a string",
        json.dumps(whole()).replace("Yes.", "Yes.\n").encode(),
        None,
    ),
    _usable("stream: events", STREAM),
    _usable(
        "stream: lines",
        b"\n".join(
            json.dumps(one).encode()
            for one in (piece(content="Yes."), usage(TOLD) | {"choices": []})
        ),
    ),
    Odd(
        name="packed",
        answer=verbatim(gzip.compress(json.dumps(whole()).encode()), content_encoding="gzip"),
        outcome="usable",
        text="Yes.",
    ),
    Odd(
        name="as text",
        answer=verbatim(whole(), content_type="text/plain"),
        outcome="usable",
        text="Yes.",
    ),
]
CALLS = [
    _usable("call: an object for arguments", call(arguments={"text": "x"}), ""),
    _usable("call: null for arguments", call(arguments=None), ""),
    _usable("call: a list for arguments", call(arguments=[1]), ""),
    _usable("call: a number for arguments", call(arguments=7), ""),
    _usable("call: no name", call(name=None), ""),
    _usable("call: cut off", call(arguments='{"text": "x'), ""),
    _usable(
        "call: several at once",
        call(name="multi_tool_use.parallel", arguments='{"tool_uses": 7}'),
        "",
    ),
    _usable("call: null", message("tool_calls", content=None, tool_calls=[None]), ""),
    _usable(
        "call: an object for the list",
        message(tool_calls={"function": {"name": "f", "arguments": "{}"}}),
    ),
    _usable("call: flat", message(tool_calls=[{"name": "f", "arguments": {"a": 1}}])),
    _usable(
        "call: a number for an id",
        message(tool_calls=[{"id": 7, "function": {"name": "f", "arguments": "{}"}}]),
    ),
    Odd(
        name="call: without an id",
        answer=spoilt("without ids", calls("f", text="x") + says("", tokens=(SENT, OUT))),
        outcome="usable",
    ),
    Odd(
        name="call: as a function",
        answer=spoilt("legacy", calls("f", text="x") + says("", tokens=(SENT, OUT))),
        outcome="usable",
    ),
]
USAGES = [
    _told("missing", ...),
    _told("null", None),
    _told("empty", {}),
    _told("a list", [1, 2]),
    _told("a string", "70"),
    _told("strings", {"prompt_tokens": "40", "completion_tokens": "30"}, (40, 30)),
    _told("words", {"prompt_tokens": "many", "completion_tokens": "few"}),
    _told("nulls", dict.fromkeys(TOLD)),
    _told("zeros", dict.fromkeys(TOLD, 0)),
    _told("negative", {"prompt_tokens": -40, "completion_tokens": -30, "total_tokens": -70}),
    _told("huge", {"prompt_tokens": 10**15, "completion_tokens": 10**15}),
    _told("past every number", {"prompt_tokens": 10**400, "completion_tokens": 10**400}),
    _told("fractions", {"prompt_tokens": 39.5, "completion_tokens": 29.5}, (40, 30)),
    _told("no numbers", {"prompt_tokens": NAN, "completion_tokens": NAN}),
    _told("endless", {"prompt_tokens": float("inf"), "completion_tokens": float("-inf")}),
    _told("truths", {"prompt_tokens": True, "completion_tokens": True}),
    _told("objects", {"prompt_tokens": {"n": 40}, "completion_tokens": [30]}),
    _told("a total alone", {"total_tokens": 70}, (40, 30)),
    _told("a total of nothing", TOLD | {"total_tokens": 0}, (40, 30)),
    _told("a total past its parts", TOLD | {"total_tokens": 570}, (40, 530)),
    _told("in alone", {"prompt_tokens": 40}),
    _told("out alone", {"completion_tokens": 30}),
    _told("by Anthropic's names", {"input_tokens": 40, "output_tokens": 30}, (40, 30)),
    _told(
        "by Anthropic's names, cached",
        {
            "input_tokens": 4,
            "cache_read_input_tokens": 30,
            "cache_creation_input_tokens": 6,
            "output_tokens": 30,
        },
        (40, 30),
    ),
    _told("cached", TOLD | {"prompt_tokens_details": {"cached_tokens": 30}}, (40, 30)),
    _told("reasoning among it", TOLD | {DETAILS: {"reasoning_tokens": 20}}, (40, 30)),
    _told("reasoning past it", TOLD | {DETAILS: {"reasoning_tokens": 500}}, (40, 530)),
    _told(
        "reasoning, no total",
        {"prompt_tokens": 40, "completion_tokens": 30, DETAILS: {"reasoning_tokens": 20}},
        (40, 50),
    ),
    _told(
        "reasoning in the total",
        TOLD | {"total_tokens": 90, DETAILS: {"reasoning_tokens": 20}},
        (40, 50),
    ),
    _told(
        "reasoning at the top",
        {"prompt_tokens": 40, "completion_tokens": 30, "reasoning_tokens": 500},
        (40, 530),
    ),
    _told("details: null", TOLD | {DETAILS: None, "prompt_tokens_details": None}, (40, 30)),
    _told("details: a list", TOLD | {DETAILS: [], "prompt_tokens_details": 7}, (40, 30)),
    _usable("usage: Groq's", whole(usage=..., x_groq={"usage": TOLD})),
]
UNUSABLE = [
    _unusable("no choices", whole(choices=[])),
    _unusable("choices: null", whole(choices=None)),
    _unusable("choices: missing", whole(choices=...)),
    _unusable("choices: numbers", whole(choices=[7])),
    _unusable("choices: an empty one", whole(choices=[{}])),
    _unusable("message: null", whole(choices=[{"index": 0, "message": None}])),
    _unusable("no choices, no usage", whole(choices=[], usage=...), generated=None),
    _unusable("stream: nothing said", events({"id": "c", "choices": [], "usage": TOLD})),
    _unusable("an error, with usage", whole(choices=..., error={"message": "Broken tool call"})),
    _unusable("no body", b"", generated=None),
    _unusable("blanks", b" \n\n", generated=None),
    _unusable("a page", b"<html><body><h1>Bad gateway</h1></body></html>", generated=None),
    _unusable("words", b"Yes.", generated=None),
    _unusable("a string", json.dumps("Yes.").encode(), generated=None),
    _unusable("a list", [whole()], generated=None),
    _unusable("a number", 7, generated=None),
    _unusable("null", None, generated=None),
    _unusable("half of it", json.dumps(whole()).encode()[:100], generated=None),
    _unusable("no text at all", b"\xff\xfe\x00\x01", generated=None),
    _unusable("nested for ever", b"[" * 100_000, generated=None),
    _unusable("a stream that breaks off", STREAM[:20], generated=None),
    Odd(
        name="more promised",
        answer=verbatim(whole(), promised=9_000),
        outcome="unusable",
        generated=None,
    ),
    Odd(
        name="a bomb",
        answer=verbatim(gzip.compress(b" " * 20_000_000), content_encoding="gzip"),
        outcome="unusable",
        generated=None,
    ),
    Odd(
        name="no gzip",
        answer=verbatim(whole(), content_encoding="gzip"),
        outcome="unusable",
        generated=None,
    ),
    Odd(
        name="no gateway time",
        answer=status(504, "Gateway time-out"),
        outcome="unusable",
        generated=None,
    ),
    Odd(name="no gateway", answer=status(502, "Bad gateway"), outcome="unusable", generated=None),
    Odd(
        name="a time-out of theirs",
        answer=status(408, "Timed out"),
        outcome="unusable",
        generated=None,
    ),
    Odd(name="too slow", answer=slow(says("Yes."), 60), outcome="unusable", generated=None),
    *(
        Odd(name=kind, answer=spoilt(kind), outcome="unusable", generated=None)
        for kind in ("dropped", "cut", "truncated", "huge")
    ),
    Odd(
        name="refused, generated",
        answer=verbatim(
            {
                "error": {
                    "message": "Failed to call a function.",
                    "code": "tool_use_failed",
                    "failed_generation": "<f>",
                }
            },
            400,
        ),
        outcome="unusable",
        generated=None,
    ),
    Odd(
        name="an error of theirs, with usage",
        answer=verbatim({"error": {"message": "Broken"}, "usage": TOLD}, 500),
        outcome="unusable",
    ),
]
FAILED = [
    _failed("not loaded: a string", {"error": "Model not loaded"}, text="Model not loaded"),
    _failed(
        "not loaded: an object", {"error": {"message": "Model not loaded"}}, text="Model not loaded"
    ),
    _failed("not loaded: a detail", {"detail": "Model not loaded"}, text="Model not loaded"),
    _failed(
        "not loaded: details", {"detail": [{"msg": "Model not loaded"}]}, text="Model not loaded"
    ),
    _failed(
        "not loaded: an object of errors",
        {"object": "error", "message": "Model not loaded", "code": 503},
        text="Model not loaded",
    ),
    _failed(
        "not loaded: within a message",
        {"error": {"message": {"reason": "Model not loaded"}}},
        text="Model not loaded",
    ),
    _failed(
        "not loaded: a code",
        {"error": {"message": "Model not loaded", "code": "404"}},
        text="Model not loaded",
    ),
    _failed(
        "an error in a choice",
        whole(
            usage=...,
            choices=[{"error": {"message": "Overloaded", "code": 529}, "message": {"content": ""}}],
        ),
        text="Overloaded",
    ),
    *(
        Odd(
            name=f"status {code}",
            answer=status(code, "No such thing"),
            outcome="failed",
            generated=(0, 0),
            text="No such thing",
        )
        for code in (400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 429, 500, 501, 503, 529)
    ),
    Odd(
        name="too much context",
        answer=status(400, "This model's maximum context length is 8192 tokens."),
        outcome="failed",
        generated=(0, 0),
        text="maximum context length",
    ),
    Odd(
        name="a filter",
        answer=status(400, "The response was filtered (content_filter)."),
        outcome="failed",
        generated=(0, 0),
        text="filtered",
    ),
    Odd(
        name="busy, and to be asked again",
        answer=verbatim(
            {"error": {"message": "Slow down"}}, 429, retry_after="7", x_should_retry="true"
        ),
        outcome="failed",
        generated=(0, 0),
        text="Slow down",
    ),
]
ODD = [*CONTENTS, *SHAPES, *CALLS, *USAGES, *UNUSABLE, *FAILED]


def takes_its_time(odd: Odd) -> bool:
    """Whether its answer comes only after the time limit."""
    return isinstance(odd.answer, Fault) and odd.answer.kind == "slow"
