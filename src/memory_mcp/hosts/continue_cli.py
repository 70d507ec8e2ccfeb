"""Continue: the server. Its command line has hooks in Claude Code's shape, but never runs them."""

from collections.abc import Sequence

from memory_mcp.hosts.host import SERVER, Host, HostFile, Places, Program, Put, server_entry

HEAD = "name: Local Config\nversion: 1.0.0\nschema: v1\n"
"""What a configuration must begin with."""


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its configuration, in which servers are a list."""
    entry = {"name": SERVER, "type": "stdio", **server_entry(program)}
    path = places.own("CONTINUE_GLOBAL_DIR", ".continue") / "config.yaml"
    put = Put(path=("mcpServers", SERVER), value=entry)
    return [HostFile(path=path, format="yaml-list", entries=(put,), head=HEAD)]


HOST = Host(
    name="continue",
    title="Continue",
    signs=lambda places: [places.own("CONTINUE_GLOBAL_DIR", ".continue")],
    files=files,
)
