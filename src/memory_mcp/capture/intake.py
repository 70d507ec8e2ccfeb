"""Intake: what hooks left in the spool is stored, and what a hook may print is found for it.

A hook first writes what its host told it into a folder beside the store, a file a call, and then
asks for that file to be taken in. So it doesn't matter when the host kills it, whether anybody
serves, or how long the store stays locked: what waits there is taken in later, in order.
"""

import json
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import anyio
from anyio import to_thread

from memory_mcp.capture import (
    claude_code,
    cline,
    codex,
    copilot,
    cursor,
    gemini,
    hermes,
    kilo,
    openclaw,
    opencode,
    qwen,
    vscode,
)
from memory_mcp.capture.host import Heard, Host, Payload
from memory_mcp.capture.transcripts import BYTES_MAX, new_events, parent_of, size_of
from memory_mcp.config import Settings, load_settings, zone_in
from memory_mcp.domain.errors import InvalidInput, MemoryMCPError, StoreError
from memory_mcp.domain.host_events import HostEvent
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.times import Zone, parse_moment
from memory_mcp.services import Services

logger = logging.getLogger(__name__)

HOSTS = {
    module.HOST.name: module.HOST
    for module in (
        claude_code,
        codex,
        gemini,
        cursor,
        vscode,
        opencode,
        kilo,
        cline,
        copilot,
        qwen,
        hermes,
        openclaw,
    )
}
LISTENING_BYTES_MAX = 1024 * 1024
"""While a host waits for an answer, no more of a transcript is read than that; a later hook reads
the rest."""
LOOK_SECONDS = 60
HOOK_SECONDS = 5
"""After that long a hook asks for no answer any more."""
TAKEN_SECONDS = 60
"""How long the answer to a call that was stored first is kept for its hook, by when it was made."""
READ_AGAIN_SECONDS = (0.2, 0.6, 3.0)
"""So long after a turn's end its transcript may be whole: Copilot writes it as it leaves."""
_FILE = re.compile(r"\d{20}-\d+\.json")


@dataclass(frozen=True, slots=True)
class Spooled:
    """What lies in a spool."""

    waiting: int
    since: float | None
    """When the oldest of these was told, in seconds since 1970."""
    refused: int
    """Calls that nobody could make sense of."""


def spooled(spool: str) -> Spooled:
    """How much lies in a spool; one that isn't there is empty."""
    try:
        names = os.listdir(spool)
    except OSError:
        names = []
    waiting = sorted(name for name in names if _FILE.fullmatch(name))
    return Spooled(
        waiting=len(waiting),
        since=int(waiting[0].partition("-")[0]) / 1e9 if waiting else None,
        refused=sum(name.endswith(".refused") for name in names),
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """A call of a hook that is stored."""

    host: Host
    agent_id: AgentId
    heard: Heard
    zone: Zone
    """Where the person is who called the hook."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hook may print; `told` is to be called once it was."""

    text: str
    told: Callable[[], Awaitable[None]] | None = None


class Intake:
    """One store's spool, as the process that serves the store sees it."""

    def __init__(self, services: Services, database: Path, spool: str) -> None:
        self._services = services
        self._database = database
        self._spool = Path(spool)
        self._lock = anyio.Lock()
        self._taken: dict[str, Taken] = {}
        """Calls that were stored before their hook asked: it still wants its answer."""
        self._to_read: dict[tuple[AgentId, str], tuple[Taken, list[float]]] = {}
        """Sessions whose transcript may not be whole yet, and at which times to look again."""
        self._told = anyio.Event()

    async def answer(self, name: str) -> Answer:
        """Take in a call of a hook, after all that came before it, and find what it may print.

        Raises:
            MemoryMCPError: it could not be taken in; where the store is the reason, it waits.
        """
        if not _FILE.fullmatch(name):
            raise InvalidInput("a hook's call has another name.")
        for earlier in await self._waiting():
            if earlier < name:
                await self._take_in_quietly(earlier)
        async with self._lock:
            taken = self._taken.pop(name, None) or await self._take_in(name)
        if taken is None or not taken.heard.listens or not taken.heard.session:
            return Answer("")
        heard, host = taken.heard, taken.host
        capture, agent_id = self._services.capture, taken.agent_id
        telling = await capture.telling(agent_id, heard.session, host.chars_max, taken.zone)
        if not telling.text:
            return Answer("")

        async def told() -> None:
            await capture.told(agent_id, heard.session, telling)

        return Answer(host.say(heard.hook, telling.text), told)

    async def sweep(self) -> bool:
        """Take in what was left behind; whether there are calls whose hooks may still come.

        Those are left to whomever their hooks ask, who alone can answer them.

        Raises:
            StoreError: the store cannot be written just now; it goes on waiting.
        """
        young = _named_before(HOOK_SECONDS)
        waiting = await self._waiting()
        left = [name for name in waiting if name < young]
        for name in left:
            await self._take_in_quietly(name)
        return len(left) < len(waiting)

    async def keep_up(self) -> None:
        """Take in what was left behind, for as long as the process serves."""
        while True:
            soon = False
            self._told = anyio.Event()
            try:
                soon = await self.sweep()
                await self.read_behind()
            except StoreError as error:
                logger.warning("what hooks left waits: %s", error)
            now = anyio.current_time()
            dues = [times[0] - now for _, times in self._to_read.values() if times]
            due = min(dues, default=LOOK_SECONDS)
            with anyio.move_on_after(max(0.1, min(due, HOOK_SECONDS if soon else LOOK_SECONDS))):
                await self._told.wait()

    def _read_again(self, taken: Taken) -> None:
        """Look at a session's transcript once more, soon: some hosts write it after their hooks."""
        if taken.host.transcript is None:
            return
        known = (taken.agent_id, taken.heard.session)
        now = anyio.current_time()
        self._to_read[known] = taken, [now + seconds for seconds in READ_AGAIN_SECONDS]
        self._told.set()

    async def read_behind(self, *, all_of_them: bool = False) -> None:
        """Read on in the transcripts whose time has come, or in all that wait for it.

        Raises:
            StoreError: the store cannot be written just now.
        """
        now = anyio.current_time()
        for known, (taken, times) in list(self._to_read.items()):
            if times[0] <= now or all_of_them:
                async with self._lock:
                    times[:] = [each for each in times if each > now]
                    if not times:
                        self._to_read.pop(known, None)
                    heard_at = self._services.clock.now()
                    try:
                        await self._read_on(taken.host, taken.agent_id, taken.heard, heard_at)
                    except StoreError:
                        raise
                    except MemoryMCPError as error:  # its agent was deleted meanwhile
                        logger.info("a transcript is read no further: %s", error)

    async def _waiting(self) -> list[str]:
        def names() -> list[str]:
            try:
                found = os.listdir(self._spool)
            except OSError:  # nobody left anything yet
                return []
            return sorted(name for name in found if _FILE.fullmatch(name))

        return await to_thread.run_sync(names)

    async def _take_in_quietly(self, name: str) -> None:
        """As `_take_in`; what cannot be taken in at all is said in the log."""
        async with self._lock:
            try:
                taken = await self._take_in(name)
            except StoreError:
                raise
            except MemoryMCPError as error:
                logger.warning("a hook's call was put aside: %s", error)
                return
            if taken is not None:
                self._taken[name] = taken
                for old in [old for old in self._taken if old < _named_before(TAKEN_SECONDS)]:
                    del self._taken[old]

    async def _take_in(self, name: str) -> Taken | None:
        path = self._spool / name
        try:
            told = await to_thread.run_sync(path.read_bytes)
        except FileNotFoundError:  # somebody else was quicker
            return None
        try:
            if (encryption := self._services.encryption) is not None:
                told = encryption.opened(told)
            taken = await self._store(told)
        except StoreError:
            raise
        except Exception as error:
            # Never again: it would stand before all that comes after it. But it is kept.
            path.replace(path.with_suffix(".refused"))
            if isinstance(error, MemoryMCPError):
                raise
            logger.exception("a hook's call cannot be taken in; it lies in %s", self._spool)
            raise InvalidInput("it cannot be understood; the daemon's log says more.") from error
        await to_thread.run_sync(path.unlink, True)
        return taken

    async def _store(self, told: bytes) -> Taken:
        head, _, body = told.partition(b"\n")
        call = Payload(cast("dict[str, Any]", json.loads(head)))
        host = HOSTS.get(call.text("host"))
        if host is None:
            raise InvalidInput(f"there is no host {call.text('host')[:40]!r} with hooks.")
        payload: Any = json.loads(body)
        if not isinstance(payload, dict):
            raise InvalidInput("the host told no JSON object.")
        told_here = Payload(cast("dict[str, Any]", payload))
        host = _really(host, told_here)
        heard = host.hear(told_here)
        agent_id = await self._agent_of(call, host, heard)
        heard_at = parse_moment(call.text("at"), "at")
        capture = self._services.capture
        events = heard.events
        if _tells(heard):
            was_read = await self._read_on(host, agent_id, heard, heard_at)
            if was_read and host.tools_in_transcript:
                events = tuple(event for event in events if event.kind != "tool" or event.label)
            events = await self._with_parent(host, heard, events)
        await capture.take_in(agent_id, host.name, events, heard_at)
        await self._begin_reading(agent_id, heard)
        taken = Taken(host, agent_id, heard, self._zone_of(call))
        if any(event.kind in ("answer", "end") for event in events) or heard.hook == "Stop":
            self._read_again(taken)
        return taken

    async def _with_parent(
        self, host: Host, heard: Heard, events: tuple[HostEvent, ...]
    ) -> tuple[HostEvent, ...]:
        """The events, with the parent of a forked session that its own file names."""
        # Qwen Code calls the start of a fork a resume.
        is_copy = _start_of(heard) in ("fork", "resume")
        if not is_copy or host.transcript is None or heard.transcript is None:
            return events
        parent = await to_thread.run_sync(parent_of, host.transcript, heard.transcript)
        return tuple(replace(event, parent=parent) for event in events)

    async def _read_on(
        self, host: Host, agent_id: AgentId, heard: Heard, heard_at: datetime
    ) -> bool:
        """Store what is new in a session's transcript, before what the hook itself tells.

        Whether it could be read.
        """
        capture = self._services.capture
        known = await capture.session(agent_id, heard.session)
        path = heard.transcript or known.transcript
        is_new = path != known.transcript
        if host.transcript is None or path is None or (is_new and _start_of(heard) is not None):
            return False
        bytes_max = LISTENING_BYTES_MAX if heard.listens else BYTES_MAX
        read_from = 0 if is_new else known.offset
        try:
            news = await to_thread.run_sync(
                new_events, host.transcript, heard.session, path, read_from, bytes_max
            )
        except FileNotFoundError:  # not every session is kept
            return False
        except OSError as error:
            logger.warning("a transcript of %s cannot be read: %s", host.name, error)
            return False
        except Exception as error:  # what the hook itself told must not be lost with it
            # Not the message: it may quote what was said.
            why = type(error).__name__
            logger.warning("a transcript of %s cannot be understood: %s", host.name, why)
            logger.debug("where it failed", exc_info=True)
            return False
        await capture.take_in(agent_id, host.name, news.events, heard_at)
        await capture.read_to(agent_id, heard.session, path, news.offset)
        return True

    async def _begin_reading(self, agent_id: AgentId, heard: Heard) -> None:
        """Note at a session's start where its transcript is read from.

        A session that is resumed and was never heard of is read from where it is now: what came
        before hooks were installed is for an import to bring.
        """
        source, path = _start_of(heard), heard.transcript
        if source is None or path is None:
            return
        capture = self._services.capture
        known = await capture.session(agent_id, heard.session)
        if known.transcript is None:
            offset = await to_thread.run_sync(size_of, path) if source == "resume" else 0
            await capture.read_to(agent_id, heard.session, path, offset)

    async def _agent_of(self, call: Payload, host: Host, heard: Heard) -> AgentId:
        """Whose memory a call goes to: a session stays with the agent it began with."""
        choice = (await to_thread.run_sync(self._settings_of, call, heard)).agent
        if choice.name is None and heard.session:
            if known := await self._services.capture.owner(host.name, heard.session):
                return known
        agents = self._services.agents
        look = agents.choose if _tells(heard) else agents.find
        return (await look(choice)).id

    def _zone_of(self, call: Payload) -> Zone:
        environment = _environment_of(call)
        if not environment:  # a hook of an older version
            return self._services.zone
        try:
            return zone_in(environment)
        except InvalidInput as error:
            logger.warning("a session is told times in %s: %s", self._services.zone.name, error)
            return self._services.zone

    def _settings_of(self, call: Payload, heard: Heard) -> Settings:
        """As whoever called the hook wants to be served.

        Where its host says that a session was started goes before where its model is by now.
        """
        environment = _environment_of(call)
        environment.pop("MEMORY_MCP_TIMEZONE", None)  # a wrong one must not lose what was told
        return load_settings(
            database=str(self._database),
            agent=call.text("agent") or None,
            project_by=call.text("project_by") or None,
            environment=environment,
            folder=Path(heard.folder or call.text("folder") or os.sep),
        )


def _environment_of(call: Payload) -> dict[str, str]:
    return {name: value for name, value in _texts(call.any("environment")).items() if value}


def _named_before(seconds: int) -> str:
    """What the names of calls sort before that were made longer ago: they begin with the time."""
    return f"{time.time_ns() - seconds * 1_000_000_000:020d}"


def _texts(told: Any) -> dict[str, str]:
    pairs = cast("dict[str, Any]", told).items() if isinstance(told, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def _tells(heard: Heard) -> bool:
    """Whether there is something to keep: an event, or what Stop's transcript holds.

    A subagent's hook has neither, and other hooks only name the transcript.
    """
    return bool(heard.events) or (heard.hook == "Stop" and heard.transcript is not None)


def _start_of(heard: Heard) -> str | None:
    """Why the session starts, where the hook tells that it does."""
    return next((event.name or "" for event in heard.events if event.kind == "start"), None)


def _really(host: Host, told: Payload) -> Host:
    """Whose payload it is: hosts run the hooks of others too, whose files they read."""
    if host not in (claude_code.HOST, vscode.HOST):
        return host
    if told.text("sessionId"):
        return vscode.HOST
    if told.text("tool_call_id") or "####" in told.text("prompt_id"):
        return qwen.HOST
    if told.text("session_id") and told.text("timestamp") and not told.text("permission_mode"):
        return copilot.HOST
    return host
