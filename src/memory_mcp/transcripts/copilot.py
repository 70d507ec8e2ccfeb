"""Copilot's events: `~/.copilot/session-state/SESSION/events.jsonl` (seen in CLI 1.0.102).

VS Code's agent writes the same kinds of lines.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import as_object, as_text, moment_of, name_of, text_in, told_of
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.transcripts.transcript import Transcript


class CopilotTranscript(Transcript):
    """A session's file, as far as it was read."""

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind, data = as_text(record.get("type")), as_object(record.get("data"))
        at = moment_of(record.get("timestamp"))
        if record.get("agentId") or data.get("parentToolCallId"):
            self._left_out["lines of subagents"] += 1
            return
        match kind:
            case "session.start" | "session.resume":
                self.session = as_text(data.get("sessionId")) or self.session
                context = as_object(data.get("context"))
                self.folder = self.folder or as_text(context.get("cwd")) or None
            case "user.message" | "assistant.message":
                yield from self._message(record, data, kind, at)
            case "tool.execution_start":
                name = name_of(data.get("toolName")) or "tool"
                self._calls.called(as_text(data.get("toolCallId")), name, data.get("arguments"))
            case "tool.execution_complete":
                call = as_text(data.get("toolCallId"))
                result = as_object(data.get("result"))
                answer = text_in(result.get("content")) or told_of(data.get("error"))
                yield from self._calls.answered(call, answer, self.session, at=at)
            case "session.compaction_complete":
                self.has_lost_context = data.get("success") is not False
            case "session.shutdown" | "session.error":
                self._calls.given_up()
            case "hook.start" | "hook.end" | "assistant.turn_start" | "assistant.turn_end":
                pass
            case _:
                self._left_out[f"lines of the type {kind[:40] or 'none'!r}"] += 1

    def _message(
        self, record: dict[str, Any], data: dict[str, Any], kind: str, at: datetime | None
    ) -> Iterator[HostEvent]:
        told: HostEventKind = "prompt" if kind == "user.message" else "answer"
        source = as_text(data.get("source"))
        text = as_text(data.get("content"))
        words = said_by_user(text) if told == "prompt" else said_by_model(text)
        if told == "prompt" and source not in ("", "user"):
            words = ""
        if not words:
            if text.strip():
                self._left_out["messages that Copilot wrote itself"] += 1
            return
        key = as_text(data.get("messageId")) or as_text(record.get("id"))
        key = key or self._occurrences.key(self.session, told, words, at)
        yield HostEvent(kind=told, session=self.session, text=words, key=key, at=at, stamped=True)
