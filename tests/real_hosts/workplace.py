"""A home of its own for one host: a project, a store, and a tap on the hooks.

What `memory-mcp install` writes into a host's files is the command beside the Python that runs it.
Here that is a script: it passes MCP on to the real command by `exec`, at no cost, and keeps what
goes into each hook and what comes out, since that is what the requests are searched for.
"""

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND_SECONDS = 60
ACTIVE = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")
"""What a host gets of the environment; nothing of whoever runs this is remembered or used."""
NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "NPM_CONFIG_FETCH_RETRIES": "0",
    "OTEL_SDK_DISABLED": "true",
    # Whatever would leave the machine all the same ends at a closed port.
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}

TAP = """\
#!/bin/sh
# Written by tests/real_hosts: memory-mcp, and what its hooks were told and said.
case " $* " in
*" hook "*)
    mark={log}/$(date +%s%N)-$$
    cat >"$mark.told"
    {command} "$@" <"$mark.told" >"$mark.said" 2>"$mark.complained"
    code=$?
    cat "$mark.said"
    : >"$mark.ended"
    exit $code
    ;;
esac
exec {command} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """One call of a hook."""

    at: float
    """Seconds since 1970."""
    told: dict[str, Any]
    said: str
    complained: str

    @property
    def event(self) -> str:
        """The host's name of it, and what kind of it, like `SessionStart compact`."""
        kind = next(
            (self.told[name] for name in ("source", "trigger", "reason") if self.told.get(name)), ""
        )
        return f"{self.told.get('hook_event_name', '?')} {kind}".strip()

    @property
    def shown(self) -> str:
        """What was said for the model; nothing where nothing was."""
        try:
            said = json.loads(self.said)
        except ValueError:
            return self.said.strip()
        inner = said.get("hookSpecificOutput") or {}
        for place in (inner, said):
            for name in ("additionalContext", "additional_context", "contextModification"):
                if isinstance(place.get(name), str):
                    return place[name]
        return ""


class Workplace:
    """Folders below `root`, made at once: `home`, and the repository `harbour` with a worktree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.project = root / "harbour"
        self.subfolder = self.project / "lights"
        self.worktree = root / "harbour-repairs"
        self._hooks = root / "hooks"
        self._python = root / "env" / "bin" / "python"
        for folder in (self.home, self.subfolder, self._hooks, self._python.parent):
            folder.mkdir(parents=True)
        self._make_repository()
        self._make_tap()

    def environment(self, **more: str) -> dict[str, str]:
        """That of somebody new whose programs tell nobody anything."""
        kept = {name: os.environ[name] for name in ACTIVE if name in os.environ}
        own = {"HOME": str(self.home), "USERPROFILE": str(self.home), "TERM": "dumb"}
        return kept | own | NO_TELEMETRY | more

    def memory(self, *words: str, folder: Path | None = None) -> str:
        """What the command prints, run by the user in a folder, else in the project.

        Raises:
            RuntimeError: its exit code was not 0.
        """
        ended = subprocess.run(
            [self._python, "-P", "-m", "memory_mcp", *words],
            cwd=folder or self.project,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if ended.returncode:
            told = (ended.stderr or ended.stdout).strip().splitlines()
            why = f"{ended.returncode}: {told[-1] if told else 'nothing was said'}"
            raise RuntimeError(f"memory-mcp {' '.join(words)} ended with {why}")
        return ended.stdout

    @property
    def server_command(self) -> list[str]:
        """What a host starts, for one that is configured by hand."""
        return [str(self._python.with_name("memory-mcp"))]

    @property
    def hook_runs(self) -> list[HookRun]:
        """Every hook so far, in the order in which they were called."""
        runs: list[HookRun] = []
        for path in sorted(self._hooks.glob("*.told")):
            try:
                told = json.loads(path.read_text("utf-8"))
            except ValueError:
                told = {}
            said, complained = path.with_suffix(".said"), path.with_suffix(".complained")
            runs.append(
                HookRun(
                    at=int(path.name.partition("-")[0]) / 1e9,
                    told=told if isinstance(told, dict) else {},
                    said=said.read_text("utf-8") if said.exists() else "",
                    complained=complained.read_text("utf-8") if complained.exists() else "",
                )
            )
        return runs

    def wait_until_settled(self, seconds: float) -> None:
        """Return when every hook that was called has ended, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            told = {path.stem for path in self._hooks.glob("*.told")}
            if all((self._hooks / f"{stem}.ended").exists() for stem in told):
                return
            time.sleep(0.05)

    def close(self) -> None:
        """End the store's daemon, and whatever else was left running in this home."""
        self.memory("daemon", "stop")
        mine = f"HOME={self.home}".encode()
        for told in Path("/proc").glob("[0-9]*/environ"):  # nothing, where there is no /proc
            try:
                if mine in told.read_bytes().split(b"\0"):
                    os.kill(int(told.parent.name), signal.SIGTERM)
            except OSError:
                continue  # somebody else's, or it has ended

    def _make_repository(self) -> None:
        (self.project / "README.txt").write_text("The harbour.\n")
        (self.subfolder / "lamps.txt").write_text("Two lamps.\n")
        who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.invalid"]
        for words in (
            ["init", "-q", "-b", "main"],
            ["add", "."],
            [*who, "commit", "-q", "-m", "Found the harbour"],
            ["worktree", "add", "-q", "-b", "repairs", str(self.worktree)],
        ):
            subprocess.run(
                ["git", *words], cwd=self.project, env=self.environment(), check=True, timeout=30
            )

    def _make_tap(self) -> None:
        """An environment like the one this runs in, but for its command."""
        here = Path(sys.executable)
        self._python.symlink_to(here)
        settings = here.parent.parent / "pyvenv.cfg"
        if settings.is_file():
            shutil.copy(settings, self._python.parents[1])
        # As in the environment it stands for: python finds packages beside its own folder.
        packages = Path(sysconfig.get_path("purelib"))
        there = self._python.parents[1] / packages.relative_to(here.parent.parent)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(packages)
        script = self._python.with_name("memory-mcp")
        command = shlex.join([str(here), "-P", "-m", "memory_mcp"])
        real = here.with_name("memory-mcp")
        if real.is_file():
            command = shlex.quote(str(real))
        script.write_text(TAP.format(log=shlex.quote(str(self._hooks)), command=command))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
