"""Mutation sampling: which small faults in the guards of money, privacy and data no test notices.

    just mutants                         # 150 faults over all guards, by seed 1
    just mutants src/memory_mcp/loop     # only there
    just mutants --sample 40 --seed 7 --minutes 15 --out mutants.md
    just mutants --only storage/sqlite/runs.py:215:12:drop

Each fault is put into a copy of the tree, and the tests of its file run there until one fails: the
tree itself is never touched. Some faults change nothing that can be seen, so a survivor is a
question, not a verdict. docs/decisions/0023 says why this is a program of our own.
"""

import argparse
import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Literal

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/memory_mcp")

# Which tests are to notice a fault, the quickest first. A guard that isn't here isn't mutated.
GUARDS: dict[str, str] = {
    "domain/runs.py": "domain/test_runs loop/test_money loop/test_worker loop/test_shadow",
    "domain/usage.py": "domain/test_usage llm/test_odd_answers",
    "domain/reasoning.py": "domain/test_reasoning",
    "domain/redact.py": "domain/test_redact",
    "domain/forgetting.py": "domain/test_forgetting services/test_forgetting",
    "domain/blocks.py": "domain/test_blocks services/test_core_memory server/test_surface",
    "domain/merge.py": "domain/test_merge services/test_core_memory",
    "domain/eviction.py": "domain/test_eviction services/test_eviction",
    "domain/mail.py": "services/test_mail loop/test_resident server/test_piggyback",
    "domain/drafts.py": "domain/test_drafts loop/test_shadow loop/test_worker",
    "domain/passages.py": "domain/test_passages services/test_archival",
    "services/forgetting.py": "services/test_forgetting services/test_forgetting_everywhere",
    "services/housekeeping.py": "services/test_upkeep services/test_agents services/test_recall",
    "services/eviction.py": "services/test_eviction services/test_view",
    "services/ledger.py": "loop/test_shadow loop/test_worker loop/test_money loop/test_resident",
    "services/archival.py": "services/test_archival services/test_indexing services/test_unmade",
    "services/core_memory.py": "services/test_core_memory services/test_forgetting_everywhere",
    "storage/sqlite/runs.py": "storage/test_runs loop/test_money loop/test_worker loop/test_shadow",
    "storage/sqlite/removed/ending.py": "storage/test_removed services/test_forgetting",
    "storage/sqlite/removed/lines.py": "storage/test_removed services/test_forgetting",
    "storage/sqlite/removed/mail.py": "storage/test_removed services/test_forgetting",
    "storage/sqlite/removed/messages.py": "storage/test_removed services/test_forgetting",
    "storage/sqlite/removed/passages.py": "storage/test_removed services/test_forgetting",
    "storage/sqlite/removed/summaries.py": "storage/test_removed services/test_forgetting",
    "storage/sqlite/purge.py": "services/test_agents services/test_upkeep",
    "storage/sqlite/drafts.py": "loop/test_shadow loop/test_worker",
    "storage/sqlite/leases.py": "loop/test_money loop/test_worker",
    "storage/sqlite/retold.py": "services/test_recall capture/test_both_doors",
    "storage/sqlite/blocks.py": "services/test_core_memory services/test_groups",
    "storage/sqlite/passages.py": "services/test_archival services/test_exact",
    "loop/react.py": "loop/test_money loop/test_shadow loop/test_resident",
    "loop/calls.py": "loop/test_money loop/test_shadow",
    "loop/worker.py": "loop/test_money loop/test_worker loop/test_resident",
    "llm/answers.py": "llm/test_odd_answers llm/test_chat",
    "llm/failures.py": "llm/test_odd_answers llm/test_chat",
    "llm/wire.py": "llm/test_odd_answers llm/test_chat",
}
COPIED = ("src", "tests", "bench", "tools", "pyproject.toml", "docs", "examples", "README.md")
BASELINE_SECONDS_MAX = 600.0
Outcome = Literal["killed", "survived", "timeout"]


# --- Faults ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault: some characters of a file that read otherwise."""

    file: str
    """Within the package."""
    line: int
    column: int
    kind: str
    start: int
    end: int
    """Places in the text, in characters."""
    text: str
    """What stands there instead."""

    @property
    def name(self) -> str:
        """How it is asked for."""
        return f"{self.file}:{self.line}:{self.column}:{self.kind}"

    def applied(self, source: str) -> str:
        """The file with the fault in it."""
        return source[: self.start] + self.text + source[self.end :]

    def shown(self, source: str) -> str:
        """What it changes, on one line."""
        before = " ".join(source[self.start : self.end].split())
        return f"`{_clip(before)}` → `{_clip(' '.join(self.text.split()))}`"


_COMPARED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_RECKONED: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
}
_OPPOSITES = {"max": "min", "min": "max", "any": "all", "all": "any"}
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|JOIN|ORDER BY|VALUES)\b")
_SQL_FAULTS = [
    (re.compile(r"\bAND\b"), "OR"),
    (re.compile(r"\bOR\b(?! (?:IGNORE|REPLACE))"), "AND"),
    (re.compile(r"\bIS NULL\b"), "IS NOT NULL"),
    (re.compile(r"\bIS NOT NULL\b"), "IS NULL"),
    (re.compile(r"\bNOT EXISTS\b"), "EXISTS"),
    (re.compile(r"\bNOT IN\b"), "IN"),
    (re.compile(r"(?<=\s)<(?=\s)"), "<="),
    (re.compile(r"(?<=\s)>(?=\s)"), ">="),
    (re.compile(r"(?<=\s)<=(?=\s)"), "<"),
    (re.compile(r"(?<=\s)>=(?=\s)"), ">"),
    (re.compile(r"(?<=\s)<>(?=\s)"), "="),
    (re.compile(r"\bmax\("), "min("),
    (re.compile(r"\bDESC\b"), "ASC"),
    (re.compile(r"\bLIMIT 1\b"), "LIMIT 2"),
]


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Every fault that can be put into a file, in its order."""
    return sorted(
        dict.fromkeys(_Faults(file, source).found()), key=lambda each: (each.start, each.kind)
    )


class _Faults:
    def __init__(self, file: str, source: str) -> None:
        self._file = file
        self._source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        tree = ast.parse(self._source)
        yield from self._within(tree)

    def _within(self, node: ast.AST) -> Iterator[Mutant]:
        yield from self._at(node)
        for name, child in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
                continue
            for each in child if isinstance(child, list) else [child]:
                if isinstance(each, ast.AST) and not _is_quiet(each):
                    yield from self._within(each)

    def _at(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield from self._between(left, right, "compare", *_COMPARED[type(op)])
            case ast.BoolOp(op=op, values=values):
                told = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                for one, other in pairwise(values):
                    yield from self._between(one, other, "logic", *told)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield self._replaced(node, f"({self._text(operand)})", "not")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _RECKONED:
                if not any(_is_text(side) for side in (left, right)):
                    yield from self._between(left, right, "arithmetic", *_RECKONED[type(op)])
            case ast.Constant(value=bool() as value):
                yield self._replaced(node, str(not value), "truth")
            case ast.Constant(value=int() | float() as value):
                yield self._replaced(node, repr(value + 1), "number")
            case ast.Constant(value=str() as value) if _SQL.search(value):
                yield from self._sql(node)
            case ast.JoinedStr():
                if _SQL.search(self._text(node)):
                    yield from self._sql(node)
            case ast.If(test=test) | ast.IfExp(test=test):
                yield self._replaced(test, "False", "never")
                yield self._replaced(test, "True", "always")
            case ast.Raise():
                yield self._replaced(node, "pass", "drop")
            case ast.Expr(value=ast.Call() | ast.Await()):
                yield self._replaced(node, "pass", "drop")
            case ast.Call(func=ast.Name(id=name) as called) if name in _OPPOSITES:
                yield self._replaced(called, _OPPOSITES[name], "opposite")
            case _:
                return

    def _between(
        self, left: ast.expr, right: ast.expr, kind: str, before: str, after: str
    ) -> Iterator[Mutant]:
        start, end = self._span(left)[1], self._span(right)[0]
        found = re.search(rf"(?<![\w=<>!]){re.escape(before)}(?![\w=<>])", self._source[start:end])
        if found:
            at = start + found.start()
            yield self._mutant(at, at + len(before), after, kind)

    def _sql(self, node: ast.AST) -> Iterator[Mutant]:
        start, end = self._span(node)
        for pattern, instead in _SQL_FAULTS:
            for found in pattern.finditer(self._source, start, end):
                yield self._mutant(found.start(), found.end(), instead, "sql")

    def _replaced(self, node: ast.AST, text: str, kind: str) -> Mutant:
        start, end = self._span(node)
        return self._mutant(start, end, text, kind)

    def _mutant(self, start: int, end: int, text: str, kind: str) -> Mutant:
        line = next(n for n, at in enumerate(self._starts) if at > start)
        column = start - self._starts[line - 1]
        told = {"line": line, "column": column, "kind": kind, "start": start, "end": end}
        return Mutant(file=self._file, text=text, **told)

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._source[start:end]

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr | ast.stmt)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._place(node.lineno, node.col_offset),
            self._place(node.end_lineno, node.end_col_offset),
        )

    def _place(self, line: int, octets: int) -> int:
        text = self._lines[line - 1].encode()[:octets].decode()
        return self._starts[line - 1] + len(text)


def _is_quiet(node: ast.AST) -> bool:
    """Whether nobody is to notice a fault in it: docstrings, log lines, assertions for types."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Assert() | ast.Import():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logger")))):
            return True
        case ast.Expr(value=ast.Await(value=ast.Call(func=ast.Attribute(attr="sleep")))):
            return True
        case _:
            return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def sampled(faults: Mapping[str, Sequence[Mutant]], size: int, seed: int) -> list[Mutant]:
    """So many of them by chance: from each file its share, and one at the least."""
    chance = random.Random(seed)
    total = sum(len(found) for found in faults.values())
    picked: list[Mutant] = []
    for file in sorted(faults):
        share = max(1, round(size * len(faults[file]) / total)) if total else 0
        picked += chance.sample(faults[file], min(share, len(faults[file])))
    while len(picked) > size:
        picked.pop(chance.randrange(len(picked)))
    return sorted(picked, key=lambda each: (each.file, each.start))


# --- Running them ---


_RUNNING: set[int] = set()
"""Processes that run tests: they end with us."""


def _end_with_us(folder: Path) -> None:
    """Leave neither tests nor copies behind when we are told to end."""

    def end(number: int, frame: FrameType | None) -> None:
        for pid in list(_RUNNING):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(128 + number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, end)


class Copy:
    """A copy of the tree in which tests run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            here = ROOT / name
            if here.is_dir():
                shutil.copytree(
                    here, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
                )
            elif here.exists():
                shutil.copy2(here, folder / name)

    def tests(self, files: Sequence[str], seconds: float) -> tuple[bool | None, str]:
        """Whether they pass, and the last lines; `None`: they took too long."""
        told = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / ".hypothesis"),
        }
        process = subprocess.Popen(
            told,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        _RUNNING.add(process.pid)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with all that the tests have started
            process.communicate()
            return None, f"no end within {seconds:.0f} s"
        finally:
            _RUNNING.discard(process.pid)
        return process.returncode == 0, "\n".join(said.splitlines()[-15:])

    def outcome(self, mutant: Mutant, files: Sequence[str], seconds: float) -> Outcome:
        """What becomes of a fault; the copy is then as it was."""
        place = self.folder / PACKAGE / mutant.file
        source = place.read_text("utf-8")
        place.write_text(mutant.applied(source), "utf-8")
        try:
            passed, _ = self.tests(files, seconds)
        finally:
            place.write_text(source, "utf-8")
        return "timeout" if passed is None else "survived" if passed else "killed"


def suite_of(file: str) -> list[str]:
    """The test files that are to notice a fault in it."""
    return [f"tests/{name}.py" for name in GUARDS[file].split()]


def run(picked: Sequence[Mutant], copies: Sequence[Copy], until: float) -> dict[Mutant, Outcome]:
    """Every fault's outcome, as far as there is time."""
    idle: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        idle.put(copy)
    limits: dict[str, float] = {}
    for file in sorted({mutant.file for mutant in picked}):
        began = time.monotonic()
        passed, said = copies[0].tests(suite_of(file), BASELINE_SECONDS_MAX)
        if not passed:
            raise SystemExit(f"The tests of {file} fail as it is:\n{said}")
        limits[file] = 30 + 3 * (time.monotonic() - began)

    def one(mutant: Mutant) -> Outcome | None:
        if time.monotonic() > until:
            return None
        copy = idle.get()
        try:
            outcome = copy.outcome(mutant, suite_of(mutant.file), limits[mutant.file])
        finally:
            idle.put(copy)
        sys.stderr.write(f"{outcome:9}{mutant.name}\n")
        return outcome

    with ThreadPoolExecutor(len(copies)) as threads:
        outcomes = threads.map(one, picked)
        return {
            mutant: outcome for mutant, outcome in zip(picked, outcomes, strict=True) if outcome
        }


def table(
    outcomes: Mapping[Mutant, Outcome],
    faults: Mapping[str, Sequence[Mutant]],
    sources: Mapping[str, str],
) -> str:
    """The outcomes as Markdown."""
    lines = ["| file | possible | tried | noticed | survived |", "|---|--:|--:|--:|--:|"]
    survived = [mutant for mutant, outcome in outcomes.items() if outcome == "survived"]
    for file in sorted({mutant.file for mutant in outcomes}):
        tried = [mutant for mutant in outcomes if mutant.file == file]
        left = sum(mutant.file == file for mutant in survived)
        told = (file, len(faults[file]), len(tried), len(tried) - left, left)
        lines.append("| " + " | ".join(map(str, told)) + " |")
    noticed = len(outcomes) - len(survived)
    rate = 100 * noticed / len(outcomes) if outcomes else 0.0
    lines.append(f"\n{noticed} of {len(outcomes)} noticed: {rate:.0f} %.")
    if survived:
        lines.append("\nSurvived:\n")
        lines += [f"- {each.name}: {each.shown(sources[each.file])}" for each in survived]
    return "\n".join(lines) + "\n"


def _clip(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


def _asked_for(paths: Iterable[Path]) -> list[str]:
    """The guards within these paths; all of them without any."""
    wanted = [path.resolve() for path in paths]
    found = [
        file
        for file in GUARDS
        if (place := ROOT / PACKAGE / file).exists()
        and (not wanted or any(place == each or each in place.parents for each in wanted))
    ]
    if not found:
        raise SystemExit("No guard is there. The guards are:\n" + "\n".join(GUARDS))
    return found


def main() -> None:
    """Sample, run, write the table."""
    parser = argparse.ArgumentParser(description="Faults in the guards that no test notices.")
    parser.add_argument("paths", nargs="*", type=Path, help="files or folders; all guards if none")
    parser.add_argument("--sample", type=int, default=150, help="how many faults (150)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--minutes", type=float, default=60, help="no new fault after that (60)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (2)")
    parser.add_argument("--only", nargs="+", help="these faults, by name")
    parser.add_argument("--list", action="store_true", help="name the faults, and run nothing")
    parser.add_argument("--out", type=Path, help="also write the table there")
    told = parser.parse_args()
    files = _asked_for(told.paths)
    sources = {file: (ROOT / PACKAGE / file).read_text("utf-8") for file in files}
    faults = {file: mutants_of(file, source) for file, source in sources.items()}
    if told.only:
        picked = [each for found in faults.values() for each in found if each.name in told.only]
    else:
        picked = sampled(faults, told.sample, told.seed)
    if told.list:
        for mutant in picked:
            sys.stdout.write(f"{mutant.name}: {mutant.shown(sources[mutant.file])}\n")
        return
    until = time.monotonic() + 60 * told.minutes
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        _end_with_us(Path(folder))
        copies = [Copy(Path(folder) / str(number)) for number in range(max(1, told.jobs))]
        outcomes = run(picked, copies, until)
    text = table(outcomes, faults, sources)
    sys.stdout.write(text)
    if told.out:
        told.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
