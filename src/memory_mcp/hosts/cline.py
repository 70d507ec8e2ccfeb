"""Cline: the server, and a plugin that records and tells."""

from collections.abc import Sequence
from pathlib import Path

from memory_mcp.hosts.host import (
    Host,
    HostFile,
    Places,
    Program,
    script_file,
    server_entry,
    servers_file,
)
from memory_mcp.hosts.plugins import plugin


def servers(places: Places) -> Path:
    """The file of its servers: one of its own, whatever is before 3.0 or in an editor."""
    data = places.own("CLINE_DATA_DIR", ".cline", "data")
    if "CLINE_DATA_DIR" not in places.environment and "CLINE_DIR" in places.environment:
        data = places.own("CLINE_DIR") / "data"
    told = places.environment.get("CLINE_MCP_SETTINGS_PATH", "").strip()
    return Path(told) if told else data / "settings" / "cline_mcp_settings.json"


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """The file of its servers, and the plugin."""
    found = [
        servers_file(
            servers(places),
            server_entry(program, hooks="cline" if hooks else None),
        )
    ]
    if hooks:
        words = program.hook_words(HOST.name)
        text = plugin("cline.js", host=HOST.name, title=HOST.title, command=words)
        folder = places.own("CLINE_DIR", ".cline") / "plugins"
        found.append(script_file(folder / "memory-mcp.js", text))
    return found


HOST = Host(
    name="cline",
    title="Cline",
    signs=lambda places: [places.own("CLINE_DIR", ".cline")],
    files=files,
    has_hooks=True,
)
