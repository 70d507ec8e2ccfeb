"""Writes client_configs/ and server.json from what `memory-mcp install` writes; --check compares.

.venv/bin/python tools/write_client_configs.py
"""

import json
import sys
from pathlib import Path
from typing import Any

from memory_mcp import __version__
from memory_mcp.hosts import claude_code
from memory_mcp.hosts.host import Host, Places, Program, grouped_hooks, server_entry
from memory_mcp.hosts.install import HOSTS, written_out

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "client_configs"
PROGRAM = Program(words=("/absolute/path/to/.venv/bin/memory-mcp",), platform="linux")
ON_PATH = Program(words=("memory-mcp",), platform="linux")
PLACES = Places(home=Path("/home/you"), platform="linux", environment={})
NAMES = {"claude-code": "claude-code.mcp.json"}
DESCRIPTION = "Memory for any MCP host: core memory, recall and archival in one local file"
REGISTRY_NAME = "io.github.memory-mcp/memory-mcp"
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"


def files() -> dict[Path, str]:
    """Every file that is written from here, with its text."""
    found: dict[Path, str] = {}
    for host in HOSTS.values():
        servers, *hooks = host.files(PLACES, PROGRAM, True)
        name = NAMES.get(host.name, f"{host.name}{servers.path.suffix}")
        found[FOLDER / name] = written_out(servers, host)
        for file in hooks:
            found[FOLDER / "hooks" / f"{host.name}{file.path.suffix}"] = written_out(file, host)
    found |= {FOLDER / name: as_text(value) for name, value in plugin(claude_code.HOST).items()}
    found[FOLDER / "mcpb" / "manifest.json"] = as_text(bundle())
    found[ROOT / "server.json"] = as_text(registry())
    return found


def plugin(host: Host) -> dict[str, Any]:
    """A plugin of Claude Code's: server and hooks; `memory-mcp` is found on the PATH."""
    folder = "claude-code-plugin"
    hooks: dict[str, list[Any]] = {}
    for hook in grouped_hooks(claude_code.EVENTS, ON_PATH.hook(host.name)):
        hooks.setdefault(hook.path[-1], []).append(hook.item)
    return {
        f"{folder}/.claude-plugin/plugin.json": {
            "name": "memory-mcp",
            "version": __version__,
            "description": DESCRIPTION,
            "license": "MIT",
        },
        f"{folder}/.mcp.json": {
            "mcpServers": {"memory": server_entry(ON_PATH, hooks="claude-code")}
        },
        f"{folder}/hooks/hooks.json": {"hooks": hooks},
    }


def bundle() -> dict[str, Any]:
    """The manifest of an MCP bundle: the project itself, run by uv (tools/pack_mcpb)."""
    arguments = ["run", "--directory", "${__dirname}", "--no-dev", "memory-mcp"]
    return {
        "manifest_version": "0.4",
        "name": "memory-mcp",
        "display_name": "memory-mcp",
        "version": __version__,
        "description": DESCRIPTION,
        "author": {"name": "memory-mcp contributors"},
        "license": "MIT",
        "server": {
            "type": "uv",
            "entry_point": "src/memory_mcp/__main__.py",
            "mcp_config": {
                "command": "uv",
                "args": [*arguments, "--tools", "capture"],
            },
        },
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": ">=3.11"},
        },
    }


def registry() -> dict[str, Any]:
    """The entry in the registry of MCP servers."""
    variables = {
        "MEMORY_MCP_DATABASE": "The store's file; the platform's folder for user data if not set",
        "MEMORY_MCP_AGENT": "Whose memory; by project if not set",
    }
    return {
        "$schema": SCHEMA,
        "name": REGISTRY_NAME,
        "title": "memory-mcp",
        "description": DESCRIPTION,
        "version": __version__,
        "packages": [
            {
                "registryType": "pypi",
                "identifier": "memory-mcp",
                "version": __version__,
                "transport": {"type": "stdio"},
                "environmentVariables": [
                    {"name": name, "description": told} for name, told in variables.items()
                ],
            }
        ],
    }


def as_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    wanted = files()
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what tools/write_client_configs.py writes")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], "utf-8")
        print(f"{path.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
