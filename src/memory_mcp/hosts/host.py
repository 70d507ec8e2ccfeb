"""What hosts have in common: a program to start, and files it is written into."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SERVER = "memory"
"""What our server is called in every configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a user's files lie on a machine."""

    home: Path
    platform: str
    environment: Mapping[str, str]

    @classmethod
    def here(cls) -> "Places":
        """This user's, on this machine."""
        return cls(home=Path.home(), platform=sys.platform, environment=os.environ)

    def application_data(self, *parts: str) -> Path:
        """The platform's folder for the settings of programs with windows."""
        if self.platform == "win32":
            told = self.environment.get("APPDATA")
            root = Path(told) if told else self.home / "AppData" / "Roaming"
        elif self.platform == "darwin":
            root = self.home / "Library" / "Application Support"
        else:
            return self.configuration(*parts)
        return root.joinpath(*parts)

    def configuration(self, *parts: str) -> Path:
        """`~/.config`, or what takes its place."""
        told = self.environment.get("XDG_CONFIG_HOME", "")
        root = Path(told) if os.path.isabs(told) else self.home / ".config"
        return root.joinpath(*parts)

    def own(self, variable: str, *parts: str) -> Path:
        """The folder that a variable names, else one in the user's home."""
        told = self.environment.get(variable, "").strip()
        return Path(told) if told else self.home.joinpath(*parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How memory-mcp is started: by an absolute path, whatever the host's PATH is."""

    words: tuple[str, ...]
    """The program, and what must stand before any argument of ours."""
    options: tuple[str, ...] = ()
    """`--database`, `--agent` and `--project-by`, as the user gave them."""
    platform: str = sys.platform

    @classmethod
    def here(cls, options: Sequence[str] = ()) -> "Program":
        """The one of this environment."""
        # Not resolved: the Python of a virtual environment is a link out of it.
        folder = Path(os.path.abspath(sys.executable)).parent
        script = folder / ("memory-mcp.exe" if sys.platform == "win32" else "memory-mcp")
        words = (str(script),) if script.is_file() else (sys.executable, "-P", "-m", "memory_mcp")
        return cls(words=words, options=tuple(options))

    def server(self, *, capture: bool) -> tuple[str, list[str]]:
        """The command of the server and its arguments; `capture` where no hooks record for it."""
        more = ["--tools", "capture"] if capture else []
        return self.words[0], [*self.words[1:], *self.options, *more]

    def hook(self, host: str) -> str:
        """The command line of a hook, for the platform's shell."""
        words = [*self.words, "hook", host, *self.options]
        return subprocess.list2cmdline(words) if self.platform == "win32" else shlex.join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A value at a place of a file."""

    path: tuple[str, ...]
    value: Any
    adds_to: tuple[str, ...] = ()
    """Keys of it with lists in which what others put there stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """An item of a list of hooks."""

    path: tuple[str, ...]
    item: Any


Format = Literal["json", "jsonc", "toml", "yaml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFile:
    """One file of a host's, and what belongs into it."""

    path: Path
    format: Format
    entries: tuple[Put | Hook, ...]
    whole: bool = False
    """Whether nothing of anybody else's is in there, so that it goes when ours does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A program that may have memory."""

    name: str
    title: str
    signs: Callable[[Places], Sequence[Path]]
    """Files and folders that are there where it is installed."""
    files: Callable[[Places, Program, bool], Sequence[HostFile]]
    """What to write where; the last argument says whether hooks are wanted."""
    has_hooks: bool = False
    afterwards: str = ""
    """What is left for the user to do."""

    def is_present(self, places: Places) -> bool:
        """Whether it seems to be installed."""
        return any(sign.exists() for sign in self.signs(places))


def server_entry(program: Program, *, capture: bool, **more: Any) -> dict[str, Any]:
    """The shape nearly every host wants a server in."""
    command, arguments = program.server(capture=capture)
    return {**more, "command": command, "args": arguments}


def servers_file(path: Path, entry: Mapping[str, Any], *, key: str = "mcpServers") -> HostFile:
    """A JSON file with servers by name."""
    return HostFile(path=path, format="json", entries=(Put(path=(key, SERVER), value=entry),))


def grouped_hooks(
    events: Mapping[str, Mapping[str, Any]], command: str, **more: Any
) -> tuple[Hook, ...]:
    """Hooks in the shape of Claude Code's: lists of groups of handlers, by event."""
    return tuple(
        Hook(
            path=("hooks", event),
            item={"hooks": [{"type": "command", "command": command, **told, **more}]},
        )
        for event, told in events.items()
    )


def is_our_hook(item: Any, host: str) -> bool:
    """Whether a handler, or a group with nothing else in it, was written by us for that host."""
    if not isinstance(item, dict):
        return False
    inner = item.get("hooks")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - JSON
    if isinstance(inner, list):
        return bool(inner) and all(is_our_hook(each, host) for each in inner)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    command = str(item.get("command", ""))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON
    ours = "memory-mcp" in command or "memory_mcp" in command
    return ours and f" hook {host}" in command
