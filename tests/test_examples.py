"""Every example runs, by itself, in a store of its own, and shows what its first line says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, environment

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))

# What a reader of its output should have seen.
SHOWS = {
    "01_remember.py": [
        "Name: Ana. Likes tea.",
        "Out of view: 0 messages, 1 passage (tags: house).",
        "oil the lower hinge. #house",
    ],
    "02_two_agents.py": [
        "Core memory was changed elsewhere since you last saw it.",
        "+ Allergic to nuts.",
        "the shared block has 21 lines",
    ],
    "03_import_notes.py": [
        "4 passages imported, 0 known already.",
        "line 3: occurred_at '2026-03' is not a date.",
        "0 passages imported, 4 known already.",
        "Annual inspection passed",
        "New battery, the old one froze.",
    ],
    "04_supervisor.py": [
        "- cook (resident): In Porto people eat francesinha.",
        "What the shared block holds now, in every one's view:\ncook: In Porto",
        "historian: Porto gave Portugal its name.",
    ],
}


def test_every_example_is_known_here_and_in_its_readme() -> None:
    readme = (Path(__file__).parents[1] / "examples" / "README.md").read_text("utf-8")
    names = [path.name for path in EXAMPLES]
    assert names == list(SHOWS)
    assert sorted(set(re.findall(r"\]\((\w+\.py)\)", readme))) == names


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_shows_what_it_says(path: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    ended = subprocess.run(
        [sys.executable, path],
        cwd=tmp_path,
        env=environment(HOME=str(home), XDG_DATA_HOME=str(home / "data"), TMPDIR=str(tmp_path)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    for shown in SHOWS[path.name]:
        assert shown in ended.stdout
    assert list(home.iterdir()) == []
    assert [one.name for one in tmp_path.iterdir()] == ["home"]
