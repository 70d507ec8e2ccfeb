"""Cursor."""

from collections.abc import Sequence

from memory_mcp.hosts.host import (
    Hook,
    Host,
    HostFile,
    Places,
    Program,
    Put,
    server_entry,
    servers_file,
)

EVENTS = (
    "sessionStart",
    "beforeSubmitPrompt",
    "postToolUse",
    "afterAgentResponse",
    "preCompact",
    "sessionEnd",
)


def files(places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
    """Its servers, and its hooks."""
    folder = places.home / ".cursor"
    found = [
        servers_file(
            folder / "mcp.json",
            server_entry(program, hooks="cursor" if hooks else None),
        )
    ]
    if hooks:
        item = {"command": program.hook(HOST.name), "timeout": 30}
        entries = (
            Put(path=("version",), value=1),
            *(Hook(path=("hooks", event), item=item) for event in EVENTS),
        )
        found.append(HostFile(path=folder / "hooks.json", format="json", entries=entries))
    return found


HOST = Host(
    name="cursor",
    title="Cursor",
    signs=lambda places: [places.home / ".cursor"],
    files=files,
    has_hooks=True,
    afterwards="Restart Cursor, and switch the server on in its settings if it is off.",
)
