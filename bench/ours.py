"""memory-mcp as its users start it: one command, told its store and its agent."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contenders import Contender, environment
from bench.corpus import Passage
from bench.sqlite_driver import sqlite3

IN_PROCESS = "--in-process"
_SERVES = re.compile(r"process (\d+) serves ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One store's daemon, as its users see it: through the command line and its log."""

    #: `memory-mcp`, told its store.
    command: tuple[str, ...]
    log: Path

    def status(self) -> dict[str, Any]:
        """What it says of itself; `running` is false where there is none."""
        done = self._run("status", "--json")
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            sys.exit(f"`daemon status` ended with {done.returncode}:\n{done.stderr}")

    def stop(self) -> None:
        """End it, if it runs, and wait until it has ended."""
        done = self._run("stop")
        if done.returncode:
            sys.exit(f"`daemon stop` ended with {done.returncode}:\n{done.stderr}")

    def processes(self) -> list[int]:
        """Every process that ever became this store's daemon, in order."""
        if not self.log.exists():
            return []
        return [int(pid) for pid in _SERVES.findall(self.log.read_text(errors="replace"))]

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = (*self.command, "daemon", *words)
        return subprocess.run(command, env=environment(), capture_output=True, text=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryMCP:
    """The command under test."""

    command: tuple[str, ...]
    #: Whether it takes `--in-process`, without which it may be a bridge to a daemon.
    has_in_process: bool

    def contender(
        self,
        database: Path,
        *,
        name: str = "memory-mcp",
        agent: str = "bench",
        in_process: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> Contender:
        """The stdio server on this store; `settings` are environment variables."""
        flags = (IN_PROCESS,) if in_process and self.has_in_process else ()
        return Contender(
            name=name,
            command=(*self._on(database, agent), *flags),
            environment=environment(**(settings or {})),
            insert=lambda passage: (
                "archival_insert",
                {"content": passage.content, "tags": passage.tags},
            ),
            search=lambda query: ("archival_search", {"query": query.text}),
            stored=lambda: stored_texts(database),
        )

    def daemon(self, database: Path) -> Daemon:
        """The daemon of this store, whether it runs or not."""
        if not self.has_in_process:
            sys.exit("this build has no daemon: it does not take --in-process")
        log = database.with_name(f"{database.name}.daemon.log")
        return Daemon(command=self._on(database, "bench"), log=log)

    def on(self, database: Path, *words: str) -> tuple[str, ...]:
        """One of its commands on this store, for the bench's own agent."""
        return (*self._on(database, "bench"), *words)

    def import_lines(
        self,
        kind: str,
        lines: Iterable[Mapping[str, Any]],
        database: Path,
        *,
        agent: str = "bench",
    ) -> None:
        """Import JSON objects (`kind` is `passages` or `jsonl`) through the command line."""
        file = database.with_suffix(f".{agent}.{kind}.jsonl")
        with file.open("w") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)
        command = (*self._on(database, agent), "import", kind, str(file))
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"`import {kind}` ended with {done.returncode}:\n{done.stderr or done.stdout}")
        file.unlink()

    def import_passages(self, passages: Iterable[Passage], database: Path) -> None:
        self.import_lines("passages", (each.as_import_line() for each in passages), database)

    def _on(self, database: Path, agent: str) -> tuple[str, ...]:
        return (*self.command, "--agent", agent, "--database", str(database))


def find(command: str | None) -> MemoryMCP:
    """The command given, or the `memory-mcp` installed beside this Python."""
    words = shlex.split(command) if command else [_installed()]
    told = subprocess.run([*words, "--help"], env=environment(), capture_output=True, text=True)
    return MemoryMCP(command=tuple(words), has_in_process=IN_PROCESS in told.stdout)


def stored_texts(database: Path) -> list[str]:
    """Every passage in the store, in no order."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [text for (text,) in connection.execute("SELECT content FROM passages")]


def _installed() -> str:
    beside = Path(sys.executable).with_name("memory-mcp")
    found = str(beside) if beside.exists() else shutil.which("memory-mcp")
    if found is None:
        sys.exit("memory-mcp is not installed for this Python: pip install -e ., or give --command")
    return found
