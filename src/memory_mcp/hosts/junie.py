"""Junie, JetBrains' agent."""

from collections.abc import Sequence

from memory_mcp.hosts.host import Host, HostFile, Places, Program, server_entry, servers_file


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its one file."""
    path = places.home / ".junie" / "mcp" / "mcp.json"
    return [servers_file(path, server_entry(program))]


HOST = Host(
    name="junie",
    title="Junie",
    signs=lambda places: [places.home / ".junie"],
    files=files,
)
