"""The documents say what the program does: commands, configurations, settings, tools, links."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.acceptance.processes import Server, run

from memory_mcp.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "client_configs/*.md", "examples/*.md", "bench/*.md")
    for path in ROOT.glob(pattern)
)
CONFIGURATIONS = sorted(
    path for path in (ROOT / "client_configs").iterdir() if path.is_file() and path.suffix != ".md"
)
INSTALLED = "/absolute/path/to/.venv/bin/memory-mcp"
UNFINISHED = re.compile(r"@@|\bTODO\b|\bTBD\b|\bFIXME\b|\bXXX\b")


class Block(NamedTuple):
    """A fenced block of a document."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks_of(document: Path) -> Iterator[Block]:
    """Every fenced block, in order."""
    language: str | None = None
    inside: list[str] = []
    for number, line in enumerate(document.read_text("utf-8").splitlines(), 1):
        if not line.startswith("```"):
            inside.append(line)
        elif language is None:
            language, inside = line.removeprefix("```").strip(), []
        else:
            yield Block(document, number - len(inside), language, "\n".join(inside))
            language = None
    assert language is None, f"{document}: a block is not closed"


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
SHELL = [block for block in BLOCKS if block.language in ("sh", "bash", "console")]
JSON = [block for block in BLOCKS if block.language == "json" and block.document == README]


def invocations() -> Iterator[tuple[str, list[str]]]:
    """Every `memory-mcp …` that a document tells its reader to type: where, and its words."""
    for block in SHELL:
        joined = block.text.replace("\\\n", " ")
        for line in re.split(r"\n|&&|\|\|", joined):
            if found := re.search(r"(?:^|[\s/])memory-mcp(?=\s|$)(.*)", line):
                words = shlex.split(found[1], comments=True)
                yield f"{block}: {shlex.join(['memory-mcp', *words])}", words
    for document in DOCUMENTS:
        prose = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.M | re.S)
        for span in re.findall(r"`memory-mcp((?:\s[^`]*)?)`", prose):
            yield f"{document.relative_to(ROOT)}: memory-mcp{span}", shlex.split(span)


INVOCATIONS = dict.fromkeys((where, tuple(words)) for where, words in invocations())


@cache
def help_of(command: str) -> str:
    """What a command says of itself; of the whole program for none."""
    helped = run(*filter(None, [command]), "--help", folder=ROOT)
    assert helped.returncode == 0, helped.stderr
    return helped.stdout


def test_there_are_documents_with_commands_to_check() -> None:
    assert README in DOCUMENTS
    assert len(INVOCATIONS) >= 15
    assert JSON


@pytest.mark.parametrize(("where", "words"), INVOCATIONS, ids=[where for where, _ in INVOCATIONS])
def test_every_command_and_option_in_the_documents_exists(
    where: str, words: tuple[str, ...]
) -> None:
    named = next((word for word in words if word in COMMANDS), "")
    known = set(re.findall(r"--[a-z-]+", help_of(named)))
    options = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--"}
    assert options <= known, f"{where}: {options - known}"
    bare = [word for word in words if not word.startswith("-")]
    assert named or not bare or "--" in "".join(words), f"{where}: no such command: {bare[0]}"


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_shell_block_is_one_the_shell_can_read(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, timeout=30, check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`|memory-mcp {name}\b", README.read_text("utf-8"))


def test_the_readmes_imports_run_as_they_stand(tmp_path: Path) -> None:
    chat = {
        "role": "user",
        "content": "Hello.",
        "created_at": "2026-11-22T14:05:00Z",
        "conversation": "chat-1",
    }
    note = {"content": "A note.", "tags": ["one"], "occurred_at": "2026-11-22"}
    (tmp_path / "chats.jsonl").write_text(json.dumps(chat) + "\n")
    (tmp_path / "notes.jsonl").write_text(json.dumps(note) + "\n")
    more = {"MEMORY_MCP_DATABASE": str(tmp_path / "memory.db")}
    typed = [
        words
        for where, words in INVOCATIONS
        if where.startswith("README.md:") and words and words[0] == "import"
    ]
    assert len(typed) == 2
    for words in typed:
        ended = run(*words, folder=tmp_path, more=more)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.startswith("1 ")


def test_the_readmes_commands_for_ci_are_marked() -> None:
    marked = re.findall(r"^<!-- ci: (\w+) -->\n```sh\n", README.read_text("utf-8"), re.M)
    assert marked == ["demo", "test"]
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert all(f"readme {name} " in script for name in marked)


# Configurations of hosts.


def servers_in(configuration: Any) -> Iterator[tuple[str, list[str]]]:
    """Command and arguments of each server a configuration names."""
    if isinstance(configuration, dict):
        if "command" in configuration:
            told = configuration["command"]
            command, *arguments = told if isinstance(told, list) else [told]
            yield command, [*arguments, *configuration.get("args", [])]
        for value in configuration.values():
            yield from servers_in(value)


def loaded(path: Path) -> Any:
    """A host's configuration, read as the host reads it."""
    text = path.read_text("utf-8")
    match path.suffix:
        case ".json":
            return json.loads(text)
        case ".toml":
            return tomllib.loads(text)
        case ".yaml":
            # The two lines that matter; a YAML reader is not worth a dependency.
            command = re.search(r"^    (?:cmd|command): (.+)$", text, re.M)
            arguments = re.search(r"^    args: (.+)$", text, re.M)
            assert command
            assert arguments
            return {"command": json.loads(command[1]), "args": json.loads(arguments[1])}
        case _:
            pytest.fail(f"no host reads {path.name}")


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_every_hosts_configuration_starts_a_server_that_serves(path: Path, tmp_path: Path) -> None:
    ((command, arguments),) = servers_in(loaded(path))
    assert command == INSTALLED
    starts_and_lists(arguments, tmp_path)


@pytest.mark.parametrize("block", JSON, ids=str)
def test_every_configuration_in_the_readme_starts_a_server(block: Block, tmp_path: Path) -> None:
    ((command, arguments),) = servers_in(json.loads(block.text))
    assert command == INSTALLED
    starts_and_lists(arguments, tmp_path)


_LISTS: dict[tuple[str, ...], list[str]] = {}


def starts_and_lists(arguments: list[str], folder: Path) -> None:
    """Start a server with these arguments, once for each set of them, and look at its tools."""
    key = tuple(arguments)
    if key not in _LISTS:
        with Server(folder / "memory.db", *arguments) as server:
            server.greet()
            _LISTS[key] = [tool["name"] for tool in server.ask("tools/list")["result"]["tools"]]
    assert len(_LISTS[key]) == (7 if "capture" in arguments else 6)


def test_the_readme_of_the_configurations_lists_each_once() -> None:
    table = (ROOT / "client_configs" / "README.md").read_text("utf-8")
    listed = re.findall(r"^\|.*\]\(([\w.-]+)\)", table, re.M)
    assert sorted(listed) == [path.name for path in CONFIGURATIONS]


# Settings and tools.


def variables(text: str) -> set[str]:
    """The settings a text names."""
    return set(re.findall(r"\bMEMORY_MCP_[A-Z_]*[A-Z]\b", text))


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    source = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "src" / "memory_mcp").rglob("*.py")
    )
    documented = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert variables(documented) == variables(source)
    for path in DOCUMENTS:
        assert variables(path.read_text("utf-8")) <= variables(source), path.name


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every tool with its arguments, as a client is told."""
    with Server(tmp_path_factory.mktemp("tools") / "memory.db", "--tools", "capture") as server:
        server.greet()
        listed = server.ask("tools/list")["result"]["tools"]
    return {tool["name"]: list(tool["inputSchema"]["properties"]) for tool in listed}


def test_the_readme_shows_every_tool_with_its_arguments(tools: dict[str, list[str]]) -> None:
    rows = re.findall(r"^\| `(\w+)\(([^)]*)\)` \|", README.read_text("utf-8"), re.M)
    assert [name for name, _ in rows] == list(tools)
    for name, told in rows:
        arguments, _, more = told.partition("…")
        shown = [argument.strip() for argument in arguments.split(",") if argument.strip()]
        wanted = tools[name][: len(shown)] if "…" in told else tools[name]
        assert (shown, more) == (wanted, ""), name


def test_the_page_on_tools_has_every_argument_in_a_table(tools: dict[str, list[str]]) -> None:
    page = (ROOT / "docs" / "tools.md").read_text("utf-8")
    for name, arguments in tools.items():
        section = re.search(rf"^## {name}\n(.*?)(?=^## )", page, re.M | re.S)
        assert section, name
        rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", section[1], re.M)
        told = [argument for row in rows for argument in re.findall(r"`(\w+)`", row)]
        assert told == arguments, name


# Links.


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    prose = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", prose, re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.replace("`", "")).lower() for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    lost: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue  # the web is not ours to check
        file, _, anchor = target.partition("#")
        path = (document.parent / file).resolve() if file else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_is_left_unfinished(document: Path) -> None:
    found = UNFINISHED.findall(document.read_text("utf-8"))
    assert found == []


def test_every_test_that_a_document_names_exists() -> None:
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^(?:async )?def (test_\w+)", tests, re.M))
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    named = {
        name for path in DOCUMENTS for name in re.findall(r"\btest_\w+", path.read_text("utf-8"))
    }
    assert named
    assert named - defined - modules == set()
