"""OpenClaw: the server, in a file that may have comments, and a plugin that records and tells."""

from collections.abc import Sequence
from pathlib import Path

from memory_mcp.hosts.host import (
    SERVER,
    Host,
    HostFile,
    Places,
    Program,
    Put,
    script_file,
    server_entry,
)
from memory_mcp.hosts.plugins import plugin

PLUGIN = "memory-mcp"
CONSENT = ("enabled",), ("hooks", "allowConversationAccess")
"""Without these OpenClaw runs no plugin, or shows it nothing of what is said."""
MANIFEST = (
    Put(path=("id",), value=PLUGIN),
    Put(path=("name",), value=PLUGIN),
    Put(path=("activation", "onStartup"), value=True),
    Put(path=("configSchema", "type"), value="object"),
    Put(path=("configSchema", "additionalProperties"), value=False),
)


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """Its configuration, and the plugin with its manifest."""
    state = places.own("OPENCLAW_STATE_DIR", ".openclaw")
    path = Path(places.environment.get("OPENCLAW_CONFIG_PATH") or state / "openclaw.json")
    entry = server_entry(program, hooks="openclaw" if hooks else None)
    entries = [Put(path=("mcp", "servers", SERVER), value=entry)]
    if hooks:
        place = "plugins", "entries", PLUGIN
        entries += [Put(path=(*place, *key), value=True) for key in CONSENT]
    found = [HostFile(path=path, format="jsonc", entries=tuple(entries))]
    if hooks:
        words = program.hook_words(HOST.name)
        text = plugin("openclaw.js", host=HOST.name, title=HOST.title, command=words)
        folder = state / "extensions" / PLUGIN
        found += [
            script_file(folder / "index.js", text),
            HostFile(
                path=folder / "openclaw.plugin.json", format="json", entries=MANIFEST, whole=True
            ),
        ]
    return found


HOST = Host(
    name="openclaw",
    title="OpenClaw",
    signs=lambda places: [places.own("OPENCLAW_STATE_DIR", ".openclaw")],
    files=files,
    has_hooks=True,
)
