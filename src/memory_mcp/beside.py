"""What lies beside a store: calls of hooks, logs, copies; looked through, and made to forget."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from memory_mcp.domain.agents import DEFAULT_AGENT, Agent
from memory_mcp.domain.forgetting import Match, Wanted, holder_of
from memory_mcp.domain.json_values import every_text
from memory_mcp.domain.times import to_iso
from memory_mcp.domain.traces import trace_in
from memory_mcp.ports import Trace
from memory_mcp.projects import chosen
from memory_mcp.rendezvous import NOT_THROUGH_LINKS, Rendezvous

LOG_TEXT_CHARS_LEAST = 4
"""A shorter text stands in every other line of a log, by chance."""
CHUNK_BYTES = 8 << 20
OVERLAP_BYTES = 1 << 20
_CALL = re.compile(r"\d{20}-\d+\.(?:json|refused)")
_SQLITE = b"SQLite format 3\0"
_OURS = re.compile(r"\.before-(?:schema-\d+|restore-[\d-]+(?:-wal|-shm|-journal)?)|\..*\.part")


class FilesBeside:
    """The `StoreFiles` port."""

    def __init__(self, database: Path) -> None:
        self._database = database
        rendezvous = Rendezvous(str(database))
        self._spool = Path(rendezvous.spool)
        self._logs = (rendezvous.log, rendezvous.hook_log, f"{database}.shadow.log")
        self._own = {database.name, f"{database.name}-wal", f"{database.name}-shm"} | {
            Path(each).name
            for each in (
                rendezvous.lock,
                rendezvous.socket,
                rendezvous.address,
                rendezvous.spool,
                rendezvous.seal,
            )
        }
        self._snapshots = Path(f"{os.path.realpath(database)}.snapshots")

    def hook_calls(self, agent: Agent, wanted: Wanted) -> list[Match]:
        """The calls of hooks, waiting or refused, that are the agent's and are wanted gone."""
        if wanted.ids:
            return []
        holder = holder_of(wanted.text) if wanted.text is not None else None
        found: list[Match] = []
        for name, content in self.read_calls(self._call_names()).items():
            at = datetime.fromtimestamp(int(name[:20]) / 1e9, UTC)
            head, texts = _texts_of(content)
            if not wanted.window.holds(to_iso(at)) or not _is_of(head, agent):
                continue
            if wanted.conversation is not None and wanted.conversation not in texts:
                continue
            if holder is None or any(holder.search(each) for each in texts):
                found.append(Match("hook", name, max(texts, key=len, default="")))
        return found

    def read_calls(self, names: Sequence[str]) -> dict[str, str]:
        """What stands in calls of hooks, by name; those that are gone are left out."""
        found: dict[str, str] = {}
        for name in names:
            try:
                data = (self._spool / name).read_bytes() if _CALL.fullmatch(name) else b""
            except OSError:  # taken in meanwhile, or never there
                continue
            found[name] = data.decode("utf-8", "surrogateescape")
        return found

    def remove_calls(self, names: Sequence[str]) -> None:
        """Remove calls of hooks."""
        for name in names:
            if _CALL.fullmatch(name):
                (self._spool / name).unlink(missing_ok=True)

    def put_calls_back(self, calls: Mapping[str, str]) -> None:
        """Lay calls of hooks where they lay."""
        if calls:
            self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in calls.items():
            if not _CALL.fullmatch(name):
                continue
            part = self._spool / f"{name}.part"
            how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NOT_THROUGH_LINKS
            with os.fdopen(os.open(part, how, 0o600), "wb") as file:
                file.write(content.encode("utf-8", "surrogateescape"))
            part.replace(self._spool / name)

    def clean_logs(self, texts: Sequence[str]) -> int:
        """Overwrite in the logs every line in which one of the texts stands; how many.

        In its place, and with as many bytes: whoever writes to the log goes on at its end.
        """
        wanted = [text for text in texts if len(text.strip()) >= LOG_TEXT_CHARS_LEAST]
        cleaned = 0
        for path in self._log_files() if wanted else ():
            with open(os.open(path, os.O_RDWR | NOT_THROUGH_LINKS), "r+b") as file:
                data, place = file.read(), 0
                for line in data.splitlines(keepends=True):
                    bare = line.rstrip(b"\r\n")
                    if any(trace_in(bare, text) for text in wanted):
                        file.seek(place)
                        file.write(b"*" * len(bare))
                        cleaned += 1
                    place += len(line)
        return cleaned

    def copies(self) -> list[str]:
        """Names of the copies of the store that lie beside it."""
        return sorted(path.name for path in self._copies())

    def remove_copies(self) -> list[str]:
        """Remove those that memory-mcp made, before a new schema or a restore; their names."""
        gone: list[str] = []
        for path in self._copies():
            if _OURS.fullmatch(path.name.removeprefix(self._database.name)):
                path.unlink(missing_ok=True)
                gone.append(path.name)
        return sorted(gone)

    def traces(self, text: str) -> list[Trace]:
        """Where the bytes of a text stand in any file of the store's."""
        found: list[Trace] = []
        for path in self._everything():
            is_open_here = path.name in self._own
            if (trace := _trace_in_file(path, text, is_open_here=is_open_here)) is not None:
                name = str(path.relative_to(self._database.parent.resolve()))
                found.append(Trace(name, *trace))
        return found

    def _call_names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._spool) if _CALL.fullmatch(name))
        except OSError:
            return []

    def _log_files(self) -> Iterator[Path]:
        """The logs, and those before them."""
        for log in self._logs:
            for path in (Path(log), *(Path(f"{log}.{number}") for number in range(1, 10))):
                if path.is_file():
                    yield path

    def _copies(self) -> Iterator[Path]:
        stem = self._database.name.partition(".")[0]
        ours = {*self._own, *(path.name for path in self._log_files())}
        for path in self._database.parent.iterdir():
            if path.name in ours or not path.is_file() or path.is_symlink():
                continue
            named = path.name.startswith(f"{self._database.name}.")
            if named or (path.name.startswith(stem) and _is_sqlite(path)):
                yield path

    def _everything(self) -> Iterator[Path]:
        folder = self._database.parent.resolve()
        files = [folder / name for name in sorted(self._own)]
        files += [*self._log_files(), *self._copies()]
        for inner in (self._spool, self._snapshots):
            files += sorted(inner.rglob("*")) if inner.is_dir() else []
        for path in dict.fromkeys(each.resolve() for each in files):
            if path.is_file():
                yield path


def _trace_in_file(path: Path, text: str, *, is_open_here: bool) -> tuple[str, int] | None:
    with _reading(path, is_open_here=is_open_here) as file:
        start, rest = 0, b""
        while chunk := file.read(CHUNK_BYTES):
            data = rest + chunk
            if (found := trace_in(data, text)) is not None:
                return found[0], start + found[1]
            rest = data[-OVERLAP_BYTES:]
            start += len(data) - len(rest)
    return None


_COPY_OUT = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"


@contextmanager
def _reading(path: Path, *, is_open_here: bool) -> Generator[IO[bytes]]:
    """The bytes of a file; of one that SQLite has open here, as another process reads it.

    A process that closes any descriptor of a file loses all of its locks on it (POSIX), SQLite's
    too: the next one that closes the store would take itself for the last, and remove its log.
    """
    if not is_open_here:
        with path.open("rb") as file:
            yield file
        return
    command = [sys.executable, "-I", "-S", "-c", _COPY_OUT, str(path)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout
        try:
            yield child.stdout
        finally:
            child.kill()


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _texts_of(content: str) -> tuple[dict[str, Any], list[str]]:
    """What a call says of itself, and every text that its host told, or all of it as it is."""
    head, _, body = content.partition("\n")
    try:
        told_of: Any = json.loads(head)
        texts = list(every_text(json.loads(body)))
    except (ValueError, RecursionError):
        return {}, [content]
    return (cast("dict[str, Any]", told_of) if isinstance(told_of, dict) else {}), texts


def _is_of(head: Mapping[str, Any], agent: Agent) -> bool:
    """Whether a call would go to that agent's memory; one that does not say is anybody's."""
    if not head:
        return True
    environment: Any = head.get("environment")
    given = cast("dict[str, str]", environment) if isinstance(environment, dict) else {}
    folder: Any = head.get("folder")
    named: Any = head.get("agent")
    name, project = chosen(named or None, given, folder or None, head.get("project_by") or None)
    if name is not None:
        return name.casefold() == agent.name.casefold() or name == agent.id
    return project == agent.project if project else agent.name == DEFAULT_AGENT
