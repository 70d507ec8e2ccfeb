"""Markdown: a file or a folder of notes in; a folder that people can read out.

Notes become passages, one a section. Each begins with what the note is called and the headings
above it, so that it is found by them; the text is the person's, letter by letter.
"""

import json
import os
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from memory_mcp.domain import quoting
from memory_mcp.domain.copies import (
    AgentCopy,
    BlockCopy,
    ConversationCopy,
    MessageCopy,
    PassageCopy,
)
from memory_mcp.domain.errors import ExportRefused
from memory_mcp.domain.json_values import name_of
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.quoting import in_json, listed, one_line, shown
from memory_mcp.domain.redact import in_short
from memory_mcp.domain.texts import TAGS_MAX, clip
from memory_mcp.domain.times import Zone, for_reading, from_iso
from memory_mcp.services.copies import Copies
from memory_mcp.transfer.dates import AmbiguousDate, date_in, date_of_name, is_placeholder, is_span
from memory_mcp.transfer.front_matter import (
    FrontMatter,
    front_matter,
    lines_of,
    notion_name,
    plain,
    texts_in,
)
from memory_mcp.transfer.pieces import PIECE_CHARS, fenced, pieces
from memory_mcp.transfer.report import Item, Report, storable
from memory_mcp.transfer.source import LINE_BYTES_MAX, Source

ENDINGS = (".md", ".markdown", ".mdx", ".mdown", ".mkd")
TITLE_CHARS = 300
NAMES_MAX = 10
"""So many other names of a note stand beside its title."""
HEADING_CHARS = 200
"""A line of more that is underlined is text above a rule, as people write it."""

_KNOWN = {
    r"(?i)\.canvas$": "canvases (.canvas)",
    r"(?i)\.base$": "views of properties (.base)",
    r"(?i)\.pdf$": "PDF files",
    r"(?i)\.excalidraw$": "drawings",
    r"(?i)\.css$": "style sheets",
}
_OLDER = ("date", "day", "created", "creationdate", "published", "timestamp")
_HAPPENED = (
    *_OLDER, "createdat", "createdon", "createdtime", "createddate", "datecreated", "creationtime",
    "usercreatedtime", "publishedat", "publishdate", "publishedon", "pubdate", "datepublished",
    "journalday", "datum", "fecha", "eventdate", "startdate",
)  # fmt: skip
_SURELY = frozenset({"date", "created", "createdat", "updated", "updatedat", "modified"})
"""Properties that are dates whatever they say; `published: true` is none."""
_CHANGED = (
    "updated", "updatedat", "updatedon", "updatedtime", "updateddate", "dateupdated", "modified",
    "modifiedat", "datemodified", "modificationdate", "lastmod", "lastmodified", "lastedited",
    "lasteditedtime", "userupdatedtime", "lastupdated", "mtime",
)  # fmt: skip
_TAGS = ("tags", "tag", "keywords")
_NAMES = ("aliases", "alias")
_MACHINES = (
    "cssclass",
    "cssclasses",
    "kanbanplugin",
    "excalidrawplugin",
    "position",
    "localimages",
)
"""Properties that only programs read."""
_INDEXES = ("index", "readme", "untitled", "home")
"""Names that say nothing: the folder's says what the note is about."""

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_PLAIN_DATE = re.compile(r"\W*\d{4}-\d\d-\d\d")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_ENDS_BEFORE = re.compile(r"\s*$|\s*(?:```|~~~)|.*(?:-->|%%)\s*$")
"""A line behind which a paragraph begins."""
_NO_PARAGRAPH = re.compile(r"\s*$|\s{4}|\s*(?:[-*+>|<#]|\d+[.)]\s|```|~~~|%%|!?\[\[?.*\]\]?$)")
_PICTURE = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]{200,}")
_CODE = re.compile(r"(`+)(?:.*?)\1", re.S)
# A # after a space, as the first thing in brackets or on a line, and no part of a link.
_TAG = re.compile(
    r"(?<![^\s(])(?<!\]\()#([^\s\x00-,.:-@\[-^`{-~\u2000-\u206f\u3000-\u303f\uff00-\uff0f]+)"
)
# Bear closes a tag of several words; `#ops and C#` is none.
_TAG_OF_WORDS = re.compile(
    r"(?<![^\s(])#((?![\d\s#])[^#\n|\[\]()]{0,98}[^\s#])(?<!\W[A-Za-z])#(?![\w#])"
)
_COMMENT = re.compile(r"<!--|-->|%%")
_BEAR_ID = re.compile(r"^<!-- \{BearID:[^}\n]*\} -->[ \t]*$", re.M)
_MACHINE_PARTS = (("\n%% kanban:settings\n", "\n%%"), ("\n```compressed-json\n", "\n```"))
"""What plugins keep in a note: how it begins and ends."""
_STRUCTURE = re.compile(
    r"```|~~~|^[ \t]{0,20}(?:[#<>|%]|\*\*|__|\+\+\+|[-=*_ \t]+$|\[[^\]]*\]:)", re.M
)
"""What pages of ours are made of, or what would hide what comes after it."""
_BETWEEN_WORDS = re.compile(r"[\s_\-\u2013\u2014/.,:;!?()\[\]\"'\u2019]+")


@dataclass(slots=True)
class _Note:
    """What all passages of a note have in common."""

    name: str
    """Its path, as the report and the passages call it."""
    title: str = ""
    names: list[str] = field(default_factory=list[str])
    """What else it is called: its file, its aliases."""
    at: datetime | None = None
    tags: list[str] = field(default_factory=list[str])
    properties: str = ""
    """A line for each that has no place of its own."""


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of a note under one heading."""

    line: int
    headings: list[tuple[int, str]]
    """The headings above it: levels and texts."""
    text: str
    has_parts: bool
    """Whether there are headings beneath its own."""


def read(source: Source, report: Report) -> Iterator[Item]:
    """A passage for each section of each note."""
    for name, path in source.files(*ENDINGS, known=_KNOWN):
        with source.opened(path) as file:
            told = file.read(LINE_BYTES_MAX + 1)
        if len(told) > LINE_BYTES_MAX:
            report.refuse(name, f"the file is longer than {LINE_BYTES_MAX // 2**20} MiB")
            continue
        try:
            wide = told.startswith((b"\xff\xfe", b"\xfe\xff"))
            text = told.decode("utf-16" if wide else "utf-8-sig")
        except UnicodeDecodeError:
            report.refuse(name, "the file is not UTF-8")
            continue
        yield from _note(text.replace("\r\n", "\n").replace("\r", "\n"), name, report)


def _note(text: str, name: str, report: Report) -> Iterator[Item]:
    path = name.removesuffix("." + name.rsplit(".", 1)[-1])
    stem = path.rsplit("/", 1)[-1]
    front = front_matter(text, stem)
    if front.joplin_type != "1":
        report.left_out["Joplin's records of folders, tags and attachments"] += 1
        return
    if front.machine_lines:
        report.left_out["Joplin's lines at the end of a note"] += front.machine_lines
    if front.wrong is not None:
        _tell_wrong(front, name, report)
    sections = list(_sections(_by_people(front.body, report)))
    note = _described(front, path, stem, name, sections, report)
    made, passed = 0, False
    for section in sections:
        title = _title(note, section)
        own = section.headings[-1][1] if section.headings else ""
        below = section.text
        if len(own) > TITLE_CHARS:
            below = f"{own}\n\n{below}".rstrip()
        if not below and (section.has_parts or not section.headings):
            passed = any(text for _, text in section.headings)
            continue
        if not below and not own and not passed:
            report.left_out["headings without a word"] += 1
            continue
        passed = False
        if made == 0 and note.properties:
            below = f"{note.properties}\n\n{below}" if below else note.properties
        tags = _kept([*note.tags, *_inline_tags(f"{own}\n{section.text}")], report)
        for piece in pieces(below):
            made += 1
            yield _item(note, f"{title}\n\n{piece}" if piece else title, tags, section.line, report)
    if made == 0 and (note.properties or note.tags or note.names):
        below = f"\n\n{note.properties}" if note.properties else ""
        tags = _kept(note.tags, report)
        yield _item(note, f"{_title(note)}{below}", tags, 1, report)
    elif made == 0:
        report.left_out[f"{name}: a note without any text"] += 1


def _by_people(body: str, report: Report) -> str:
    """The text without what programs keep in it; the lines keep their numbers."""
    body, machine = _BEAR_ID.subn("", body)
    for begin, end in _MACHINE_PARTS:
        if (at := body.rfind(begin)) != -1 and (ended := body.find(end, at + len(begin))) != -1:
            ended += len(end)
            body = body[:at] + "\n" * body.count("\n", at, ended) + body[ended:]
            machine += 1
    if machine:
        report.left_out["settings that a program keeps in a note"] += machine
    body, pictures = _PICTURE.subn("data:", body)
    if pictures:
        report.left_out["pictures written into the text"] += pictures
    return body


def _item(note: _Note, content: str, tags: Sequence[str], line: int, report: Report) -> Item:
    made = NewPassage(
        content=storable(content, report),
        tags=tuple(tags),
        occurred_at=note.at,
        origin="import:markdown",
        source=note.name,
        metadata={"file": note.name},
    )
    return Item(made, f"{note.name}, line {line:,}")


# --- What a note is called, when it was, and what it says of itself ---


def _described(
    front: FrontMatter, path: str, stem: str, name: str, sections: list[_Section], report: Report
) -> _Note:
    note = _Note(name)
    told = {**front.told_in_body, **front.properties}
    dates: dict[str, tuple[str, Any]] = {}
    kept: dict[str, Any] = {}
    named: list[str] = []
    for key in told:
        value: Any = told[key]
        plain_key = re.sub(r"[\W_]", "", key).casefold()
        ours = key in front.properties
        if plain_key == "title" and plain(value) and not _is_many(value):
            note.title = plain(value)
        elif plain_key in _TAGS:
            note.tags += _tags(value)
        elif plain_key in _NAMES:
            named += _aliases(value)
        elif plain_key in _MACHINES:
            report.left_out[f"front matter {key[:40]!r}"] += 1
        elif plain_key in _HAPPENED or plain_key in _CHANGED:
            if any(True for _ in texts_in(value)):
                dates.setdefault(plain_key, (key, value))
                kept |= {key: value} if ours else {}
        elif ours and not any(True for _ in texts_in(value)):
            report.left_out["front matter without a value"] += 1
        elif ours:
            kept[key] = value
    called = notion_name(stem)
    if re.sub(r"^_|[ \d]+$", "", called).casefold() in _INDEXES and "/" in path:
        called = path.split("/")[-2]
    if front.machine_lines and sections and not note.title:  # Joplin's first line is the title
        note.title = sections[0].text.split("\n", 1)[0]
    if not note.title:
        note.title = _only_h1(sections) or called
    if re.fullmatch(r"[0-9a-f]{32}", called) and note.title != called:
        called = ""  # a number, and no name
    note.title = _line(note.title) or called
    note.at, used = _date(dates, path, note.title, name, report)
    if used is not None and not _is_many(kept.get(used)) and not is_span(plain(kept.get(used))):
        kept.pop(used, None)
    if len(note.title) > TITLE_CHARS:
        kept = {"title": note.title, **kept}
    if len(named) > NAMES_MAX or any(len(each) > TITLE_CHARS for each in named):
        kept["aliases"] = named
    note.title = in_short(note.title, TITLE_CHARS)
    try:
        note.properties = "\n".join(lines_of(kept))
    except ValueError as error:
        report.refuse(name, f"the front matter is left out, as {error}; the note came in without")
    if front.wrong is not None and front.verbatim.strip():
        note.properties = front.verbatim.strip("\n")
    for each in [called, *named]:
        if not _words(each) <= _words(" ".join([note.title, *note.names])):
            note.names.append(in_short(_line(each), TITLE_CHARS))
    del note.names[NAMES_MAX:]
    return note


def _date(
    dates: dict[str, tuple[str, Any]], path: str, title: str, name: str, report: Report
) -> tuple[datetime | None, str | None]:
    """When what the note tells happened, and the property that says so.

    What cannot be read is reported.
    """
    told: dict[str, datetime] = {}
    for plain_key, (key, value) in dates.items():
        text = next(texts_in(value))
        try:
            at = date_in(text, report.zone)
        except AmbiguousDate:
            report.refuse(
                name,
                f"{key} {text!r} may be two days, depending on which comes first, day or month; "
                "the note came in without it. Write it as 2026-11-22",
            )
            continue
        if at is not None:
            told[plain_key] = at
        elif is_placeholder(text):
            report.left_out["a template's mark instead of a date"] += 1
        elif plain_key in _SURELY or re.search(r"\d", text):
            report.refuse(
                name,
                f"{key} {clip(text, 60)!r} cannot be read as a date; the note came in without it. "
                "Write it as 2026-11-22 or 2026-11-22T14:05:00Z",
            )
    for each in (*_HAPPENED, "", *_CHANGED):
        if not each and (at := _date_in_names(path, title, report)) is not None:
            return at, None
        if each in told:
            (key, value), at = dates[each], told[each]
            if not _PLAIN_DATE.match(text := next(texts_in(value))) or is_span(text):
                shown = f"{text!r} as {for_reading(at, report.zone)}"
                report.interpret(f"front matter {key[:40]!r} read as a date", shown)
            return at, key
    return None, None


def _date_in_names(path: str, title: str, report: Report) -> datetime | None:
    for name in (path, title):
        try:
            if (at := date_of_name(name, report.zone)) is not None:
                return at
        except AmbiguousDate:
            report.left_out["names of notes that may be two days"] += 1
            break
    return None


def _tell_wrong(front: FrontMatter, name: str, report: Report) -> None:
    if is_placeholder(front.verbatim):
        report.left_out["front matter of templates, kept as it stands there"] += 1
    else:
        report.refuse(name, f"{front.wrong}; the note came in with it as it stands there")


def _tags(value: Any) -> list[str]:
    told: list[str] = []
    for text in texts_in(value):
        split = r"," if "," in text or "[[" in text else r"\s+"
        parts = re.split(split, text) if not isinstance(value, list) or "," in text else [text]
        names = (name_of(part.strip().strip("\"'[]").lstrip("#")) for part in parts)
        told += [each for each in names if each]
    return told


def _aliases(value: Any) -> list[str]:
    told = list(texts_in(value))
    if len(told) == 1 and isinstance(value, str):
        told = value.split(",")
    return [each.strip().strip("[]") for each in told]


def _inline_tags(text: str) -> Iterator[str]:
    """Tags in the text, as Obsidian, Logseq and Bear have them; none in code, no colours."""
    fence = ""
    for line in text.split("\n"):
        fence, was = fenced(line, fence), fence
        if fence or was or "#" not in line:
            continue
        plain = _without_code(line)
        for found in _TAG_OF_WORDS.findall(plain):
            yield found
        for found in _TAG.findall(_TAG_OF_WORDS.sub("", plain)):
            tag = found.rstrip("/-'")
            if tag and not tag.isdigit() and not _is_colour(tag):
                yield tag


def _is_colour(tag: str) -> bool:
    if len(tag) not in (3, 4, 6, 8) or re.fullmatch(r"[0-9a-fA-F]+", tag) is None:
        return False
    return len(tag) > 4 or any(map(str.isdigit, tag)) or len(set(tag.lower())) == 1


def _kept(tags: Sequence[str], report: Report) -> list[str]:
    names = [name for tag in tags if (name := name_of(tag))]
    once = list({each.casefold(): each for each in reversed(names)}.values())[::-1]
    if len(once) > TAGS_MAX:
        report.left_out[f"tags of a note past {TAGS_MAX}"] += len(once) - TAGS_MAX
    return once[:TAGS_MAX]


def _title(note: _Note, section: _Section | None = None) -> str:
    """What the passage begins with: the note's title, its other names, the headings."""
    called = note.title + (f" ({', '.join(note.names)})" if note.names else "")
    above = [text for _, text in section.headings] if section else []
    if above and _plain_name(above[0]) == _plain_name(note.title):
        del above[0]
    return " > ".join([called, *(in_short(text, TITLE_CHARS) for text in above if text)])


def _only_h1(sections: Sequence[_Section]) -> str:
    """The heading that is the note's title: the only one of the first level, before all others."""
    first = [section.headings for section in sections if len(section.headings) == 1]
    top = {id(headings[0]): headings[0] for headings in first if headings[0][0] == 1}
    headed = [section.headings[0] for section in sections if section.headings][:1]
    return headed[0][1] if len(top) == 1 and headed[0][0] == 1 else ""


def _plain_name(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def _is_many(value: Any) -> bool:
    return isinstance(value, list | dict)


def _words(text: str) -> set[str]:
    return set(_BETWEEN_WORDS.split(_plain_name(text))) - {""}


# --- Its sections ---


def _sections(text: str) -> Iterator[_Section]:
    """The sections in order; those without text too."""
    headings: list[tuple[int, str]] = []
    lines: list[str] = []
    start, fence, comment = 1, "", ""
    for number, line in enumerate([*text.split("\n"), None], 1):
        heading = None
        if line is not None and not comment:
            heading = None if fence else _heading(line, lines)
        if line is None or heading is not None:
            taken = 0
            if heading is not None and heading[2]:
                taken = 1
            told = lines[: len(lines) - taken]
            now = _Section(start, list(headings), _trimmed(told), has_parts=False)
            if heading is not None:
                level = heading[0]
                beneath = bool(headings) and level > headings[-1][0]
                headings = [each for each in headings if each[0] < level]
                headings.append((level, heading[1]))
                now = _Section(now.line, now.headings, now.text, has_parts=beneath)
            yield now
            lines, start = [], number - taken
            continue
        fence = fence if comment else fenced(line, fence)
        comment = comment if fence else _commented(line, comment)
        lines.append(line)


def _heading(line: str, before: Sequence[str]) -> tuple[int, str, bool] | None:
    """A heading's level, its text, and whether that is the line before."""
    if (found := _ATX.match(line)) is not None:
        text = line[found.end() :].strip()
        if (closed := text.rstrip("#")) != text and (not closed or closed[-1] in " \t"):
            text = closed.rstrip()
        return len(found[1]), text, False
    if (found := _UNDERLINE.fullmatch(line)) is None or not before:
        return None
    text = before[-1]
    alone = len(before) == 1 or _ENDS_BEFORE.match(before[-2])
    if not alone or len(text) > HEADING_CHARS or _NO_PARAGRAPH.match(text):
        return None
    return (1 if found[1][0] == "=" else 2), text.strip(), True


def _commented(line: str, comment: str) -> str:
    """What ends the comment that the next line is in; empty outside."""
    if "%%" not in line and "--" not in line:
        return comment
    for found in _COMMENT.finditer(_without_code(line)):
        if comment:
            comment = "" if found[0] == comment else comment
        elif found[0] != "-->":
            comment = "-->" if found[0] == "<!--" else "%%"
    return comment


def _without_code(line: str) -> str:
    # A line that long is no person's, and code in it not worth the time to look for it.
    return _CODE.sub(" ", line) if "`" in line and len(line) <= PIECE_CHARS else line


def _trimmed(lines: Sequence[str]) -> str:
    """The lines without blank ones at both ends; the first keeps its indentation."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", "\n".join(lines)).rstrip()


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
        host = f"\nhost: {_yaml(copy.host)}" if copy.host else ""
        name = _yaml(copy.conversation)
        front = f"---\ndate: {copy.started_at}\nconversation: {name}{host}\n---\n"
        _add(home / names[copy.conversation], f"{front}\n# Conversation of {day}\n")
    async for copy in copies.rows("message", [agent.name]):
        assert isinstance(copy, MessageCopy)
        at = for_reading(from_iso(copy.created_at), zone)
        speaker = _plainly(quoting.speaker(copy.role, copy.name))
        name = names.setdefault(copy.conversation, "conversations/others.md")
        _add(home / name, f"\n**{speaker}**, {at}:\n\n{_quote(copy.content)}\n")
    months: Counter[str] = Counter()
    async for copy in copies.rows("passage", [agent.name]):
        assert isinstance(copy, PassageCopy)
        at = for_reading(from_iso(copy.occurred_at or copy.created_at), zone)
        month = f"passages/{at[:7]}.md"
        if month not in months:
            _add(home / month, f"# Passages of {at[:7]}\n")
        months[month] += 1
        tags = f" · {', '.join(_plainly(listed(tag)) for tag in copy.tags)}" if copy.tags else ""
        _add(home / month, f"\n## {at}{tags}\n\n{_quote(copy.content)}\n")
    mine = [
        (each.position, each.label, block)
        for block in blocks
        for each in block.agents
        if each.agent == agent.name
    ]
    page = [f"# {_plainly(agent.name)}\n"]
    page += [f"\n{_quote(agent.description)}\n"] if agent.description else []
    page += [f"\nTimes are those of {zone.name}.\n"]
    for _, label, block in sorted(mine, key=lambda each: each[:2]):
        value = _quote(block.value) if block.value else "(empty)"
        page.append(f"\n## {_plainly(label)}\n\n{value}\n")
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


def _quote(text: str) -> str:
    """What was stored, as a quotation where it has any Markdown that the page is made of.

    Headings, fences and comments in a quotation end with it.
    """
    text = shown(text)
    if not _STRUCTURE.search(text):
        return text
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def _plainly(name: str) -> str:
    """A name, on one line, in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", one_line(name))


def _yaml(text: str) -> str:
    """A text as front matter has it: as it is, or as JSON, which is YAML."""
    if re.fullmatch(r"[A-Za-z][\w./-]*", text, re.ASCII):
        return text
    return in_json(json.dumps(text, ensure_ascii=False))
