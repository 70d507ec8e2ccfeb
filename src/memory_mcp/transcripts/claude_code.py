"""Claude Code's transcripts: `~/.claude/projects/FOLDER/SESSION.jsonl` (seen in 2.1.332).

Each line says of which session it is: a file may hold lines of several, as a session that is
resumed under a new id goes on in a file with the old one's lines. A branch names on each copied
line the session it was said in. A fork copies the lines of its parent with their `uuid`s and times,
but under its own session and with one `promptId` on all of them. What is typed while the model
works stands only in an attachment, the reason of a refusal only in the refused tool's answer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import as_object, as_text, moment_of, name_of, objects, text_in
from memory_mcp.domain.machine_texts import said_by_model, said_by_user, said_in_refusal
from memory_mcp.transcripts.transcript import (
    MEDIA,
    SUBAGENTS,
    THOUGHTS,
    LeftOut,
    Transcript,
    parts_of,
)

_BY_HOST = "messages that Claude Code wrote itself"
_OTHERS = "messages that others than the user sent (agents, channels, notices)"
_CONTEXT = "context that Claude Code added"
_MADE_UP = "<synthetic>"
"""The model of answers that Claude Code wrote itself."""
_MARKS = frozenset({"isMeta", "isCompactSummary", "isVisibleInTranscriptOnly", "isApiErrorMessage"})

_TITLES = "titles, names and links of the session"
_STATE = "settings and state of the session"
_COSTS = "requests to the model and their cost"
_FILES = "snapshots of files"
# Every type of line besides those of messages that Claude Code writes, and what it is.
_LINES = {
    "agent-color": _TITLES,
    "agent-name": _TITLES,
    "agent-setting": _STATE,
    "ai-title": _TITLES,
    "api-request": _COSTS,
    "api-request-blob": _COSTS,
    "api-request-resumed": _COSTS,
    "api-request-shape": _COSTS,
    "artifact-autoreact-ledger": _STATE,
    "artifact-comment-monitor": _STATE,
    "atis-latch": _STATE,
    "attribution-snapshot": _FILES,
    "bridge-session": _STATE,
    "content-replacement": _STATE,
    "context-collapse-commit": _STATE,
    "context-collapse-snapshot": _STATE,
    "continued-in": _TITLES,
    "cost-state": _COSTS,
    "custom-title": _TITLES,
    "data-flow-incomplete": _STATE,
    "data-flow-records": _STATE,
    "derived-from": _TITLES,
    "dev-mods": _STATE,
    "ended-by-model": _STATE,
    "file-history-delta": _FILES,
    "file-history-snapshot": _FILES,
    "fork-context-ref": _STATE,
    "frame-link": _TITLES,
    "history-suppression": _STATE,
    "host-row": _STATE,
    "hybrid-organization": _STATE,
    "isolation-latch": _STATE,
    "last-prompt": _TITLES,
    "marble-origami-commit": _STATE,
    "marble-origami-snapshot": _STATE,
    "memory-mode": _STATE,
    "mode": _STATE,
    "observer-ref": _STATE,
    "permission-mode": _STATE,
    "pr-link": _TITLES,
    "progress": "progress of tools and subagents",
    "queue-operation": "comings and goings of the queue (what was sent stands where it came)",
    "relocated": _STATE,
    "repl-mode": _STATE,
    "resume-head-vouch": _STATE,
    "saved_hook_context": _CONTEXT,
    "session-owner": _STATE,
    "speculation-accept": _STATE,
    "summary": _TITLES,
    "tag": _TITLES,
    "task-summary": _TITLES,
    "tools-used": _STATE,
    "worktree-state": _STATE,
}
# Attachments: what goes to the model besides the user's words.
_ATTACHMENTS = frozenset(
    (
        "account_memory_recall advisor_stripped advisor_tool agent_ask_notice agent_listing_delta "
        "agent_mention agent_pending_messages already_read_file artifact_opening_prefetch "
        "async_hook_response async_hook_response_batch at_mention_reference attention_budget "
        "auto_mode auto_mode_exit batching_reminder batching_reminder_sent budget_usd "
        "claude_app_notice command_permissions companion_intro compact_file_reference "
        "compaction_reminder context_efficiency context_sections coordinator_context "
        "cowork_memory_context credential_org critical_system_reminder current_session_memory date "
        "date_change deferred_tools_delta deferred_tools_record diagnostics directory "
        "dynamic_skill edited_image_file edited_text_file elapsed_time_reminder environment file "
        "first_week fork_briefing goal_status hook_additional_context hook_blocking_error "
        "hook_cancelled hook_deferred_tool hook_error_during_execution hook_non_blocking_error "
        "hook_permission_decision hook_stopped_continuation hook_success hook_system_message "
        "instructions invoked_skills language linked_plugin_tools_note max_turns_reached "
        "mcp_dropped_tools_delta mcp_instructions_delta mcp_resource memory_update "
        "message_pdf_reads model nested_memory new_diagnostics new_directory new_file notebook "
        "opened_file_in_ide output_limit_note output_style output_style_instructions "
        "output_token_usage pdf_reference plan_file_reference plan_mode plan_mode_exit "
        "plan_mode_reentry plugin_note poll_events prefix_delta proactivity "
        "progress_reminder_sent project_doc_reads projects_thread_ask prompt_as_file "
        "prompt_render_point prompt_snapshot queued_command relevant_memories "
        "remote_session_change repl_mcp_needs_auth repl_mcp_servers sandbox_instructions "
        "secondary_reminder secondary_reminder_sent selected_lines_in_diff selected_lines_in_ide "
        "session_context session_cron_carry silent_turn_reminder skill_discovery skill_listing "
        "structured_output system_prompt_change task_reminder task_status team_context "
        "teammate_mailbox teammate_shutdown_batch thinking_drop thinking_stripped thread_state "
        "todo todo_reminder token_usage tool_host_result_lines tool_hosts_correction "
        "tool_hosts_notice tool_offer_record tool_results_cut tool_search_usage_reminder "
        "total_tokens_reminder ultra_effort_enter ultra_effort_exit ultramemory ultrathink_effort "
        "verify_plan_reminder whole_texts_withdrawn withheld_memory workflow_keyword_request "
        "workflow_size_guideline_change"
    ).split()
)
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_FOR_MODEL = frozenset(
    {"browser_state", "compaction", "connector_text", "fallback", "mcp_tool_listing"}
    | {"mid_conv_system", "search_result", "tool_reference"}
)


class ClaudeCodeTranscript(Transcript):
    """A session's file, as far as it was read."""

    def __init__(
        self, session: str, left_out: LeftOut, not_understood: LeftOut | None = None
    ) -> None:
        super().__init__(session, left_out, not_understood)
        self._folders: dict[str, str] = {}
        """Where each session was held first, as far as its lines say it."""
        self._to_come: dict[str, list[str]] = {}
        """By the model's id of a message that stands in several lines: what they say."""
        self._said_as: dict[str, list[str]] = {}
        """The same of what was said so far."""
        self._latest: tuple[str, list[str]] = ("", [])
        """The latest message of those that stand in one line as far as is known."""

    def look_ahead(self, records: Iterable[dict[str, Any]]) -> None:
        """Go through the lines of messages that stand in several, before the file is read.

        A message is written as it comes, and again when its session is resumed, under other
        `uuid`s: what a later line goes on with is said there.
        """
        for record in records:
            if record.get("isSidechain") is not True and (ident := _message_of(record)):
                self._to_come.setdefault(ident, []).append(_answer_in(record))

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind = as_text(record.get("type"))
        self._of_session(record)
        attached = as_object(record.get("attachment"))
        attachment = as_text(attached.get("type"))
        if kind in _LINES:
            self._left_out[_LINES[kind]] += 1
        elif kind not in ("user", "assistant", "attachment", "system"):
            self._unknown("lines", record.get("type"))
        elif kind == "attachment" and attachment != "queued_command":
            if attachment in _ATTACHMENTS:
                self._left_out[_CONTEXT] += 1
            else:
                self._unknown("attachments", attached.get("type"))
        elif record.get("isSidechain") is True:
            self._left_out[SUBAGENTS] += 1
        elif kind == "attachment":
            yield from self._queued(record, attached)
        elif kind == "system":
            yield from self._noted(record)
        elif self._by_host(record):
            self._left_out[_BY_HOST] += 1
        else:
            yield from self._said(record, kind)

    def _of_session(self, record: dict[str, Any]) -> None:
        copied_from = as_text(as_object(record.get("forkedFrom")).get("sessionId"))
        self.session = copied_from or as_text(record.get("sessionId")) or self.session
        if folder := as_text(record.get("cwd")):
            self._folders.setdefault(self.session, folder)
            self.folder = self.folder or folder

    def _by_host(self, record: dict[str, Any]) -> bool:
        message = as_object(record.get("message"))
        return (
            (not _MARKS.isdisjoint(record) and any(record.get(mark) is True for mark in _MARKS))
            or record.get("rowSource") == "harness"
            or message.get("model") == _MADE_UP
        )

    def _queued(self, record: dict[str, Any], queued: dict[str, Any]) -> Iterator[HostEvent]:
        if not (_is_by_person(record) and _is_by_person(queued)):
            self._left_out[_OTHERS] += 1
            return
        parts = parts_of(queued.get("prompt"))
        text = said_by_user(text_in(parts)) or self._shown(parts)
        if not text or as_text(queued.get("commandMode")) not in ("prompt", ""):
            self._left_out[_BY_HOST] += 1
            return
        # The line that follows where it is delivered as a message has the id of the queued one.
        key = as_text(queued.get("source_uuid")) or as_text(record.get("uuid"))
        at = moment_of(record.get("timestamp")) or moment_of(queued.get("timestamp"))
        yield self._event("prompt", text, key, at)

    def _noted(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """Of what the host notes, the words that a person typed behind a command."""
        words = ""
        if record.get("subtype") == "local_command":
            words = said_by_user(as_text(record.get("content")))
        if words:
            at = moment_of(record.get("timestamp"))
            yield self._event("prompt", words, as_text(record.get("uuid")), at)
        else:
            self._left_out["notes of Claude Code about the session"] += 1

    def _said(self, record: dict[str, Any], kind: str) -> Iterator[HostEvent]:
        at = moment_of(record.get("timestamp"))
        content = as_object(record.get("message")).get("content")
        parts = parts_of(content)
        if not parts:
            if content is None or isinstance(content, int | float):
                self._not_understood["messages without a content"] += 1
            else:
                self._left_out["empty messages"] += 1
        texts: list[str] = []
        for part in parts:
            told = as_object(part)
            what = as_text(told.get("type"))
            if what == "text":
                texts.append(as_text(told.get("text")))
            elif what in _CALLS:
                name = name_of(told.get("name")) or "tool"
                self._calls.called(as_text(told.get("id")), name, told.get("input"))
            elif what.endswith("tool_result"):
                yield from self._answered(told, at)
            elif what in ("thinking", "redacted_thinking"):
                self._left_out[THOUGHTS] += 1
            elif what in ("image", "document", "container_upload"):
                self._left_out[MEDIA] += 1
            elif what in _FOR_MODEL:
                self._left_out[_CONTEXT] += 1
            else:
                self._unknown("parts", told.get("type"))
        if kind == "user" and not _is_by_person(record):
            self._left_out[_OTHERS] += bool(texts)
            return
        said = said_by_user if kind == "user" else said_by_model
        words = "\n".join(found for text in texts if (found := said(text)))
        if kind == "user" and not any(text.strip() for text in texts):
            words = self._shown(parts)
        if words and kind == "user":
            self._calls.given_up()
        if words and kind == "assistant" and self._is_version(_message_of(record), words):
            self._left_out["other versions of messages"] += 1
        elif words:
            line = as_text(record.get("uuid"))
            yield self._event("prompt" if kind == "user" else "answer", words, line, at)
        elif any(text.strip() for text in texts):
            self._left_out["commands and messages that Claude Code wrote itself"] += 1

    def _is_version(self, ident: str, words: str) -> bool:
        """Whether another line of the same message says these words, or more."""
        if not ident:
            return False
        if ident in self._to_come:
            before = self._said_as.setdefault(ident, [])
        else:
            if self._latest[0] != ident:
                self._latest = (ident, [])
            before = self._latest[1]
        if any(each.startswith(words) for each in before):
            return True
        to_come = self._to_come.get(ident, [])
        if any(len(each) > len(words) and each.startswith(words) for each in to_come):
            return True
        before.append(words)
        return False

    def _answered(self, part: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        call = as_text(part.get("tool_use_id"))
        answer = self._answer([_as_text_part(each) for each in parts_of(part.get("content"))])
        for event in self._calls.answered(call, answer, self.session, at=at):
            yield self._placed(event)
        if reason := said_in_refusal(answer) if part.get("is_error") else "":
            key = f"{call}:refusal" if call else ""
            yield self._event("prompt", reason, key, at)

    def _shown(self, parts: list[dict[str, Any]]) -> str:
        """What stands for a message that is nothing but images and documents."""
        return "\n".join(
            f"[{name_of(part.get('title')) or part['type']}]"
            for part in objects(parts)
            if part.get("type") in ("image", "document")
        )

    def _event(self, kind: HostEventKind, text: str, key: str, at: datetime | None) -> HostEvent:
        key = key or self._occurrences.key(self.session, kind, text, at)
        event = HostEvent(kind=kind, session=self.session, text=text, key=key, at=at, stamped=True)
        return self._placed(event)

    def _placed(self, event: HostEvent) -> HostEvent:
        folder = self._folders.get(self.session)
        return replace(event, folder=folder) if folder else event


def _message_of(record: dict[str, Any]) -> str:
    """What tells the message that a line of an answer holds a part of; empty for none."""
    ident = as_text(as_object(record.get("message")).get("id"))
    return f"{ident} {as_text(record.get('requestId'))}" if ident else ""


def _answer_in(record: dict[str, Any]) -> str:
    """What the model says in a line."""
    texts = [
        as_text(part.get("text"))
        for part in objects(parts_of(as_object(record.get("message")).get("content")))
        if part.get("type") == "text"
    ]
    return "\n".join(found for text in texts if (found := said_by_model(text)))


def _is_by_person(record: dict[str, Any]) -> bool:
    """Whether a prompt came from a person, as far as the host says where it came from."""
    return as_text(as_object(record.get("origin")).get("kind")) in ("", "human")


def _as_text_part(part: Any) -> dict[str, Any]:
    """A part of an answer as a text: a hit of a search on the web is its title and address."""
    told = as_object(part)
    if isinstance(told.get("text"), str):
        return told
    if address := as_text(told.get("url")):
        return {"type": "text", "text": f"{as_text(told.get('title'))} {address}".strip()}
    for name in ("tool_name", "stdout", "error_code", "title"):
        if isinstance(told.get(name), str):
            return {"type": "text", "text": told[name]}
    if inner := parts_of(told.get("content")) or parts_of(told.get("tool_references")):
        return {"type": "text", "text": text_in([_as_text_part(each) for each in inner])}
    return told
