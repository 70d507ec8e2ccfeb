"""Hooks as hosts run them: a process a call, on a store of one's own."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, command, environment, run

from memory_mcp.storage.sqlite.driver import sqlite_module

PAYLOADS = Path(__file__).parent / "payloads"
HOSTS = sorted(folder.name for folder in PAYLOADS.iterdir())


def payload(host: str, event: str, **more: Any) -> dict[str, Any]:
    """A host's payload, as documented; `more` takes the place of what it says."""
    return json.loads((PAYLOADS / host / f"{event}.json").read_text("utf-8")) | more


class Hooked:
    """A store, and the hooks on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "memory.db"
        self.project = folder / "harbour"
        self.project.mkdir(parents=True)
        (self.project / ".git").mkdir()

    def call(self, host: str, told: bytes, *options: str) -> subprocess.CompletedProcess[str]:
        """One call of a hook; it never fails."""
        variables = environment(MEMORY_MCP_DATABASE=str(self.database))
        words = ["hook", host, *options]
        ended = subprocess.run(
            command(*words),
            cwd=self.folder,
            env=variables,
            input=told,
            capture_output=True,
            timeout=2 * DEADLINE_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        out, err = ended.stdout.decode(), ended.stderr.decode()
        return subprocess.CompletedProcess(words, 0, out, err)

    def tell(self, host: str, event: str, **more: Any) -> str:
        """A documented event in our project; what the model is told, empty for nothing."""
        where = {"cursor": {"workspace_roots": [str(self.project)]}}
        folder = where.get(host, {"cwd": str(self.project)})
        told = payload(host, event, **folder | more)
        ended = self.call(host, json.dumps(told).encode())
        assert ended.stderr == ""
        return text_of(ended.stdout)

    def rows(self, statement: str) -> list[Any]:
        """What the store says, read from beside."""
        connection = sqlite_module().connect(self.database)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def said(self) -> list[tuple[str, str]]:
        """Every message, in order: role and text."""
        return self.rows("SELECT role, content FROM messages ORDER BY seq")

    def waiting(self) -> list[Path]:
        """Calls that nobody took in yet."""
        return sorted(self.folder.glob("memory.db.hooks/*.json"))

    def log(self) -> str:
        """Why calls came to nothing."""
        path = self.folder / "memory.db.hooks.log"
        return path.read_text("utf-8") if path.exists() else ""

    def stop_daemon(self) -> None:
        """End the process behind the hooks."""
        run("--database", self.database, "daemon", "stop", folder=self.folder)


def text_of(printed: str) -> str:
    """What a host takes from a hook's output for its model."""
    if not printed:
        return ""
    told = json.loads(printed)
    if "additional_context" in told:
        return told["additional_context"]
    assert set(told["hookSpecificOutput"]) == {"hookEventName", "additionalContext"}
    return told["hookSpecificOutput"]["additionalContext"]


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[Hooked]:
    """A new store; its daemon ends with the test."""
    made = Hooked(tmp_path / "Ablage für Ämter")
    yield made
    made.stop_daemon()
