# memory-mcp plugin for Hermes Agent, version 1.
# `memory-mcp install hermes` writes this file, `memory-mcp uninstall hermes` takes it out again.
#
# A memory provider: what memory holds goes into a session's system prompt, what changed since into
# a turn's message; what was said and done is told. Whatever goes wrong here, the session goes on
# without memory.

import json
import os
import subprocess
import threading
import time

from agent.memory_provider import MemoryProvider

COMMAND = ["/absolute/path/to/.venv/bin/memory-mcp", "hook", "hermes"]
ANSWER_SECONDS = 10


class MemoryMCP(MemoryProvider):
    """Tells `memory-mcp hook` what happened, in order, and passes on what it prints."""

    name = "memory-mcp"

    def __init__(self):
        self._session = ""
        self._folder = os.getcwd()
        self._primary = False
        self._told = 0
        self._lock = threading.Lock()

    def is_available(self):
        return True

    def initialize(self, session_id, **told):
        self._session = session_id
        # Subagents and scheduled runs speak with nobody.
        self._primary = told.get("agent_context", "primary") == "primary"
        if self._primary:
            self._tell("on_session_start", {"event": "start", "at": _now()})

    def system_prompt_block(self):
        # Asked once in a session's life, and again when it was compressed: nothing is held then.
        return self._tell("system_prompt_block", {"event": "compacted"})

    def prefetch(self, query, *, session_id=""):
        return self._tell("prefetch", {"event": "prompt", "text": query, "at": _now()})

    def sync_turn(self, user_content, assistant_content, *, session_id="", messages=None):
        events = [*_uses(messages or [])]
        events.append({"event": "answer", "text": assistant_content, "at": _now()})
        self._tell("sync_turn", *events)

    def on_session_switch(self, new_session_id, *, parent_session_id="", **told):
        if self._session != new_session_id:
            self._session = new_session_id
            self._tell("on_session_switch", {"event": "start", "at": _now()})

    def get_tool_schemas(self):
        return []  # the server has them

    def shutdown(self):
        self._tell("shutdown", {"event": "end", "at": _now()})

    def _tell(self, hook, *events):
        if not self._primary or not self._session:
            return ""
        told = {"hook_event_name": hook, "session_id": self._session, "cwd": self._folder}
        try:
            with self._lock:
                done = subprocess.run(
                    COMMAND,
                    input=json.dumps(told | {"events": events}).encode(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=ANSWER_SECONDS,
                )
            return json.loads(done.stdout)["additionalContext"] if done.stdout.strip() else ""
        except Exception:  # noqa: BLE001 - the host must not suffer
            return ""


def _now():
    return int(time.time() * 1000)


def _uses(messages):
    """The tools' uses of the turn that ended: all since the user's last words."""
    last = max((n for n, each in enumerate(messages) if each.get("role") == "user"), default=0)
    answers = {each.get("tool_call_id"): each.get("content") for each in messages[last:]}
    for message in messages[last:]:
        for call in message.get("tool_calls") or []:
            asked = call.get("function") or {}
            yield {
                "event": "tool",
                "id": call.get("id"),
                "name": asked.get("name"),
                "input": asked.get("arguments"),
                "output": answers.get(call.get("id")),
                "at": _now(),
            }


def register(ctx):
    ctx.register_memory_provider(MemoryMCP())
