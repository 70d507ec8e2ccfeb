"""Codex's sessions: a `rollout-….jsonl`, or the folder `~/.codex/sessions`."""

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
    storable,
    text_in,
    told_of,
    tool_in_short,
    unpacked,
)
from memory_mcp.transfer.source import Source, objects_by_line

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant"}
_CONTEXT = ("<environment_context", "<user_instructions", "# AGENTS.md", "<turn_aborted", "<skill")
_CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
_OUTPUTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output"}


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
        self._at: Any = None
        self._owner: HeldIn | None = None
        self._calls: dict[str, tuple[str, str]] = {}

    def items(
        self, told: dict[str, Any], number: int, place: str, report: Report
    ) -> Iterator[Item]:
        kind = as_text(told.get("type"))
        # Until the autumn of 2025 items stood in the file bare, and the first line was the session.
        item = as_object(told.get("payload")) if "payload" in told else told
        self._at = moment_of(told.get("timestamp")) or self._at
        if kind == "session_meta" or (number == 1 and not kind):
            self._key = as_text(item.get("id")) or self._key
            if folder := as_text(item.get("cwd")):
                self._owner = HeldIn(folder)
            return
        if "payload" in told and kind != "response_item":
            # What event_msg tells stands in the file as response_item too.
            if kind != "event_msg":
                report.left_out[f"lines of the type {kind[:40] or 'none'!r}"] += 1
            return
        if self._at is None:
            report.refuse(place, "neither the line nor one before it has a time")
            return
        if (said := self._said(item, report)) is not None:
            role, name, text = said
            made = NewMessage(
                role=role,
                content=storable(text, report),
                created_at=self._at,
                conversation=self._key,
                name=name,
                external_id=f"line-{number}",
            )
            yield Item(made, place, self._owner)

    def _said(self, item: dict[str, Any], report: Report) -> tuple[Role, str | None, str] | None:
        kind = as_text(item.get("type"))
        if kind == "message":
            role, text = as_text(item.get("role")), text_in(item.get("content"))
            if role not in _ROLES:
                report.left_out["instructions to the model"] += 1
            elif text.lstrip().startswith(_CONTEXT):
                report.left_out["context that Codex added"] += 1
            elif text.strip():
                return _ROLES[role], None, text
        elif kind in _CALLS:
            name = name_of(item.get("name")) or "shell"
            asked = item.get("arguments", item.get("input", item.get("action")))
            self._calls[as_text(item.get("call_id"))] = (name, told_of(asked))
        elif kind in _OUTPUTS:
            name, asked = self._calls.pop(as_text(item.get("call_id")), ("tool", ""))
            output = item.get("output")
            if isinstance(output, str) and output.startswith("{"):
                output = unpacked(output)
            inner = as_object(output).get("content", as_object(output).get("output"))
            answered = text_in(item.get("output") if inner is None else inner)
            return "tool", name, tool_in_short(name, asked, answered)
        elif kind == "reasoning":
            report.left_out["thoughts"] += 1
        else:
            report.left_out[f"items of the type {kind[:40] or 'none'!r}"] += 1
        return None
