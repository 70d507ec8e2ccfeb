"""Hermes Agent: the server, and a memory provider that records and tells."""

from collections.abc import Sequence

from memory_mcp.hosts.host import Host, HostFile, Places, Program, Put, script_file, server_entry
from memory_mcp.hosts.plugins import plugin

SERVER = "memory_mcp"
"""A server of the name `memory` would be hidden by Hermes' own tools of that name."""
PROVIDER = "memory-mcp"


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """Its configuration, and the provider."""
    folder = places.own("HERMES_HOME", ".hermes")
    entries = [
        Put(
            path=("mcp_servers", SERVER),
            value=server_entry(program, hooks="hermes" if hooks else None),
        )
    ]
    if hooks:
        entries.append(Put(path=("memory", "provider"), value=PROVIDER))
    found = [HostFile(path=folder / "config.yaml", format="yaml", entries=tuple(entries))]
    if hooks:
        words = program.hook_words(HOST.name)
        text = plugin("hermes.py.txt", host=HOST.name, title=HOST.title, command=words)
        found.append(script_file(folder / "plugins" / PROVIDER / "__init__.py", text))
    return found


HOST = Host(
    name="hermes",
    title="Hermes Agent",
    signs=lambda places: [places.own("HERMES_HOME", ".hermes")],
    files=files,
    has_hooks=True,
    afterwards="It needs the package mcp beside it: pip install 'hermes-agent[mcp]'.",
)
