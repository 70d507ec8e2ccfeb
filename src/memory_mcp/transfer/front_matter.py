"""What a note says of itself: front matter in YAML, TOML or JSON, and lines that others write.

Values come as they are written: `1.10` stays `1.10`, `on` stays `on`, a date stays a text.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

CHARS_MAX = 256 * 1024
DEPTH_MAX = 20
ALIASES_MAX = 20
"""More of them could stand for billions of values."""
JOPLIN_CHARS = 8_192

_YAML_END = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.M)
_TOML_END = re.compile(r"^\+\+\+[ \t]*$", re.M)
_FIELD = re.compile(r"([^\s:#\-\[{][^:\n]*?)[ \t]*:(?:[ \t]+(.*)|$)")
_NOTION_FIELD = re.compile(r"([^\W\d_][^:\n]{0,60}):[ \t](\S.*)")
_NOTION_ID = re.compile(r"(.+?)[ _-]([0-9a-f]{32})")
_INLINE_FIELD = re.compile(r"(?:[-*+][ \t]+)?([^\W_][\w /-]{0,60})::(?:[ \t]+(.*)|$)")
_JOPLIN = re.compile(r"(?:^|\n)(id: [0-9a-f]{32}\n(?:[a-z_]+:[^\n]*\n){5,}type_: (\d+))\s*\Z")

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(slots=True)
class FrontMatter:
    """What a note says of itself."""

    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    """Texts, lists and maps, by name."""
    body: str = ""
    """The rest of the note; the line breaks of what went before it are kept, so lines count on."""
    verbatim: str = ""
    """Front matter that is not what it should be, as it stands there."""
    wrong: str | None = None
    """What is wrong with it."""
    told_in_body: dict[str, Any] = field(default_factory=dict[str, Any])
    """What other programs write into the text itself, where it stays."""
    machine_lines: int = 0
    """Lines at the end that only a program reads, and that are taken off."""
    joplin_type: str = "1"


def front_matter(text: str, stem: str) -> FrontMatter:
    """Read it. `stem` is the file's name without its ending, which says whether Notion wrote it."""
    found = _fenced(text, r"---", _YAML_END, "YAML", _yaml)
    found = found or _fenced(text, r"\+\+\+", _TOML_END, "TOML", _toml) or _json(text)
    front = found or FrontMatter(body=text)
    tail = max(0, len(front.body) - JOPLIN_CHARS)
    if (joplin := _JOPLIN.search(front.body, tail)) is not None:
        front.joplin_type = joplin[2]
        front.told_in_body |= dict(_fields(joplin[1]))
        front.machine_lines = joplin[1].count("\n") + 1
        front.body = front.body[: joplin.start(1)]
    head = front.body.lstrip("\n")
    if notion_name(stem) != stem and head.startswith("# "):
        front.told_in_body |= dict(_notion(head.split("\n")[1:]))
    front.told_in_body |= dict(_inline(head.split("\n", 50)[:50]))
    return front


def notion_name(stem: str) -> str:
    """The name without the id that Notion's exports give each file."""
    found = _NOTION_ID.fullmatch(stem)
    return found[1] if found else stem


def lines_of(properties: dict[str, Any]) -> Iterator[str]:
    """`name: value` for each property; what is nested has its path as its name.

    Raises:
        ValueError: they come to far more than was written, as they refer to one another.
    """
    left = 4 * CHARS_MAX
    for name, value in properties.items():
        for line in _lines(name, value, 0):
            left -= len(line) + 1
            if left < 0:
                raise ValueError("it refers to itself too often")
            yield line


def texts_in(value: Any, depth: int = 0) -> Iterator[str]:
    """The texts of a value, whatever it is nested in."""
    if depth > DEPTH_MAX:
        return
    if isinstance(value, dict):
        for each in cast("dict[str, Any]", value).values():
            yield from texts_in(each, depth + 1)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from texts_in(each, depth + 1)
    elif text := plain(value):
        yield text


def plain(value: Any) -> str:
    """A single value as text; YAML's words for nothing are none."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value).strip()
    return "" if text in ("~", "null", "Null", "NULL") else text


def _lines(name: str, value: Any, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        return
    if isinstance(value, dict):
        for key, each in cast("dict[Any, Any]", value).items():
            yield from _lines(f"{name}.{key}", each, depth + 1)
    elif isinstance(value, list):
        listed = cast("list[Any]", value)
        if any(isinstance(each, dict | list) for each in listed):
            for each in listed:
                yield from _lines(name, each, depth + 1)
        elif told := ", ".join(filter(None, map(plain, listed))):
            yield f"{name}: {told}"
    elif told := plain(value):
        yield f"{name}: {told}"


def _fenced(text: str, mark: str, end: re.Pattern[str], kind: str, read: Any) -> FrontMatter | None:
    if (begin := re.match(mark + r"[ \t]*\n", text)) is None:
        return None
    if (ended := end.search(text, begin.end())) is None:
        return None
    head = text[begin.end() : ended.start()]
    body = "\n" * text.count("\n", 0, ended.end()) + text[ended.end() :]
    if len(head) > CHARS_MAX:
        wrong = f"the front matter is longer than {CHARS_MAX // 1024} KiB"
        return FrontMatter(body=body, verbatim=head, wrong=wrong)
    try:
        told: Any = read(head)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        return FrontMatter(
            properties=_lenient(head),
            body=body,
            verbatim=head,
            wrong=f"the front matter is not {kind} ({_reason(error)})",
        )
    if told in (None, ""):
        return FrontMatter(body=body)
    if not isinstance(told, dict):
        return None  # lines between two rules are text
    properties = {str(key): value for key, value in cast("dict[Any, Any]", told).items()}
    return FrontMatter(properties=properties, body=body)


def _yaml(head: str) -> Any:
    # Events are read without a stack, so that what is nested too deep is seen before it is built.
    depth = aliases = nodes = 0
    names: set[str] = set()
    read: Any = yaml  # its stub says too little
    events: Iterator[Any] = read.parse(head, Loader=_Loader)
    for event in events:
        if depth == 1 and not isinstance(event, yaml.CollectionEndEvent):
            if nodes % 2 == 0 and isinstance(event, yaml.ScalarEvent):
                if event.value in names:
                    raise ValueError(f"{event.value[:40]!r} is there twice")
                names.add(event.value)
            nodes += 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > DEPTH_MAX or aliases > ALIASES_MAX:
            raise ValueError("it is nested too deep, or refers to itself too often")
    return yaml.load(head, Loader=_Loader)


def _toml(head: str) -> Any:
    return tomllib.loads(head, parse_float=str)


def _json(text: str) -> FrontMatter | None:
    if not re.match(r'\{\s*(?:"|\})', text):
        return None
    try:
        told, end = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or text[end:].lstrip(" \t")[:1] not in ("", "\n"):
        return None
    body = "\n" * text.count("\n", 0, end) + text[end:]
    return FrontMatter(properties=cast("dict[str, Any]", told), body=body)


def _lenient(head: str) -> dict[str, Any]:
    """Of front matter that is broken somewhere, the lines that are plain."""
    told: dict[str, Any] = {}
    name = ""
    for line in head.split("\n"):
        if (found := _FIELD.fullmatch(line.rstrip())) is not None:
            name, value = found[1].strip("\"'"), _unquoted(found[2] or "")
            if value.startswith("[") and value.endswith("]"):
                told[name] = [_unquoted(each) for each in value[1:-1].split(",")]
            else:
                told[name] = value
        elif name and (item := re.match(r"\s*-\s+(.*)", line)):
            listed: list[Any] = told[name] if isinstance(told[name], list) else []
            told[name] = [*listed, _unquoted(item[1])]
    return told


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        yield name, value.strip()


def _notion(lines: list[str]) -> Iterator[tuple[str, str]]:
    """A page's properties stand in lines of their own under its title."""
    begun = False
    for line in lines:
        if not line.strip():
            if begun:
                return
            continue
        if (found := _NOTION_FIELD.fullmatch(line)) is None:
            if not begun:
                return
            continue  # a property without a name, or a value's second line
        begun = True
        yield found[1], found[2].strip()


def _inline(lines: list[str]) -> Iterator[tuple[str, str]]:
    """`name:: value`, as Logseq and Dataview have it, at the beginning of the note."""
    for line in lines:
        if (found := _INLINE_FIELD.fullmatch(line.rstrip())) is None:
            return
        yield found[1].strip(), (found[2] or "").strip()


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    where = f", line {mark.line + 2}" if mark is not None else ""
    return " ".join(f"{problem}".split())[:120] + where
