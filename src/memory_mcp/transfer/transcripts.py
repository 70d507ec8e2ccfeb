"""Hosts' own files of their sessions, as an import: a file, or the folder of all of them.

Each session goes to the agent of the folder it was held in, unless one is named. The events in a
file, and the keys they have, are those that the hooks know too (`memory_mcp.transcripts`), so what
hooks recorded is known. Forks come after the sessions they were forked from, so that what they copy
belongs to the session it was said in.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.host_events import HostEvent, digest, message_of
from memory_mcp.domain.json_values import as_list, as_object, as_text, moment_of, objects
from memory_mcp.transcripts.claude_code import ClaudeCodeTranscript
from memory_mcp.transcripts.codex import CodexTranscript, History
from memory_mcp.transcripts.copilot import CopilotTranscript
from memory_mcp.transcripts.gemini import GeminiTranscript
from memory_mcp.transcripts.qwen import QwenTranscript
from memory_mcp.transcripts.transcript import OWN_TOOLS_USED, NewTranscript, Transcript
from memory_mcp.transfer.json_stream import ITEM_BYTES_MAX
from memory_mcp.transfer.packed import plain_name
from memory_mcp.transfer.report import HeldIn, Item, Report, storable
from memory_mcp.transfer.source import Source, objects_by_line, whole_json

Record = tuple[str, dict[str, Any]]
"""Where a record stands, and the record."""
Found = tuple[str, Path]
"""A file's name below what is imported, and where it is."""

_PROMPTS = "lists of prompts (what was sent stands in the sessions, too)"
_INDEXES = "indexes of sessions"
_OF_SUBAGENTS = "files of subagents"
_NOTES = "notes that the host keeps (memory-mcp import markdown reads them)"
_TASKS = "lists of tasks, and plans"
_APART = "answers of tools that were stored apart (the sessions have their beginnings)"
_TAIL_BYTES = 65_536
_MESSAGE_ID = re.compile(rb'"message"\s*:\s*\{[^{}]*?"id"\s*:\s*"([^"]{1,200})"')
_LISTS = ("messages", "history", "items", "chatMessages", "events", "records")
"""Under which of these a session that is one object has its records."""


@dataclass(frozen=True, slots=True)
class Host:
    """What is where among a host's files."""

    name: str
    begin: NewTranscript
    sessions: tuple[str, ...]
    """The folders of its own folder that hold sessions."""
    known: Mapping[str, str]
    """Files that are left out on purpose, by expressions for their names."""

    def left_out(self, root: Path | None) -> Mapping[str, str]:
        """The same, with everything outside its sessions where all the host's files are there."""
        if root is None or not any((root / each).is_dir() for each in self.sessions):
            return self.known
        inside = "|".join(re.escape(each) for each in self.sessions)
        others = f"other files of {self.name} (settings, extensions, logs and the like)"
        return {**self.known, rf"^(?!(?:{inside})/)": others}


CLAUDE_CODE = Host(
    "Claude Code",
    ClaudeCodeTranscript,
    ("projects",),
    {
        r"(^|/)history\.jsonl$": _PROMPTS,
        r"(^|/)sessions-index\.json$": _INDEXES,
        r"(^|/)(agent-[^/]*\.jsonl|subagents/.*)$": _OF_SUBAGENTS,
        r"\.meta\.json$": _OF_SUBAGENTS,
        r"(^|/)tool-results/": _APART,
        r"(^|/)(todos|tasks|plans)/": _TASKS,
        r"(^|/)(memory|session-memory)/": _NOTES,
    },
)
CODEX = Host(
    "Codex",
    CodexTranscript,
    ("sessions", "archived_sessions"),
    {
        r"(^|/)history\.jsonl?$": _PROMPTS,
        r"(^|/)session_index\.jsonl$": _INDEXES,
    },
)
GEMINI = Host(
    "Gemini CLI",
    GeminiTranscript,
    ("tmp",),
    {
        r"(^|/)logs(\.json|/.*)$": _PROMPTS,
        r"(^|/)checkpoints/": "points to which files can be restored",
        r"(^|/)tool[-_]outputs/": _APART,
        r"(^|/)(plans|tasks)/": _TASKS,
        r"(^|/)memory/": _NOTES,
        r"(^|/)shell_history$": _PROMPTS,
        r"\.unreadable-\d+$": "files that Gemini CLI could not read itself",
    },
)
QWEN = Host(
    "Qwen Code",
    QwenTranscript,
    ("projects", "tmp"),
    {
        r"(^|/)logs(\.json|/.*)$": _PROMPTS,
        r"(^|/)subagents/": _OF_SUBAGENTS,
        r"\.meta\.json$": _OF_SUBAGENTS,
        r"(^|/)(extract-cursor|meta|settings)\.json$": "settings and state of projects",
        r"(^|/)usage_record\.jsonl$": "counts of tokens and cost",
        r"(^|/)memory/": _NOTES,
        r"(^|/)(todos|tasks|plans)/": _TASKS,
        r"(^|/)tool[-_](outputs|results)/": _APART,
        r"(^|/)checkpoints/": "points to which files can be restored",
        r"(^|/)shell_history$": _PROMPTS,
    },
)
COPILOT = Host(
    "Copilot CLI",
    CopilotTranscript,
    ("session-state", "history-session-state"),
    {
        r"(^|/)workspace\.yaml$": _INDEXES,
        r"(^|/)(checkpoints|files|research|rewind-file-snapshots|rewind-snapshots)/": (
            "what sessions keep beside their events"
        ),
        r"(^|/)plan\.md$": _TASKS,
        r"(^|/)(session\.db.*|vscode\.[^/]*|inuse\.[^/]*|[^/]*\.lock)$": (
            "what sessions keep beside their events"
        ),
    },
)
HOSTS = {
    "claude-code": CLAUDE_CODE,
    "codex": CODEX,
    "copilot": COPILOT,
    "gemini": GEMINI,
    "qwen": QWEN,
}


def is_home(name: str, path: Path) -> bool:
    """Whether a folder is where the host of that format keeps its sessions, among other files."""
    host = HOSTS.get(name)
    return host is not None and any((path / each).is_dir() for each in host.sessions)


def _read(host: Host, source: Source, report: Report) -> Iterator[Item]:
    """What was said and done in each session."""
    for name, path in _in_order(host, source, _sessions_in(host, source, report)):
        transcript = host.begin(session_of(path), report.left_out, report.not_understood)
        yield from _items(host, transcript, source, (name, path), report)


read_copilot = partial(_read, COPILOT)


def read_claude_code(source: Source, report: Report) -> Iterator[Item]:
    """The same; of a message that stands in several lines, the whole one counts."""
    for name, path in _in_order(CLAUDE_CODE, source, _sessions_in(CLAUDE_CODE, source, report)):
        transcript = ClaudeCodeTranscript(session_of(path), report.left_out, report.not_understood)
        transcript.look_ahead(_lines_of_one_message(source, path))
        yield from _items(CLAUDE_CODE, transcript, source, (name, path), report)


def read_codex(source: Source, report: Report) -> Iterator[Item]:
    """The same; what forks copied is looked for in the sessions that they were forked from."""
    files = _sessions_in(CODEX, source, report)
    heads = _heads(CODEX, source, files)
    histories = {head.parent: History() for head in heads.values() if head.parent}
    for found in _sorted(CODEX, files, heads):
        transcript = CodexTranscript(session_of(found[1]), report.left_out, report.not_understood)
        transcript.histories = histories
        yield from _items(CODEX, transcript, source, found, report)


def read_qwen(source: Source, report: Report) -> Iterator[Item]:
    """The same; versions of 2025 wrote one object a chat, as Gemini CLI did."""
    for name, path in _in_order(QWEN, source, _sessions_in(QWEN, source, report)):
        begin = GeminiTranscript if plain_name(name).endswith(".json") else QwenTranscript
        transcript = begin(session_of(path), report.left_out, report.not_understood)
        if isinstance(transcript, GeminiTranscript):
            _look_ahead(transcript, source, (name, path))
        yield from _items(QWEN, transcript, source, (name, path), report)


def read_gemini(source: Source, report: Report) -> Iterator[Item]:
    """A chat is JSON lines, or, in older versions, one object; a checkpoint is a list of turns.

    Checkpoints come last: of what a chat of their project holds they are copies.
    """
    said: set[str] = set()

    def is_copy(name: str, event: HostEvent) -> bool:
        parts = PurePath(name).parts
        project = parts[0] if len(parts) > 1 else ""
        told = digest(f"{project} {event.kind} {event.text}")
        if _is_checkpoint(name):
            return told in said
        said.add(told)
        return False

    files = sorted(_sessions_in(GEMINI, source, report), key=lambda each: _is_checkpoint(each[0]))
    for name, path in files:
        transcript = GeminiTranscript(
            session_of(path), report.left_out, report.not_understood, _modified(path)
        )
        transcript.folder = _project_root(path)
        _look_ahead(transcript, source, (name, path))
        yield from _items(
            GEMINI, transcript, source, (name, path), report, is_copy=partial(is_copy, name)
        )


def _sessions_in(host: Host, source: Source, report: Report) -> list[Found]:
    """The files that hold sessions; the report is told of the others."""
    known = host.left_out(source.path if source.is_folder else None)
    found: list[Found] = []
    for name, path in source.files(".jsonl", ".json", known=known):
        plain = plain_name(name)
        reason = next((says for each, says in known.items() if re.search(each, plain)), None)
        if reason is None and host is GEMINI and source.is_folder and not _may_be_chat(path):
            reason = "files that are no chats"
        if reason is None:
            found.append((name, path))
        else:
            report.left_out[reason] += 1
    return found


# --- One file ---


def _items(
    host: Host,
    transcript: Transcript,
    source: Source,
    found: Found,
    report: Report,
    is_copy: Callable[[HostEvent], bool] = lambda _: False,
) -> Iterator[Item]:
    name = found[0]
    before, records = _counted(report), 0
    last: datetime | None = None

    def told() -> Iterator[tuple[str, HostEvent]]:
        nonlocal records
        place, kinds = name, 0
        for place, record in _records(source, found, report):
            records += 1
            for event in transcript.events(record):
                yield place, event
            if len(report.not_understood) > kinds:
                kinds = len(report.not_understood)
                for kind in report.not_understood:
                    report.examples.setdefault(kind, place)
        for event in transcript.finish():
            yield place, event

    for place, event in told():
        last = at = event.at or last
        if not event.is_said:
            if event.label is not None:
                report.left_out[OWN_TOOLS_USED] += 1
        elif is_copy(event):
            report.left_out["copies in checkpoints of what a chat holds"] += 1
        elif at is None:
            report.refuse(place, "neither it nor a line before it has a time that can be meant")
        else:
            text = storable(event.text, report)
            owner = HeldIn(event.folder or transcript.folder or "")
            yield Item(message_of(event, event.session, at, text), place, owner)
    if _counted(report) == before:
        if records:
            report.left_out["sessions in which nothing was said"] += 1
        elif _is_blank(source, found[1]):
            report.left_out["empty files"] += 1
        else:
            report.refuse(name, f"there is nothing in it that {host.name} writes")


def _counted(report: Report) -> tuple[int, int, int, int]:
    left_out, not_understood = report.left_out.total(), report.not_understood.total()
    return report.read, left_out, not_understood, report.bad


def _records(source: Source, found: Found, report: Report) -> Iterator[Record]:
    """The records of a file, however it is arranged: lines, one list, or one object with a list."""
    name, path = found
    with source.opened(path) as file:
        if path.stat().st_size > ITEM_BYTES_MAX and plain_name(name).endswith(".json"):
            told = whole_json(file, name)
            for place, record in _unfolded(as_object(told), name, report):
                yield place, record
            return
        for _, place, told in objects_by_line(file, report, name if source.is_folder else ""):
            yield from _unfolded(told, place, report)


def _is_blank(source: Source, path: Path) -> bool:
    """Whether nothing but white space is in a file."""
    with source.opened(path) as file:
        return not any(chunk.strip() for chunk in iter(partial(file.read, _TAIL_BYTES), b""))


def _unfolded(told: dict[str, Any], place: str, report: Report) -> Iterator[Record]:
    """A session that is one object: what it says of itself, and then each of its records."""
    held = next((each for each in _LISTS if isinstance(told.get(each), list)), None)
    if held is None or "type" in told or "$set" in told:
        yield place, told
        return
    head = {name: value for name, value in told.items() if name != held}
    if session := as_object(head.get("session")):
        head = session
    if head:
        yield place, head
    for number, record in enumerate(as_list(told[held]), 1):
        if isinstance(record, dict):
            yield f"{place}, {held} {number:,}", as_object(record)
        else:
            report.not_understand(f"{held} that are no objects", place)


def _look_ahead(transcript: GeminiTranscript, source: Source, found: Found) -> None:
    """Let a chat know which version of each message is its last, before it is read."""
    scout = Source(source.name, Report(), source.agent)
    with suppress(ImportRefused):
        transcript.look_ahead(record for _, record in _records(scout, found, scout.report))


def _lines_of_one_message(source: Source, path: Path) -> Iterator[dict[str, Any]]:
    """The lines with answers whose messages stand in more than one, which few do."""
    seen, repeated = set[bytes](), set[bytes]()
    for ident, _ in _answers(source, path):
        (repeated if ident in seen else seen).add(ident)
    for ident, line in _answers(source, path) if repeated else ():
        if ident in repeated:
            with suppress(ValueError, RecursionError):
                yield as_object(json.loads(line))


def _answers(source: Source, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The lines of a file that hold a model's words, each with its message's id; none is parsed."""
    scout = Source(source.name, Report(), source.agent)
    with suppress(ImportRefused), scout.opened(path) as file:
        for line in iter(partial(file.readline, ITEM_BYTES_MAX), b""):
            if b'"assistant"' in line and b'"text"' in line and (found := _MESSAGE_ID.search(line)):
                yield found[1], line


def session_of(path: Path) -> str:
    """What a session is called by whose file does not say it."""
    stem = PurePath(plain_name(path.name)).stem
    if stem == "events":
        return path.parent.name
    if _is_checkpoint(path.name):
        return f"{path.parent.name}/{stem}"
    named = re.fullmatch(r"rollout-.*?-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", stem)
    return named[1] if named else stem


def _may_be_chat(path: Path) -> bool:
    """Whether a file of Gemini CLI's is named or placed as its chats are."""
    is_named = re.match(r"(session|checkpoint)", path.name) is not None
    return is_named or "chats" in path.parts[-3:-1]


def _is_checkpoint(name: str) -> bool:
    return PurePath(name).name.startswith("checkpoint")


# --- Forks after what they copy ---


def _in_order(host: Host, source: Source, files: list[Found]) -> list[Found]:
    """Files in the order in which their sessions began to be written."""
    return _sorted(host, files, _heads(host, source, files))


def _heads(host: Host, source: Source, files: list[Found]) -> dict[str, "_Head"]:
    """What is known of each file, by its name; nothing of one that is alone."""
    scout = Source(source.name, Report(), source.agent)
    return {name: _head(host, scout, (name, path)) for name, path in files if len(files) > 1}


def _sorted(host: Host, files: list[Found], heads: Mapping[str, "_Head"]) -> list[Found]:
    if not heads:
        return files
    parents = {head.session: head.parent for head in heads.values() if head.session}

    def depth(session: str) -> int:
        seen = set[str]()
        while (parent := parents.get(session)) and session not in seen:
            seen.add(session)
            session = parent
        return len(seen)

    def key(found: Found) -> tuple[Any, ...]:
        head = heads[found[0]]
        above = depth(head.session) if head.session else 0
        # Codex's files are named after their time, in a folder a day, or in the archive.
        name = PurePath(found[0]).name if host is CODEX else ""
        return above or int(head.is_fork), head.last, name, found[0]

    return sorted(files, key=key)


@dataclass(frozen=True, slots=True)
class _Head:
    """What is known of a session's file before it is read."""

    session: str = ""
    parent: str = ""
    is_fork: bool = False
    last: str = ""
    """When its last line was written, where that tells which of two files is the older."""


def _head(host: Host, scout: Source, found: Found) -> _Head:
    with suppress(ImportRefused), scout.opened(found[1]) as file:
        if host is CLAUDE_CODE:
            lines = iter(partial(file.readline, ITEM_BYTES_MAX), b"")
            return _Head(is_fork=_is_fork(lines), last=_last_time(found[1]))
        for _, _, told in objects_by_line(file, Report()):
            if host is CODEX:
                meta = as_object(told.get("payload", told))
                session = as_text(meta.get("id"))
                return _Head(session, as_text(meta.get("forked_from_id")))
            if host is COPILOT:
                session = as_text(as_object(told.get("data")).get("sessionId"))
                return _Head(is_fork=bool(session) and session != session_of(found[1]))
            parent = as_text(as_object(told.get("forkedFrom")).get("sessionId"))
            return _Head(as_text(told.get("sessionId")), parent, bool(parent))
    return _Head()


def _is_fork(lines: Iterable[bytes]) -> bool:
    """Whether two prompts of a file have one `promptId`: it copies another session's lines.

    So does a branch, which says so on each of them.
    """
    seen: str | None = None
    with suppress(ValueError, RecursionError):
        for line in lines:
            if b'"promptId"' not in line and b'"forkedFrom"' not in line:
                continue
            told = as_object(json.loads(line))
            if as_text(as_object(told.get("forkedFrom")).get("sessionId")):
                return True
            if told.get("type") != "user" or "promptId" not in told or not _is_prompt(told):
                continue
            prompt = as_text(told.get("promptId"))
            if seen is not None:
                return prompt == seen
            seen = prompt
    return False


def _is_prompt(told: dict[str, Any]) -> bool:
    content = as_object(told.get("message")).get("content")
    return isinstance(content, str) or any(part.get("type") == "text" for part in objects(content))


def _last_time(path: Path) -> str:
    """When the last line of a file was written: of two with the same lines the longer is the copy.

    Until 2.0 Claude Code wrote a resumed session anew, and nothing else tells the two apart.
    """
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            times = re.findall(rb'"timestamp"\s*:\s*"([0-9T:.Z+-]{19,35})"', file.read())
    except OSError:
        return ""
    return times[-1].decode() if times else ""


def _project_root(path: Path) -> str | None:
    """The folder that a chat of Gemini CLI was held in, which a file beside the chats names."""
    for folder in path.parents[:4]:
        with suppress(OSError, UnicodeDecodeError):
            return (folder / ".project_root").read_text("utf-8").strip() or None
    return None


def _modified(path: Path) -> datetime | None:
    return moment_of(path.stat().st_mtime)
