"""Gemini CLI's chats: a session's file, or the folder `~/.gemini/tmp`.

A session is one JSON object or JSON lines; a saved checkpoint is a list of turns without times.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.transfer.report import (
    Item,
    Report,
    as_object,
    as_text,
    moment_of,
    name_of,
    objects,
    storable,
    text_in,
    told_of,
    tool_in_short,
)
from memory_mcp.transfer.source import Source, objects_by_line, whole_json

_ROLES: dict[str, Role] = {
    "user": "user",
    "gemini": "assistant",
    "model": "assistant",
    "assistant": "assistant",
}


def read(source: Source, report: Report) -> Iterator[Item]:
    """What was said and done in each chat."""
    for name, path in source.files(".json", ".jsonl"):
        if source.is_folder and not re.search(r"(session|checkpoint)[^/]*$", name):
            continue  # logs.json has the prompts only, which the sessions have too
        with source.opened(path) as file:
            if path.suffix == ".jsonl":
                before = name if source.is_folder else ""
                lines = [told for _, _, told in objects_by_line(file, report, before)]
                told: Any = {"messages": lines, **(lines[0] if lines else {})}
            else:
                told = whole_json(file, name)
        yield from _session(told, path, name, report)


def _session(told: Any, path: Path, name: str, report: Report) -> Iterator[Item]:
    session = as_object(told)
    key = as_text(session.get("sessionId")) or path.stem
    at = moment_of(session.get("startTime")) or _modified(path)
    turns = objects(session.get("messages") or session.get("history") or told)
    if not turns:
        report.refuse(name, "it has no messages, as Gemini CLI writes them")
    for number, turn in enumerate(turns, 1):
        at = moment_of(turn.get("timestamp")) or at
        kind = as_text(turn.get("type")) or as_text(turn.get("role"))
        if kind not in _ROLES:
            if kind:
                report.left_out[f"entries of the type {kind[:40]!r}"] += 1
            continue
        external = as_text(turn.get("id")) or f"message-{number}"
        place = f"{name}, message {number:,}"
        for part, (role, who, text) in enumerate(_parts(turn, _ROLES[kind], report)):
            made = NewMessage(
                role=role,
                content=storable(text, report),
                created_at=at,
                conversation=key,
                name=who,
                external_id=f"{external}:{part}" if part else external,
            )
            yield Item(made, place)


def _parts(
    turn: dict[str, Any], role: Role, report: Report
) -> Iterator[tuple[Role, str | None, str]]:
    content = turn.get("content", turn.get("parts"))
    if text := text_in([content] if isinstance(content, dict) else content):
        yield role, None, text
    for call in objects(turn.get("toolCalls")):
        name = name_of(call.get("name")) or "tool"
        answered = as_text(call.get("resultDisplay")) or _answer(call.get("result"))
        yield "tool", name, tool_in_short(name, told_of(call.get("args")), answered)
    for part in objects(content):
        if call := as_object(part.get("functionCall")):
            name = name_of(call.get("name")) or "tool"
            yield "tool", name, tool_in_short(name, told_of(call.get("args")), "")
        elif answer := as_object(part.get("functionResponse")):
            name = name_of(answer.get("name")) or "tool"
            yield "tool", name, tool_in_short(name, "", told_of(answer.get("response")))
    if turn.get("thoughts"):
        report.left_out["thoughts"] += 1


def _answer(result: Any) -> str:
    for part in objects(result):
        if response := as_object(as_object(part.get("functionResponse")).get("response")):
            return as_text(response.get("output")) or told_of(response)
    return text_in(result)


def _modified(path: Path) -> datetime:
    moment = moment_of(path.stat().st_mtime)
    assert moment is not None
    return moment
