"""What a driver is told and tells. Standard library only: each library has a Python of its own."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any


@dataclass
class Script:
    """What to play: how the server is reached, and which tools to call with what."""

    command: list[str]
    environment: dict[str, str]
    url: str | None
    """Where it serves HTTP; else it is started with the command."""
    calls: dict[str, dict[str, Any]]
    """The required arguments of each tool."""


@dataclass
class Told:
    """What came of it."""

    version: str
    tools: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """What of each tool's answer reaches the model, as text."""
    resources: dict[str, str] = field(default_factory=dict)
    note: str = ""


Play = Callable[[Script, Told], Awaitable[None]]


def play(package: str, run: Play) -> None:
    """Play the script on the command line with a library; tell as one line of JSON."""
    script = Script(**json.loads(sys.argv[1]))
    told = Told(version=version(package))
    asyncio.run(run(script, told))
    print("\n" + json.dumps(told.__dict__))


def as_text(value: Any) -> str:
    """What a library gives to the model, as one text."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


async def answer_of(call: Awaitable[Any]) -> str:
    """The same of a call that may fail: libraries raise what the model is told."""
    try:
        return as_text(await call)
    except Exception as error:  # noqa: BLE001 - of a kind that each library has for itself
        return f"raised {type(error).__name__}: {error}"


def filled(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a model that must fill in everything and has nothing more to say."""
    blank: dict[str, Any] = {"string": "", "array": [], "boolean": False}
    arguments = dict(given)
    for name, told in schema["properties"].items():
        if name in schema.get("required", ()) and name not in given:
            kind = told.get("type")
            other = told.get("default", (told.get("enum") or [0])[0])
            arguments[name] = blank.get(kind, other) if "enum" not in told else other
    return arguments
