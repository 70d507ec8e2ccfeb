"""Hooks as hosts run them: a process a call, on a store of one's own."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, command, environment, run

from memory_mcp.capture.intake import Intake
from memory_mcp.services import Services
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
    for name in ("additional_context", "additionalContext"):  # Cursor's, Copilot's
        if name in told:
            return told[name]
    assert set(told["hookSpecificOutput"]) == {"hookEventName", "additionalContext"}
    return told["hookSpecificOutput"]["additionalContext"]


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[Hooked]:
    """A new store; its daemon ends with the test."""
    made = Hooked(tmp_path / "Ablage für Ämter")
    yield made
    made.stop_daemon()


class Spool:
    """Calls of one host's hooks, put into the spool by hand and answered in this process."""

    def __init__(self, services: Services, database: Path, host: str) -> None:
        self.folder = database.with_name(f"{database.name}.hooks")
        self.folder.mkdir(exist_ok=True)
        self.services = services
        self.intake = Intake(services, database, str(self.folder))
        self.host = host
        self.calls = 0
        self.at = "2026-11-25T09:00:00.000Z"
        """When the next call is made."""

    async def tell(self, **payload: Any) -> str:
        """What the model is told after one call."""
        self.calls += 1
        name = f"{self.calls:020}-1.json"
        head = {"host": self.host, "at": self.at, "agent": "ada"}
        told = {"session_id": "s1", **payload}
        (self.folder / name).write_text(f"{json.dumps(head)}\n{json.dumps(told)}", "utf-8")
        answer = await self.intake.answer(name)
        if answer.told is not None:
            await answer.told()
        return text_of(answer.text)

    async def said(self) -> list[tuple[str, str]]:
        """Every message of the agent, by time: role and text."""
        agent = await self.services.agents.named("ada")
        page = await self.services.recall.search(agent.id, None, limit=50)
        return [(hit.message.role, hit.message.content) for hit in reversed(page.hits)]
