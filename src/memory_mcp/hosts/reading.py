"""What a host's file says, whatever its format, and whether an entry in it is ours."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from memory_mcp.hosts.formats import json_text, toml_text, yaml_list, yaml_text
from memory_mcp.hosts.host import HostFile, Put


def value_at(file: HostFile, text: str) -> Any:
    """What a file says; of YAML our own entries alone.

    Raises:
        ConfigurationRefused: it is not valid, or of a kind that is not understood here.
    """
    if not text.lstrip("\ufeff").strip():
        return None
    if file.format == "script":
        return text
    if file.format == "toml":
        return toml_text.read(text)
    if file.format == "yaml":
        found: dict[str, dict[str, Any]] = {}
        for entry in file.entries:
            assert isinstance(entry, Put)
            section, name = entry.path
            read = yaml_text.read_text if isinstance(entry.value, str) else yaml_text.read_entry
            found.setdefault(section, {})[name] = read(text, section, name)
        return found
    if file.format == "yaml-list":
        (entry,) = file.entries
        assert isinstance(entry, Put)
        section, name = entry.path
        return {section: {name: yaml_list.read_item(text, section, name)}}
    return json_text.read(text, comments=file.format == "jsonc").value


def inside(value: Any, path: Sequence[str]) -> Any:
    """The value at a place; nothing where there is none."""
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return value


def server_words(server: Mapping[str, Any]) -> list[str]:
    """The program of a server's entry and its arguments; one empty word where there is none."""
    command = server.get("command") or server.get("cmd") or ""
    words = cast("list[Any]", command) if isinstance(command, list) else [command]
    return [str(word) for word in [*words, *(server.get("args") or ())]]


def is_our_server(server: Mapping[str, Any]) -> bool:
    """Whether an entry starts memory-mcp; other servers are called `memory` too."""
    told = json.dumps(server)
    if "memory-mcp" in told or "memory_mcp" in told:
        return True
    # YAML's arguments are not always understood; Python may have been given ours.
    python = re.search(r"python[\d.]*(?:\.exe)?$", server_words(server)[0])
    return "args" not in server and python is not None


def others_server(file: HostFile, text: str) -> str:
    """What another program's server is started by that stands where ours belongs; empty: none.

    Raises:
        ConfigurationRefused: the file is not valid, or of a kind that is not understood here.
    """
    for entry in file.entries:
        if isinstance(entry, Put) and isinstance(entry.value, Mapping):
            found = inside(value_at(file, text), entry.path)
            if isinstance(found, dict) and found and not is_our_server(found):  # pyright: ignore[reportUnknownArgumentType] - JSON
                server = cast("dict[str, Any]", found)
                return " ".join(server_words(server)).strip() or str(
                    server.get("url") or server.get("type") or "something else"
                )
    return ""
