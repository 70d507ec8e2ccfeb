"""One entry of a mapping at the top of a YAML file, as goose writes it: block style, two levels.

There is no YAML reader among our dependencies, and one entry is not worth one. What is written in
another style than goose's own is left alone, with the reason.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from memory_mcp.domain.errors import ConfigurationRefused

_KEY = r"""(?:{0}|"{0}"|'{0}')[ ]*:"""
_VALUE = re.compile(r"^([ \t]+)([\w-]+):[ \t]+(\S.*?)\s*$", re.MULTILINE)


def read_entry(text: str, section: str, name: str) -> dict[str, Any] | None:
    """The values of an entry, as far as each stands on a line of its own; `None`: there is none.

    Raises:
        ConfigurationRefused: the file is of a kind that is not understood here.
    """
    require_block_style(text)
    found = _section(text, section)
    span = _entry_span(text, *found, name) if found else None
    if span is None:
        return None
    return values_in(text[slice(*span)])


def values_in(block: str, *, deep: bool = True) -> dict[str, Any]:
    """What stands on a line of its own in a block; not `deep`: on the block's own level alone."""
    values: dict[str, Any] = {}
    margin: str | None = None
    for found in _VALUE.finditer(block):
        margin = found[1] if margin is None else margin
        if not deep and found[1] != margin:
            continue
        try:
            values[found[2]] = json.loads(found[3])
        except ValueError:  # written in another of YAML's ways
            values[found[2]] = re.sub(r"\s+#.*", "", found[3]).strip("'\"")
    return values


def put(text: str, section: str, name: str, values: Mapping[str, Any] | str) -> str:
    """The text with that entry of a section; an entry that is there is written anew.

    Where the entry is one text, another text than it is not taken the place of.

    Raises:
        ConfigurationRefused: it is written in a way that cannot be changed safely, or says
            something else.
    """
    require_block_style(text)
    if isinstance(values, str) and (told := read_text(text, section, name)) not in ("", values):
        raise ConfigurationRefused(f"{section}.{name} is {told!r}; take that out first.")
    line_end = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += line_end
    span = _section(text, section)
    if span is None:
        return f"{text}{section}:{line_end}" + _entry("  ", name, values, line_end)
    start, end, indent = span
    entry = _entry(indent, name, values, line_end)
    found = _entry_span(text, start, end, indent, name)
    if found is None:
        return text[:end] + entry + text[end:]
    return text[: found[0]] + entry + text[found[1] :]


def read_text(text: str, section: str, name: str) -> str:
    """An entry that is one text; empty where there is none.

    Raises:
        ConfigurationRefused: the file is of a kind that is not understood here.
    """
    require_block_style(text)
    found = _section(text, section)
    span = _entry_span(text, *found, name) if found else None
    told = values_in(text[slice(*span)]).get(name) if span else None
    return told if isinstance(told, str) else ""


def remove(text: str, section: str, name: str) -> str:
    """The text without that entry, and without the section if nothing else is in it.

    Raises:
        ConfigurationRefused: as `put`.
    """
    require_block_style(text)
    span = _section(text, section)
    if span is None:
        return text
    start, end, indent = span
    found = _entry_span(text, start, end, indent, name)
    if found is None:
        return text
    if not (text[start : found[0]] + text[found[1] : end]).strip():
        start = text.rfind("\n", 0, start - 1) + 1
        return text[:start] + text[end:]
    return text[: found[0]] + text[found[1] :]


def require_block_style(text: str) -> None:
    """Refuse what cannot be changed line by line.

    Raises:
        ConfigurationRefused: it holds tabs or several documents, or is not valid.
    """
    if "\t" in re.sub(r"#.*|\"[^\"\n]*\"|'[^'\n]*'", "", text):
        raise ConfigurationRefused("it holds tabs, which YAML does not allow for indentation.")
    if len(re.findall(r"^---", text, re.MULTILINE)) > 1:
        raise ConfigurationRefused("it holds several documents.")
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.rstrip()
        if (
            bare
            and not bare[0].isspace()
            and not re.match(r"#|---|\.\.\.|%|- |[^:\[{]+:( |$)", bare)
        ):
            raise ConfigurationRefused(f"it is not valid: line {number}: {bare[:20]!r}.")


def _section(text: str, section: str) -> tuple[int, int, str] | None:
    """Where a section's entries begin and end, and how they are indented."""
    found = re.search(rf"^{_KEY.format(re.escape(section))}(.*)$", text, re.MULTILINE)
    if found is None:
        return None
    told = re.sub(r"(^|\s)#.*", "", found[1]).strip()
    if told:
        raise ConfigurationRefused(
            f"{section} is written on one line ({told[:20]!r}); write it as a block first."
        )
    start = min(found.end() + 1, len(text))
    last = start
    indent = ""
    for line in re.compile(r".*\n?").finditer(text, start):
        bare = line[0].strip()
        if bare and not line[0][0].isspace() and not bare.startswith("#"):
            break
        if bare and not bare.startswith("#"):
            indent = indent or line[0][: len(line[0]) - len(line[0].lstrip())]
        if bare:
            last = line.end()
        if not line[0]:
            break
    return start, last, indent or "  "


def _entry_span(text: str, start: int, end: int, indent: str, name: str) -> tuple[int, int] | None:
    key = re.compile(rf"^{indent}{_KEY.format(re.escape(name))}.*\n?", re.MULTILINE)
    found = key.search(text, start, end)
    if found is None:
        return None
    last = found.end()
    for line in re.compile(r".*\n?").finditer(text, found.end(), end):
        bare = line[0].strip()
        if not line[0] or (bare and not line[0].startswith(indent + " ")):
            break
        if bare:
            last = line.end()
    return found.start(), last


def _entry(indent: str, name: str, values: Mapping[str, Any] | str, line_end: str) -> str:
    if isinstance(values, str):
        return f"{indent}{name}: {json.dumps(values, ensure_ascii=False)}{line_end}"
    lines = [f"{indent}{name}:"]
    # JSON's texts, lists and objects are YAML's too.
    lines += [
        f"{indent}  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()
    ]
    return line_end.join(lines) + line_end
