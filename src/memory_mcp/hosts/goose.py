"""goose, whose configuration is YAML."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memory_mcp.hosts.host import SERVER, Host, HostFile, Places, Program, Put


def folder(places: Places) -> Path:
    """Where its configuration is; on macOS it is `~/.config` as well."""
    if places.platform == "win32":
        return places.application_data("Block", "goose", "config")
    return places.configuration("goose")


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its configuration."""
    command, arguments = program.server()
    entry: dict[str, Any] = {
        "enabled": True,
        "type": "stdio",
        "name": SERVER,
        "cmd": command,
        "args": arguments,
        "envs": {},
        "timeout": 300,
    }
    put = Put(path=("extensions", SERVER), value=entry)
    return [HostFile(path=folder(places) / "config.yaml", format="yaml", entries=(put,))]


HOST = Host(name="goose", title="goose", signs=lambda places: [folder(places)], files=files)
