"""Gemini CLI's chats: `~/.gemini/tmp/PROJECT/chats/session-….jsonl` (seen in 0.61.0).

A message is written again, under its id, when its tools have answered: the last version counts, and
what it holds besides is new. `$set.messages` is the whole history as the model will see it from
then on: the same messages again at each resume, and after a compression the few that are kept, with
new ids, behind a summary. What is told there is taken only where its words are new. `$rewindTo`
takes back what came after a message; it was said all the same.

At a resume the history lacks messages that begin with `<`, the user's words behind a hook's context
among them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import (
    as_object,
    as_text,
    moment_of,
    name_of,
    objects,
    text_in,
    told_of,
)
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.domain.own_output import holds_context
from memory_mcp.transcripts.transcript import LeftOut, Transcript

_KINDS: dict[str, HostEventKind] = {
    "user": "prompt",
    "gemini": "answer",
    "model": "answer",
    "assistant": "answer",
}
_UNDER_WAY = {"validating", "scheduled", "awaiting_approval", "executing"}
"""States of a tool's call whose message is written again when it has ended."""
_AFTER_SUMMARY = "Got it. Thanks for the additional context!"
"""What a compression has the model say to its own summary."""


class GeminiTranscript(Transcript):
    """A chat's file, as far as it was read."""

    def __init__(self, session: str, left_out: LeftOut, at: datetime | None = None) -> None:
        """`at`: the time of messages before the first that has one."""
        super().__init__(session, left_out)
        self._at = at
        self._said_already = Counter[tuple[str, str]]()
        self._ids: set[str] = set()
        self._of_subagent = False

    @property
    def waits(self) -> bool:
        """Never: a message comes again with its tools' answers."""
        return False

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a record tells: a message, a change, or the head of the file."""
        change = as_object(record.get("$set"))
        if session := as_text(record.get("sessionId")) or as_text(change.get("sessionId")):
            self.session = session
            self._of_subagent = record.get("kind") == "subagent" or self._of_subagent
        if "$set" in record:
            yield from self._history(objects(change.get("messages")))
        elif "$rewindTo" in record:
            self._left_out["places to which the chat was rewound"] += 1
        elif _kind(record):
            yield from self._message(record)
        elif not session:
            self._left_out["records of an unknown kind"] += 1

    def _message(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        self._at = at = moment_of(record.get("timestamp")) or self._at
        kind = _KINDS.get(_kind(record))
        if self._of_subagent:
            self._left_out["messages of subagents"] += 1
        elif kind is None:
            self._left_out[f"entries of the type {_kind(record)[:40]!r}"] += 1
        else:
            key = as_text(record.get("id"))
            if holds_context(_text(record)):
                self.has_lost_context = False
            if words := self._words(record, kind):
                if key not in self._ids:
                    self._said_already[kind, words] += 1
                self._ids.add(key)
                own = key or self._occurrences.key(self.session, kind, words, at)
                yield HostEvent(
                    kind=kind, session=self.session, text=words, key=own, at=at, stamped=True
                )
            yield from self._tools(record, at)
            if record.get("thoughts"):
                self._left_out["thoughts"] += 1

    def _words(self, record: dict[str, Any], kind: str) -> str:
        text = _text(record)
        words = said_by_user(text) if kind == "prompt" else said_by_model(text)
        if text.strip() and not words:
            self._left_out["context that Gemini CLI added"] += 1
        return words

    def _tools(self, record: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        more: dict[str, Any] = {"session": self.session, "at": at, "stamped": True}
        for call in objects(record.get("toolCalls")):
            key, name = as_text(call.get("id")), name_of(call.get("name")) or "tool"
            answer = as_text(call.get("resultDisplay")) or _answer(call.get("result"))
            self._calls.called(key, name, call.get("args"))
            if answer or as_text(call.get("status")) not in _UNDER_WAY:
                yield from self._calls.answered(key, answer, **more)
        for part in _parts(record):
            if call := as_object(part.get("functionCall")):
                name = name_of(call.get("name")) or "tool"
                self._calls.called(as_text(call.get("id")) or name, name, call.get("args"))
            elif response := as_object(part.get("functionResponse")):
                # Newer files have the same answer in `toolCalls` of the message before.
                name = name_of(response.get("name")) or "tool"
                told = as_object(response.get("response"))
                answer = as_text(told.get("output")) or told_of(told)
                if key := as_text(response.get("id")):
                    yield from self._calls.answered(key, answer, name=name, **more)
                else:
                    yield from self._calls.answered_by_name(name, answer, **more)

    def _history(self, history: Sequence[dict[str, Any]]) -> Iterator[HostEvent]:
        """Of the history as the model sees it from now on, what was not told before."""
        compressed = any(_text(turn) == _AFTER_SUMMARY for turn in history)
        places = Counter[tuple[str, str]]()
        following: list[dict[str, Any]] = [*history[1:], {}]
        for turn, after in zip(history, following, strict=False):
            kind = _KINDS.get(_kind(turn))
            if kind is None or not self.whole:
                continue
            if compressed and _AFTER_SUMMARY in (_text(turn), _text(after)):
                self._left_out["summaries that Gemini CLI asked for"] += 1
                continue
            said = (kind, self._words(turn, kind))
            places[said] += 1
            if places[said] > self._said_already[said]:
                yield from self._message(turn)
        if len(history) > 1:
            self.has_lost_context = not any(holds_context(_text(turn)) for turn in history)


def _kind(record: dict[str, Any]) -> str:
    return as_text(record.get("type")) or as_text(record.get("role"))


def _parts(record: dict[str, Any]) -> list[dict[str, Any]]:
    content = record.get("content", record.get("parts"))
    return objects([content] if isinstance(content, dict) else content)


def _text(record: dict[str, Any]) -> str:
    content = record.get("content", record.get("parts"))
    return text_in([content] if isinstance(content, dict) else content)


def _answer(result: Any) -> str:
    for part in objects(result):
        if response := as_object(as_object(part.get("functionResponse")).get("response")):
            return as_text(response.get("output")) or told_of(response)
    return text_in(result)
