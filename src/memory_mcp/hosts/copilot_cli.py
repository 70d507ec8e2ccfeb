"""GitHub Copilot CLI: its servers, and hooks in its settings.

It also runs the hooks in the folder `hooks` beside, as VS Code does; its settings it alone reads.
"""

from collections.abc import Sequence

from memory_mcp.hosts.host import (
    SERVER,
    Hook,
    Host,
    HostFile,
    Places,
    Program,
    Put,
    server_entry,
)

# Seconds.
EVENTS = {
    "SessionStart": 30,
    "UserPromptSubmit": 15,
    "PostToolUse": 15,
    "Stop": 15,
    "PreCompact": 15,
    "SessionEnd": 10,
}


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """The file of its servers, and the one of its settings."""
    folder = places.own("COPILOT_HOME", ".copilot")
    entry = server_entry(program, hooks="copilot" if hooks else None, type="local") | {
        "tools": ["*"]
    }
    found = [
        HostFile(
            path=folder / "mcp-config.json",
            format="json",
            entries=(Put(path=("mcpServers", SERVER), value=entry),),
        )
    ]
    if hooks:
        command = program.hook(HOST.heard_as)
        entries = tuple(
            Hook(
                path=("hooks", event),
                item={"type": "command", "command": command, "timeout": seconds},
            )
            for event, seconds in EVENTS.items()
        )
        found.append(HostFile(path=folder / "settings.json", format="jsonc", entries=entries))
    return found


HOST = Host(
    name="copilot-cli",
    title="Copilot CLI",
    signs=lambda places: [places.own("COPILOT_HOME", ".copilot")],
    files=files,
    has_hooks=True,
    hook_name="copilot",
)
