"""One item of a list at the top of a YAML file, known by its `name`: block style, as Continue's.

As in `yaml_text`, what is written in another style is left alone, with the reason.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memory_mcp.domain.errors import ConfigurationRefused
from memory_mcp.hosts.formats.yaml_text import require_block_style, values_in


@dataclass(frozen=True, slots=True)
class _List:
    """Where a list's items stand in a text, and how they are indented."""

    start: int
    end: int
    indent: str
    items: tuple[tuple[int, int], ...]


def read_item(text: str, section: str, name: str) -> dict[str, Any] | None:
    """The values of an item, as far as each stands on a line of its own; `None`: there is none.

    Raises:
        ConfigurationRefused: the file is of a kind that is not understood here.
    """
    require_block_style(text)
    found = _list(text, section)
    span = _item(text, found, name) if found else None
    return values_in(text[slice(*span)].replace("-", " ", 1)) if span else None


def put(text: str, section: str, values: Mapping[str, Any]) -> str:
    """The text with an item, the one of the same `name` if there is one; else it comes last.

    Raises:
        ConfigurationRefused: it is written in a way that cannot be changed safely.
    """
    require_block_style(text)
    line_end = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += line_end
    text = re.sub(rf"^({section}:)[ \t]*\[[ \t]*\](?=\s)", r"\1", text, flags=re.MULTILINE)
    found = _list(text, section)
    if found is None:
        return f"{text}{section}:{line_end}" + _rendered("  ", values, line_end)
    item = _rendered(found.indent, values, line_end)
    span = _item(text, found, str(values["name"])) or (found.end, found.end)
    return text[: span[0]] + item + text[span[1] :]


def remove(text: str, section: str, name: str) -> str:
    """The text without that item, and without the list if nothing else is in it.

    Raises:
        ConfigurationRefused: as `put`.
    """
    require_block_style(text)
    found = _list(text, section)
    span = _item(text, found, name) if found else None
    if found is None or span is None:
        return text
    start, end = span
    if not (text[found.start : start] + text[end : found.end]).strip():
        start, end = text.rfind("\n", 0, found.start - 1) + 1, found.end
    return text[:start] + text[end:]


def _list(text: str, section: str) -> _List | None:
    head = re.search(rf"^(?:{section}|\"{section}\"|'{section}'):(.*)$", text, re.MULTILINE)
    if head is None:
        return None
    told = re.sub(r"(^|\s)#.*", "", head[1]).strip()
    if told:
        raise ConfigurationRefused(
            f"{section} is written on one line ({told[:20]!r}); write it as a block first."
        )
    start = end = min(head.end() + 1, len(text))
    indent: str | None = None
    starts: list[int] = []
    ends: list[int] = []
    for line in re.compile(r".*\n?").finditer(text, start):
        bare = line[0].strip()
        if not line[0]:
            break
        if not bare or bare.startswith("#"):
            continue
        margin = line[0][: len(line[0]) - len(line[0].lstrip())]
        dashed = bare == "-" or bare.startswith("- ")
        if not margin and not dashed:
            break
        if dashed and indent in (None, margin):
            indent = margin
            starts.append(line.start())
            ends.append(line.end())
        elif ends:
            ends[-1] = line.end()
        else:
            raise ConfigurationRefused(f"{section} is no list there.")
        end = line.end()
    items = tuple(zip(starts, ends, strict=True))
    return _List(start, end, "  " if indent is None else indent, items)


def _item(text: str, found: _List, name: str) -> tuple[int, int] | None:
    for start, end in found.items:
        keys = values_in(text[start:end].replace("-", " ", 1), deep=False)
        if keys.get("name") == name:
            return start, end
    return None


def _rendered(indent: str, values: Mapping[str, Any], line_end: str) -> str:
    # JSON's texts, lists and objects are YAML's too.
    lines = [
        f"{indent}  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()
    ]
    lines[0] = f"{indent}- {lines[0].strip()}"
    return line_end.join(lines) + line_end
