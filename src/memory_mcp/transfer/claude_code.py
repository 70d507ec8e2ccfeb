"""Claude Code's transcripts: a session's file, or the folder `~/.claude/projects`.

Each session goes to the agent of the folder it was held in, unless one is named. Keys are those
under which the hooks store the same events, as far as a transcript tells them.
"""

from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.transfer.report import (
    HeldIn,
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
from memory_mcp.transfer.source import Source, objects_by_line

SAID = {"user", "assistant"}
_ASIDES = (
    "<command-name>",
    "<local-command",
    "<command-message>",
    "<bash-",
    "Caveat: The messages",
)


def read(source: Source, report: Report) -> Iterator[Item]:
    """What was said and done in each session."""
    for name, path in source.files(".jsonl"):
        with source.opened(path) as file:
            session = _Session(path.stem)
            for number, place, told in objects_by_line(
                file, report, name if source.is_folder else ""
            ):
                yield from session.items(told, number, place, report)


class _Session:
    """One file, as far as it was read."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._owner: HeldIn | None = None
        self._calls: dict[str, tuple[str, str]] = {}

    def items(
        self, told: dict[str, Any], number: int, place: str, report: Report
    ) -> Iterator[Item]:
        kind = as_text(told.get("type"))
        if self._owner is None and (folder := as_text(told.get("cwd"))):
            self._owner = HeldIn(folder)
        if kind not in SAID:
            report.left_out[f"lines of the type {kind[:40] or 'none'!r}"] += 1
            return
        if told.get("isSidechain") is True:
            report.left_out["messages of subagents"] += 1
            return
        if told.get("isMeta") is True or told.get("isCompactSummary") is True:
            report.left_out["messages that Claude Code wrote itself"] += 1
            return
        at = moment_of(told.get("timestamp"))
        if at is None:
            report.refuse(place, "the line has no timestamp that can be meant")
            return
        session = as_text(told.get("sessionId")) or self._key
        line = as_text(told.get("uuid")) or f"line-{number}"
        for key, role, name, text in self._said(told, kind, line, report):
            made = NewMessage(
                role=role,
                content=storable(text, report),
                created_at=at,
                conversation=session,
                name=name,
                external_id=key,
            )
            yield Item(made, place, self._owner)

    def _said(
        self, told: dict[str, Any], kind: str, line: str, report: Report
    ) -> Iterator[tuple[str, Role, str | None, str]]:
        content = as_object(told.get("message")).get("content")
        text = "" if isinstance(content, list) else as_text(content)
        texts = [text] if text else []
        for part in objects(content):
            match as_text(part.get("type")):
                case "text":
                    texts.append(as_text(part.get("text")))
                case "tool_use":
                    call = as_text(part.get("id"))
                    name = name_of(part.get("name")) or "tool"
                    self._calls[call] = (name, told_of(part.get("input")))
                case "tool_result":
                    call = as_text(part.get("tool_use_id"))
                    name, asked = self._calls.pop(call, ("tool", ""))
                    answered = text_in(part.get("content"))
                    yield f"tool:{call or line}", "tool", name, tool_in_short(name, asked, answered)
                case "thinking" | "redacted_thinking":
                    report.left_out["thoughts"] += 1
                case "image" | "document":
                    report.left_out["images and documents"] += 1
                case _:
                    pass
        said = "\n".join(each for each in texts if each.strip())
        if said.lstrip().startswith(_ASIDES):
            report.left_out["commands of Claude Code and what they printed"] += 1
        elif said and kind == "user":
            yield f"prompt:{as_text(told.get('promptId')) or line}", "user", None, said
        elif said:
            yield f"answer:{line}", "assistant", None, said
