"""The formats there are, and which of them a file is in."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.transfer import (
    chatgpt,
    claude_ai,
    json_lines,
    markdown,
    mem0,
    server_memory,
    transcripts,
)
from memory_mcp.transfer.folder import entries
from memory_mcp.transfer.letta import agent_file, postgres, server
from memory_mcp.transfer.letta.address import Address
from memory_mcp.transfer.packed import plain_name
from memory_mcp.transfer.report import Item, Report
from memory_mcp.transfer.source import Source, first_bytes


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is read."""

    read: Callable[[Source, Report], Iterator[Item]]
    says: str
    host: str | None = None
    """What stands as the host of its conversations."""
    folders: bool = False
    """Whether a folder may be given."""
    schemes: tuple[str, ...] = ()
    """With which an address begins, where one is read instead of a file."""
    by_folder: bool = False
    """Whether each session goes to the agent of its folder, unless one is named."""


FORMATS = {
    "jsonl": Format(
        json_lines.read_messages, "our own export, or messages, one JSON object a line"
    ),
    "passages": Format(json_lines.read_passages, "archival passages, one JSON object a line"),
    "claude-code": Format(
        transcripts.read_claude_code,
        "Claude Code's transcripts: a session's .jsonl, ~/.claude/projects, or ~/.claude",
        "claude-code",
        folders=True,
        by_folder=True,
    ),
    "codex": Format(
        transcripts.read_codex,
        "Codex's sessions: a rollout .jsonl, ~/.codex/sessions, or ~/.codex",
        "codex",
        folders=True,
        by_folder=True,
    ),
    "gemini": Format(
        transcripts.read_gemini,
        "Gemini CLI's chats: a session's file, ~/.gemini/tmp, or ~/.gemini",
        "gemini",
        folders=True,
        by_folder=True,
    ),
    "qwen": Format(
        transcripts.read_qwen,
        "Qwen Code's chats: a session's .jsonl, ~/.qwen/projects, or ~/.qwen",
        "qwen",
        folders=True,
        by_folder=True,
    ),
    "copilot": Format(
        transcripts.read_copilot,
        "GitHub Copilot CLI's sessions: an events.jsonl, ~/.copilot/session-state, or ~/.copilot",
        "copilot",
        folders=True,
        by_folder=True,
    ),
    "chatgpt": Format(
        chatgpt.read, "ChatGPT's export: the zip, or conversations.json", "chatgpt", folders=True
    ),
    "claude-ai": Format(
        claude_ai.read,
        "Claude.ai's export: the zip, or conversations.json",
        "claude-ai",
        folders=True,
    ),
    "server-memory": Format(
        server_memory.read, "the graph of the official memory server: memory.jsonl", folders=True
    ),
    "mem0": Format(mem0.read, "mem0's export: a JSON file of memories", folders=True),
    "af": Format(agent_file.read, "a Letta agent file (.af), of either schema", "letta"),
    "letta": Format(
        server.read,
        "a running Letta server, by its address: everything of every agent",
        "letta",
        schemes=server.SCHEMES,
    ),
    "letta-postgres": Format(
        postgres.read,
        "the database of a Letta server, by its address: the same, also where none runs",
        "letta",
        schemes=postgres.SCHEMES,
    ),
    "markdown": Format(
        markdown.read, "notes in Markdown: a file or a folder, a passage a section", folders=True
    ),
}

_AS_LINES = {"jsonl", "passages"}
_ENDINGS = (".json", ".jsonl", ".zip")
FOLDER_ENTRIES = 2_000
"""So many of a folder's files are looked at to know its format."""


def source_of(
    name: str, told: str, report: Report, agent: str | None = None, token: str | None = None
) -> Source:
    """What `told` names: a file, a folder, standard input, or where a format says so an address.

    Raises:
        ImportRefused: there is nothing, it may not be read, or it is no address.
    """
    schemes = FORMATS[name].schemes
    if schemes:
        return Address(told, schemes, report, agent, token)
    if "://" in told:
        fits = next((key for key, each in FORMATS.items() if told.startswith(each.schemes)), None)
        advice = f" This reads from an address: memory-mcp import {fits} ADDRESS" if fits else ""
        raise ImportRefused(f"{name} is read from a file, not from an address.{advice}")
    return Source(told, report, agent)


def items_of(name: str, source: Source, report: Report) -> Iterator[Item]:
    """What the source holds, read as that format.

    Raises:
        ImportRefused: it is plainly in another; the text says in which.
    """
    chosen = FORMATS[name]
    path = source.path
    if path is not None and path.is_dir() and not chosen.folders:
        fits = guessed(path)
        raise ImportRefused(
            f"{source.name} is a folder, and {name} wants a file.{_advice(fits, source.name)}"
        )
    if path is not None and not transcripts.is_home(name, path):
        fits = guessed(path, name)
        if fits not in (None, name) and not {fits, name} <= _AS_LINES:
            raise ImportRefused(
                f"{source.name} does not look like {name}: {FORMATS[name].says}."
                f"{_advice(fits, source.name)}"
            )
    items = chosen.read(source, report)
    if chosen.by_folder and source.agent:
        return (Item(item.what, item.place) for item in items)
    return items


def _advice(fits: str | None, name: str) -> str:
    return f" It looks like this would fit: memory-mcp import {fits} {name}" if fits else ""


def guessed(path: Path, wanted: str | None = None) -> str | None:
    """Which format a file or folder is in, by its beginning; `None` when that says nothing.

    A folder with files of several formats is in the one that is `wanted`, if that is among them.
    """
    if path.is_dir():
        return _of_folder(path, wanted)
    if plain_name(path.name).lower().endswith(markdown.ENDINGS):
        return "markdown"
    head = first_bytes(path).decode("utf-8-sig", "replace").lstrip()
    return _of_text(head.replace('\\"', '"') if head.startswith('"') else head)


def _of_text(head: str) -> str | None:
    def has(*names: str) -> bool:
        return all(re.search(rf'"{name}"\s*:', head) for name in names)

    first_line = head.split("\n", 1)[0]
    if not head.lstrip('"').startswith(("{", "[")):
        return None
    for name, fields in _MARKS:
        if has(*fields):
            return "qwen" if name == "claude-code" and _OF_QWEN.search(head) else name
    if has("role", "content", "created_at") and first_line.rstrip().endswith("}"):
        return "jsonl"
    return None


# Versions of 2025 did not say where a message of theirs came from.
_OF_QWEN = re.compile(r'"message"\s*:\s*\{\s*"role"\s*:\s*"\w+"\s*,\s*"parts"\s*:')
# Fields that stand near the beginning of each format and of no other, the surest first.
_MARKS = (
    ("chatgpt", ("mapping",)),
    ("claude-ai", ("chat_messages",)),
    ("claude-ai", ("conversations_memory",)),
    ("claude-ai", ("prompt_template", "docs")),
    ("jsonl", ("kind", "format")),
    ("codex", ("payload", "timestamp", "type")),
    ("codex", ("timestamp", "instructions")),
    ("qwen", ("sessionId", "uuid", "provenance")),
    ("copilot", ("data", "id", "parentId")),
    ("copilot", ("sessionId", "startTime", "chatMessages")),
    ("codex", ("session", "items")),
    ("claude-code", ("sessionId", "uuid")),
    ("claude-code", ("type", "leafUuid")),
    ("gemini", ("sessionId", "messages")),
    ("gemini", ("projectHash",)),
    ("server-memory", ("entityType", "observations")),
    ("server-memory", ("relationType",)),
    ("af", ("agents", "block_ids")),
    ("af", ("agents", "memory_blocks")),
    ("af", ("core_memory",)),
    ("af", ("agent_type", "llm_config")),
    ("mem0", ("memory", "user_id")),
    ("mem0", ("memory", "hash")),
)


def _of_folder(path: Path, wanted: str | None) -> str | None:
    first: str | None = None
    for entry in islice(entries(path), FOLDER_ENTRIES):
        name = plain_name(entry.name).lower()
        if entry.hidden or entry.wrong or not name.endswith((*_ENDINGS, *markdown.ENDINGS)):
            continue
        fits = guessed(entry.path)
        if fits is not None and fits == wanted:
            return fits
        # Hosts keep notes beside their sessions.
        if fits is not None and FORMATS[fits].folders and first in (None, "markdown"):
            first = fits
    return first
