"""The arrows between the rooms of the package, read from its source; nothing is imported here."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Whom each room may import, besides itself. A room is a folder or a file at the package's top; a
# new one is a new row. Only `app` knows which adapters there are.
ADAPTERS = {"embedding", "llm", "storage"}
INNER = {"domain", "ports", "services"}
ARROWS: dict[str, set[str]] = {
    "__init__": set(),
    "projects": set(),
    "holder": set(),
    "spawn": set(),
    "silence": {"holder"},
    "keys": {"domain"},
    "rendezvous": {"holder", "keys", "projects", "silence", "spawn"},
    "seal": {"rendezvous"},
    "snapshots": {"projects"},
    "bridge": {"projects", "rendezvous", "silence", "snapshots"},
    "domain": set(),
    "config": {"domain", "keys", "projects", "rendezvous"},
    "logs": {"domain"},
    "ports": {"domain"},
    "services": {"domain", "ports"},
    **{adapter: {"domain", "ports"} for adapter in ADAPTERS},
    "storage": {"domain", "keys", "ports"},
    "loop": INNER,
    "transcripts": {"domain"},
    "capture": INNER | {"config", "transcripts"},
    "transfer": INNER | {"config", "transcripts"},
    "hosts": INNER | {"capture", "config", "projects"},
    "server": INNER | {"config"},
    "beside": {"domain", "ports", "projects", "rendezvous"},
    "app": INNER
    | ADAPTERS
    | {"beside", "config", "keys", "loop", "rendezvous", "seal", "snapshots"},
    "testing": INNER | {"app", "config"},
    "daemon": INNER
    | {"app", "capture", "config", "holder", "hosts", "logs", "loop", "rendezvous", "server"}
    | {"snapshots"},
    "cli": INNER
    | {"app", "bridge", "capture", "config", "daemon", "hosts", "keys", "logs", "loop"}
    | {"projects", "rendezvous", "seal", "server", "transfer"},
    "__main__": {"bridge", "cli"},
}

# Rooms that are nothing but standard library and us, and files whose start a person waits for.
PURE = {
    "bridge", "domain", "holder", "keys", "projects", "rendezvous", "silence", "snapshots", "spawn"
}  # fmt: skip
QUICK = {"memory_mcp/__main__.py", "memory_mcp/cli/hook.py"}
SLOW = {"litellm", "mcp", "pydantic"}

# Packages imported only inside functions: the same list that ruff has.
RUFF = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
LAZY = set(RUFF["flake8-tidy-imports"]["banned-module-level-imports"])

# Names that say nothing about what is inside, and so attract everything.
EMPTY_NAMES = {"helper", "helpers", "manager", "managers", "util", "utils"}

Files = dict[str, str]


def imports(path: str, source: str) -> Iterator[tuple[int, str, bool]]:
    """Each import's line, what it names, and whether it runs as soon as the file is imported."""
    package = path.split("/")[:-1]

    def walk(node: ast.AST, runs: bool) -> Iterator[tuple[int, str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name, runs) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            module = [*start, node.module] if node.module else start
            yield from ((node.lineno, ".".join([*module, n.name]), runs) for n in node.names)
        else:
            later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, runs and not later and not typing)

    return walk(ast.parse(source, path), runs=True)


def run_by_importing(path: str, files: Files) -> Iterator[tuple[str, int, str]]:
    """Every import that runs when a file is imported: its own and, in turn, theirs."""
    seen: set[str] = set()
    modules = [path.removesuffix(".py").replace("/", ".")]
    while modules:
        parts = modules.pop().split(".")
        stems = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        for file in {f"{stem}{end}" for stem in stems for end in (".py", "/__init__.py")} - seen:
            seen.add(file)
            for line, target, runs in imports(file, files.get(file, "")):
                if runs:
                    yield file, line, target
                    modules.append(target)


def violations(files: Files) -> Iterator[str]:
    """What breaks the arrows, as `path:line imports X: the rule`."""
    for path, source in sorted(files.items()):
        room = path.split("/")[1].removesuffix(".py")
        if said := EMPTY_NAMES.intersection(re.split("[/_.]", path)):
            yield f"src/{path}:1 has a name that says nothing: {said.pop()}"
        if room not in ARROWS:
            yield f"src/{path}:1 is in a room without a row in tests/test_architecture.py: {room}"
            continue
        for line, target, runs in imports(path, source):
            where = f"src/{path}:{line} imports {target}"
            top, _, rest = target.partition(".")
            inside = rest.split(".")[0]
            if top == "memory_mcp":
                if inside in ARROWS and inside not in {room, *ARROWS[room]}:
                    yield f"{where}: no arrow {room} → {inside}"
            elif room in PURE and top not in sys.stdlib_module_names:
                yield f"{where}: {room} is standard library only"
            elif runs and top in LAZY:
                yield f"{where}: {top} is imported inside functions only"
        if path in QUICK:
            for file, line, target in run_by_importing(path, files):
                if target.partition(".")[0] in SLOW:
                    yield f"src/{file}:{line} imports {target}, which {path} must not run"


def test_every_import_follows_an_arrow() -> None:
    source = ROOT / "src"
    files = {
        path.relative_to(source).as_posix(): path.read_text("utf-8")
        for path in (source / "memory_mcp").rglob("*.py")
    }
    assert files, "there is no package to check"
    found = list(violations(files))
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_the_arrows_make_no_circle() -> None:
    TopologicalSorter(ARROWS).prepare()


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("domain/blocks.py", "import pydantic", "domain is standard library only"),
        ("domain/blocks.py", "from memory_mcp.ports import Clock", "no arrow domain → ports"),
        ("services/recall.py", "from memory_mcp import storage", "no arrow services → storage"),
        ("server/tools/recall.py", "from ...storage import sqlite", "no arrow server → storage"),
        ("storage/mail.py", "from memory_mcp.llm import tokens", "no arrow storage → llm"),
        ("embedding/static.py", "import memory_mcp.services", "no arrow embedding → services"),
        ("cli/serve.py", "import memory_mcp.storage.sqlite", "no arrow cli → storage"),
        ("app.py", "def f():\n    import memory_mcp.server", "no arrow app → server"),
        ("bridge.py", "import memory_mcp.config", "no arrow bridge → config"),
        ("bridge.py", "def f():\n    import anyio", "bridge is standard library only"),
        (
            "cli/hook.py",
            "from pydantic import BaseModel",
            "which memory_mcp/cli/hook.py must not run",
        ),
        ("cli/__init__.py", "import mcp.server", "which memory_mcp/cli/hook.py must not run"),
        (
            "capture/claude.py",
            "from pydantic import BaseModel",
            "which memory_mcp/cli/hook.py must not run",
        ),
        ("llm/chat.py", "try:\n    import litellm\nfinally:\n    pass", "inside functions only"),
        ("cli/stats.py", "from rich.table import Table", "inside functions only"),
        ("app.py", "import tiktoken", "inside functions only"),
        ("services/utils.py", "", "a name that says nothing: utils"),
        ("services/block_manager.py", "", "a name that says nothing: manager"),
        ("engine/core.py", "", "a room without a row in tests/test_architecture.py: engine"),
    ],
)
def test_a_broken_rule_is_reported(path: str, source: str, complaint: str) -> None:
    files = {
        "memory_mcp/cli/hook.py": "from memory_mcp.capture.claude import events",
        f"memory_mcp/{path}": source,
    }
    (found,) = violations(files)
    assert found.startswith("src/memory_mcp/")
    assert complaint in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("llm/chat.py", "async def ask():\n    import litellm"),
        ("llm/chat.py", "if TYPE_CHECKING:\n    from litellm import ModelResponse"),
        ("domain/blocks.py", "import re\nfrom .errors import NotFound\nfrom . import ids"),
        ("cli/__init__.py", "from memory_mcp import __version__"),
        ("cli/hook.py", "def serve():\n    from mcp.server import MCPServer"),
    ],
)
def test_what_the_rules_allow_is_not_reported(path: str, source: str) -> None:
    assert list(violations({f"memory_mcp/{path}": source})) == []


# Who may speak to a terminal: commands, whose output goes through `cli.terminal.Output`; and, each
# with words of its own only, what is there before it or beside it.
SPEAKING = {"cli", "bridge"}
WIRES = {
    "memory_mcp/cli/hook.py": "what a host reads, as JSON",
    "memory_mcp/cli/terminal.py": "the output itself, and standard input",
    "memory_mcp/daemon/log.py": "a flush before the log takes their place",
    "memory_mcp/server/stdio.py": "the protocol",
    "memory_mcp/transfer/writing.py": "an export, exact to the byte",
    "memory_mcp/bridge.py": "the protocol",
}
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}


def past_the_output(files: Files) -> Iterator[str]:
    """What would be written to a terminal without going through the one output."""
    for path, source in sorted(files.items()):
        room = path.split("/")[1].removesuffix(".py")
        tree = ast.parse(source, path)
        for node in ast.walk(tree):
            where = f"src/{path}:{getattr(node, 'lineno', 0)}"
            said = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call) else ""
            if isinstance(node, ast.Call) and said.startswith("print(") and room not in SPEAKING:
                yield f"{where} prints: only commands do"
            elif isinstance(node, ast.Attribute) and node.attr in STREAMS and "sys." in said:
                if room not in SPEAKING and path not in WIRES:
                    yield f"{where} uses {said}: only commands print"
            elif isinstance(node, ast.Attribute) and node.attr in ("buffer", "styled"):
                allowed = path in WIRES or path == "memory_mcp/cli/printing.py"
                if not allowed and room in SPEAKING and "stdin" not in said:
                    yield f"{where} uses {said}: it goes past the output"
            elif isinstance(node, ast.Call) and said.startswith(("os.write(1", "os.write(2")):
                if path not in WIRES:
                    yield f"{where} writes to a number: it goes past the output"
            elif isinstance(node, ast.Call) and re.match(r"(?:rich\.\w+\.)?Console\(", said):
                yield f"{where} makes a console: `cli.printing.console` is the one"


def test_everything_said_to_a_terminal_goes_through_one_output() -> None:
    source = ROOT / "src"
    files = {
        path.relative_to(source).as_posix(): path.read_text("utf-8")
        for path in (source / "memory_mcp").rglob("*.py")
        if "testing" not in path.parts
    }
    assert list(past_the_output(files)) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("services/recall.py", "print('said')", "prints"),
        ("transfer/source.py", "import sys\nsys.stderr.write('x')", "only commands print"),
        ("cli/recall.py", "import sys\nsys.stdout.buffer.write(b'x')", "past the output"),
        ("cli/recall.py", "import os\nos.write(1, b'x')", "past the output"),
        ("cli/stats.py", "from rich.console import Console\nConsole()", "makes a console"),
    ],
)
def test_a_way_past_the_output_is_reported(path: str, source: str, complaint: str) -> None:
    (found,) = past_the_output({f"memory_mcp/{path}": source})
    assert complaint in found
