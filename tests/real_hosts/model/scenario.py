"""What a scripted model says to which prompt, whatever wire its host speaks.

A scenario is scenes. A scene's `key` is a word of the prompt that it answers; its answers are given
one after the other, each once the tool calls of those before have been made. What a host asks on
the side (a title, a compaction) is answered too, and told apart.
"""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from memory_mcp.testing.chat import Answer, Call, says

SUMMARY = "summary-of-the-scripted-model"
"""Stands in every summary that a host asks for when it compacts."""
REFUSAL = "refused-by-the-scripted-provider"
"""Stands in every error of the provider's."""

FILL = "This takes all the room that there is. (typed-long)"
"""A prompt for hosts that compact when their window is full, and else not."""

COMPACTION = re.compile(
    "detailed summary of (?:our|this|the) conversation|context checkpoint compaction"
    "|<state_snapshot>|summary of the conversation|summariz(?:e|ing) (?:the|our|this) conversation"
    "|anchored summary|state_snapshot|conversation history to (?:be )?(?:summariz|compact)"
    "|provide a detailed prompt for continuing",
    re.IGNORECASE,
)
SEARCH = re.compile(r"^tool_?search$", re.IGNORECASE)
OURS = re.compile(r"(?:<|&lt;)memory-mcp(?:>|&gt;).*?(?:<|&lt;)/memory-mcp(?:>|&gt;)", re.DOTALL)
"""What memory adds quotes earlier prompts; Cline shows it in a message of its own, below."""

Kind = Literal["turn", "subagent", "compaction", "aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A prompt's answers. The last one without tool calls is also given to whoever asks again."""

    key: str
    answers: Sequence[Answer] = ()
    subagent: bool = False
    """The prompt is an order of the model's to a subagent."""
    refused: bool = False
    """The provider answers with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the last request wants of the model, as a wire's module reads it."""

    texts: Sequence[tuple[str, int]] = ()
    """The user's texts in order, each with the number of tool calls made since."""
    tools: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """The tools on offer, with their namespaces where the wire has such."""
    searched: bool = False
    """Deferred tools were searched for since the last text."""
    wants_json: bool = False
    results: Sequence[tuple[str, str]] = ()
    """Tools' names and what of their answers reached the model, in order."""
    system: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a request is answered with, and as what it was understood."""

    answer: Answer
    kind: Kind
    key: str = ""
    refused: bool = False


class Scenario:
    """Scenes by their keys. The keys must not be parts of each other."""

    def __init__(self, scenes: Sequence[Scene] = ()) -> None:
        self._scenes = {scene.key: scene for scene in scenes}
        self._extra = count(1)
        self._lock = threading.Lock()

    def add(self, scenes: Sequence[Scene]) -> None:
        """Know more of them."""
        self._scenes |= {scene.key: scene for scene in scenes}

    def answer(self, asked: Asked) -> Given:
        """The answer to a request."""
        last = asked.texts[-1][0] if asked.texts else ""
        if asked.wants_json:
            return Given(answer=says(_verdict()), kind="aside")
        if COMPACTION.search(last) or (COMPACTION.search(asked.system) and not asked.tools):
            text = f"<summary>The harbour has a lamp. {SUMMARY}</summary>"
            if "state_snapshot" in last + asked.system:
                text = f"<state_snapshot>The harbour has a lamp. {SUMMARY}</state_snapshot>"
            return Given(answer=says(text), kind="compaction")
        if not asked.tools or "If nothing durable should be saved" in last:  # Qwen Code's notes
            return Given(answer=says('{"title": "Harbour"}'), kind="aside")
        done = 0
        for text, calls_since in reversed(asked.texts):
            done += calls_since
            if scene := self._scene(OURS.sub("", text)):
                return self._next(scene, done, asked)
        with self._lock:
            number = next(self._extra)
        return Given(answer=says(f"Understood, number {number}."), kind="turn")

    def _scene(self, text: str) -> Scene | None:
        """The one whose key stands last in the text: hosts put what they add before the words."""
        found = max(self._scenes, key=text.rfind, default="")
        return self._scenes[found] if found and found in text else None

    def _next(self, scene: Scene, done: int, asked: Asked) -> Given:
        kind: Kind = "subagent" if scene.subagent else "turn"
        if scene.refused:
            return Given(answer=says(REFUSAL), kind=kind, key=scene.key, refused=True)
        due = 0
        for answer in scene.answers:
            due += len(answer.calls)
            if due > done or not answer.calls:
                break
        else:
            answer = says("Done.")
        return Given(answer=_called(answer, asked), kind=kind, key=scene.key)


def _called(answer: Answer, asked: Asked) -> Answer:
    """The answer with the host's own names of the tools; a search where they are deferred."""
    calls: list[Call] = []
    for call in answer.calls:
        name = offered(asked.tools, call.name)
        if name is not None:
            calls.append(Call(name=name, arguments=call.arguments, id=call.id))
            continue
        search = next((tool for tool in asked.tools if SEARCH.match(tool)), None)
        if search is None or asked.searched:
            return says(f"There is no tool {call.name} among {len(asked.tools)}.")
        wanted = {"query": f"select:mcp__memory__{call.name}", "max_results": 5}
        return Answer(calls=(Call(name=search, arguments=json.dumps(wanted)),))
    return Answer(text=answer.text, calls=tuple(calls), tokens=answer.tokens)


def offered(tools: Mapping[str, str | None], wanted: str) -> str | None:
    """The name by which a tool is on offer: its own, or with the server's before it."""
    if wanted in tools:
        return wanted
    return next(
        (name for name in tools if re.search(f"(?:_|-|\\.){re.escape(wanted)}$", name)), None
    )


def _verdict() -> str:
    """Something for every question that a host has answered in JSON."""
    return json.dumps({
        "complexity_reasoning": "It is simple.", "complexity_score": 10, "model_choice": "flash",
        "reasoning": "It is simple.", "next_speaker": "user", "confidence": 0.5, "title": "Harbour",
        "unproductive_state_analysis": "", "unproductive_state_confidence": 0,
    })  # fmt: skip
