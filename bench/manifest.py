"""One line of JSON for every run: what was measured, of what, and where."""

import json
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.report import Report
from bench.sqlite_driver import sqlite3

RESULTS = Path(__file__).with_name("results")
MANIFEST = RESULTS / "manifest.jsonl"


def record(arguments: Sequence[str], report: Report) -> None:
    """Append this run to the manifest."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": _versions(),
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.platform()},
        "command": shlex.join(["python", "-m", "bench", *arguments]),
        **report.as_json(),
    }
    with MANIFEST.open("a") as out:
        out.write(json.dumps(line, ensure_ascii=False) + "\n")


def _commit() -> str | None:
    """The commit measured, with "+" when the work tree differs from it."""
    described = _git("rev-parse", "--short", "HEAD")
    if not described:
        return None
    return f"{described}+" if _git("status", "--porcelain") else described


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(RESULTS), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def _versions() -> dict[str, Any]:
    return {
        "memory-mcp": _installed("memory-mcp"),
        "python": platform.python_version(),
        "mcp": _installed("mcp"),
        "sqlite": sqlite3.sqlite_version,
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
