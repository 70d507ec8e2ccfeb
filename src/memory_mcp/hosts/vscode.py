"""VS Code: its servers, and hooks in a file of their own.

Copilot CLI runs that file's hooks too; `capture.vscode` knows them apart.
"""

from collections.abc import Sequence

from memory_mcp.hosts.host import Hook, Host, HostFile, Places, Program, Put, server_entry

EVENTS = ("SessionStart", "UserPromptSubmit", "PostToolUse", "PreCompact", "Stop")


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """The user's servers, and our hooks."""
    entry = server_entry(program, hooks="vscode" if hooks else None, type="stdio")
    found = [
        HostFile(
            path=places.application_data("Code", "User", "mcp.json"),
            format="jsonc",
            entries=(Put(path=("servers", "memory"), value=entry),),
        )
    ]
    if hooks:
        item = {"type": "command", "command": program.hook(HOST.name), "timeout": 30}
        folder = places.own("COPILOT_HOME", ".copilot") / "hooks"
        entries = tuple(Hook(path=("hooks", event), item=item) for event in EVENTS)
        path = folder / "memory-mcp.json"
        found.append(HostFile(path=path, format="json", entries=entries, whole=True))
    return found


HOST = Host(
    name="vscode",
    title="VS Code",
    signs=lambda places: [places.application_data("Code", "User")],
    files=files,
    has_hooks=True,
    afterwards="Start the server once with the command MCP: List Servers.",
)
