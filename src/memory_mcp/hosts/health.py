"""Is a host set up right: what stands in its files, and whether it can be started."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from memory_mcp.domain.errors import ConfigurationRefused
from memory_mcp.domain.texts import each
from memory_mcp.hosts.host import (
    Hook,
    Host,
    HostFile,
    Places,
    Program,
    Put,
    Script,
    is_our_hook,
)
from memory_mcp.hosts.reading import inside, is_our_server, server_words, value_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a host stands."""

    host: Host
    has_server: bool
    has_hooks: bool
    records: bool
    """Whether what is said gets into memory: by hooks, or by a tool the model calls."""
    problems: tuple[str, ...] = ()
    """What keeps memory from working there, in words."""
    unreadable: bool = False
    """Whether a file of it is not understood, so that installing again does not help."""


def look_at(host: Host, places: Places) -> Health:
    """Read the host's files; nothing is started and nothing is written."""
    server: dict[str, Any] | None = None
    hooked: list[str] = []
    unhooked: list[str] = []
    problems: list[str] = []
    unreadable = False
    for file in host.files(places, Program.here(), True):
        try:
            text = file.path.read_bytes().decode("utf-8")
            found = value_at(file, text)
        except FileNotFoundError:
            found = None
        except (OSError, UnicodeDecodeError, ConfigurationRefused) as error:
            problems.append(f"{file.path}: {error}")
            unreadable = True
            continue
        for entry in file.entries:
            if isinstance(entry, Script):
                (hooked if found else unhooked).append(file.path.name)
                problems += _script_problems(entry, file, found)
            elif isinstance(entry, Hook):
                commands = _commands(inside(found, entry.path), host.heard_as)
                (hooked if commands else unhooked).append(entry.path[-1])
                problems += [_not_there(program) for program in map(_program_of, commands)]
            elif isinstance(entry, Put) and isinstance(entry.value, str):
                named = inside(found, entry.path) == entry.value
                (hooked if named else unhooked).append(".".join(entry.path))
            elif isinstance(entry, Put) and isinstance(entry.value, Mapping):
                value = inside(found, entry.path)
                found_server = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
                server = found_server if found_server and is_our_server(found_server) else None
    if server is not None:
        program = server_words(server)[0]
        problems.append(_not_there(program) if program else "its entry names no command")
    if hooked and unhooked:
        problems.append(f"there is no hook for {each(unhooked)}")
    if hooked and server is None:
        problems.append("the hooks are there, but the server is not")
    return Health(
        host=host,
        has_server=server is not None,
        has_hooks=bool(hooked),
        records=bool(hooked) or "capture" in _tool_sets(server or {}),
        problems=tuple(dict.fromkeys(problem for problem in problems if problem)),
        unreadable=unreadable,
    )


def _script_problems(script: Script, file: HostFile, text: str | None) -> list[str]:
    """What is wrong with a script of ours; nothing where there is none."""
    if not text:
        return []
    if text.partition("\n")[0] != script.first_line:
        return [f"{file.path} is of another version"]
    found = re.search(r"^(?:const )?COMMAND = (\[.*\])$", text, re.MULTILINE)
    return [_not_there(json.loads(found[1])[0])] if found else []


def _tool_sets(server: dict[str, Any]) -> list[str]:
    """Every word of the entry that may name tool sets."""
    variables = server.get("env") or server.get("envs") or server.get("environment")
    told = [inside(variables, ["MEMORY_MCP_TOOLS"]) or "", *server_words(server)]
    return ",".join(map(str, told)).split(",")


def _commands(items: Any, host: str) -> list[str]:
    """The command lines of our hooks in a list, in groups or not."""

    def ours(found: Any) -> Iterator[str]:
        for item in cast("list[Any]", found) if isinstance(found, list) else ():
            if isinstance(item, dict):
                handler = cast("dict[str, Any]", item)
                yield from ours(handler.get("hooks"))
                if "command" in handler and is_our_hook(handler, host):
                    yield str(handler["command"])

    return list(ours(items))


def _program_of(command: str) -> str:
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError:
        words = command.split()
    return words[0].strip('"') if words else ""


def _not_there(program: str) -> str:
    """Why a program cannot be started; empty when it can."""
    if not os.path.isabs(program):
        found = shutil.which(program)
        return "" if found else f"it starts {program!r}, which is not on the PATH"
    if not Path(program).is_file():
        return f"it starts {program}, which is not there"
    return "" if os.access(program, os.X_OK) else f"it starts {program}, which is no program"
