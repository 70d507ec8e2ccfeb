"""Commands and whose memory they are about: reading leaves nothing, moving takes it along."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.processes import Server, run

from memory_mcp.storage.sqlite.driver import sqlite_module

LOOKS = (
    "agents", "blocks", "blocks show human", "blocks history human", "context", "doctor", "log",
    "mail", "recall", "recall tides", "search tides", "shadow", "shadow runs", "stats",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home, with a repository and a plain folder beside it."""
    for name in ("home", "harbour/.git", "harbour/src", "plain"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "home"


def ask(home: Path, words: str, folder: str = "plain") -> subprocess.CompletedProcess[str]:
    more = {"HOME": str(home), "XDG_DATA_HOME": "", "CODEX_HOME": "", "COPILOT_HOME": ""}
    return run(*words.split(), folder=home.parent / folder, more=more)


def agents(home: Path) -> dict[str, str | None]:
    """Their projects, by their names."""
    told = json.loads(ask(home, "agents --json").stdout)
    return {agent["name"]: agent["project"] for agent in told}


def begin(home: Path, folder: str) -> None:
    """Somebody writes in that folder."""
    assert ask(home, "blocks set project --value Tides.", folder).returncode == 0


@pytest.mark.parametrize("look", LOOKS)
def test_looking_where_nothing_is_leaves_nothing(home: Path, look: str) -> None:
    ended = ask(home, look)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("look", [*LOOKS, "--agent nobody stats", "export jsonl -"])
def test_looking_makes_no_agent(home: Path, look: str) -> None:
    begin(home, "harbour")
    database = home / ".local" / "share" / "memory-mcp" / "memory.db"
    connection = sqlite_module().connect(database)
    connection.execute("DELETE FROM changes")
    connection.commit()

    (home.parent / "lighthouse" / ".git").mkdir(parents=True)
    ask(home, look, "lighthouse")

    assert connection.execute("SELECT name FROM agents").fetchall() == [("default",), ("harbour",)]
    assert connection.execute("SELECT count(*) FROM changes").fetchone() == (0,)
    connection.close()


def test_what_a_look_tells_of_a_store_that_is_not_there(home: Path) -> None:
    told = json.loads(ask(home, "stats --json", "harbour/src").stdout)

    place = home / ".local" / "share" / "memory-mcp" / "memory.db"
    assert (told["agent"], told["messages"]) == ("harbour", 0)
    assert (told["database"], told["database_bytes"]) == (str(place), 0)


def test_a_session_that_only_reads_makes_no_agent_and_one_that_writes_does(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    with Server(database) as server:
        server.greet()
        server.call("archival_search", query="tides")
        server.call("conversation_search")
        for uri in ("context", "blocks", "stats", "inbox", "agents", "conversations"):
            assert "result" in server.ask("resources/read", {"uri": f"memory://{uri}"})
        assert "result" in server.ask("prompts/get", {"name": "memory", "arguments": {}})
        read = run("--database", database, "agents", "--json", folder=tmp_path).stdout
        server.call("core_memory_append", label="project", content="Tides.")
    wrote = run("--database", database, "agents", "--json", folder=tmp_path).stdout

    assert json.loads(read) == []
    assert [agent["name"] for agent in json.loads(wrote)] == ["default"]


def test_a_bridge_says_how_its_session_wants_projects_to_be_found(home: Path) -> None:
    database = home / "memory.db"
    part = str(home.parent / "harbour" / "src")
    more = {"CLAUDE_PROJECT_DIR": part}
    with Server(database, "--project-by", "folder", more=more, daemon=True) as server:
        server.greet()
        server.call("core_memory_append", label="project", content="Tides.")
        told = run("--database", database, "agents", "--json", folder=home).stdout

    assert [agent["project"] for agent in json.loads(told)] == [None, part]


def test_a_repository_that_moved_takes_its_memory_along(home: Path) -> None:
    begin(home, "harbour")
    moved = (home.parent / "harbour").rename(home.parent / "port")

    ended = ask(home, "agents move harbour --project ../port/src")

    assert ended.stdout == f"Sessions in {moved} have the memory of agent 'harbour' now.\n"
    assert ask(home, "blocks show project", "port/src").stdout == "Tides.\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("agents move harbour", "wants the agent's name, and with --project the folder"),
        ("agents move harbour --project ../nowhere", "there is no folder "),
        ("agents move harbour --project .", "git init"),
        ("agents move harbour --project . --project-by folder", ""),
        ("agents move nobody --project ../harbour", "there is no agent 'nobody'"),
        ("agents move default --project ../harbour", "the default agent"),
        ("agents set harbour --project ../harbour", "agents move gives an agent another one"),
    ],
)
def test_where_an_agent_cannot_be_moved_the_reason_is_said(
    home: Path, words: str, complaint: str
) -> None:
    begin(home, "harbour")

    ended = ask(home, words)

    assert complaint in ended.stderr
    assert (ended.returncode == 0) == (complaint == "")


def test_the_doctor_names_agents_whose_folder_has_another_memory_by_now(home: Path) -> None:
    for folder in ("harbour", "harbour/src", "plain"):
        made = ask(home, "--project-by folder blocks set project --value Tides.", folder)
        assert made.returncode == 0, made.stderr
    (home.parent / "gone" / ".git").mkdir(parents=True)
    begin(home, "gone")
    (home.parent / "gone").rename(home.parent / "elsewhere")

    told = json.loads(ask(home, "doctor --json").stdout)["findings"]
    found = {each["what"]: each["cure"] for each in told if each["about"] == "agents"}

    cures = {what.split("'")[1]: cure for what, cure in found.items()}
    assert set(cures) == {"src", "plain", "gone"}
    assert "memory-mcp agents move gone --project FOLDER" in cures["gone"]
    assert "MEMORY_MCP_PROJECT_BY=folder" in cures["plain"]
    assert "--agent src export jsonl - | memory-mcp --agent harbour import" in cures["src"]
    by_folder = json.loads(ask(home, "--project-by folder doctor --json").stdout)["findings"]
    assert [each["what"] for each in by_folder if each["about"] == "agents"] == [
        what for what in found if "is gone" in what
    ]


def test_a_part_with_memory_of_its_own_can_become_its_repositorys(home: Path) -> None:
    made = ask(home, "--project-by folder blocks set project --value Tides.", "harbour/src")
    assert made.returncode == 0, made.stderr
    told = json.loads(ask(home, "doctor --json").stdout)["findings"]
    (cure,) = [each["cure"] for each in told if each["about"] == "agents"]

    assert ask(home, cure.removeprefix("memory-mcp ")).returncode == 0

    assert agents(home) == {"default": None, "src": str(home.parent / "harbour")}
