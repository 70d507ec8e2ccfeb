"""What memory-mcp stands on: Python, SQLite, the embedding table, the daemon."""

import platform
from collections.abc import Iterator

from memory_mcp import __version__
from memory_mcp.app import check_embedder, sqlite_build
from memory_mcp.cli.doctor.finding import Finding
from memory_mcp.config import Settings
from memory_mcp.domain.errors import EmbedderError
from memory_mcp.domain.texts import counted
from memory_mcp.rendezvous import Rendezvous, Silent, Unreachable


def look(settings: Settings) -> Iterator[Finding]:
    """Each of these; nothing is opened or started."""
    yield Finding("python", "ok", f"Python {platform.python_version()} on {platform.platform()}")
    build = sqlite_build()
    told = f"SQLite {build.version} from {build.module}"
    if build.safe_for_processes:
        yield Finding("sqlite", "ok", told)
    else:
        cure = "run one process a store, or have a SQLite from 3.51.3 on, which mended a race"
        yield Finding("sqlite", "wrong", told, cure)
    if build.loads_extensions:
        yield Finding("extensions", "ok", "vectors are compared by sqlite-vec")
    else:
        told = "no extension can be loaded: vectors are compared in Python, which is slower"
        yield Finding("extensions", "note", told, "a Python whose SQLite loads extensions")
    yield _embedder()
    yield _daemon(settings)


def _embedder() -> Finding:
    try:
        check_embedder()
    except EmbedderError as error:
        return Finding("embedder", "wrong", str(error), "install memory-mcp again")
    return Finding("embedder", "ok", "the embedding table is whole")


def _daemon(settings: Settings) -> Finding:
    renew = "memory-mcp daemon restart"
    try:
        status = Rendezvous(str(settings.database)).ask("status")
    except Silent as silent:
        return Finding("daemon", "wrong", f"it does not answer: {silent}", renew)
    except Unreachable as reason:
        return Finding("daemon", "wrong", f"{reason}; sessions are served without it", renew)
    if status is None:
        return Finding("daemon", "ok", "no daemon runs; the next session starts one")
    sessions = counted(len(status["sessions"]), "session")
    told = f"daemon {status['version']}, process {status['pid']}, serves {sessions}"
    if status.get("lost"):
        return Finding("daemon", "wrong", str(status["lost"]), "put it back, or end the sessions")
    if status["version"] == __version__ and status.get("after"):
        return Finding("daemon", "note", f"{told}; before it, {status['after']}")
    if status["version"] == __version__:
        return Finding("daemon", "ok", told)
    return Finding("daemon", "wrong", f"{told}; this is {__version__}", renew)
