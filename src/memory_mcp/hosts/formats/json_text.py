"""JSON as hosts keep it, with or without comments: changed in place, the rest left as it stands."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from memory_mcp.domain.errors import ConfigurationRefused

Path = Sequence[str]

_SPACE = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_SCALAR = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_TEXTS = re.compile(rf"\[\s*({_TEXT.pattern}(?:,\s*{_TEXT.pattern})*)\s*\]")
"""Lists of texts, such as arguments, read best on one line."""
_DEPTH_MAX = 200
DEFAULT_UNIT = "  "


@dataclass(slots=True)
class Node:
    """A value, and where it stands in the text."""

    start: int
    end: int
    value: Any
    keys: list[str] = field(default_factory=list[str])
    starts: list[int] = field(default_factory=list[int])
    """Where each child begins: a member of an object with its name."""
    children: list["Node"] = field(default_factory=list["Node"])

    @property
    def is_list(self) -> bool:
        """Whether it has items."""
        return isinstance(self.value, list)

    @property
    def is_object(self) -> bool:
        """Whether it has members."""
        return isinstance(self.value, dict)

    def member(self, key: str) -> "Node | None":
        """A member of an object; the last one of that name, as readers take it."""
        places = [place for place, name in enumerate(self.keys) if name == key]
        return self.children[places[-1]] if places else None


def read(text: str, *, comments: bool) -> Node:
    """The value in a text.

    Raises:
        ConfigurationRefused: it is not valid; the text says where.
    """
    reader = _Reader(text, comments)
    start = reader.skip(1 if text.startswith("\ufeff") else 0)
    node = reader.value(start, 0)
    end = reader.skip(node.end)
    if end != len(text):
        raise reader.wrong(end)
    return node


def put(text: str, path: Path, value: Any, *, comments: bool) -> str:
    """The text with `value` at that place; objects on the way are made, other members stay.

    An object is put member by member, so that what somebody added to it stays.

    Raises:
        ConfigurationRefused: it is not valid, or something else stands in the way.
    """
    if not text.lstrip("\ufeff").strip():
        text = text + "{}" + _line_end(text)
    node = read(text, comments=comments)
    for place, key in enumerate(path):
        _require_object(node, path[:place], text)
        inner = node.member(key)
        if inner is None:
            for missing in reversed(path[place + 1 :]):
                value = {missing: value}
            return _insert(text, node, key, value, comments)
        node = inner
    if node.value == value:
        return text
    if isinstance(value, dict) and node.is_object:
        for key, part in cast("dict[str, Any]", value).items():
            text = put(text, [*path, key], part, comments=comments)
        return text
    return text[: node.start] + _rendered(text, value, _indent(text, node.start)) + text[node.end :]


def add(text: str, path: Path, item: Any, *, comments: bool) -> str:
    """The text with `item` at the end of the list there, which is made if it isn't there.

    Raises:
        ConfigurationRefused: as `put`, or no list stands there.
    """
    if not text.lstrip("\ufeff").strip():
        return put(text, path, [item], comments=comments)
    node = find(read(text, comments=comments), path)
    if node is None:
        return put(text, path, [item], comments=comments)
    if not node.is_list:
        raise ConfigurationRefused(f"{'.'.join(path)} is no list there.")
    return _insert(text, node, None, item, comments)


def remove(text: str, path: Path, *, comments: bool) -> str:
    """The text without what stands there; objects that are empty then go with it."""
    root = read(text, comments=comments)
    parent = find(root, path[:-1])
    if parent is None or path[-1] not in parent.keys:
        return text
    text = _without(text, parent, parent.keys.index(path[-1]), comments)
    if len(parent.children) == 1 and len(path) > 1:
        return remove(text, path[:-1], comments=comments)
    return text


def remove_items(text: str, path: Path, ours: Callable[[Any], bool], *, comments: bool) -> str:
    """The text without the items of a list that are ours, and without the list if none is left."""
    while (node := find(read(text, comments=comments), path)) is not None and node.children:
        places = [place for place, child in enumerate(node.children) if ours(child.value)]
        if not places:
            break
        if len(node.children) == 1:
            return remove(text, path, comments=comments)
        text = _without(text, node, places[0], comments)
    return text


def find(node: Node, path: Path) -> Node | None:
    """What stands at a place: names of members, or numbers of items as texts."""
    for key in path:
        if node.is_list and key.isdigit() and int(key) < len(node.children):
            node = node.children[int(key)]
        elif node.is_object and (inner := node.member(key)) is not None:
            node = inner
        else:
            return None
    return node


def _require_object(node: Node, path: Path, text: str) -> None:
    if not node.is_object:
        where = ".".join(path) or "the whole file"
        raise ConfigurationRefused(f"{where} is no object: {text[node.start : node.start + 20]!r}.")


# Changing.


def _insert(text: str, parent: Node, key: str | None, value: Any, comments: bool) -> str:
    """With one more child at the end of an object or a list."""
    line_end = _line_end(text)
    name = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
    if not parent.children:
        outer = _indent(text, parent.start)
        inner = outer + _unit(text)
        child = name + _rendered(text, value, inner)
        kept = text[parent.start + 1 : parent.end - 1].rstrip()
        body = f"{text[parent.start]}{kept}{line_end}{inner}{child}{line_end}{outer}"
        return text[: parent.start] + body + text[parent.end - 1 :]
    last = parent.children[-1]
    reader = _Reader(text, comments)
    after = reader.skip(last.end)
    comma = after + 1 if text[after] == "," else None
    # A comment behind the last child, on its line, belongs to it.
    line = text.find("\n", last.end)
    tail = comma or last.end
    rest = text[tail : line if line != -1 else len(text)]
    if (
        found := re.match(r"[ \t]*(?://[^\r\n]*|/\*.*?\*/)(?=[ \t]*\r?$)", rest)
        if comments
        else None
    ):
        tail += found.end()
    first = parent.starts[-1]
    on_own_line = not text[text.rfind("\n", 0, first) + 1 : first].strip()
    inner = _indent(text, first)
    told = _rendered(text, value, inner) if on_own_line else json.dumps(value, ensure_ascii=False)
    child, separator = name + told, line_end + inner if on_own_line else " "
    if comma is None:
        return f"{text[: last.end]},{text[last.end : tail]}{separator}{child}{text[tail:]}"
    return f"{text[:tail]}{separator}{child},{text[tail:]}"


def _without(text: str, parent: Node, place: int, comments: bool) -> str:
    """Without a child, its comma and its line; comments around it stay."""
    reader = _Reader(text, comments)
    start, end = parent.starts[place], parent.children[place].end
    after = reader.skip(end)
    has_comma = text[after] == ","
    if has_comma:
        end = after + 1
    line = text.rfind("\n", 0, start) + 1
    alone = not text[line:start].strip()
    ends = re.compile(r"[ \t]*(\r?\n|$)").match(text, end)
    if alone and ends:  # whole lines
        start, end = line, ends.end()
    elif alone is False and has_comma:
        end = _SPACE.match(text, end).end()  # pyright: ignore[reportOptionalMemberAccess] - matches ""
    if place and not (has_comma and place < len(parent.children) - 1):
        # It was the last: the comma before it goes too, unless the host allows it there.
        before = parent.children[place - 1].end
        comma = reader.skip(before)
        if text[comma] == "," and not has_comma:
            return text[:comma] + text[comma + 1 : start] + text[end:]
    if len(parent.children) == 1:
        between = text[parent.start + 1 : start] + text[end : parent.end - 1]
        if not between.strip():
            return text[: parent.start + 1] + text[parent.end - 1 :]
    return text[:start] + text[end:]


def _rendered(text: str, value: Any, indent: str) -> str:
    """A value as it would stand behind that much indentation."""
    told = json.dumps(value, ensure_ascii=False, indent=_unit(text))
    lines = _TEXTS.sub(lambda found: f"[{', '.join(_TEXT.findall(found[1]))}]", told).split("\n")
    return (_line_end(text) + indent).join(lines)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indent(text: str, place: int) -> str:
    """The white space at the start of the line of that place."""
    line = text.rfind("\n", 0, place) + 1
    found = re.compile(r"[ \t]*").match(text, line)
    return found[0] if found else ""


def _unit(text: str) -> str:
    found = re.search(r'^([ \t]+)["\[{/]', text, re.MULTILINE)
    return found[1] if found else DEFAULT_UNIT


# Reading.


class _Reader:
    def __init__(self, text: str, comments: bool) -> None:
        self.text = text
        self.comments = comments

    def skip(self, place: int) -> int:
        """The next place that is neither white space nor, where they are allowed, a comment."""
        while True:
            found = _SPACE.match(self.text, place)
            place = found.end() if found else place
            comment = _COMMENT.match(self.text, place) if self.comments else None
            if comment is None:
                return place
            place = comment.end()

    def wrong(self, place: int) -> ConfigurationRefused:
        line = self.text.count("\n", 0, place) + 1
        column = place - self.text.rfind("\n", 0, place)
        found = repr(self.text[place : place + 20]) if place < len(self.text) else "the end"
        return ConfigurationRefused(f"it is not valid: line {line}, column {column}: {found}.")

    def value(self, place: int, depth: int) -> Node:
        if depth > _DEPTH_MAX:
            raise ConfigurationRefused(f"it is nested more than {_DEPTH_MAX} deep.")
        opening = self.text[place : place + 1]
        if opening and opening in "{[":
            return self._container(place, depth, "}" if opening == "{" else "]")
        found = _SCALAR.match(self.text, place)
        if found is None:
            raise self.wrong(place)
        try:
            return Node(place, found.end(), json.loads(found[0]))
        except ValueError:
            raise self.wrong(place) from None

    def _container(self, start: int, depth: int, closing: str) -> Node:
        node = Node(start, start, None)
        place = self.skip(start + 1)
        while self.text[place : place + 1] != closing:
            child_start = place
            if closing == "}":
                if self.text[place : place + 1] != '"':
                    raise self.wrong(place)
                name = self.value(place, depth)
                node.keys.append(name.value)
                place = self.skip(name.end)
                if self.text[place : place + 1] != ":":
                    raise self.wrong(place)
                place = self.skip(place + 1)
            child = self.value(place, depth + 1)
            node.starts.append(child_start)
            node.children.append(child)
            place = self.skip(child.end)
            if self.text[place : place + 1] == ",":
                comma = place
                place = self.skip(place + 1)
                if self.text[place : place + 1] == closing and not self.comments:
                    raise self.wrong(comma)
            elif self.text[place : place + 1] != closing:
                raise self.wrong(place)
        values = [child.value for child in node.children]
        told: Any = dict(zip(node.keys, values, strict=True)) if closing == "}" else values
        node.value = told
        node.end = place + 1
        return node
