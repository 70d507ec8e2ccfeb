"""Qwen Code: server, hooks, and which tools stay in view, all in one file with comments."""

from collections.abc import Sequence

from memory_mcp.domain.host_events import OWN_TOOLS
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
    "UserPromptSubmit": {"timeout": 15_000},
    "PostToolUse": {"timeout": 15_000},
    "Stop": {"timeout": 15_000},
    "PreCompact": {"timeout": 15_000},
    "SessionEnd": {"timeout": 10_000},
}


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """Its settings."""
    entry = server_entry(program, capture=not hooks)
    entries: list[Put | Hook] = [Put(path=("mcpServers", SERVER), value=entry)]
    if hooks:
        entries += grouped_hooks(EVENTS, program.hook(HOST.name), name="memory-mcp")
    path = places.own("QWEN_HOME", ".qwen") / "settings.json"
    return [HostFile(path=path, format="jsonc", entries=tuple(entries))]


HOST = Host(
    name="qwen",
    title="Qwen Code",
    signs=lambda places: [places.own("QWEN_HOME", ".qwen")],
    files=files,
    has_hooks=True,
)
