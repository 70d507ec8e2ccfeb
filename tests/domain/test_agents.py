"""Names of agents, and the name an agent gets that is made for a folder."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory_mcp.domain.agents import project_agent_names, require_agent_name
from memory_mcp.domain.errors import InvalidInput

# Bytes of a folder's name that are not UTF-8 come as surrogates.
folders = st.text(st.characters(), min_size=1, max_size=120).map(lambda name: f"/home/ada/{name}")


def test_an_agent_is_named_after_its_folder() -> None:
    plain, distinct = project_agent_names("/home/ada/garden")

    assert plain == "garden"
    assert distinct.startswith("garden-")


def test_two_folders_of_one_name_get_two_names() -> None:
    ours, theirs = project_agent_names("/home/ada/app"), project_agent_names("/srv/app")

    assert ours[0] == theirs[0]
    assert ours[1] != theirs[1]
    assert ours == project_agent_names("/home/ada/app")


@pytest.mark.parametrize(
    ("folder", "plain"),
    [
        ("/home/ada/what? #2", "what 2"),
        ("/home/ada/???", "project"),
        ("/", "project"),
        ("/home/ada/" + "x" * 200, "x" * 80),
        ("/home/ada/プロジェクト", "プロジェクト"),
    ],
)
def test_a_name_keeps_only_what_an_address_can_hold(folder: str, plain: str) -> None:
    assert project_agent_names(folder)[0] == plain


@given(folder=folders)
@example(folder="/home/ada/caf\udce9")
@example(folder="/home/ada/two\nlines")
def test_any_folder_gives_names_that_an_agent_may_have(folder: str) -> None:
    for name in project_agent_names(folder):
        assert require_agent_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "a?", "#1", "a\nb", "x" * 101, "\ud800"])
def test_a_name_that_no_address_can_hold_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="the agent's name"):
        require_agent_name(name)
