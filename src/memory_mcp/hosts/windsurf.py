"""Windsurf."""

from collections.abc import Sequence

from memory_mcp.hosts.host import Host, HostFile, Places, Program, server_entry, servers_file


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its one file."""
    path = places.home / ".codeium" / "windsurf" / "mcp_config.json"
    return [servers_file(path, server_entry(program))]


HOST = Host(
    name="windsurf",
    title="Windsurf",
    signs=lambda places: [places.home / ".codeium" / "windsurf"],
    files=files,
    afterwards="Refresh the servers in its settings.",
)
