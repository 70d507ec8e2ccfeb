"""One table of a TOML file, written and taken out as text; tomllib judges before and after."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from memory_mcp.domain.errors import ConfigurationRefused

LINE_CHARS = 100
"""A longer list gets a line for each of its values."""
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)


def read(text: str) -> dict[str, Any]:
    """What the text says.

    Raises:
        ConfigurationRefused: it is not valid; the text says where.
    """
    try:
        return tomllib.loads(text.lstrip("\ufeff").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationRefused(f"it is not valid: {error}.") from error


def put(
    text: str, path: Sequence[str], values: Mapping[str, Any], adds_to: Sequence[str] = ()
) -> str:
    """The text with a table of these values; other keys of the table stay, and so does the rest.

    What is in the lists of `adds_to` stays too, behind ours.

    Raises:
        ConfigurationRefused: it is not valid, or written in a way that cannot be changed safely.
    """
    told = read(text)
    there = _at(told, path)
    for name in adds_to:
        if isinstance(before := there.get(name), list):
            ours = values[name]
            values = {**values, name: [*ours, *(each for each in before if each not in ours)]}  # pyright: ignore[reportUnknownVariableType] - JSON-like
    wanted = _with(told, path, values)
    if wanted == told:
        return text
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = [line for told in values.items() for line in _lines(*told)]
    span = _span(text, path)
    if span is None:
        gap = "" if not text.strip() else line_end if text.endswith("\n") else 2 * line_end
        table = line_end.join([f"[{'.'.join(path)}]", *lines]) + line_end
        return _checked(text + gap + table, wanted)
    start, end = span
    header, *inside = text[start:end].splitlines()
    kept = _without_keys(inside, values)
    table = line_end.join([header, *lines, *kept]) + line_end
    return _checked(text[:start] + table + text[end:], wanted)


def remove(text: str, path: Sequence[str]) -> str:
    """The text without that table and those below it.

    Raises:
        ConfigurationRefused: as `put`.
    """
    told = read(text)
    wanted = _without(told, path)
    if wanted == told:
        return text
    while (span := _span(text, path, below=True)) is not None:
        start, end = span
        text = text[:start].rstrip("\r\n") + text[start - 1 : start] + text[end:]
    return _checked(text.lstrip("\r\n") if not text.strip() else text, wanted)


def _span(text: str, path: Sequence[str], *, below: bool = False) -> tuple[int, int] | None:
    """From the table's header to the next one."""
    names = r"\s*\.\s*".join(rf"(?:{re.escape(name)}|\"{re.escape(name)}\")" for name in path)
    more = r"(?:\s*\.[^\]]*)?" if below else ""
    found = re.search(rf"^[ \t]*\[\s*{names}{more}\s*\][ \t]*(?:#.*)?\r?$", text, re.MULTILINE)
    if found is None:
        return None
    following = _HEADER.search(text, found.end())
    return found.start(), following.start() if following else len(text)


def _without_keys(lines: Sequence[str], names: Iterable[str]) -> list[str]:
    """The lines of a table without these keys, whose values may go over several lines."""
    ours = re.compile(rf"\s*(?:{'|'.join(map(re.escape, names))})\s*=")
    kept: list[str] = []
    rest = list(lines)
    while rest:
        if not ours.match(rest[0]):
            kept.append(rest.pop(0))
            continue
        said = rest.pop(0)
        while rest and not _is_whole(said):
            said += f"\n{rest.pop(0)}"
    return kept


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _lines(name: str, value: Any) -> list[str]:
    line = f"{name} = {_value(value)}"
    if len(line) <= LINE_CHARS or not isinstance(value, list):
        return [line]
    return [f"{name} = [", *(f"    {_value(each)}," for each in value), "]"]  # pyright: ignore[reportUnknownVariableType] - JSON-like


def _checked(text: str, wanted: Mapping[str, Any]) -> str:
    try:
        if read(text) == wanted:
            return text
    except ConfigurationRefused:
        pass
    raise ConfigurationRefused("it is written in a way that cannot be changed safely.")


def _at(told: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    for name in path:
        inner = told.get(name)
        told = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    return told


def _with(
    told: Mapping[str, Any], path: Sequence[str], values: Mapping[str, Any]
) -> dict[str, Any]:
    if not path:
        return {**told, **values}
    inner = told.get(path[0], {})
    if not isinstance(inner, dict):
        raise ConfigurationRefused(f"{path[0]} is no table there.")
    return {**told, path[0]: _with(inner, path[1:], values)}  # pyright: ignore[reportUnknownArgumentType] - JSON-like


def _without(told: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    rest = dict(told)
    if path[0] not in rest:
        return rest
    inner = rest.pop(path[0])
    if len(path) > 1 and isinstance(inner, dict):
        left = _without(inner, path[1:])  # pyright: ignore[reportUnknownArgumentType] - JSON-like
        if left:
            rest[path[0]] = left
    return rest


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"  # pyright: ignore[reportUnknownArgumentType] - JSON-like
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value).items()
        return f"{{ {', '.join(f'{_key(name)} = {_value(each)}' for name, each in inner)} }}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if "'" not in (text := str(value)) and text.isprintable() and "\\" in text:
        return f"'{text}'"  # a Windows path stays readable
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"'
        + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped)
        + '"'
    )
