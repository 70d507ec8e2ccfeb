"""Claude Desktop."""

from collections.abc import Sequence

from memory_mcp.hosts.host import Host, HostFile, Places, Program, server_entry, servers_file


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its one file."""
    path = places.application_data("Claude", "claude_desktop_config.json")
    return [servers_file(path, server_entry(program))]


HOST = Host(
    name="claude-desktop",
    title="Claude Desktop",
    signs=lambda places: [places.application_data("Claude")],
    files=files,
    afterwards="Quit and start Claude Desktop.",
)
