"""Cline."""

from collections.abc import Sequence

from memory_mcp.hosts.host import Host, HostFile, Places, Program, server_entry, servers_file


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its one file."""
    path = places.home / ".cline" / "mcp.json"
    return [servers_file(path, server_entry(program, capture=True))]


HOST = Host(
    name="cline",
    title="Cline",
    signs=lambda places: [places.home / ".cline"],
    files=files,
)
