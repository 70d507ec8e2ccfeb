"""`memory-mcp doctor`: is everything as it should be, in plain words."""

import argparse
import platform
from dataclasses import dataclass

import anyio

from memory_mcp import __version__
from memory_mcp.app import check_embedder, check_store, open_services, sqlite_build
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.errors import EmbedderError
from memory_mcp.domain.texts import counted
from memory_mcp.rendezvous import Rendezvous, Unreachable


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    ok: bool
    what: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Check Python, SQLite, the store and the indexes; exit code 1 if one fails."
    )
    parser.epilog = "example: memory-mcp doctor --rebuild"
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="make every index anew from the stored texts (nothing else is changed)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was found."""
    settings = load_settings(database=arguments.database, agent=arguments.agent)
    findings = anyio.run(_examine, settings, arguments.rebuild)
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}")
    return 0 if all(finding.ok for finding in findings) else 1


def _embedder() -> Finding:
    try:
        check_embedder()
    except EmbedderError as error:
        return Finding(False, str(error))
    return Finding(True, "the embedding table is whole")


def _daemon(settings: Settings) -> Finding:
    try:
        status = Rendezvous(str(settings.database)).ask("status")
    except Unreachable as reason:
        return Finding(False, f"{reason}; sessions are served without it")
    if status is None:
        return Finding(True, "no daemon runs; the next session starts one")
    sessions = counted(len(status["sessions"]), "session")
    ours = status["version"] == __version__
    told = f"daemon {status['version']}, process {status['pid']}, serves {sessions}"
    return Finding(ours, told if ours else f"{told}: memory-mcp daemon restart renews it")


async def _examine(settings: Settings, rebuild: bool) -> list[Finding]:
    build = sqlite_build()
    findings = [
        Finding(True, f"Python {platform.python_version()} on {platform.platform()}"),
        Finding(
            build.safe_for_processes,
            f"SQLite {build.version} from {build.module}"
            + (
                ""
                if build.safe_for_processes
                else ": run one process a store (3.51.3 mended a race)"
            ),
        ),
        Finding(
            True,
            "vectors are compared by sqlite-vec"
            if build.loads_extensions
            else "no extension can be loaded: vectors are compared in Python, which is slower",
        ),
    ]
    findings.append(_embedder())
    findings.append(_daemon(settings))
    async with open_services(settings) as services:
        findings.append(Finding(True, f"the store {settings.database} can be opened and written"))
        if rebuild:
            made = await services.indexing.rebuild()
            findings.append(Finding(True, f"the indexes were made anew, with {made:,} vectors"))
        agent = await services.agents.choose(settings.agent)
        state = (await services.view.statistics(agent.id)).index
        findings.append(
            Finding(
                state.note is None or settings.embedder == "none",
                state.note or f"search runs on {state.embedder}, {state.waiting:,} rows waiting",
            )
        )
    problems = await check_store(settings)
    findings.append(
        Finding(not problems, "; ".join(problems) if problems else "SQLite finds the store sound")
    )
    return findings
