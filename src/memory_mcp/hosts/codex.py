"""Codex: the server in its TOML, the hooks in a JSON file beside it."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

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
from memory_mcp.projects import home_in

PASSED_ON = (
    *VARIABLES,
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "CODEX_HOME",
)
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
    server = server_entry(program, hooks="codex" if hooks else None)
    value = {**server, "env_vars": list(PASSED_ON)}
    entry = Put(path=("mcp_servers", SERVER), value=value, adds_to=("env_vars",))
    found = [HostFile(path=folder / "config.toml", format="toml", entries=(entry,))]
    if hooks:
        entries = grouped_hooks(EVENTS, program.hook(HOST.name))
        found.append(HostFile(path=folder / "hooks.json", format="json", entries=entries))
    return found


def trusts_hooks(environment: Mapping[str, str]) -> bool:
    """Whether its user has trusted the hook of a session's start, by what Codex has written down.

    It does not say which version of the hook was trusted: after a change Codex asks again.
    """
    folder = environment.get("CODEX_HOME") or os.path.join(home_in(environment), ".codex")
    try:
        with open(os.path.join(folder, "config.toml"), "rb") as file:
            told: Any = tomllib.load(file)
        state: dict[str, Any] = told["hooks"]["state"]
        start = f"{os.path.join(folder, 'hooks.json')}:session_start:"
        return any(name.startswith(start) for name in state)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


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
