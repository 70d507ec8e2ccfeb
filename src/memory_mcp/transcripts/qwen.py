"""Qwen Code's chats: `~/.qwen/projects/FOLDER/chats/SESSION.jsonl` (seen in 0.24.4)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import as_object, as_text, moment_of, name_of, objects, told_of
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.transcripts.transcript import Transcript


class QwenTranscript(Transcript):
    """A chat's file, as far as it was read."""

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind = as_text(record.get("type"))
        self.session = as_text(record.get("sessionId")) or self.session
        self.folder = self.folder or as_text(record.get("cwd")) or None
        forked = as_object(record.get("forkedFrom"))
        self.parent = self.parent or as_text(forked.get("sessionId")) or None
        if kind not in ("user", "assistant", "tool_result"):
            self._left_out[f"lines of the type {kind[:40] or 'none'!r}"] += 1
            return
        if record.get("isSidechain") is True or record.get("agentId"):
            self._left_out["messages of subagents"] += 1
            return
        if kind == "user" and as_text(record.get("provenance")) not in ("real_user", ""):
            self._left_out["messages that Qwen Code wrote itself"] += 1
            return
        at = moment_of(record.get("timestamp"))
        yield from self._said(record, kind, at)

    def _said(self, record: dict[str, Any], kind: str, at: datetime | None) -> Iterator[HostEvent]:
        texts: list[str] = []
        for part in objects(as_object(record.get("message")).get("parts")):
            if part.get("thought") is True:
                self._left_out["thoughts"] += 1
            elif call := as_object(part.get("functionCall")):
                name = name_of(call.get("name")) or "tool"
                self._calls.called(as_text(call.get("id")) or name, name, call.get("args"))
            elif response := as_object(part.get("functionResponse")):
                yield from self._answered(response, at)
            elif text := as_text(part.get("text")):
                texts.append(text)
            else:
                self._left_out["images and documents"] += 1
        said = said_by_model if kind == "assistant" else said_by_user
        words = "\n".join(found for text in texts if (found := said(text)))
        if words and kind != "tool_result":
            if kind == "user":
                self._calls.given_up()
            told: HostEventKind = "prompt" if kind == "user" else "answer"
            key = as_text(record.get("uuid"))
            key = key or self._occurrences.key(self.session, told, words, at)
            yield HostEvent(
                kind=told, session=self.session, text=words, key=key, at=at, stamped=True
            )
        elif any(text.strip() for text in texts):
            self._left_out["messages that Qwen Code wrote itself"] += 1

    def _answered(self, response: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        name = name_of(response.get("name")) or "tool"
        told = as_object(response.get("response"))
        answer = as_text(told.get("output")) or told_of(told)
        if call := as_text(response.get("id")):
            yield from self._calls.answered(call, answer, self.session, name=name, at=at)
        else:
            yield from self._calls.answered_by_name(name, answer, self.session, at=at)
