"""Codex's sessions: `~/.codex/sessions/Y/M/D/rollout-….jsonl` (seen in 0.171.0).

A fork's file begins with its own `session_meta` and copies its parent's, so the first one counts. A
subagent has a file of its own, with the parent's session id in it.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import (
    as_object,
    as_text,
    moment_of,
    name_of,
    text_in,
    told_of,
    unpacked,
)
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.transcripts.transcript import LeftOut, Transcript

_CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
_OUTPUTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output"}
# What a shell's answer begins with, for the model alone.
_SHELL_HEAD = re.compile(
    r"\A(?:(?:Chunk ID|Wall time|Process exited with code|Original token count|Exit code"
    r"|Total output lines)\b[^\n]*\n)+(?:Output:\n)?"
)


class CodexTranscript(Transcript):
    """A session's file, as far as it was read."""

    def __init__(self, session: str, left_out: LeftOut) -> None:
        super().__init__(session, left_out)
        self._at: datetime | None = None
        self._root = session
        """The session that the oldest lines come from: a fork of a fork has all their heads."""
        self._named = False
        self._of_subagent = False

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind = as_text(record.get("type"))
        # Until the autumn of 2025 items stood in the file bare, and the first line was the session.
        bare = "payload" not in record
        item = record if bare else as_object(record.get("payload"))
        self._at = moment_of(record.get("timestamp")) or self._at
        if kind == "session_meta" or (bare and not kind and "instructions" in item):
            self._begin(item)
        elif not bare and kind != "response_item":
            # What event_msg tells stands in the file as response_item too.
            if kind != "event_msg":
                self._left_out[f"lines of the type {kind[:40] or 'none'!r}"] += 1
        elif self._of_subagent:
            self._left_out["messages of subagents"] += 1
        elif as_object(record.get("metadata")).get("compaction_output") is True:
            self._left_out["summaries that Codex asked for"] += 1
        else:
            yield from self._item(item, self._at)

    def _begin(self, meta: dict[str, Any]) -> None:
        self._root = as_text(meta.get("id")) or self._root
        if self._named:
            self._left_out["heads of the session that this one was forked from"] += 1
            return
        self._named = True
        self.session = as_text(meta.get("id")) or self.session
        self.folder = as_text(meta.get("cwd")) or None
        self.parent = as_text(meta.get("forked_from_id")) or None
        source = meta.get("source")
        self._of_subagent = meta.get("thread_source") == "subagent" or (
            isinstance(source, dict) and "subagent" in source
        )

    def _item(self, item: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        kind = as_text(item.get("type"))
        if kind == "message":
            yield from self._message(item, at)
        elif kind in _CALLS:
            asked = item.get("arguments", item.get("input", item.get("action")))
            name = name_of(item.get("name")) or "shell"
            if space := as_text(item.get("namespace")):
                name = f"{space}__{name}"
            self._calls.called(as_text(item.get("call_id")), name, asked)
        elif kind in _OUTPUTS:
            call = as_text(item.get("call_id"))
            answer = _output(item.get("output"))
            yield from self._calls.answered(call, answer, self.session, at=at)
        elif kind == "reasoning":
            self._left_out["thoughts"] += 1
        else:
            self._left_out[f"items of the type {kind[:40] or 'none'!r}"] += 1

    def _message(self, item: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        role, text = as_text(item.get("role")), text_in(item.get("content"))
        if role not in ("user", "assistant"):
            self._left_out["instructions to the model"] += 1
            return
        words = said_by_user(text) if role == "user" else said_by_model(text)
        if not words:
            if text.strip():
                self._left_out["context that Codex added"] += 1
            return
        if role == "user":
            self._calls.given_up()
        kind: HostEventKind = "prompt" if role == "user" else "answer"
        key = as_text(item.get("id")) or self._occurrences.key(self._root, kind, words, at)
        yield HostEvent(kind=kind, session=self.session, text=words, key=key, at=at, stamped=True)


def _output(output: Any) -> str:
    if isinstance(output, str) and output.startswith("{"):
        output = unpacked(output)
    inner = as_object(output).get("content", as_object(output).get("output"))
    text = text_in(output if inner is None else inner) or told_of(as_object(output) or None)
    return _SHELL_HEAD.sub("", text)
