"""Configurations to copy, the plugin, the bundle and the registry entry: all from one source."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.processes import environment
from tools.write_client_configs import files

from memory_mcp import __version__

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "client_configs" / "claude-code-plugin"


def test_what_is_there_to_copy_is_what_install_writes() -> None:
    for path, text in files().items():
        assert path.read_text("utf-8") == text, f"{path}: run tools/write_client_configs.py"


def test_nothing_is_there_that_install_does_not_write() -> None:
    written = {path for path in files() if path.parts[-2] != ROOT.name}
    there = {path for path in (ROOT / "client_configs").rglob("*") if path.is_file()}
    assert {path for path in there - written if path.suffix != ".md"} == set()


def test_the_registrys_entry_keeps_to_its_schemas_limits() -> None:
    told = json.loads((ROOT / "server.json").read_text("utf-8"))
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", told["name"])
    assert 1 <= len(told["description"]) <= 100
    assert told["version"] == told["packages"][0]["version"] == __version__
    assert f"mcp-name: {told['name']}" in (ROOT / "README.md").read_text("utf-8")


def test_the_plugins_hooks_and_server_run_with_memory_mcp_on_the_path(tmp_path: Path) -> None:
    assert json.loads((PLUGIN / ".claude-plugin" / "plugin.json").read_text())["name"]
    (entry,) = json.loads((PLUGIN / ".mcp.json").read_text())["mcpServers"].values()
    assert entry["command"] == "memory-mcp"
    hooks = json.loads((PLUGIN / "hooks" / "hooks.json").read_text())["hooks"]
    assert {"SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"} <= set(hooks)
    folder = Path(sys.executable).parent
    if shutil.which("memory-mcp", path=str(folder)) is None:
        pytest.skip("memory-mcp is not installed in this environment")
    line = hooks["Stop"][0]["hooks"][0]["command"]
    told = {"session_id": "s", "hook_event_name": "Stop", "last_assistant_message": "Done."}
    more = environment(MEMORY_MCP_DATABASE=str(tmp_path / "memory.db"))
    ended = subprocess.run(
        ["sh", "-c", line],
        input=json.dumps(told),
        env=more | {"PATH": f"{folder}:{more['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("", "")
    assert len(list(tmp_path.glob("memory.db.hooks/*.json"))) == 1
