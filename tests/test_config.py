"""Settings: which store, which agent, which limits; and what cannot be meant."""

import re
import sys
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from platformdirs.api import PlatformDirsABC
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from memory_mcp import config
from memory_mcp.config import (
    VARIABLES,
    HttpToken,
    Settings,
    agent_of_folder,
    load_settings,
    zone_in,
)
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.times import for_reading, to_iso
from memory_mcp.rendezvous import default_database
from memory_mcp.testing import open_memory


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without anybody's settings; the working folder lies outside of it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.mark.parametrize(
    ("system", "judge"), [("linux", Unix), ("darwin", MacOS)], ids=["Linux", "macOS"]
)
@pytest.mark.parametrize("chosen", [None, "/elsewhere/data"])
def test_a_store_lies_where_the_platform_keeps_user_data(
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    judge: type[PlatformDirsABC],
    chosen: str | None,
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    if chosen:
        monkeypatch.setenv("XDG_DATA_HOME", chosen)

    folder = judge("memory-mcp", appauthor=False).user_data_path

    assert load_settings(environment={}).database == folder / "memory.db"


def test_on_windows_a_store_lies_in_the_local_application_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/users/ana/local")

    assert default_database() == "/users/ana/local/memory-mcp/memory.db"


@pytest.fixture
def project(home: Path) -> Path:
    """A git project in the home folder."""
    (home / "garden" / ".git").mkdir(parents=True)
    (home / "garden" / "src" / "deep").mkdir(parents=True)
    return home / "garden"


def chosen(folder: Path, agent: str | None = None, **environment: str) -> AgentChoice:
    return load_settings(agent=agent, environment=environment, folder=folder).agent


def test_the_command_line_names_the_agent_before_all_else(project: Path) -> None:
    by_flag = chosen(
        project, "flag", MEMORY_MCP_AGENT="variable", CLAUDE_PROJECT_DIR=str(project / "src")
    )

    assert by_flag == AgentChoice(name="flag")


def test_then_comes_the_environment_then_the_repository_around_the_folder(
    project: Path, tmp_path: Path
) -> None:
    told = {"MEMORY_MCP_AGENT": "variable", "CLAUDE_PROJECT_DIR": str(project / "src")}

    assert chosen(tmp_path, **told) == AgentChoice(name="variable")
    del told["MEMORY_MCP_AGENT"]
    assert chosen(tmp_path, **told) == AgentChoice(project=str(project))
    assert chosen(project / "src" / "deep") == AgentChoice(project=str(project))


def test_folders_are_projects_where_that_is_wanted(project: Path, tmp_path: Path) -> None:
    by_flag = load_settings(project_by="folder", environment={}, folder=project / "src").agent
    by_variable = chosen(project / "src", MEMORY_MCP_PROJECT_BY="folder")

    assert by_flag == by_variable == AgentChoice(project=str(project / "src"))


def test_what_was_said_in_a_folder_that_is_gone_stays_together(
    project: Path, tmp_path: Path
) -> None:
    inside, outside = project / "old" / "part", tmp_path / "old"

    assert agent_of_folder(str(inside)).project == str(project)
    assert agent_of_folder(str(inside)).formerly == (str(inside), str(project / "old"))
    assert agent_of_folder(str(outside)) == AgentChoice(
        project=str(outside), formerly=(str(outside),)
    )
    assert agent_of_folder(str(tmp_path)) == AgentChoice()


def test_a_folder_outside_any_project_means_the_default_agent(home: Path) -> None:
    assert chosen(home / "nowhere") == AgentChoice()


def test_a_home_folder_and_the_root_are_no_projects(home: Path) -> None:
    (home / ".git").mkdir()  # some keep their dot files so

    assert chosen(home / "documents") == AgentChoice()
    assert chosen(home, CLAUDE_PROJECT_DIR=str(home)) == AgentChoice()
    assert chosen(home, CLAUDE_PROJECT_DIR="~") == AgentChoice()
    assert chosen(home, CLAUDE_PROJECT_DIR=Path(home.anchor).as_posix()) == AgentChoice()


def test_one_project_is_one_agent_by_whatever_way_its_folder_is_told(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(project)
    monkeypatch.chdir(project)

    ways = [
        str(project),
        f"{project}/",
        f"{project}/src/..",
        "~/garden",
        str(tmp_path / "link"),
        ".",
    ]

    assert {chosen(project, CLAUDE_PROJECT_DIR=way).project for way in ways} == {str(project)}


def test_a_project_folder_whose_name_is_not_utf_8_is_told_as_text(home: Path) -> None:
    project = home / "caf\udce9"  # as Python names the bytes b"caf\xe9"
    by_folder = {"MEMORY_MCP_PROJECT_BY": "folder"}

    told = chosen(home, CLAUDE_PROJECT_DIR=str(project), **by_folder).project

    assert told is not None
    assert told.encode()
    other = str(home / "caf\udce8")
    assert told != chosen(home, CLAUDE_PROJECT_DIR=other, **by_folder).project


def test_a_working_folder_that_was_removed_means_the_default_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    assert load_settings(environment={}).agent == AgentChoice()


async def test_two_project_folders_of_one_name_get_two_agents_that_know_the_same_human(
    home: Path, tmp_path: Path
) -> None:
    projects = [home / "work" / "app", home / "play" / "app"]
    for project in projects:
        (project / ".git").mkdir(parents=True)

    async with open_memory(tmp_path / "memory.db") as services:
        work, play = [await services.agents.choose(chosen(project)) for project in projects]
        default = await services.agents.choose(chosen(tmp_path))
        for label in ("persona", "human", "project"):
            await services.core_memory.append(work.id, label, f"{label} from work")
        seen = {
            agent.id: {one.label: one.value for one in await services.core_memory.blocks(agent.id)}
            for agent in (play, default)
        }

    assert (work.name, play.name[:4]) == ("app", "app-")
    shared = {"persona": "persona from work", "human": "human from work", "project": ""}
    assert seen == {play.id: shared, default.id: shared}


def test_the_store_lies_in_the_platforms_folder_unless_said_otherwise(home: Path) -> None:
    database = load_settings(environment={}, folder=home).database

    assert database.is_relative_to(home)
    assert database.parts[-2:] == ("memory-mcp", "memory.db")


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("/srv/memory.db", "/srv/memory.db"),
        ("sqlite:////srv/memory.db", "/srv/memory.db"),
        ("~/memory.db", "home/memory.db"),
        ("notes/memory.db", "notes/memory.db"),
        ("sqlite:///notes/memory.db", "notes/memory.db"),
    ],
)
def test_a_store_may_be_told_as_a_path_or_an_address(tmp_path: Path, told: str, path: str) -> None:
    by_variable = load_settings(environment={"MEMORY_MCP_DATABASE": told}, folder=tmp_path)
    by_flag = load_settings(
        database=told, environment={"MEMORY_MCP_DATABASE": "/elsewhere"}, folder=tmp_path
    )

    assert by_variable.database == by_flag.database == tmp_path / path


def test_settings_have_defaults(tmp_path: Path) -> None:
    settings = load_settings(
        database="/srv/m.db", environment={"XDG_CONFIG_HOME": "/etc"}, folder=tmp_path
    )

    assert settings == Settings(
        database=Path("/srv/m.db"),
        agent=AgentChoice(),
        embedder="static",
        result_tokens=1_500,
        tool_sets=("core",),
        http_tokens=(),
        usual_key_file=Path("/etc/memory-mcp/key"),
    )


@pytest.mark.parametrize(
    ("told", "sets"),
    [
        ("", ("core",)),
        ("core", ("core",)),
        ("capture", ("core", "capture")),  # core is always there
        (" capture , core,", ("core", "capture")),  # and first, so that the order is fixed
    ],
)
def test_tool_sets_add_to_the_core(tmp_path: Path, told: str, sets: tuple[str, ...]) -> None:
    by_variable = load_settings(environment={"MEMORY_MCP_TOOLS": told}, folder=tmp_path)
    by_flag = load_settings(tools=told, environment={}, folder=tmp_path)

    assert by_variable.tool_sets == by_flag.tool_sets == sets


def tokens(told: str) -> tuple[HttpToken, ...]:
    return load_settings(environment={"MEMORY_MCP_HTTP_TOKENS": told}, folder=Path("/")).http_tokens


def test_a_token_opens_the_agents_it_names_or_else_all() -> None:
    every, some = tokens("a-token-of-16-chars, another-token-too=work|home ,")

    assert (every.secret, every.opens("anything")) == (b"a-token-of-16-chars", True)
    assert some.secret == b"another-token-too"
    assert [some.opens(name) for name in ("work", "home", "other")] == [True, True, False]


def test_a_token_may_end_in_the_signs_that_base64_ends_in() -> None:
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="

    assert tokens(secret) == (HttpToken(secret.encode()),)
    assert tokens(f"{secret}=work") == (HttpToken(secret.encode(), frozenset({"work"})),)


def test_a_token_whose_agents_are_left_blank_does_not_open_all() -> None:
    with pytest.raises(InvalidInput, match="MEMORY_MCP_HTTP_TOKENS"):
        tokens("a-token-of-16-chars=|")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MEMORY_MCP_RESULT_TOKENS", "many", "'many'; it must be a whole number from 200 on"),
        ("MEMORY_MCP_RESULT_TOKENS", "199", "whole number from 200"),
        ("MEMORY_MCP_RESULT_TOKENS", "-1500", "whole number"),
        ("MEMORY_MCP_RESULT_TOKENS", "1.5e3", "whole number"),
        ("MEMORY_MCP_RESULT_TOKENS", "१५००", "whole number"),
        ("MEMORY_MCP_EMBEDDER", "openai", "'openai'; it may be static or none"),
        (
            "MEMORY_MCP_PROJECT_BY",
            "worktree",
            "'worktree'; it may be repository or folder",
        ),
        (
            "MEMORY_MCP_TOOLS",
            "core,admin",
            "there is no tool set 'admin'; there are: core, capture",
        ),
        (
            "MEMORY_MCP_TIMEZONE",
            "Europe/Lisboa",
            r"\. Did you mean Europe/Lisbon",
        ),
        ("MEMORY_MCP_TIMEZONE", "Kolkata", r"'Kolkata'; .* Did you mean Asia/Kolkata\?"),
        ("MEMORY_MCP_TIMEZONE", "+05:30", r"'\+05:30'; it must be the name of a time zone"),
        ("MEMORY_MCP_TIMEZONE", "../localtime", "it must be the name of a time zone"),
        ("MEMORY_MCP_TIMEZONE", "\0", "it must be the name of a time zone"),
        ("MEMORY_MCP_HTTP_TOKENS", "short", "MEMORY_MCP_HTTP_TOKENS: a token must have 16"),
        ("MEMORY_MCP_DATABASE", "postgresql://db/x", "a Postgres address"),
        ("MEMORY_MCP_DATABASE", "~nobody-of-that-name/m.db", "MEMORY_MCP_DATABASE"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_in_a_sentence(
    tmp_path: Path, name: str, value: str, complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        load_settings(environment={name: value}, folder=tmp_path)


@pytest.mark.parametrize(
    ("told", "name", "local"),
    [
        ({"MEMORY_MCP_TIMEZONE": "Asia/Kolkata"}, "Asia/Kolkata", "18:05"),
        ({"MEMORY_MCP_TIMEZONE": "asia/kolkata"}, "Asia/Kolkata", "18:05"),
        ({"MEMORY_MCP_TIMEZONE": "Asia/Kolkata", "TZ": "UTC"}, "Asia/Kolkata", "18:05"),
        ({"MEMORY_MCP_TIMEZONE": " ", "TZ": "America/Lima"}, "America/Lima", "07:35"),
        ({"TZ": ":America/Lima"}, "America/Lima", "07:35"),
        ({"TZ": "<+0545>-5:45"}, "UTC+05:45", "18:20"),
        ({"TZ": "no such place"}, "UTC", "12:35"),  # as the C library has it
        ({"TZ": "/no/such/file"}, "UTC", "12:35"),
        ({"MEMORY_MCP_TIMEZONE": "Etc/UTC"}, "UTC", "12:35"),
    ],
)
def test_where_a_person_is(told: dict[str, str], name: str, local: str) -> None:
    zone = zone_in(told)

    assert zone.name == name
    assert for_reading(datetime(2026, 11, 28, 12, 35, tzinfo=UTC), zone) == f"2026-11-28 {local}"


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
@pytest.mark.parametrize("link", [True, False])
def test_the_machines_zone_is_that_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    rules = files("tzdata.zoneinfo.America") / "Sao_Paulo"
    place = tmp_path / "localtime"
    if link:
        place.symlink_to(str(rules))
    else:
        place.write_bytes(rules.read_bytes())
    monkeypatch.setattr(config, "_MACHINES_ZONE", str(place))

    zone = zone_in({})

    assert zone.name == ("America/Sao_Paulo" if link else "UTC-03:00")
    # Midnight was left out there on that day.
    assert to_iso(zone.start_of(date(2018, 11, 4))) == "2018-11-04T03:00:00.000Z"


def test_every_variable_of_ours_stands_in_the_documents() -> None:
    page = Path(__file__).parents[1] / "docs" / "configuration.md"
    table = page.read_text("utf-8").partition("## Commands")[0]

    assert set(re.findall(r"`(MEMORY_MCP_\w+|TIKTOKEN_\w+)` \|", table)) == set(VARIABLES)


def test_numbers_and_choices_are_read(tmp_path: Path) -> None:
    told = {"MEMORY_MCP_RESULT_TOKENS": "200", "MEMORY_MCP_EMBEDDER": "none"}

    settings = load_settings(environment=told, folder=tmp_path)

    assert (settings.result_tokens, settings.embedder) == (200, "none")
