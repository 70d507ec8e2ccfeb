"""Zed."""

from collections.abc import Sequence
from pathlib import Path

from memory_mcp.hosts.host import SERVER, Host, HostFile, Places, Program, Put, server_entry


def folder(places: Places) -> Path:
    """Where its settings are; on macOS it is `~/.config` as well."""
    if places.platform == "win32":
        return places.application_data("Zed")
    return places.configuration("zed")


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its settings, which have comments."""
    entry = Put(path=("context_servers", SERVER), value=server_entry(program))
    path = folder(places) / "settings.json"
    return [HostFile(path=path, format="jsonc", entries=(entry,))]


HOST = Host(name="zed", title="Zed", signs=lambda places: [folder(places)], files=files)
