"""Claude Code: the server in the user's scope, the hooks in the user's settings."""

from collections.abc import Sequence

from memory_mcp.hosts.host import (
    Host,
    HostFile,
    Places,
    Program,
    grouped_hooks,
    server_entry,
    servers_file,
)

# Seconds. A session's start may have to start the daemon; its end is not waited for longer than
# that, and what it told is safe before.
EVENTS = {
    "SessionStart": {"timeout": 30},
    "UserPromptSubmit": {"timeout": 15},
    "PostToolUse": {"timeout": 15, "async": True},
    "Stop": {"timeout": 15},
    "PreCompact": {"timeout": 15},
    "PostCompact": {"timeout": 15},
    "SessionEnd": {"timeout": 10},
}


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """The file of its servers, and the one of its settings."""
    folder = places.own("CLAUDE_CONFIG_DIR", ".claude")
    moved = "CLAUDE_CONFIG_DIR" in places.environment
    servers = folder / ".claude.json" if moved else places.home / ".claude.json"
    found = [
        servers_file(
            servers,
            server_entry(program, hooks="claude-code" if hooks else None, type="stdio"),
        )
    ]
    if hooks:
        entries = grouped_hooks(EVENTS, program.hook(HOST.name))
        found.append(HostFile(path=folder / "settings.json", format="json", entries=entries))
    return found


HOST = Host(
    name="claude-code",
    title="Claude Code",
    signs=lambda places: [
        places.own("CLAUDE_CONFIG_DIR", ".claude"),
        places.home / ".claude.json",
    ],
    files=files,
    has_hooks=True,
    afterwards="Sessions that begin from now on have it.",
)
