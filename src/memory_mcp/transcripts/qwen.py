"""Qwen Code's chats: `~/.qwen/projects/FOLDER/chats/SESSION.jsonl` (seen in 0.24.4).

A fork's lines name the session they were copied from. Versions of 2025 wrote Gemini CLI's files.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, HostEventKind
from memory_mcp.domain.json_values import as_object, as_text, moment_of, name_of, told_of
from memory_mcp.domain.machine_texts import said_by_model, said_by_user
from memory_mcp.transcripts.transcript import MEDIA, SUBAGENTS, THOUGHTS, Transcript, parts_of

_BY_HOST = "messages that Qwen Code wrote itself"
_STATE = "settings and state of the session"
_NOTES = {
    "agent_bootstrap": SUBAGENTS,
    "agent_launch_prompt": SUBAGENTS,
    "agent_session_ready": SUBAGENTS,
    "at_command": "contents of files that were named with @",
    "attribution_snapshot": "snapshots of files",
    "background_task_completed": _STATE,
    "branch_checkpoint": _STATE,
    "chat_compression": "summaries that Qwen Code asked for, and what they keep",
    "custom_title": _STATE,
    "file_history_snapshot": "snapshots of files",
    "goal_state": _STATE,
    "goal_turn_end": _STATE,
    "notification": _BY_HOST,
    "omni_recall": "context that Qwen Code added",
    "parent_session": _STATE,
    "rewind": "places to which the chat was rewound",
    "session_artifact_event": _STATE,
    "session_artifact_snapshot": _STATE,
    "session_model": _STATE,
    "session_source": _STATE,
    "session_sources_snapshot": _STATE,
    "slash_command": "commands to Qwen Code itself",
    "turn_result": _STATE,
    "ui_telemetry": _STATE,
    "user_text_elements": _STATE,
}
_PART_NOTES = {"codeExecutionResult", "executableCode", "thoughtSignature", "videoMetadata"}


class QwenTranscript(Transcript):
    """A chat's file, as far as it was read."""

    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a line tells."""
        kind = as_text(record.get("type"))
        forked = as_text(as_object(record.get("forkedFrom")).get("sessionId"))
        self.session = forked or as_text(record.get("sessionId")) or self.session
        self.folder = self.folder or as_text(record.get("cwd")) or None
        self.parent = self.parent or forked or None
        subtype = as_text(record.get("subtype"))
        if kind == "system":
            if subtype in _NOTES:
                self._left_out[_NOTES[subtype]] += 1
            else:
                self._unknown("system lines", record.get("subtype"))
        elif kind not in ("user", "assistant", "tool_result"):
            self._unknown("lines", record.get("type"))
        elif record.get("isSidechain") is True or record.get("agentId"):
            self._left_out[SUBAGENTS] += 1
        elif kind == "user" and as_text(record.get("provenance")) not in ("real_user", ""):
            self._left_out[_BY_HOST] += 1
        elif kind == "user" and subtype in ("cron", "goal_runtime", "notification"):
            self._left_out[_BY_HOST] += 1
        else:
            yield from self._said(record, kind, moment_of(record.get("timestamp")))

    def _said(self, record: dict[str, Any], kind: str, at: datetime | None) -> Iterator[HostEvent]:
        texts: list[str] = []
        shown: list[str] = []
        message = as_object(record.get("message"))
        parts = parts_of(message.get("parts", message.get("content")))
        for part in map(as_object, parts):
            if part.get("thought") is True:
                self._left_out[THOUGHTS] += 1
            elif call := as_object(part.get("functionCall")):
                name = name_of(call.get("name")) or "tool"
                self._calls.called(as_text(call.get("id")) or name, name, call.get("args"))
            elif response := as_object(part.get("functionResponse")):
                yield from self._answered(response, at)
            elif isinstance(part.get("text"), str):
                texts.append(as_text(part.get("text")))
            elif part.keys() & {"inlineData", "fileData"}:
                self._left_out[MEDIA] += 1
                shown.append("[image]" if _is_image(part) else "[document]")
            elif part.keys() & _PART_NOTES:
                self._left_out["parts for the model alone"] += 1
            else:
                self._unknown("parts", next(iter(part), None))
        if not parts:
            self._left_out["empty messages"] += 1
        # What hooks said, and files that were named with @, stand behind the user's own words.
        if kind == "user" and (typed := as_object(record.get("systemPayload")).get("displayText")):
            texts = [as_text(typed)] if isinstance(typed, str) else texts
        said = said_by_model if kind == "assistant" else said_by_user
        words = "\n".join(found for text in texts if (found := said(text)))
        if kind == "user" and shown and not any(text.strip() for text in texts):
            words = "\n".join(shown)
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
            self._left_out[_BY_HOST] += 1

    def _answered(self, response: dict[str, Any], at: datetime | None) -> Iterator[HostEvent]:
        name = name_of(response.get("name")) or "tool"
        told = as_object(response.get("response"))
        answer = as_text(told.get("output")) or told_of(told)
        if media := len(parts_of(response.get("parts"))):
            self._left_out[MEDIA] += media
        if call := as_text(response.get("id")):
            yield from self._calls.answered(call, answer, self.session, name=name, at=at)
        else:
            yield from self._calls.answered_by_name(name, answer, self.session, at=at)


def _is_image(part: dict[str, Any]) -> bool:
    told = as_object(part.get("inlineData")) or as_object(part.get("fileData"))
    return as_text(told.get("mimeType")).startswith("image/")
