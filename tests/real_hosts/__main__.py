"""Run real hosts against the scripted model, and say what of each promise was seen.

    python -m tests.real_hosts                        # Claude Code, Codex, Gemini CLI
    python -m tests.real_hosts codex qwen             # these
    python -m tests.real_hosts --all --write          # all; then docs/hosts.md has the table
    python -m tests.real_hosts --week                 # a week of two on one project

npm installs each at an exact version into `$MEMORY_MCP_HOSTS_DIR`, else into a folder of this
user's among the temporary files; what is there is used again. Each gets a home of its own, a
fake key, and nothing but loopback.

With `--second-look` a host that breaks a promise lives its day once more, and the promise counts as
broken if it is broken again: these are other people's programs on a machine that does other work.

Exit code 1: a promise is not kept that the host would let us keep (what it doesn't, stands in its
`limits`), or one is kept that stands there. Exit code 0 and a line that begins with SKIPPED: a host
could not be installed, so nothing was seen of it.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.real_hosts import week
from tests.real_hosts.day import Day, scenes
from tests.real_hosts.hosts import HOSTS
from tests.real_hosts.hosts.host import Host, HostFailed
from tests.real_hosts.model.scenario import Scenario
from tests.real_hosts.model.server import ModelServer
from tests.real_hosts.promises import Finding, judged
from tests.real_hosts.table import Row, write
from tests.real_hosts.workplace import Workplace
from tools import npm

ROOT = Path(__file__).parents[2]
FIRST = ("claude-code", "codex", "gemini")
PAIR = ("claude-code", "codex")
INSTALL_SECONDS = 300


def main() -> int:
    """Run, print, compare."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    parser = argparse.ArgumentParser(
        prog="python -m tests.real_hosts", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=f"of {', '.join(HOSTS)}")
    parser.add_argument("--all", action="store_true", help="every host")
    parser.add_argument("--write", action="store_true", help="write the table in docs/hosts.md")
    parser.add_argument("--week", action="store_true", help="a week of two hosts on one project")
    parser.add_argument(
        "--second-look", action="store_true", help="a promise is broken if it is so twice in a row"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave what they did in there")
    arguments = parser.parse_args()
    names = list(HOSTS) if arguments.all else arguments.hosts or list(FIRST)
    if unknown := [name for name in names if name not in HOSTS]:
        parser.error(f"no host is called {', '.join(unknown)}; there are {', '.join(HOSTS)}")
    with tempfile.TemporaryDirectory(prefix="memory-mcp-hosts-") as scratch:
        root = arguments.keep or Path(scratch)
        if arguments.week:
            row = _week([HOSTS[name] for name in arguments.hosts or PAIR], root / "week")
            return _told([row] if row else [])
        lived = _looked_at_twice if arguments.second_look else _lived
        with ThreadPoolExecutor(2) as pool:
            rows = list(pool.map(lambda name: lived(HOSTS[name], root / name), names))
    seen = [row for row in rows if row is not None]
    if arguments.write:
        write(ROOT / "docs" / "hosts.md", seen)
    return _told(seen)


def _told(rows: Sequence[Row]) -> int:
    """Print what is wrong; the exit code."""
    wrong = [line for row in rows for line in _wrong(row)]
    print("\n".join(wrong) or "every promise is kept that these hosts let anybody keep")
    return 1 if wrong else 0


def _wrong(row: Row) -> Iterator[str]:
    """Promises that are not kept though they could be, and limits that are gone."""
    for each in row.findings:
        limit = row.limits.get(each.promise)
        if each.verdict == "no" and not limit:
            yield f"FAIL {row.title}, {each.promise}: {each.why}"
        elif each.verdict == "yes" and limit:
            yield f"FAIL {row.title}, {each.promise}: it is kept; take {limit!r} off its limits"


def folder_of_hosts() -> Path:
    """Where npm installs them."""
    told = os.environ.get("MEMORY_MCP_HOSTS_DIR")
    if told:
        return Path(told)
    folder = Path(tempfile.gettempdir()) / f"memory-mcp-hosts-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        sys.exit(f"{folder} is somebody else's: set MEMORY_MCP_HOSTS_DIR")
    return folder


def _modules(kind: type[Host], node: Path) -> Path | None:
    """Where npm has laid a host; nothing where it could not."""
    folder = folder_of_hosts() / f"{kind.name}-{kind.version}"
    pins = {kind.package: kind.version}
    try:
        return npm.installed(node, folder, pins, seconds=INSTALL_SECONDS, scripts=True)
    except npm.Skipped as reason:
        print(f"SKIPPED: {kind.title} {kind.version} was not run: {reason}", flush=True)
        return None


def _looked_at_twice(kind: type[Host], root: Path) -> Row | None:
    """The same, and once more where a promise was broken; what was kept once, can be kept."""
    first = _lived(kind, root)
    if first is None or not (broken := list(_wrong(first))):
        return first
    print(f"{kind.title} once more, as it broke: {'; '.join(broken)}", flush=True)
    second = _lived(kind, root.with_name(f"{root.name}-again"))
    if second is None:
        return first
    kept = {each.promise: each for each in first.findings if each.verdict == "yes"}
    findings = [
        kept.get(each.promise, each) if each.verdict == "no" else each for each in second.findings
    ]
    return Row(second.title, second.version, findings, second.limits)


def _lived(kind: type[Host], root: Path) -> Row | None:
    """A day with one host; nothing where it could not be installed."""
    node = npm.node()
    modules = _modules(kind, node)
    if modules is None:
        return None
    began = time.monotonic()
    place = Workplace(root)
    scenario = Scenario()
    with ModelServer(scenario, node) as model:
        host = kind(place, model, modules, node)
        scenario.add(scenes(host))
        try:
            findings = judged(Day(host)())
        except (HostFailed, RuntimeError) as error:
            findings = [Finding(promise="installs", verdict="no", why=str(error))]
        finally:
            place.close()
            _write_down(model, root / "requests.jsonl")
    _print(f"{kind.title} {kind.version}", findings, time.monotonic() - began)
    return Row(kind.title, kind.version, findings, kind.limits)


def _write_down(model: ModelServer, path: Path) -> None:
    """What the model was asked and answered, for who looks into what a check says."""
    with path.open("w") as lines:
        for each in model.exchanges:
            told = {"number": each.number, "kind": each.given.kind, "key": each.given.key}
            told |= {"said": each.given.answer.text, "path": each.path, "body": each.body}
            lines.write(json.dumps(told, ensure_ascii=False) + "\n")


def _week(kinds: Sequence[type[Host]], root: Path) -> Row | None:
    """A week of hosts that share a home; nothing where one could not be installed."""
    node = npm.node()
    modules = [_modules(kind, node) for kind in kinds]
    began = time.monotonic()
    place = Workplace(root)
    scenario = Scenario()
    with ModelServer(scenario, node) as model:
        hosts = [
            kind(place, model, there, node)
            for kind, there in zip(kinds, modules, strict=True)
            if there is not None
        ]
        if len(hosts) < len(kinds):
            return None
        scenario.add(week.scenes(hosts))
        try:
            findings = judged(week.Week(hosts)(), week.JUDGED)
        finally:
            place.close()
            _write_down(model, root / "requests.jsonl")
    title = f"A week of {' and '.join(kind.title for kind in kinds)}"
    _print(title, findings, time.monotonic() - began)
    return Row(title, "", findings, {})


def _print(title: str, findings: Sequence[Finding], seconds: float) -> None:
    lines = [f"{title} ({seconds:.0f} s)"]
    lines += [
        f"  {each.verdict:3} {each.promise}{f': {each.why}' if each.why else ''}"
        for each in findings
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
