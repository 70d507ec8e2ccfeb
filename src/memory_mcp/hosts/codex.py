"""Codex: the server in its TOML, the hooks in a JSON file beside it."""

from collections.abc import Sequence

from memory_mcp.hosts.host import (
    SERVER,
    Host,
    HostFile,
    Places,
    Program,
    Put,
    grouped_hooks,
    server_entry,
)

# Seconds; it gives a session's end three at most.
EVENTS = {
    "SessionStart": {"timeout": 30},
    "UserPromptSubmit": {"timeout": 15},
    "PostToolUse": {"timeout": 15},
    "Stop": {"timeout": 15},
    "PreCompact": {"timeout": 15},
    "SessionEnd": {"timeout": 3},
}


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """Its configuration, and its hooks."""
    folder = places.own("CODEX_HOME", ".codex")
    entry = Put(
        path=("mcp_servers", SERVER), value=server_entry(program, capture=not hooks, hooks=hooks)
    )
    found = [HostFile(path=folder / "config.toml", format="toml", entries=(entry,))]
    if hooks:
        entries = grouped_hooks(EVENTS, program.hook(HOST.name))
        found.append(HostFile(path=folder / "hooks.json", format="json", entries=entries))
    return found


HOST = Host(
    name="codex",
    title="Codex",
    signs=lambda places: [places.own("CODEX_HOME", ".codex")],
    files=files,
    has_hooks=True,
    trust=(
        "Nothing is recorded until you trust the hooks: start codex, enter /hooks, and trust those "
        "of memory-mcp. Codex asks again when they change."
    ),
)
