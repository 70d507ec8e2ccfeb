"""Hosts' own files of their sessions, as an import: a file, or the folder of all of them.

Each session goes to the agent of the folder it was held in, unless one is named. The events in a
file, and the keys they have, are those that the hooks know too (`memory_mcp.transcripts`), so what
hooks recorded is known.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from memory_mcp.domain.host_events import message_of
from memory_mcp.domain.json_values import as_object, as_text, moment_of, objects
from memory_mcp.transcripts.claude_code import ClaudeCodeTranscript
from memory_mcp.transcripts.codex import CodexTranscript
from memory_mcp.transcripts.copilot import CopilotTranscript
from memory_mcp.transcripts.gemini import GeminiTranscript
from memory_mcp.transcripts.qwen import QwenTranscript
from memory_mcp.transcripts.transcript import NewTranscript, Transcript
from memory_mcp.transfer.report import HeldIn, Item, Report, storable
from memory_mcp.transfer.source import Source, objects_by_line, whole_json

Record = tuple[str, dict[str, Any]]
"""Where a record stands, and the record."""


def _read(begin: NewTranscript, source: Source, report: Report) -> Iterator[Item]:
    """What was said and done in each session, of files of JSON lines."""
    for name, path in source.files(".jsonl"):
        transcript = begin(_session_of(path), report.left_out)
        with source.opened(path) as file:
            lines = objects_by_line(file, report, name if source.is_folder else "")
            yield from _items(transcript, ((place, told) for _, place, told in lines), report)


def read_claude_code(source: Source, report: Report) -> Iterator[Item]:
    """The same; forks last, so that what they copy belongs to the session it was said in."""
    files = sorted(source.files(".jsonl"), key=lambda each: (_is_fork(each[1]), each[0]))
    for name, path in files:
        transcript = ClaudeCodeTranscript(path.stem, report.left_out)
        with source.opened(path) as file:
            lines = objects_by_line(file, report, name if source.is_folder else "")
            yield from _items(transcript, ((place, told) for _, place, told in lines), report)


read_codex = partial(_read, CodexTranscript)
read_qwen = partial(_read, QwenTranscript)
read_copilot = partial(_read, CopilotTranscript)


def read_gemini(source: Source, report: Report) -> Iterator[Item]:
    """A chat is JSON lines, or, in older versions, one object; a checkpoint is a list of turns."""
    for name, path in source.files(".json", ".jsonl"):
        if source.is_folder and not re.search(r"(session|checkpoint)[^/]*$", name):
            report.left_out["files that are no chats"] += 1
            continue
        transcript = GeminiTranscript(path.stem, report.left_out, _modified(path))
        transcript.folder = _project_root(path)
        with source.opened(path) as file:
            if path.suffix == ".jsonl":
                lines = objects_by_line(file, report, name if source.is_folder else "")
                records: Iterable[Record] = ((place, told) for _, place, told in lines)
            else:
                records = _records_of(whole_json(file, name), name)
            before = report.read
            yield from _items(transcript, records, report)
            if report.read == before and not report.left_out:
                report.refuse(name, "it has no messages, as Gemini CLI writes them")


def _records_of(told: Any, name: str) -> Iterator[Record]:
    session = as_object(told)
    head = {key: session[key] for key in ("sessionId", "kind") if key in session}
    if head:
        yield name, head
    turns = objects(session.get("messages") or session.get("history") or told)
    for number, turn in enumerate(turns, 1):
        yield f"{name}, message {number:,}", turn


def _items(transcript: Transcript, records: Iterable[Record], report: Report) -> Iterator[Item]:
    last: datetime | None = None
    for place, record in records:
        for event in transcript.events(record):
            last = at = event.at or last
            if not event.is_said:
                if event.label is not None:
                    report.left_out["uses of memory's own tools"] += 1
                continue
            if at is None:
                report.refuse(place, "neither it nor a line before it has a time that can be meant")
                continue
            text = storable(event.text, report)
            owner = HeldIn(transcript.folder or "")
            yield Item(message_of(event, event.session, at, text), place, owner)


def _session_of(path: Path) -> str:
    """What a session is called by whose file does not say it."""
    return path.parent.name if path.stem == "events" else path.stem


def _is_fork(path: Path) -> bool:
    """Whether two prompts of a file have one `promptId`: it copies another session's lines."""
    seen: str | None = None
    try:
        with open(path, "rb") as file:
            for line in file:
                if b'"promptId"' not in line:
                    continue
                told = as_object(json.loads(line))
                if told.get("type") != "user" or not _is_prompt(told):
                    continue
                prompt = as_text(told.get("promptId"))
                if seen is not None:
                    return prompt == seen
                seen = prompt
    except (OSError, ValueError, RecursionError):
        pass
    return False


def _is_prompt(told: dict[str, Any]) -> bool:
    content = as_object(told.get("message")).get("content")
    return isinstance(content, str) or any(part.get("type") == "text" for part in objects(content))


def _project_root(path: Path) -> str | None:
    """The folder that a chat of Gemini CLI was held in, which a file beside the chats names."""
    for folder in path.parents[:3]:
        with suppress(OSError, UnicodeDecodeError):
            return (folder / ".project_root").read_text("utf-8").strip() or None
    return None


def _modified(path: Path) -> datetime | None:
    return moment_of(path.stat().st_mtime)
