"""Copilot's events: `~/.copilot/session-state/SESSION/events.jsonl` (seen in CLI 1.0.102).

VS Code's agent writes the same kinds of lines. Versions of 2025 wrote a chat as one object, in
`~/.copilot/history-session-state`: messages without ids and times.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import (
    as_object,
    as_text,
    moment_of,
    name_of,
    objects,
    text_in,
    told_of,
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

_NAMES = {
    MEDIA: "session.binary_asset",
    THOUGHTS: "assistant.reasoning assistant.reasoning_delta",
    SUBAGENTS: (
        "subagent.completed subagent.configured subagent.deselected subagent.failed "
        "subagent.selected subagent.started"
    ),
    "context that Copilot added": "skill.invoked system.message system.notification",
    "counts of tokens and cost": (
        "assistant.usage session.usage_checkpoint session.usage_info session.usage_record"
    ),
    "progress of turns, tools and hooks": (
        "abort assistant.fusion_phase_completed assistant.fusion_phase_failed "
        "assistant.fusion_phase_started assistant.idle assistant.intent assistant.message_delta "
        "assistant.message_start assistant.server_tool_progress assistant.streaming_delta "
        "assistant.tool_call_delta assistant.turn_end assistant.turn_start command.completed "
        "command.execute command.queued external_tool.completed external_tool.requested "
        "factory.run_settled factory.run_started factory.run_updated hook.end hook.progress "
        "hook.start mcp_app.tool_call_complete model.call_failure model.call_finished "
        "pending_messages.modified session.fusion_completed session.fusion_resolved "
        "session.fusion_route_failed session.fusion_route_started tool.execution_partial_result "
        "tool.execution_progress tool.user_requested tool_search.activated"
    ),
    "questions to the user (the answers stand as uses of tools)": (
        "auto_mode_switch.completed auto_mode_switch.requested elicitation.completed "
        "elicitation.requested exit_plan_mode.completed exit_plan_mode.requested "
        "permission.completed permission.requested sampling.completed sampling.requested "
        "session_limits_exhausted.completed session_limits_exhausted.requested "
        "user_input.completed user_input.requested"
    ),
    "settings and state of the session": (
        "capabilities.changed commands.changed mcp.headers_refresh_completed "
        "mcp.headers_refresh_required mcp.oauth_completed mcp.oauth_required "
        "mcp.prompts.list_changed mcp.resources.list_changed mcp.tools.list_changed "
        "session.auto_mode_resolved session.autopilot_objective_changed "
        "session.background_tasks_changed session.canvas.closed session.canvas.opened "
        "session.canvas.recorded session.canvas.registry_changed session.canvas.removed "
        "session.canvas.unavailable session.context_changed session.context_cleared "
        "session.custom_agents_updated session.custom_notification session.error "
        "session.extensions.attachments_pushed session.extensions_loaded session.handoff "
        "session.idle session.import_legacy session.info session.managed_settings_enforced "
        "session.managed_settings_resolved session.mcp_server_status_changed "
        "session.mcp_servers_loaded session.mode_changed session.mode_notice_delivered "
        "session.model_change session.permissions_changed session.plan_changed "
        "session.remote_steerable_changed session.schedule_cancelled session.schedule_created "
        "session.schedule_rearmed session.session_limits_changed session.shutdown "
        "session.skills_loaded session.snapshot_rewind session.task_complete "
        "session.title_changed session.todos_changed session.tools_updated session.truncation "
        "session.warning session.workspace_file_changed ui.ephemeral_query"
    ),
    "summaries that Copilot asked for": "session.compaction_complete session.compaction_start",
}
_REASONS = {name: reason for reason, names in _NAMES.items() for name in names.split()}


class CopilotTranscript(Transcript):
    """A session's file, as far as it was read."""

    def __init__(
        self, session: str, left_out: LeftOut, not_understood: LeftOut | None = None
    ) -> None:
        super().__init__(session, left_out, not_understood)
        self._named = False
        self._at: datetime | None = None
        """When a chat without times began."""

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind, data = as_text(record.get("type")), as_object(record.get("data"))
        at = moment_of(record.get("timestamp"))
        if record.get("agentId") or data.get("parentToolCallId"):
            self._left_out[SUBAGENTS] += 1
            return
        if not kind and ("role" in record or "startTime" in record):
            yield from self._of_chat(record)
            return
        match kind:
            case "session.start" | "session.resume":
                self._begin(data)
            case "user.message" | "assistant.message":
                yield from self._message(record, data, kind, at)
            case "tool.execution_start":
                name = name_of(data.get("toolName")) or "tool"
                self._calls.called(as_text(data.get("toolCallId")), name, data.get("arguments"))
            case "tool.execution_complete":
                call = as_text(data.get("toolCallId"))
                result = as_object(data.get("result"))
                answer = self._answer(result.get("content")) or told_of(data.get("error"))
                yield from self._calls.answered(call, answer, self.session, at=at)
            case _:
                self._noted(kind, record, data)

    def _of_chat(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What the head or a message of a chat that is one object tells."""
        role, text = as_text(record.get("role")), text_in(parts_of(record.get("content")))
        if "startTime" in record:
            self._begin(record)
            self._at = moment_of(record.get("startTime"))
        elif role == "tool":
            call = as_text(record.get("tool_call_id"))
            yield from self._calls.answered(call, text, self.session, at=self._at)
        elif role not in ("user", "assistant"):
            if role in ("system", "developer"):
                self._left_out["instructions to the model"] += 1
            else:
                self._unknown("messages of a role", record.get("role"))
        else:
            kind: HostEventKind = "prompt" if role == "user" else "answer"
            words = said_by_user(text) if role == "user" else said_by_model(text)
            if words:
                key = self._occurrences.key(self.session, kind, words, None)
                yield HostEvent(
                    kind=kind, session=self.session, text=words, key=key, at=self._at, stamped=True
                )
            elif not record.get("tool_calls"):
                self._left_out["empty messages"] += 1
        for call in objects(record.get("tool_calls")):
            asked = as_object(call.get("function"))
            name = name_of(asked.get("name")) or "tool"
            self._calls.called(as_text(call.get("id")), name, asked.get("arguments"))

    def _begin(self, data: dict[str, Any]) -> None:
        # What a session is called is said at its start; a resumption elsewhere changes nothing.
        if not self._named and (session := as_text(data.get("sessionId"))):
            self.session, self._named = session, True
        context = as_object(data.get("context"))
        self.folder = self.folder or as_text(context.get("cwd")) or None

    def _noted(self, kind: str, record: dict[str, Any], data: dict[str, Any]) -> None:
        if kind == "session.compaction_complete":
            self.has_lost_context = data.get("success") is not False
        elif kind in ("session.shutdown", "session.error", "abort"):
            self._calls.given_up()
        if kind in _REASONS:
            self._left_out[_REASONS[kind]] += 1
        else:
            self._unknown("lines", record.get("type"))

    def _message(
        self, record: dict[str, Any], data: dict[str, Any], kind: str, at: datetime | None
    ) -> Iterator[HostEvent]:
        told: HostEventKind = "prompt" if kind == "user.message" else "answer"
        source = as_text(data.get("source"))
        text = text_in(data.get("content"))
        attached = objects(data.get("attachments"))
        if attached:
            self._left_out[MEDIA] += len(attached)
        if told == "prompt" and not text.strip():
            text = "\n".join(_shown(each) for each in attached)
        words = said_by_user(text) if told == "prompt" else said_by_model(text)
        if told == "prompt" and source not in ("", "user"):
            words = ""
        if not words:
            if text.strip():
                self._left_out["messages that Copilot wrote itself"] += 1
            elif not data.get("toolRequests"):
                self._left_out["empty messages"] += 1
            return
        key = as_text(data.get("messageId")) or as_text(record.get("id"))
        key = key or self._occurrences.key(self.session, told, words, at)
        yield HostEvent(kind=told, session=self.session, text=words, key=key, at=at, stamped=True)


def _shown(attached: dict[str, Any]) -> str:
    kind = as_text(attached.get("type"))
    name = name_of(attached.get("displayName")) or name_of(attached.get("title"))
    return f"[{name or ('image' if kind == 'blob' else kind or 'attachment')}]"
