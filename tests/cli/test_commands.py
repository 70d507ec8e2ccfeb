"""The command line as a person meets it: help, options, printing, and going wrong politely."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, Server, command, environment, run

from memory_mcp import __version__
from memory_mcp.cli import COMMANDS


def stable(text: str) -> str:
    """The text without the minute it was made in."""
    return re.sub(r"Compiled at: .*", "Compiled at: NOW", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str, tmp_path: Path) -> None:
    helped = run(name, "--help", folder=tmp_path)
    assert helped.returncode == 0
    assert helped.stdout.startswith(f"usage: memory-mcp {name}")
    assert f"example: memory-mcp {name}" in helped.stdout or re.search(
        rf"example: memory-mcp .*\b{name}\b", helped.stdout
    )
    assert helped.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_the_help_lists_every_command(tmp_path: Path) -> None:
    helped = run("--help", folder=tmp_path)
    assert helped.returncode == 0
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^    {name} ", helped.stdout, re.MULTILINE), name
        assert summary.split(",")[0] in " ".join(helped.stdout.split()), name
    assert "examples:" in helped.stdout


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path).stdout == f"memory-mcp {__version__}\n"


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("memory-mcp")
    ended = subprocess.run(
        [script, "--version"], capture_output=True, text=True, timeout=30, check=True, cwd=tmp_path
    )
    assert ended.stdout == f"memory-mcp {__version__}\n"


def test_an_unknown_command_is_refused_with_those_there_are(tmp_path: Path) -> None:
    ended = run("remember", folder=tmp_path)
    assert ended.returncode == 2
    assert "invalid choice: 'remember'" in ended.stderr
    assert all(name in ended.stderr for name in COMMANDS)
    assert "Traceback" not in ended.stderr


def test_options_may_stand_before_or_after_the_command(filled: Path) -> None:
    folder = filled.parent
    before = run("--database", filled, "--agent", "default", "stats", "--json", folder=folder)
    after = run("stats", "--json", "--agent", "default", "--database", filled, folder=folder)
    assert before.returncode == after.returncode == 0, before.stderr + after.stderr
    told = [json.loads(ended.stdout) | {"database_bytes": 0} for ended in (before, after)]
    assert told[0]["agent"] == "default"
    assert told[0] == told[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_agent_may_be_called_like_a_command(name: str, filled: Path) -> None:
    ended = run("--agent", name, "--database", filled, "stats", "--json", folder=filled.parent)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["agent"] == name


def test_a_query_may_be_a_commands_name(filled: Path) -> None:
    ended = run("--database", filled, "search", "stats", "--json", folder=filled.parent)
    assert ended.returncode == 0, ended.stderr
    assert set(json.loads(ended.stdout)) == {"archival", "recall"}


PRINTING = [
    ("context",),
    ("context", "--instructions"),
    ("stats",),
    ("stats", "--json"),
    ("blocks",),
    ("blocks", "show", "human"),
    ("search", "tides"),
    ("doctor",),
    ("--help",),
]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_reader_that_has_left_is_no_error(words: tuple[str, ...], filled: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)  # as `| head` does, but always before the first byte
    try:
        process = subprocess.Popen(
            command("--database", filled, *words),
            cwd=filled.parent,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(write_end)
    _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert errors == ""
    assert process.returncode in (0, 141)


def test_context_prints_what_the_resource_holds(filled: Path) -> None:
    printed = run("--database", filled, "context", folder=filled.parent)
    with Server(filled) as server:
        greeting = server.greet()
        resource = server.read("memory://context")
    assert printed.returncode == 0
    assert stable(printed.stdout) == stable(resource) + "\n"
    instructions = run("--database", filled, "context", "--instructions", folder=filled.parent)
    assert instructions.stdout == greeting["instructions"] + "\n"
    assert len(greeting["instructions"]) <= 2_000


def test_stats_in_json_are_what_the_resource_holds(filled: Path) -> None:
    printed = json.loads(run("--database", filled, "stats", "--json", folder=filled.parent).stdout)
    with Server(filled) as server:
        server.greet()
        resource = json.loads(server.read("memory://stats"))
    for told in (printed, resource):
        told.pop("database_bytes")
        told.pop("token_counts", None)
    assert printed == resource
    assert (printed["messages"], printed["passages"], printed["conversations"]) == (2, 2, 1)
    assert printed["first_message_at"] == "2026-11-20T09:30:00.000Z"


def test_stats_print_a_table_for_people(filled: Path) -> None:
    printed = run("--database", filled, "stats", folder=filled.parent, more={"COLUMNS": "200"})
    assert printed.returncode == 0
    table = " ".join(printed.stdout.split())
    assert "Memory of agent 'default'" in table
    assert "messages 2 2026-11-20 09:30 to 2026-11-20 09:31" in table
    assert "passages 2 2026-11-18 to " in table
    assert "block human 29 of 5,000 characters" in table
    assert str(filled) in table


def test_blocks_are_listed_printed_alone_or_as_json(filled: Path) -> None:
    folder = filled.parent
    listed = run("--database", filled, "blocks", folder=folder, more={"COLUMNS": "200"})
    alone = run("--database", filled, "blocks", "show", "human", folder=folder)
    told = json.loads(run("--database", filled, "blocks", "--json", folder=folder).stdout)
    one = json.loads(
        run("--database", filled, "blocks", "show", "human", "--json", folder=folder).stdout
    )
    assert "Name: Ana [bold]Sousa[/bold]." in listed.stdout  # brackets are no markup
    assert alone.stdout == "Name: Ana [bold]Sousa[/bold].\n"
    assert [block["label"] for block in told] == ["persona", "human", "project"]
    assert one == [told[1]]


def test_a_block_that_is_not_there_is_refused_with_those_there_are(filled: Path) -> None:
    ended = run("--database", filled, "blocks", "show", "humans", folder=filled.parent)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "memory-mcp: there is no block 'humans'. The blocks are: persona, human, project.\n"
    )


# Whose memory, and where.


def test_the_store_lies_in_the_users_data_folder_for_the_user_alone(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("elsewhere the folder is not chosen by a variable")
    more = {"XDG_DATA_HOME": str(tmp_path / "data")}
    run("agents", "create", "work", folder=tmp_path, more=more)
    ended = run("stats", "--json", folder=tmp_path, more=more)
    database = tmp_path / "data" / "memory-mcp" / "memory.db"
    assert json.loads(ended.stdout)["database"] == str(database)
    assert database.stat().st_mode & 0o777 == 0o600
    assert database.parent.stat().st_mode & 0o777 == 0o700


def test_the_store_and_the_agent_may_be_named_by_variables(tmp_path: Path) -> None:
    more = {"MEMORY_MCP_DATABASE": "here.db", "MEMORY_MCP_AGENT": "work"}
    told = json.loads(run("stats", "--json", folder=tmp_path, more=more).stdout)
    assert (told["database"], told["agent"]) == (str(tmp_path / "here.db"), "work")
    told = json.loads(run("stats", "--json", "--agent", "home", folder=tmp_path, more=more).stdout)
    assert told["agent"] == "home"  # the command line goes first


def test_a_project_folder_has_an_agent_of_its_own(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    inside = tmp_path / "tides" / "src"
    inside.mkdir(parents=True)
    (tmp_path / "tides" / ".git").mkdir()

    def agent(folder: Path, **more: str) -> str:
        ended = run("--database", database, "stats", "--json", folder=folder, more=more)
        return json.loads(ended.stdout)["agent"]

    assert agent(tmp_path) == "default"
    assert agent(inside) == "tides"
    assert agent(tmp_path, CLAUDE_PROJECT_DIR=str(tmp_path / "tides")) == "tides"
    assert agent(inside, MEMORY_MCP_AGENT="work") == "work"


# The demonstration.


def test_the_demo_remembers_restarts_and_finds_in_a_store_of_its_own(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    more = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "TMPDIR": str(tmp_path)}
    played = run("demo", folder=tmp_path, more=more)
    assert (played.returncode, played.stderr) == (0, "")
    said = played.stdout
    for step in range(1, 6):
        assert f"\n{step}. " in f"\n{said}"
    _, _, second = said.partition("2. Every process has ended.")
    greeting, _, looked_up = second.partition("3. The model looks things up")
    assert "Name: Ana Sousa." in greeting
    assert "Out of view: 2 messages, 3 passages" in greeting
    for found in ("one file is easier to back up", "reports in UTC", "slow on my phone"):
        assert found in looked_up
    assert "Lives in Lisbon (since 2026-11)." in looked_up
    assert "there is no block 'humans'" in looked_up
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert list(home.iterdir()) == []
