"""Messages as Letta keeps them, and what was said in them.

A message of the assistant's holds thoughts, words and calls of tools; the answers of the tools are
messages of their own. Agents of the older kinds speak by calling `send_message`, and their texts
beside a call are thoughts; since `letta_v1_agent` a text is what is said.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from memory_mcp.domain.host_events import tool_in_short
from memory_mcp.domain.ids import MessageId
from memory_mcp.domain.json_values import as_object, as_text, moment_of, name_of, objects, told_of
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.domain.texts import clip
from memory_mcp.transfer.letta.tools import SPEECH, is_memory_tool
from memory_mcp.transfer.report import Report, storable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOISE = {"heartbeat", "login"}
_COMPILED = re.compile(r"<memory_metadata>|<memory_blocks>|^### Memory \[last modified", re.M)
_THOUGHTS = {
    "reasoning",
    "redacted_reasoning",
    "omitted_reasoning",
    "summarized_reasoning",
}
_CALLS = {"tool_call", "tool_use", "tool_return"}
_TEXT_IS_SPEECH = {"", "letta_v1_agent"}
"""Types of agents whose texts beside a call are said, not thought; of old files nobody knows."""


@dataclass(slots=True)
class _Call:
    name: str
    arguments: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class _Said:
    role: Role
    name: str | None
    text: str
    at: datetime
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Which message of a store of ours one in a file is; without `id` it is a copy of it."""

    id: MessageId | None
    conversation: str
    external_id: str | None
    aliases: tuple[str, ...]


@dataclass(slots=True)
class History:
    """One agent's messages, being read in their order.

    Ids in an agent file are good in that file only, and the server tells times in whole seconds. So
    a message is known by its words, its role and its second, through each door; one in a file of
    ours by what the file tells of it beside.
    """

    agent: str
    """The agent's name here."""
    kind: str
    """Its type there."""
    system: str
    """Its system prompt there."""
    report: Report
    at: datetime = EPOCH
    """When the last message was; before the first what stands in for a time that is missing."""
    kept: Mapping[str, Kept] = field(default_factory=dict[str, Kept])
    """By the file's ids, of those in a file of ours."""
    _calls: dict[str, _Call] = field(default_factory=dict[str, _Call])
    _seen: Counter[str] = field(default_factory=Counter[str])

    def read(self, told: dict[str, Any], conversation: str | None = None) -> Iterator[NewMessage]:
        """What comes in of one message; `conversation` is Letta's id of any but the first."""
        self.at = moment_of(told.get("created_at")) or self.at
        for said in self._said(told):
            made = self._made(said, conversation)
            kept = self.kept.get(as_text(told.get("id")))
            yield _as_kept(made, kept) if kept else made

    def rest(self) -> Iterator[NewMessage]:
        """What was begun and not ended when the last message was read."""
        for said in self._unanswered():
            yield self._made(said, None)

    def _made(self, said: _Said, conversation: str | None) -> NewMessage:
        content = storable(said.text, self.report)
        second = int(said.at.timestamp() // 1)
        whole = json.dumps([said.role, second, content]).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(whole).hexdigest()[:24]
        self._seen[digest] += 1
        return NewMessage(
            role=said.role,
            content=content,
            created_at=said.at,
            conversation=f"letta:{self.agent}" + (f"/{conversation}" if conversation else ""),
            name=said.name,
            external_id=f"letta:{digest}-{self._seen[digest]}",
            metadata=said.metadata,
            own_id=True,
        )

    def _said(self, told: dict[str, Any]) -> Iterator[_Said]:
        role, who = as_text(told.get("role")), name_of(told.get("name"))
        text = self._text(told)
        match role:
            case "user" | "summary":
                yield from self._unanswered()
                unpacked, speaker = _unpacked(text)
                if speaker is None:
                    self.report.left_out["heartbeats and logins"] += 1
                elif unpacked.strip():
                    speaker = "system" if role == "summary" else speaker
                    yield _Said(speaker, who, unpacked, self.at)
            case "assistant":
                yield from self._of_assistant(told, who, text)
            case "approval":
                yield from self._of_assistant(told, who, text)
                yield from self._approvals(told)
            case "tool" | "function":
                for call_id, answer in _returns(told, text):
                    yield from self._answered(call_id, who, answer)
            case "system":
                if self._is_compiled(text):
                    self.report.left_out["compiled prompts"] += 1
                elif text.strip():
                    yield _Said("system", who, text, self.at)
            case _:
                self.report.not_understood[f"messages of the role {clip(role, 40)!r}"] += 1

    def _of_assistant(self, told: dict[str, Any], who: str | None, text: str) -> Iterator[_Said]:
        calls = list(_calls(told))
        spoken = [call for _, call in calls if call.name == SPEECH]
        is_said = self.kind in _TEXT_IS_SPEECH if calls else True
        if not self.kind and spoken:
            is_said = False
        if text.strip() and not is_said:
            self.report.left_out["thoughts"] += 1
        elif text.strip():
            yield _Said("assistant", who, text, self.at)
        for call in spoken:
            if words := as_text(as_object(call.arguments).get("message")):
                yield _Said("assistant", who, words, self.at)
        for call_id, call in calls:
            call.at = self.at
            if (left := self._calls.pop(call_id, None)) is not None:
                yield from self._begun(left)
            self._calls[call_id] = call

    def _approvals(self, told: dict[str, Any]) -> Iterator[_Said]:
        """What a person said to a call that had to be approved, and what a client's tool gave."""
        reasons = [as_text(told.get("denial_reason"))]
        for each in objects(told.get("approvals")):
            reasons.append(as_text(each.get("reason")))
            if "func_response" in each:
                answer = _answer(each.get("func_response"))
                yield from self._answered(as_text(each.get("tool_call_id")), None, answer)
        if told.get("approve") is not None or told.get("approvals"):
            self.report.left_out["approvals of calls"] += 1
        for reason in dict.fromkeys(filter(str.strip, reasons)):
            yield _Said("user", None, reason, self.at)

    def _answered(self, call_id: str, who: str | None, answer: str) -> Iterator[_Said]:
        call = self._calls.pop(call_id, None) or _Call(who or "tool", {}, self.at)
        if call.name == SPEECH:
            self.report.left_out["answers of send_message"] += 1
        else:
            yield from self._used(call, answer, self.at)

    def _unanswered(self) -> Iterator[_Said]:
        left, self._calls = list(self._calls.values()), {}
        for call in left:
            yield from self._begun(call)

    def _begun(self, call: _Call) -> Iterator[_Said]:
        if call.name != SPEECH:
            yield from self._used(call, "", call.at)

    def _used(self, call: _Call, answer: str, at: datetime) -> Iterator[_Said]:
        if is_memory_tool(call.name):
            self.report.left_out["uses of memory tools, whose effect is in memory"] += 1
            return
        tool = name_of(call.name) or "tool"
        short = tool_in_short(tool, told_of(call.arguments), answer)
        # Our own agent files hold an answer in short already.
        text = answer if answer.startswith(f"{tool}(") else short
        yield _Said("tool", tool, text, at, {"letta": {"arguments": call.arguments}})

    def _is_compiled(self, text: str) -> bool:
        if self.system and text.startswith(self.system[:200]):
            return True
        return _COMPILED.search(text) is not None

    def _text(self, told: dict[str, Any]) -> str:
        content = told.get("content")
        if content is None:
            content = told.get("text")
        if isinstance(content, str):
            return content
        parts: list[str] = []
        follows = False
        for part in objects(content):
            kind = as_text(part.get("type"))
            if kind in ("text", "") and follows and told.get("role") == "assistant":
                parts[-1] += as_text(part.get("text"))  # as Letta's own server puts them together
            elif kind in ("text", ""):
                parts.append(as_text(part.get("text")))
            elif kind in _THOUGHTS:
                self.report.left_out["thoughts"] += 1
            elif kind == "image":
                self.report.left_out["images and files"] += 1
            elif kind not in _CALLS:
                self.report.not_understood[f"parts of the type {clip(kind, 40)!r}"] += 1
            follows = kind in ("text", "")
        return "\n".join(part for part in parts if part)


def is_id(told: Any, noun: str) -> bool:
    """Whether it is an id that a store of ours gives."""
    return isinstance(told, str) and re.fullmatch(rf"{noun}-[0-9a-f]{{32}}", told) is not None


def _as_kept(made: NewMessage, kept: Kept) -> NewMessage:
    ident = kept.external_id if kept.id else kept.external_id or made.external_id
    return replace(
        made,
        id=kept.id,
        conversation=kept.conversation or made.conversation,
        external_id=ident,
        aliases=kept.aliases,
        own_id=False,
    )


def _unpacked(text: str) -> tuple[str, Role | None]:
    """A user's message as they wrote it, and who said it; nobody what only keeps time."""
    if not text.lstrip().startswith("{"):
        return text, "user"
    try:
        told = as_object(json.loads(text))
    except (ValueError, RecursionError):
        return text, "user"
    kind, message = as_text(told.get("type")), as_text(told.get("message"))
    if kind in _NOISE:
        return "", None
    if kind == "system_alert" and message:
        return message, "system"
    return (message, "user") if kind == "user_message" and message else (text, "user")


def _calls(told: dict[str, Any]) -> Iterator[tuple[str, _Call]]:
    found = objects(told.get("tool_calls"))
    for call in found:
        function = as_object(call.get("function")) or call
        arguments = _arguments(function.get("arguments"))
        yield as_text(call.get("id")), _Call(as_text(function.get("name")), arguments, EPOCH)
    if found:
        return
    for part in objects(told.get("content")):
        if part.get("type") in ("tool_call", "tool_use"):
            call = _Call(as_text(part.get("name")), _arguments(part.get("input")), EPOCH)
            yield as_text(part.get("id")), call


def _arguments(told: Any) -> Any:
    if isinstance(told, str):
        try:
            return json.loads(told)
        except (ValueError, RecursionError):
            return {"arguments": told}
    return as_object(told)


def _returns(told: dict[str, Any], text: str) -> Iterator[tuple[str, str]]:
    """What tools gave back: the id of the call, and the answer without its wrapping."""
    call_id, found = as_text(told.get("tool_call_id")), objects(told.get("tool_returns"))
    parts = [each for each in objects(told.get("content")) if each.get("type") == "tool_return"]
    if len(found) > 1 or (found and not text):
        for each in found:
            own_id = as_text(each.get("tool_call_id")) or (call_id if len(found) == 1 else "")
            yield own_id, _answer(each.get("func_response"))
    elif parts and not text:
        for each in parts:
            yield as_text(each.get("tool_call_id")), _answer(each.get("content"))
    else:
        yield call_id or (as_text(found[0].get("tool_call_id")) if found else ""), _answer(text)


def _answer(told: Any) -> str:
    """What a tool answered, out of the status and time that Letta packs it with."""
    if not isinstance(told, str):
        return "\n".join(as_text(part.get("text")) for part in objects(told))
    try:
        packed = as_object(json.loads(told))
    except (ValueError, RecursionError):
        return told
    if "status" not in packed or "message" not in packed:
        return told
    message = packed["message"]
    # An object reads as Letta's own server tells it, or it would be another message from there.
    return message if isinstance(message, str) else str(message)
