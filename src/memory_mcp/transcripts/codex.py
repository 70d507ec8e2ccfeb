"""Codex's sessions: `~/.codex/sessions/Y/M/D/rollout-….jsonl` (seen in 0.171.0).

The first `session_meta` of a file is its session's own. A fork's file goes on with its parent's and
a copy of all that was said there, with the fork's time on every line; so it is with a fork of a
fork. In the newest files a fork only names how much of its parent it begins with. A subagent has a
file of its own, with the parent's session id in it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from memory_mcp.domain.host_events import HostEvent, HostEventKind, copy_key, digest
from memory_mcp.domain.json_values import (
    as_list,
    as_object,
    as_text,
    moment_of,
    name_of,
    told_of,
    unpacked,
)
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.transcripts.transcript import (
    MEDIA,
    SUBAGENTS,
    THOUGHTS,
    LeftOut,
    Transcript,
    parts_of,
)

COPY_SECONDS = 1.0
"""A copied history is written at once: after a pause as long as that the fork's own words come."""

_STATE = "settings and state of the session"
_SUMMARIES = "summaries that Codex asked for, and what they keep"
_SEARCHES = "searches for tools"
_AGENTS = "messages between agents"
_TWINS = "notices of what stands in the file as a message or a tool's use, too"
_CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
_OUTPUTS = {
    "function_call_output",
    "custom_tool_call_output",
    "local_shell_call_output",
    "mcp_tool_call_output",
}
_LINES = {
    "compacted": _SUMMARIES,
    "dynamic_tools_updated": _STATE,
    "id_allocation": _STATE,
    "inter_agent_communication": _AGENTS,
    "inter_agent_communication_metadata": _AGENTS,
    "security_risk_score": _STATE,
    "state": _STATE,
    "token_usage_record": "counts of tokens",
    "turn_context": _STATE,
    "world_state": _STATE,
}
_ITEMS = {
    "additional_tools": _STATE,
    "agent_message": _AGENTS,
    "compaction": _SUMMARIES,
    "compaction_summary": _SUMMARIES,
    "compaction_trigger": _SUMMARIES,
    "configuration_update": _STATE,
    "context_compaction": _SUMMARIES,
    "ghost_snapshot": "snapshots of files",
    "image_generation_call": MEDIA,
    "other": _STATE,
    "reasoning": THOUGHTS,
    "tool_search_call": _SEARCHES,
    "tool_search_output": _SEARCHES,
}
# What Codex tells its user interfaces. All of it is about items that stand in the file, too, but
# for words in files that were written without items.
_EVENTS = frozenset(
    (
        "agent_message agent_message_content_delta agent_message_delta agent_reasoning "
        "agent_reasoning_delta agent_reasoning_raw_content agent_reasoning_raw_content_delta "
        "agent_reasoning_section_break apply_patch_approval_request auth_recovery_completed "
        "auth_recovery_started background_event collab_agent_interaction_begin "
        "collab_agent_interaction_end collab_agent_spawn_begin collab_agent_spawn_end "
        "collab_close_begin collab_close_end collab_resume_begin collab_resume_end "
        "collab_waiting_begin collab_waiting_end context_compacted conversation_path "
        "deprecation_notice dynamic_tool_call_request dynamic_tool_call_response "
        "elicitation_abandoned elicitation_request entered_review_mode environment_connected "
        "environment_disconnected error exec_approval_request exec_command_begin "
        "exec_command_end exec_command_output_delta exited_review_mode "
        "get_history_entry_response guardian_assessment guardian_warning hook_completed "
        "hook_started image_generation_begin image_generation_end item_completed item_started "
        "list_custom_prompts_response list_skills_response mcp_list_tools_response "
        "mcp_startup_complete mcp_startup_update mcp_tool_call_begin mcp_tool_call_end "
        "model_reroute model_verification patch_apply_begin patch_apply_end "
        "patch_apply_updated plan_delta plan_update raw_response_item "
        "reasoning_content_delta reasoning_raw_content_delta request_permissions "
        "request_user_input safety_buffering session_configured shutdown_complete "
        "skills_update_available stream_error sub_agent_activity task_complete task_started "
        "terminal_interaction thread_goal_updated thread_name_updated thread_queue_changed "
        "thread_rolled_back thread_settings_applied token_count turn_aborted turn_diff "
        "turn_moderation_metadata undo_completed undo_started user_message "
        "view_image_tool_call warning web_search_begin web_search_end"
    ).split()
)
_TOLD: dict[str, HostEventKind] = {"user_message": "prompt", "agent_message": "answer"}
_TEXTS = {"input_text", "output_text", "text", "refusal"}
_MEDIA = {"input_image": "image", "input_audio": "audio", "input_file": "file"}
# What stands round an image that a person attached by its path.
_IMAGE_TAG = re.compile(r"\A\s*(?:<image(?:\s[^<>]*)?>|</image>)\s*\Z")
# What a shell's answer begins with, for the model alone.
_SHELL_HEAD = re.compile(
    r"\A(?:(?:Chunk ID|Wall time|Process exited with code|Original token count|Exit code"
    r"|Total output lines)\b[^\n]*\n)+(?:Output:\n)?"
)


@dataclass(frozen=True, slots=True)
class _Origin:
    """The session that the lines of a fork's file are copies from."""

    session: str
    folder: str | None
    began: datetime | None


@dataclass(slots=True)
class History:
    """What a session's file told, for the forks that hold copies of it."""

    times: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """How often the same was said."""
    said: dict[tuple[tuple[str, str], datetime], list[HostEvent]] = field(
        default_factory=dict[tuple[tuple[str, str], datetime], list[HostEvent]]
    )
    """What was said at a moment, without its words."""

    def add(self, said: tuple[str, str], event: HostEvent) -> None:
        """One message more."""
        self.times[said] += 1
        if event.at is not None:
            self.said.setdefault((said, event.at), []).append(replace(event, text=""))


class CodexTranscript(Transcript):
    """A session's file, as far as it was read."""

    def __init__(
        self, session: str, left_out: LeftOut, not_understood: LeftOut | None = None
    ) -> None:
        super().__init__(session, left_out, not_understood)
        self._at: datetime | None = None
        self._root = session
        """The session that the oldest lines come from: a fork of a fork has all their heads."""
        self.histories: dict[str, History] = {}
        """By session: of those that forks were made from, what was told so far."""
        self._inherited: History | None = None
        """What the session held that this one was forked from, where its file was read."""
        self._has_heads = False
        """Whether the heads of the sessions that were forked stand in the file."""
        self._holds_copies = False
        self._copies = Counter[tuple[tuple[str, str], datetime]]()
        self._told = Counter[tuple[str, str]]()
        self._named = False
        self._of_subagent = False
        self._began: datetime | None = None
        self._origin: _Origin | None = None
        self._times = Counter[tuple[str, str]]()
        """How often the same was said so far, in the whole history."""
        self._items_said: dict[tuple[str, str], list[list[tuple[str, str]]]] = {}
        """What items said, and for each of them what its parts said."""
        self._notices: list[tuple[tuple[str, str], HostEvent]] = []
        """Words that the host told its interfaces, and that no item holds so far."""

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind = as_text(record.get("type"))
        # Until the autumn of 2025 items stood in the file bare, and the first line was the session.
        bare = "payload" not in record
        item = record if bare else as_object(record.get("payload"))
        at = moment_of(record.get("timestamp"))
        self._end_of_copies(kind, item, at)
        self._begin_of_copies(at)
        self._at = at or self._at
        if kind == "session_meta" or (bare and not kind and _is_head(item)):
            self._begin(item)
        elif bare and not kind and "record_type" in item:
            self._left_out[_STATE] += 1
        elif kind in _LINES and (not bare or kind == "compacted"):
            self._left_out[_LINES[kind]] += 1
        elif kind == "event_msg":
            yield from self._notice(item, self._at)
        elif not bare and kind != "response_item":
            self._unknown("lines", record.get("type"))
        elif self._of_subagent:
            self._left_out[SUBAGENTS] += 1
        elif as_object(record.get("metadata")).get("compaction_output") is True:
            self._left_out[_SUMMARIES] += 1
        else:
            yield from self._item(item, self._at)

    def finish(self) -> Iterator[HostEvent]:
        """Words of which the file holds no item: some programs write none."""
        yield from super().finish()
        # A notice tells the whole item or one of its parts.
        unsaid: list[tuple[tuple[str, str], HostEvent]] = []
        for said, event in self._notices:
            if items := self._items_said.get(said):
                items.pop()
                self._left_out[_TWINS] += 1
            else:
                unsaid.append((said, event))
        parts = Counter(
            part for items in self._items_said.values() for item in items for part in item
        )
        for said, event in unsaid:
            if parts[said] > 0:
                parts[said] -= 1
                self._left_out[_TWINS] += 1
            else:
                yield event

    def _begin(self, meta: dict[str, Any]) -> None:
        session = as_text(meta.get("id")) or as_text(meta.get("session_id"))
        folder = as_text(meta.get("cwd")) or None
        began = moment_of(meta.get("timestamp")) or self._at
        if self._named:
            if session in ("", self.session):  # the end of a copied history, or a resumption
                self._left_out["heads of the session that were written again"] += 1
                self._origin = None
                return
            self._left_out["heads of the session that this one was forked from"] += 1
            self._has_heads = True
            self._root = session
            self._origin = _Origin(session, folder, began)
            return
        self._named = True
        self.session = self._root = session or self.session
        self.folder = folder
        self._began = began
        self._at = self._at or began
        self.parent = as_text(meta.get("forked_from_id")) or None
        self._inherited = self.histories.get(self.parent or "")
        source = meta.get("source")
        self._of_subagent = meta.get("thread_source") == "subagent" or (
            isinstance(source, dict) and "subagent" in source
        )

    def _end_of_copies(self, kind: str, item: dict[str, Any], at: datetime | None) -> None:
        """Know the first line that is the fork's own.

        Its turn began when the fork did or later, which the turn's id tells; else it comes after a
        pause.
        """
        if self._origin is None or self._began is None:
            return
        turn = _moment_in(as_text(item.get("turn_id")))
        if kind in ("turn_context", "event_msg") and turn is not None:
            if turn >= self._began - timedelta(seconds=COPY_SECONDS):
                self._origin = None
        elif at is not None and self._at is not None and kind != "session_meta":
            is_older = at < self._began - timedelta(seconds=COPY_SECONDS)
            if not is_older and (at - self._at).total_seconds() >= COPY_SECONDS:
                self._origin = None

    def _begin_of_copies(self, at: datetime | None) -> None:
        """Know the copied lines of a fork without its parent's head: they are older than it is."""
        if self.parent is None or self._has_heads:
            return
        is_copy = self._is_older(at)
        self._origin = _Origin(self.parent, None, None) if is_copy else None
        self._root = self.parent if is_copy else self.session

    def _notice(self, item: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        kind = as_text(item.get("type"))
        if kind == "turn_aborted":
            self._calls.given_up()
        told = _TOLD.get(kind)
        words = as_text(item.get("message")) if told else ""
        words = said_by_user(words) if told == "prompt" else said_by_model(words)
        if kind not in _EVENTS:
            self._unknown("events", item.get("type"))
        elif self._of_subagent:
            self._left_out[SUBAGENTS] += 1
        elif told is None or not words:
            self._left_out[_TWINS if told or kind == "item_completed" else _NOTICES] += 1
        elif self.whole:
            event = HostEvent(kind=told, session=self.session, text=words, at=at, stamped=True)
            self._notices.append((_said(told, words), self._identified(event, "")))
        yield from ()

    def _item(self, item: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        kind = as_text(item.get("type"))
        if kind == "message":
            yield from self._message(item, at)
        elif kind in _CALLS:
            asked = item.get("arguments", item.get("input", item.get("action")))
            name = name_of(item.get("name")) or "shell"
            if space := as_text(item.get("namespace")):
                name = f"{space}__{name}"
            self._calls.called(_call_of(item), name, asked)
        elif kind in _OUTPUTS:
            answer = self._output(item.get("output", item.get("result")))
            for event in self._calls.answered(_call_of(item), answer, self.session, at=at):
                yield self._placed(event)
        elif kind == "web_search_call":
            yield from self._search(item, at)
        elif kind in _ITEMS:
            self._left_out[_ITEMS[kind]] += 1
        else:
            self._unknown("items", item.get("type"))

    def _search(self, item: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        """A search on the web, which the provider ran: its answer goes to the model alone."""
        action = as_object(item.get("action"))
        asked = {name: value for name, value in action.items() if name != "type" and value}
        call = as_text(item.get("id")) or self._occurrences.key(
            self._root, "tool", told_of(asked), at
        )
        self._calls.called(call, "web_search", asked)
        for event in self._calls.answered(call, "", self.session, at=at):
            yield self._placed(event)

    def _message(self, item: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        role = as_text(item.get("role"))
        if role not in ("user", "assistant"):
            if role in ("system", "developer"):
                self._left_out["instructions to the model"] += 1
            else:
                self._unknown("messages of a role", item.get("role"))
            return
        texts = self._texts(item.get("content"), role)
        text = "\n".join(texts)
        said = said_by_user if role == "user" else said_by_model
        words = said(text)
        if not words:
            if text.strip():
                self._left_out["context that Codex added"] += 1
            return
        if role == "user":
            self._calls.given_up()
        kind: HostEventKind = "prompt" if role == "user" else "answer"
        if self.whole:
            parts = [found for each in texts if len(texts) > 1 and (found := said(each))]
            self._items_said.setdefault(_said(kind, words), []).append(
                [_said(kind, part) for part in parts]
            )
        yield self._event(kind, words, as_text(item.get("id")), at)

    def _texts(self, content: Any, role: str) -> list[str]:
        """The texts of a message; what stands for one that is nothing but images."""
        texts: list[str] = []
        shown: list[str] = []
        parts = parts_of(content)
        if not parts:
            self._left_out["empty messages"] += 1
        for part in parts:
            told = as_object(part)
            kind = as_text(told.get("type"))
            if kind in _TEXTS:
                text = as_text(told.get("text")) or as_text(told.get("refusal"))
                if not _IMAGE_TAG.match(text):
                    texts.append(text)
            elif kind in _MEDIA:
                self._left_out[MEDIA] += 1
                shown.append(f"[{_MEDIA[kind]}]")
            else:
                self._unknown("parts", told.get("type"))
        if role == "user" and not any(text.strip() for text in texts):
            return shown
        return [text for text in texts if text]

    def _event(self, kind: HostEventKind, words: str, ident: str, at: datetime | None) -> HostEvent:
        said = _said(kind, words)
        self._told[said] += 1
        event = HostEvent(kind=kind, session=self.session, text=words, at=at, stamped=True)
        event = self._copied(said, event) or self._own(said, event, ident)
        if history := self.histories.get(self.session):
            history.add(said, event)
        return event

    def _copied(self, said: tuple[str, str], event: HostEvent) -> HostEvent | None:
        """What the forked session said in these words at that moment; `None` for nothing."""
        if self._inherited is None or event.at is None:
            return None
        there = self._inherited.said.get((said, event.at), [])
        times = self._copies[said, event.at]
        if times >= len(there):
            return None
        self._copies[said, event.at] += 1
        return replace(there[times], text=event.text)

    def _own(self, said: tuple[str, str], event: HostEvent, ident: str) -> HostEvent:
        if self._inherited and self._has_heads:
            if self._told[said] <= self._inherited.times[said]:
                self._holds_copies = True
            elif self._holds_copies:
                self._origin = None  # it was not said there: the fork's own words have begun
        return self._identified(event, ident)

    def _identified(self, event: HostEvent, ident: str) -> HostEvent:
        """The event with what it is known by: the host's id, or its words and their moment."""
        kind, words, at = event.kind, event.text, event.at
        if ident:
            return self._placed(replace(event, key=ident))
        self._times[kind, words] += 1
        copy = copy_key(self._root, kind, words, self._times[kind, words])
        if self._origin is not None and not self._is_older(at):
            return self._placed(replace(event, copy=copy, at=self._origin.began or at))
        key = self._occurrences.key(self._root, kind, words, at)
        return self._placed(replace(event, key=key, copy=copy))

    def _is_older(self, at: datetime | None) -> bool:
        """Whether a copied line kept the time at which it was written first."""
        if at is None or self._began is None:
            return False
        return at < self._began - timedelta(seconds=COPY_SECONDS)

    def _placed(self, event: HostEvent) -> HostEvent:
        """The event where it was said: a copy in the session that it is copied from."""
        if self._origin is None:
            return replace(event, folder=self.folder)
        return replace(event, session=self._origin.session, folder=self._origin.folder)

    def _output(self, output: Any) -> str:
        told: Any = output
        if isinstance(told, str) and told.startswith(("{", "[")):
            inside = unpacked(told)
            told = inside if as_object(inside) or _are_parts(inside) else told
        whole = as_object(told)
        inner = whole.get("content", whole.get("output"))
        told = told if inner is None else inner
        if isinstance(told, str):
            text = told
        else:
            text = self._answer(told) if _are_parts(told) else ""
        return _SHELL_HEAD.sub("", text or told_of(whole or None))


_NOTICES = "notices of Codex about the session"


def _is_head(item: dict[str, Any]) -> bool:
    return "instructions" in item or {"id", "timestamp"} <= item.keys()


def _call_of(item: dict[str, Any]) -> str:
    return as_text(item.get("call_id")) or as_text(item.get("id"))


def _said(kind: str, words: str) -> tuple[str, str]:
    """Who said what: white space does not count, as parts are joined with and without any."""
    return kind, digest("".join(words.split()))


def _are_parts(told: Any) -> bool:
    parts = as_list(told)
    return bool(parts) and all(isinstance(as_object(part).get("type"), str) for part in parts)


def _moment_in(ident: str) -> datetime | None:
    """When an id was made that tells it (UUID of version 7)."""
    try:
        made = UUID(ident)
    except ValueError:
        return None
    return moment_of((made.int >> 80) / 1000) if made.version == 7 else None
