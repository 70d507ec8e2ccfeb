"""Gemini CLI's chats: `~/.gemini/tmp/PROJECT/chats/session-….jsonl` (seen in 0.61.0).

A message is written again, under its id, when its tools have answered: the last version counts,
which an import looks for before it reads; hooks have the first already, and what later ones hold
besides is new. `$set.messages` is the whole history as the model will see it from
then on: the same messages again at each resume, and after a compression the few that are kept, with
new ids, behind a summary. What is told there is taken only where its words are new. `$rewindTo`
takes back what came after a message; it was said all the same.

At a resume the history lacks messages that begin with `<`, the user's words behind a hook's context
among them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind, digest
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
from memory_mcp.transcripts.transcript import (
    MEDIA,
    SUBAGENTS,
    THOUGHTS,
    LeftOut,
    Transcript,
    parts_of,
)

_KINDS: dict[str, HostEventKind] = {
    "user": "prompt",
    "gemini": "answer",
    "model": "answer",
    "assistant": "answer",
    "qwen": "answer",
}
_NOTICES = frozenset({"about", "error", "help", "info", "quit", "stats", "system", "warning"})
"""Types of entries that are for the eyes of the person at the terminal."""
_HEAD = frozenset(
    {"directories", "kind", "lastUpdated", "memoryScratchpad", "projectHash", "sessionId"}
    | {"startTime", "summary"}
)
"""What a chat's head says."""
_PART_NOTES = frozenset({"codeExecutionResult", "executableCode", "videoMetadata"})
BEGINNING = 2
"""So many messages tell one chat that has no id from another: a prompt and its answer."""
_UNDER_WAY = {"validating", "scheduled", "awaiting_approval", "executing"}
"""States of a tool's call whose message is written again when it has ended."""
_AFTER_SUMMARY = "Got it. Thanks for the additional context!"
"""What a compression has the model say to its own summary."""


class GeminiTranscript(Transcript):
    """A chat's file, as far as it was read."""

    def __init__(
        self,
        session: str,
        left_out: LeftOut,
        not_understood: LeftOut | None = None,
        at: datetime | None = None,
    ) -> None:
        """`at`: the time of messages before the first that has one."""
        super().__init__(session, left_out, not_understood)
        self._at = at
        self._said_already = Counter[tuple[str, str]]()
        self._ids: set[str] = set()
        self._of_subagent = False
        self._named = False
        self._root = ""
        """What stands for the session in keys, where neither it nor its messages have ids."""
        self._versions: Counter[str] | None = None
        """How many versions of each message and each use of a tool are still to come."""

    def look_ahead(self, records: Iterable[dict[str, Any]]) -> None:
        """Go through the whole file before it is read, for which version of a message is the last.

        A later version that lacks words or an answer takes nothing away.
        """
        versions = Counter[str]()
        named, began = False, list[str]()
        for record in records:
            versions.update(_versions_in(record))
            named = named or bool(as_text(record.get("sessionId")))
            kind = _KINDS.get(_kind(record))
            if kind and len(began) < BEGINNING and (words := self._said(kind, _text(record))):
                began.append(f"{kind} {words}")
        self._versions = versions
        if not named:
            self._root = digest("\n".join(began))

    @property
    def waits(self) -> bool:
        """Never: a message comes again with its tools' answers."""
        return False

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a record tells: a message, a change, or the head of the file."""
        change = as_object(record.get("$set"))
        session = as_text(record.get("sessionId")) or as_text(change.get("sessionId"))
        if session and not self._named:
            self.session, self._named = session, True
        self._of_subagent = record.get("kind") == "subagent" or self._of_subagent
        if "$set" in record:
            if not change:
                self._not_understood["changes of nothing"] += 1
            self._changed(change)
            told = change.get("messages", [])
            turns = objects(told)
            strange = len(told) - len(turns) if isinstance(told, list) else 1  # pyright: ignore[reportUnknownArgumentType] - JSON
            if strange:
                self._not_understood["messages of a history that are no objects"] += strange
            yield from self._history(turns)
        elif "$rewindTo" in record:
            self._left_out["places to which the chat was rewound"] += 1
        elif _kind(record):
            yield from self._message(record)
        elif not session and not _HEAD & record.keys():
            self._not_understood["records of an unknown kind"] += 1

    def _changed(self, change: dict[str, Any]) -> None:
        for name in sorted(change.keys() - {"messages"}):
            if name in _HEAD:
                self._left_out["changes of the chat's head"] += 1
            else:
                self._not_understood[f"changes of {name[:40]!r}"] += 1

    def _message(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        self._at = at = moment_of(record.get("timestamp")) or self._at
        kind = _KINDS.get(_kind(record))
        if self._of_subagent:
            self._left_out[SUBAGENTS] += 1
        elif kind is None:
            if _kind(record) in _NOTICES:
                self._left_out["notices of Gemini CLI"] += 1
            else:
                self._unknown("entries", _kind(record))
        else:
            key = as_text(record.get("id"))
            if holds_context(_text(record)):
                self.has_lost_context = False
            words = self._words(record, kind)
            if words and self._is_last(f"words {key}" if key else ""):
                if key not in self._ids:
                    self._said_already[kind, words] += 1
                self._ids.add(key)
                # Without an id, words are known by their own time, not by a neighbour's.
                stamp = moment_of(record.get("timestamp"))
                root = self._root or self.session
                own = key or self._occurrences.key(root, kind, words, stamp)
                yield HostEvent(
                    kind=kind, session=self.session, text=words, key=own, at=at, stamped=True
                )
            elif words:
                self._left_out["earlier versions of messages"] += 1
            elif not _text(record).strip() and not _tells_more(record):
                self._left_out["empty messages"] += 1
            yield from self._tools(record, at)
            if record.get("thoughts"):
                self._left_out[THOUGHTS] += 1

    def _is_last(self, version: str) -> bool:
        """Whether a version of a message is the last one with words; it is where none is known."""
        if self._versions is None or not version:
            return True
        self._versions[version] -= 1
        return self._versions[version] <= 0

    def _words(self, record: dict[str, Any], kind: str) -> str:
        text = _text(record)
        if kind == "prompt" and not text.strip():
            text = "\n".join(_shown(part) for part in _parts(record) if _shown(part))
        words = self._said(kind, text)
        if text.strip() and not words:
            self._left_out["context that Gemini CLI added"] += 1
        return words

    def _said(self, kind: str, text: str) -> str:
        return said_by_user(text) if kind == "prompt" else said_by_model(text)

    def _tools(self, record: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        more: dict[str, Any] = {"session": self.session, "at": at, "stamped": True}
        for call in objects(record.get("toolCalls")):
            key, name = as_text(call.get("id")), name_of(call.get("name")) or "tool"
            answer = as_text(call.get("resultDisplay")) or _answer(call.get("result"))
            self._calls.called(key, name, call.get("args"))
            if _has_answered(call) and self._is_last(f"answer {key}" if key else ""):
                yield from self._calls.answered(key, answer, **more)
        for part in _parts(record):
            if _shown(part):
                self._left_out[MEDIA] += 1
            elif call := as_object(part.get("functionCall")):
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
            elif part.get("thought") is True:
                self._left_out[THOUGHTS] += 1
            elif not isinstance(part.get("text"), str) and not part.keys() & _PART_NOTES:
                self._unknown("parts", next(iter(part), None))

    def _history(self, history: Sequence[dict[str, Any]]) -> Iterator[HostEvent]:
        """Of the history as the model sees it from now on, what was not told before."""
        compressed = any(_text(turn) == _AFTER_SUMMARY for turn in history)
        places = Counter[tuple[str, str]]()
        following: list[dict[str, Any]] = [*history[1:], {}]
        for turn, after in zip(history, following, strict=False):
            kind = _KINDS.get(_kind(turn))
            if kind is None:
                yield from self._message(turn)
                continue
            if not self.whole:
                continue
            if compressed and _AFTER_SUMMARY in (_text(turn), _text(after)):
                self._left_out["summaries that Gemini CLI asked for"] += 1
                continue
            text = _text(turn)
            said = (kind, self._said(kind, text))
            places[said] += 1
            if places[said] > self._said_already[said]:
                yield from self._message(turn)
            elif any(said):
                self._left_out["the history once more, as the model sees it from then on"] += 1
        if len(history) > 1:
            self.has_lost_context = not any(holds_context(_text(turn)) for turn in history)


def _kind(record: dict[str, Any]) -> str:
    return as_text(record.get("type")) or as_text(record.get("role"))


def _parts(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [as_object(part) for part in parts_of(record.get("content", record.get("parts")))]


def _text(record: dict[str, Any]) -> str:
    """What a message says: what its author saw of it, where files were put in by their names."""
    shown = text_in(parts_of(record.get("displayContent")))
    return shown or text_in([part for part in _parts(record) if part.get("thought") is not True])


def _shown(part: dict[str, Any]) -> str:
    """What stands for an image or a document; empty for any other part."""
    held = as_object(part.get("inlineData")) or as_object(part.get("fileData"))
    if not held:
        return ""
    return "[image]" if as_text(held.get("mimeType")).startswith("image/") else "[document]"


def _tells_more(record: dict[str, Any]) -> bool:
    return bool(objects(record.get("toolCalls")) or record.get("thoughts") or _parts(record))


def _has_answered(call: dict[str, Any]) -> bool:
    answer = as_text(call.get("resultDisplay")) or _answer(call.get("result"))
    return bool(answer) or as_text(call.get("status")) not in _UNDER_WAY


def _versions_in(record: dict[str, Any]) -> Iterator[str]:
    """The words and the answers that a message holds, by the ids that later versions have too."""
    if (key := as_text(record.get("id"))) and _KINDS.get(_kind(record)) and _text(record).strip():
        yield f"words {key}"
    for call in objects(record.get("toolCalls")):
        if (key := as_text(call.get("id"))) and _has_answered(call):
            yield f"answer {key}"


def _answer(result: Any) -> str:
    for part in objects(result):
        if response := as_object(as_object(part.get("functionResponse")).get("response")):
            return as_text(response.get("output")) or told_of(response)
    return text_in(result)
