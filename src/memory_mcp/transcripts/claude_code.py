"""Claude Code's transcripts: `~/.claude/projects/FOLDER/SESSION.jsonl` (seen in 2.1.332).

A fork copies the lines of its parent with their `uuid`s and times, but under its own session and
with one `promptId` on all of them. What is typed while the model works stands only in an
attachment, the reason of a refusal only in the refused tool's answer.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import as_object, as_text, moment_of, name_of, objects, text_in
from memory_mcp.domain.machine_texts import said_by_model, said_by_user, said_in_refusal
from memory_mcp.transcripts.transcript import LeftOut, Transcript

_MADE_UP = "<synthetic>"
"""The model of answers that Claude Code wrote itself."""


class ClaudeCodeTranscript(Transcript):
    """A session's file, as far as it was read."""

    def __init__(self, session: str, left_out: LeftOut) -> None:
        super().__init__(session, left_out)
        self._named = False

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind = as_text(record.get("type"))
        if not self._named and (session := as_text(record.get("sessionId"))):
            self.session, self._named = session, True
        self.folder = self.folder or as_text(record.get("cwd")) or None
        queued = as_object(record.get("attachment"))
        if kind == "attachment" and as_text(queued.get("type")) == "queued_command":
            yield from self._queued(record, queued)
        elif kind not in ("user", "assistant"):
            self._left_out[f"lines of the type {kind[:40] or 'none'!r}"] += 1
        elif record.get("isSidechain") is True:
            self._left_out["messages of subagents"] += 1
        elif self._by_host(record):
            self._left_out["messages that Claude Code wrote itself"] += 1
        else:
            yield from self._said(record, kind)

    def _by_host(self, record: dict[str, Any]) -> bool:
        message = as_object(record.get("message"))
        return (
            (not _MARKS.isdisjoint(record) and any(record.get(mark) is True for mark in _MARKS))
            or record.get("rowSource") == "harness"
            or message.get("model") == _MADE_UP
        )

    def _queued(self, record: dict[str, Any], queued: dict[str, Any]) -> Iterator[HostEvent]:
        if record.get("isSidechain") is True:
            self._left_out["messages of subagents"] += 1
            return
        prompt = queued.get("prompt")
        text = said_by_user(text_in([prompt] if isinstance(prompt, dict) else prompt))
        if not text or as_text(queued.get("commandMode")) not in ("prompt", ""):
            self._left_out["messages that Claude Code wrote itself"] += 1
            return
        # The line that follows where it is delivered as a message has the id of the queued one.
        key = as_text(queued.get("source_uuid")) or as_text(record.get("uuid"))
        at = moment_of(record.get("timestamp")) or moment_of(queued.get("timestamp"))
        yield self._event("prompt", text, key, at)

    def _said(self, record: dict[str, Any], kind: str) -> Iterator[HostEvent]:
        at = moment_of(record.get("timestamp"))
        line = as_text(record.get("uuid"))
        content = as_object(record.get("message")).get("content")
        texts = [content] if isinstance(content, str) else []
        for part in objects(content):
            match as_text(part.get("type")):
                case "text":
                    texts.append(as_text(part.get("text")))
                case "tool_use":
                    name = name_of(part.get("name")) or "tool"
                    self._calls.called(as_text(part.get("id")), name, part.get("input"))
                case "tool_result":
                    call, answer = as_text(part.get("tool_use_id")), text_in(part.get("content"))
                    yield from self._calls.answered(call, answer, self.session, at=at)
                    if reason := said_in_refusal(answer) if part.get("is_error") else "":
                        key = f"{call}:refusal" if call else ""
                        yield self._event("prompt", reason, key, at)
                case "thinking" | "redacted_thinking":
                    self._left_out["thoughts"] += 1
                case "image" | "document":
                    self._left_out["images and documents"] += 1
                case other:
                    self._left_out[f"parts of the type {other[:40] or 'none'!r}"] += 1
        said = said_by_user if kind == "user" else said_by_model
        words = "\n".join(found for text in texts if (found := said(text)))
        if words and kind == "user":
            self._calls.given_up()
        if words:
            yield self._event("prompt" if kind == "user" else "answer", words, line, at)
        elif any(text.strip() for text in texts):
            self._left_out["commands and messages that Claude Code wrote itself"] += 1

    def _event(self, kind: HostEventKind, text: str, key: str, at: datetime | None) -> HostEvent:
        key = key or self._occurrences.key(self.session, kind, text, at)
        return HostEvent(kind=kind, session=self.session, text=text, key=key, at=at, stamped=True)


_MARKS = frozenset({"isMeta", "isCompactSummary", "isVisibleInTranscriptOnly", "isApiErrorMessage"})
