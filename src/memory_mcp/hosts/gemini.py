"""Gemini CLI: server and hooks in one file, which may have comments."""

from collections.abc import Sequence

from memory_mcp.hosts.host import (
    SERVER,
    Hook,
    Host,
    HostFile,
    Places,
    Program,
    Put,
    grouped_hooks,
    server_entry,
)

# Milliseconds.
EVENTS = {
    "SessionStart": {"timeout": 30_000},
    "BeforeAgent": {"timeout": 15_000},
    "AfterTool": {"timeout": 15_000},
    "AfterAgent": {"timeout": 15_000},
    "PreCompress": {"timeout": 15_000},
    "SessionEnd": {"timeout": 15_000},
}


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """Its settings."""
    entry = server_entry(program, hooks="gemini" if hooks else None)
    entries: list[Put | Hook] = [Put(path=("mcpServers", SERVER), value=entry)]
    if hooks:
        entries += grouped_hooks(EVENTS, program.hook(HOST.name), name="memory-mcp")
    path = places.home / ".gemini" / "settings.json"
    return [HostFile(path=path, format="jsonc", entries=tuple(entries))]


HOST = Host(
    name="gemini",
    title="Gemini CLI",
    signs=lambda places: [places.home / ".gemini"],
    files=files,
    has_hooks=True,
)
