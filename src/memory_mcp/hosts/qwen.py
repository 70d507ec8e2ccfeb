"""Qwen Code: server, hooks, and which tools stay in view, all in one file with comments."""

from collections.abc import Sequence

from memory_mcp.hosts.host import (
    SERVER,
    Entry,
    Host,
    HostFile,
    Item,
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

# It hides tools of servers behind a search, unless they are named.
TOOLS = (
    "archival_insert",
    "archival_search",
    "conversation_search",
    "core_memory_append",
    "core_memory_replace",
    "send_to_agent",
)


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """Its settings."""
    entry = server_entry(program, hooks="qwen" if hooks else None)
    entries: list[Entry] = [Put(path=("mcpServers", SERVER), value=entry)]
    entries += [
        Item(path=("tools", "visible"), value=f"mcp__{SERVER}__{tool}")
        for tool in (TOOLS if hooks else (*TOOLS, "conversation_append"))
    ]
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
