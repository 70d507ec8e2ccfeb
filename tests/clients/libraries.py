"""The client libraries, pinned, each in an environment of its own; and what each makes of us."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.processes import command, environment

DRIVERS = Path(__file__).with_name("drivers")
INSTALL_SECONDS = 900
PLAY_SECONDS = 300

CALLS: dict[str, dict[str, Any]] = {
    "archival_insert": {"content": "The tides of Porto are six hours apart."},
    "archival_search": {"query": "tides of Porto"},
    "core_memory_append": {"label": "human", "content": "Name: Ana."},
    "core_memory_replace": {"label": "project", "new_content": "Goal: a tide calendar."},
    "conversation_append": {"role": "user", "content": "When is low water?"},
    "conversation_search": {},
    "send_to_agent": {"message": "Is anybody there?"},
}
"""Each tool with what it requires and nothing else."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library, and the driver that plays the script with it."""

    name: str
    driver: str
    requirements: tuple[str, ...]
    options: tuple[str, ...] = ()
    sends: str = "leaves it out"
    """How it says that an optional argument is not given."""
    has_resources: bool = True

    @property
    def folder(self) -> str:
        """Its environment's name: the same for all that install the same."""
        return re.sub("[^a-z0-9.]+", "-", self.requirements[0].strip("@"))

    @property
    def of_node(self) -> bool:
        """Whether it is of Node.js rather than of Python."""
        return self.driver.endswith(".mjs")

    def program(self, scratch: Path) -> str:
        """What runs its driver."""
        if self.of_node:
            return shutil.which("node") or "node"
        inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        return str(scratch / self.folder / inside)

    def is_installed(self, scratch: Path) -> bool:
        """Whether its environment is there, whole."""
        return (scratch / self.folder / "ready").exists()

    def install(self, scratch: Path) -> str:
        """Make its environment, unless it is there; why it could not be, or nothing."""
        folder = scratch / self.folder
        if self.is_installed(scratch):
            return ""
        if self.of_node:
            folder.mkdir(parents=True, exist_ok=True)
            words = [shutil.which("npm") or "npm", "install", "--silent", "--no-audit", "--no-fund"]
        else:
            venv.create(folder, with_pip=True, clear=True)
            words = [self.program(scratch), "-m", "pip", "install", "-q"]
        try:
            done = subprocess.run(
                [*words, *self.requirements],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            return done.stderr.strip()[-500:]
        (folder / "ready").touch()
        return ""

    def play(self, scratch: Path, database: Path, *flags: str, url: str | None = None) -> "Played":
        """Have it list, call and read everything."""
        node = str(scratch / self.folder)
        serving = ["--database", database, "--tools", "capture", *flags]
        script = {
            "command": command(*serving),
            "environment": environment(MEMORY_MCP_DAEMON_IDLE_SECONDS="0"),
            "url": url,
            "calls": CALLS,
        }
        done = subprocess.run(
            [self.program(scratch), DRIVERS / self.driver, json.dumps(script), *self.options],
            cwd=database.parent,
            env=environment(**QUIET, HOME=str(database.parent), MEMORY_MCP_NODE_FOLDER=node),
            capture_output=True,
            text=True,
            timeout=PLAY_SECONDS,
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise AssertionError(f"{self.name} failed:\n{done.stderr[-3_000:]}")
        return Played(**json.loads(lines[-1]))


@dataclass(frozen=True, slots=True)
class Played:
    """What a library made of the server."""

    version: str
    tools: Sequence[str]
    answers: Mapping[str, str]
    resources: Mapping[str, str]
    note: str = ""


QUIET = {
    "ANONYMIZED_TELEMETRY": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "MCP_USE_ANONYMIZED_TELEMETRY": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
    "OPENAI_API_KEY": "none",
}

LIBRARIES = (
    Library("openai-agents", "openai_agents.py", ("openai-agents==0.24.0",)),
    Library(
        "openai-agents, strict",
        "openai_agents.py",
        ("openai-agents==0.24.0",),
        ("--strict",),
        sends='`""`, `[]` or a value: its schemas require every argument',
    ),
    Library("pydantic-ai", "pydantic_ai_.py", ("pydantic-ai-slim[mcp]==2.68.0",)),
    Library("langchain-mcp-adapters", "langchain_.py", ("langchain-mcp-adapters==0.3.2",)),
    Library("llama-index-tools-mcp", "llama_index_.py", ("llama-index-tools-mcp==0.6.0",)),
    Library("fastmcp", "fastmcp_.py", ("fastmcp==4.2.3",)),
    Library(
        "mcp-use",
        "mcp_use_.py",
        ("mcp-use==1.7.1", "langchain-openai==1.7.0"),
        sends="null",
    ),
    Library("google-adk", "google_adk_.py", ("google-adk[mcp]==2.13.0",)),
    Library(
        "crewai-tools",
        "crewai_.py",
        ("crewai-tools[mcp]==1.15.30", "crewai==1.15.30"),
        sends="null",
        has_resources=False,
    ),
    Library(
        "@modelcontextprotocol/client, 2025-11-25",
        "typescript.mjs",
        ("@modelcontextprotocol/client@2.4.0",),
        ("legacy",),
    ),
    Library(
        "@modelcontextprotocol/client, 2026-07-28",
        "typescript.mjs",
        ("@modelcontextprotocol/client@2.4.0",),
        ("auto",),
    ),
)


def scratch_folder() -> Path:
    """Where the environments are: MEMORY_MCP_TEST_CLIENTS, or a folder of the user's cache."""
    told = os.environ.get("MEMORY_MCP_TEST_CLIENTS")
    return Path(told) if told else Path.home() / ".cache" / "memory-mcp-clients"
