"""Markdown: a file or a folder of notes in; a folder that people can read out.

Notes become passages, one a section; the headings above it stand before its text. Front matter may
give a date (`date`, `created`) and tags (`tags`, as a list or a line).
"""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from memory_mcp.domain.copies import (
    AgentCopy,
    BlockCopy,
    ConversationCopy,
    MessageCopy,
    PassageCopy,
)
from memory_mcp.domain.errors import ExportRefused, ImportRefused
from memory_mcp.domain.json_values import moment_of, name_of
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.texts import PASSAGE_CHARS_MAX
from memory_mcp.domain.times import Zone, for_reading, from_iso
from memory_mcp.services.copies import Copies
from memory_mcp.transfer.report import Item, Report, storable
from memory_mcp.transfer.source import LINE_BYTES_MAX, Source

ENDINGS = (".md", ".markdown", ".mdx")
PIECE_CHARS = 20_000
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"\s{0,3}(```+|~~~+)")
_FIELD = re.compile(r"([A-Za-z_][\w-]*):\s*(.*)$")
_DATES = ("date", "created", "created_at", "updated")


@dataclass(slots=True)
class _Front:
    """What a note says of itself before its text."""

    at: datetime | None = None
    tags: list[str] = field(default_factory=list[str])


def read(source: Source, report: Report) -> Iterator[Item]:
    """A passage for each section of each note."""
    found = False
    for name, path in source.files(*ENDINGS):
        found = True
        with source.opened(path) as file:
            told = file.read(LINE_BYTES_MAX + 1)
        if len(told) > LINE_BYTES_MAX:
            report.refuse(name, f"the file is longer than {LINE_BYTES_MAX // 2**20} MiB")
            continue
        try:
            text = told.decode("utf-8-sig")
        except UnicodeDecodeError:
            report.refuse(name, "the file is not UTF-8")
            continue
        yield from _note(text.replace("\r\n", "\n").replace("\r", "\n"), name, path, report)
    if not found:
        raise ImportRefused(f"there is no Markdown file (.md) in {source.name}.")


def _note(text: str, name: str, path: Path, report: Report) -> Iterator[Item]:
    front, body = _front_matter(text, report)
    for line, headings, section in _sections(body):
        title = " > ".join(headings) or path.stem
        for piece in _pieces(section):
            made = NewPassage(
                content=storable(f"{title}\n\n{piece}", report),
                tags=tuple(front.tags),
                occurred_at=front.at,
                origin="import:markdown",
                metadata={"file": name.encode("utf-8", "backslashreplace").decode()},
            )
            yield Item(made, f"{name}, line {line:,}")


def _front_matter(text: str, report: Report) -> tuple[_Front, str]:
    front = _Front()
    if (
        not text.startswith("---\n")
        or (end := re.search(r"^(---|\.\.\.)\s*$", text[4:], re.M)) is None
    ):
        return front, text
    head, body = text[4 : 4 + end.start()], text[4 + end.end() :]
    key = ""
    for line in head.split("\n"):
        if (told := _FIELD.match(line)) is not None:
            key, value = told[1].lower(), told[2].strip().strip("\"'")
            if key in ("tags", "tag", "keywords"):
                front.tags += _tags(value)
            elif key in _DATES:
                front.at = front.at or moment_of(value)
            elif key != "title":
                report.left_out[f"front matter {key[:40]!r}"] += 1
        elif key in ("tags", "tag", "keywords") and line.strip().startswith("- "):
            front.tags += _tags(line.strip()[2:])
    # So many lines are gone; the line numbers of what follows must not move.
    return front, "\n" * text[: len(text) - len(body)].count("\n") + body


def _tags(value: str) -> list[str]:
    parts = value.strip("[] ").split(",") if "," in value or "[" in value else [value]
    names = [name_of(part.strip().strip("\"'").removeprefix("#")) for part in parts]
    return [name for name in names if name]


def _sections(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Each section's first line, the headings above it, and its text."""
    headings: list[tuple[int, str]] = []
    lines: list[str] = []
    start, fence = 1, ""
    for number, line in enumerate([*text.split("\n"), None], 1):
        heading = None if line is None or fence else _HEADING.match(line)
        if line is None or heading is not None:
            if section := "\n".join(lines).strip():
                yield start, [each for _, each in headings], section
            if heading is not None:
                level = len(heading[1])
                headings = [each for each in headings if each[0] < level]
                headings.append((level, heading[2]))
            lines, start = [], number
            continue
        if (mark := _FENCE.match(line)) is not None:
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
        lines.append(line)


def _pieces(section: str) -> Iterator[str]:
    """A section, in pieces that end with a paragraph where it is very long."""
    if len(section) <= PIECE_CHARS:
        yield section
        return
    piece = ""
    for paragraph in section.split("\n\n"):
        if piece and len(piece) + len(paragraph) > PIECE_CHARS:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
        while len(piece) > PASSAGE_CHARS_MAX // 2:
            yield piece[:PIECE_CHARS]
            piece = piece[PIECE_CHARS:]
    if piece.strip():
        yield piece


# --- Out ---


async def write_folder(
    copies: Copies, agents: Sequence[str] | None, folder: Path, *, force: bool, zone: Zone
) -> int:
    """Write a folder that people can read, with the days and times of `zone`; how many files.

    For each agent a page with its blocks, its passages by month, and its conversations, one a file.

    Raises:
        ExportRefused: the folder holds something and `force` is not given, or cannot be written.
    """
    heads = await copies.heads(agents)
    # Files are read and written between the rows: a command does nothing else meanwhile.
    try:
        if folder.exists() and not folder.is_dir():
            raise ExportRefused(f"{folder} is no folder, and Markdown is written into one.")
        if folder.is_dir() and any(folder.iterdir()) and not force:
            raise ExportRefused(
                f"{folder} is not empty and was left alone. With --force files of the same names "
                "are replaced."
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Until it is whole it stands beside its place, so that half of one is never taken for it.
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            files = 0
            for agent in heads:
                if isinstance(agent, AgentCopy):
                    blocks = [copy for copy in heads if isinstance(copy, BlockCopy)]
                    files += await _write_agent(copies, agent, blocks, Path(temporary), zone)
            for written in sorted(Path(temporary).rglob("*.md")):
                target = folder / written.relative_to(temporary)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.replace(written, target)
    except OSError as error:
        raise ExportRefused(f"{folder} cannot be written: {error.strerror or error}.") from error
    return files


async def _write_agent(
    copies: Copies, agent: AgentCopy, blocks: Sequence[BlockCopy], folder: Path, zone: Zone
) -> int:
    home = folder / _file_name(agent.name)
    if home.exists():  # another agent's name differs only in signs that no file has
        home = folder / f"{home.name}-{agent.id[-6:]}"
    names: dict[str, str] = {}
    async for copy in copies.rows("conversation", [agent.name]):
        assert isinstance(copy, ConversationCopy)
        day = zone.day_of(from_iso(copy.started_at)).isoformat()
        names[copy.conversation] = f"conversations/{day}-{copy.id[-12:]}.md"
        host = f"\nhost: {copy.host}" if copy.host else ""
        front = (
            f"---\ndate: {copy.started_at}\nconversation: {_line(copy.conversation)}{host}\n---\n"
        )
        _add(home / names[copy.conversation], f"{front}\n# Conversation of {day}\n")
    async for copy in copies.rows("message", [agent.name]):
        assert isinstance(copy, MessageCopy)
        at = for_reading(from_iso(copy.created_at), zone)
        speaker = _line(copy.name or copy.role)
        name = names.setdefault(copy.conversation, "conversations/others.md")
        _add(home / name, f"\n**{speaker}**, {at}:\n\n{copy.content}\n")
    months: Counter[str] = Counter()
    async for copy in copies.rows("passage", [agent.name]):
        assert isinstance(copy, PassageCopy)
        at = for_reading(from_iso(copy.occurred_at or copy.created_at), zone)
        month = f"passages/{at[:7]}.md"
        if month not in months:
            _add(home / month, f"# Passages of {at[:7]}\n")
        months[month] += 1
        tags = f" · {', '.join(copy.tags)}" if copy.tags else ""
        _add(home / month, f"\n## {at}{tags}\n\n{copy.content}\n")
    mine = [
        (each.position, each.label, block)
        for block in blocks
        for each in block.agents
        if each.agent == agent.name
    ]
    page = [f"# {_line(agent.name)}\n"]
    page += [f"\n{agent.description}\n"] if agent.description else []
    page += [f"\nTimes are those of {zone.name}.\n"]
    for _, label, block in sorted(mine, key=lambda each: each[:2]):
        page.append(f"\n## {_line(label)}\n\n{block.value or '(empty)'}\n")
    page.append("\n## Conversations\n\n" + "".join(f"- [{n}]({n})\n" for n in names.values()))
    page.append("\n## Passages\n\n" + "".join(f"- [{n}]({n}): {m:,}\n" for n, m in months.items()))
    _add(home / "README.md", "".join(page))
    return len(names) + len(months) + 1


def _add(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(
        os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "a", encoding="utf-8"
    ) as file:
        file.write(text)


def _file_name(name: str) -> str:
    plain = re.sub(r"[^\w. -]", "-", name).strip(". ")
    return plain or "agent"


def _line(text: str) -> str:
    return " ".join(text.split())
