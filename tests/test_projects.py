"""Which project a folder belongs to: found by looking, in repositories as git makes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory_mcp.projects import STARTED_IN, chosen, gone, project_of

GIT = ("git", "-c", "user.name=Ana", "-c", "user.email=ana@example.org")


def git(folder: Path, *words: object) -> None:
    """Run git there, whatever the tests' own surroundings say."""
    surroundings = {name: told for name, told in os.environ.items() if not name.startswith("GIT_")}
    local = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        [*GIT, "-c", "protocol.file.allow=always", *map(str, words)],
        cwd=folder, env=surroundings | local, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside an empty home."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def garden(place: Path) -> Path:
    """A repository with one commit."""
    return repository(place / "garden")


def repository(folder: Path, *how: object) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main", *how)
    git(folder, "commit", "-q", "--allow-empty", "-m", "First.")
    return folder


def test_a_folder_in_a_repository_is_the_repository(garden: Path) -> None:
    (garden / "beds" / "roses").mkdir(parents=True)

    for inside in (".", "beds", "beds/roses", "beds/not-there-yet", ".git", ".git/refs"):
        assert project_of(str(garden / inside)) == str(garden)


def test_a_plain_folder_has_no_project_unless_folders_are_projects(place: Path) -> None:
    (place / "plain").mkdir()

    assert project_of(str(place / "plain")) is None
    assert project_of(str(place / "plain"), by="folder") == str(place / "plain")


def test_where_folders_are_projects_a_subfolder_is_one_of_its_own(garden: Path) -> None:
    (garden / "beds").mkdir()

    assert project_of(str(garden / "beds"), by="folder") == str(garden / "beds")


@pytest.mark.parametrize("where", ["../spring", "trees/spring"])
def test_a_worktree_is_its_repositorys(garden: Path, where: str) -> None:
    git(garden, "worktree", "add", "-q", where)
    (garden / where / "beds").mkdir()

    assert project_of(str(garden / where)) == str(garden)
    assert project_of(str(garden / where / "beds")) == str(garden)


def test_a_worktree_with_relative_paths_is_its_repositorys(garden: Path) -> None:
    git(garden, "worktree", "add", "-q", "../spring")
    there = garden / ".git" / "worktrees" / "spring"
    (garden.parent / "spring" / ".git").write_text("gitdir: ../garden/.git/worktrees/spring\r\n")
    (there / "gitdir").write_text("../../../../spring/.git\n")

    assert project_of(str(garden.parent / "spring")) == str(garden)


def test_a_removed_worktree_in_its_repository_is_still_the_repositorys(garden: Path) -> None:
    git(garden, "worktree", "add", "-q", "trees/spring")
    git(garden, "worktree", "remove", "trees/spring")

    assert project_of(str(garden / "trees" / "spring")) == str(garden)


def test_a_submodule_is_a_repository_of_its_own_and_so_are_its_worktrees(
    garden: Path, place: Path
) -> None:
    repository(place / "seeds")
    git(garden, "submodule", "--quiet", "add", str(place / "seeds"), "lib/seeds")
    git(garden / "lib" / "seeds", "worktree", "add", "-q", place / "sown")

    assert project_of(str(garden / "lib" / "seeds")) == str(garden / "lib" / "seeds")
    assert project_of(str(place / "sown")) == str(garden / "lib" / "seeds")


def test_a_bare_repository_is_the_project_of_its_worktrees(garden: Path, place: Path) -> None:
    git(place, "clone", "-q", "--bare", garden, "garden.git")
    git(place / "garden.git", "worktree", "add", "-q", "../spring")

    bare = str(place / "garden.git")
    assert (project_of(bare), project_of(str(place / "spring"))) == (bare, bare)


@pytest.mark.parametrize("pointed_to", [True, False])
def test_a_hidden_bare_repository_stands_for_the_folder_it_lies_in(
    garden: Path, place: Path, pointed_to: bool
) -> None:
    whole = place / "whole"
    whole.mkdir()
    git(whole, "clone", "-q", "--bare", garden, ".bare")
    git(whole / ".bare", "worktree", "add", "-q", whole / "spring")
    if pointed_to:
        (whole / ".git").write_text("gitdir: ./.bare\n")
        assert project_of(str(whole)) == str(whole)

    assert project_of(str(whole / "spring")) == str(whole)


def test_a_repository_kept_elsewhere_is_its_working_folder(place: Path) -> None:
    repository(place / "garden", "--separate-git-dir", place / "kept.git")

    assert project_of(str(place / "garden")) == str(place / "garden")


def test_a_git_file_alone_makes_no_folder_a_part_of_somebody_elses_repository(
    garden: Path, place: Path
) -> None:
    git(garden, "worktree", "add", "-q", "../spring")
    thief = place / "thief"
    made_up = thief / ".git-of-mine" / "worktrees" / "x"
    made_up.mkdir(parents=True)
    (made_up / "commondir").write_text(f"{garden / '.git'}\n")
    (made_up / "gitdir").write_text(f"{thief / '.git'}\n")

    for told in (
        garden / ".git" / "worktrees" / "spring",  # which is another folder's
        garden / ".git",
        made_up,
    ):
        (thief / ".git").write_text(f"gitdir: {told}\n")
        assert project_of(str(thief)) == str(thief)


def test_settings_of_a_made_up_repository_give_it_nobody_elses_folder(
    garden: Path, place: Path
) -> None:
    git(place, "init", "-q", "--bare", "thief")
    with (place / "thief" / "config").open("a") as file:
        file.write(f"[core]\n\tworktree = {garden}\n")

    assert project_of(str(place / "thief")) == str(place / "thief")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00\x01" * 50_000,
        b"gitdir:\n",
        b"gitdir: /nowhere/.git/worktrees/x\n",
        b"gitdir: a\x00b/worktrees/x\n",
        b"gitdir: " + b"../" * 10_000 + b"worktrees/x",
    ],
    ids=["empty", "noise", "no path", "nothing there", "NUL", "long"],
)
def test_a_broken_git_file_leaves_its_folder_a_project_of_its_own(
    place: Path, content: bytes
) -> None:
    (place / "broken").mkdir()
    (place / "broken" / ".git").write_bytes(content)

    assert project_of(str(place / "broken")) == str(place / "broken")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_neither_file_nor_folder_is_passed_over_without_waiting(garden: Path) -> None:
    for name, make in (
        ("pipe", os.mkfifo),
        ("loop", lambda path: os.symlink(".git", path)),
        ("nowhere", lambda path: os.symlink("/not/there", path)),
    ):
        (garden / name).mkdir()
        make(garden / name / ".git")
        assert project_of(str(garden / name)) == str(garden)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="nothing is hidden from this user"
)
def test_a_folder_that_may_not_be_looked_into_belongs_to_what_is_around_it(garden: Path) -> None:
    (garden / "locked" / "inner").mkdir(parents=True)
    (garden / "locked").chmod(0)
    try:
        assert project_of(str(garden / "locked" / "inner")) == str(garden)
        assert gone(str(garden / "locked" / "inner")) == ()
    finally:
        (garden / "locked").chmod(0o700)


def test_a_link_leads_to_the_repository_of_what_it_names(garden: Path, place: Path) -> None:
    (garden / "beds").mkdir()
    (place / "short").symlink_to(garden / "beds")

    assert project_of(str(place / "short")) == str(garden)


def test_nothing_in_a_home_folder_that_is_a_repository_belongs_to_it(place: Path) -> None:
    home = place / "home"
    git(home, "init", "-q")
    (home / "documents").mkdir()
    git(home, "commit", "-q", "--allow-empty", "-m", "Dot files.")
    git(home, "worktree", "add", "-q", place / "dots")

    assert project_of(str(home)) is None
    assert project_of(str(home / "documents")) is None
    assert project_of(str(place / "dots")) is None
    assert project_of(str(home), by="folder") is None
    assert project_of(str(repository(home / "garden"))) == str(home / "garden")


def test_whose_home_it_is_the_session_says(place: Path) -> None:
    other = repository(place / "other")

    assert chosen(None, {"HOME": str(other), "USERPROFILE": str(other)}, str(other)) == (None, None)
    assert chosen(None, {}, str(other)) == (None, str(other))


@pytest.mark.parametrize("told", ["", "/", "a\0b", "~nobody-of-that-name"])
def test_what_is_no_folder_of_a_project_has_none(
    place: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.chdir(place)

    assert project_of(told) is None


def test_gits_own_variables_say_nothing(
    garden: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(garden / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(garden))

    assert project_of(str(place)) is None


@pytest.mark.parametrize("variable", STARTED_IN)
def test_where_a_host_was_started_is_looked_up_like_any_folder(
    garden: Path, place: Path, variable: str
) -> None:
    (garden / "beds").mkdir()
    (place / "plain").mkdir()

    assert chosen(None, {variable: str(garden / "beds")}, str(place)) == (None, str(garden))
    assert chosen(None, {variable: str(place / "plain")}, str(garden)) == (None, None)
    by_folder = {variable: str(garden / "beds"), "MEMORY_MCP_PROJECT_BY": "folder"}
    assert chosen(None, by_folder, None) == (None, str(garden / "beds"))
    assert chosen(None, by_folder, None, "repository") == (None, str(garden))


def test_what_is_gone_is_told_from_the_inside_out(garden: Path) -> None:
    assert gone(str(garden)) == ()
    assert gone(str(garden / "a" / "b")) == (str(garden / "a" / "b"), str(garden / "a"))


def test_looking_costs_little_to_start() -> None:
    slow = "import sys; from memory_mcp import projects; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-S", "-c", slow],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert {"pathlib", "re", "subprocess", "typing"}.isdisjoint(ended.stdout.split())
