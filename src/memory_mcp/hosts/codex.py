"""Codex: the server in its TOML, the hooks in a JSON file beside it."""

from collections.abc import Sequence

from memory_mcp.config import VARIABLES
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

PASSED_ON = (*VARIABLES, "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
"""It gives a server few variables that aren't named in its entry, and hooks all: both must work on
the same memory."""
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
    server = server_entry(program, capture=not hooks)
    value = {**server, "env_vars": list(PASSED_ON)}
    entry = Put(path=("mcp_servers", SERVER), value=value, adds_to=("env_vars",))
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
    afterwards="Trust the hooks once with /hooks.",
)
