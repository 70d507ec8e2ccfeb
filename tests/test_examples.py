"""Every example runs, by itself, in a store of its own, and shows what its first line says.

Agents of other frameworks run where their packages are: in the Python of these tests, or in one
that MEMORY_MCP_TEST_PYTHONS names, a list separated as PATH is.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, environment

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
PYTHONS = [
    sys.executable,
    *filter(None, os.environ.get("MEMORY_MCP_TEST_PYTHONS", "").split(os.pathsep)),
]

# What must be importable besides what the tests need anyway.
NEEDS = {
    "06_langgraph.py": ["langchain", "langchain_mcp_adapters", "langchain_openai", "langgraph"],
    "07_openai_agents.py": ["agents.mcp", "memory_mcp"],
    "08_pydantic_ai.py": ["fastmcp", "memory_mcp", "pydantic_ai.mcp"],
}

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
    "05_agent_loop.py": [
        "→ core_memory_append",
        "Agent: Noted, Ana.",
        "You:   What do I drink?\nAgent: Your tea, green.",
    ],
    "06_langgraph.py": [
        "→ core_memory_append",
        "You:   What do I drink?\nAgent: Your tea, green.",
    ],
    "07_openai_agents.py": [
        "→ core_memory_append",
        "You:   What do I drink?\nAgent: Your tea, green.",
    ],
    "08_pydantic_ai.py": [
        "→ core_memory_append",
        "You:   What do I drink?\nAgent: Your tea, green.",
    ],
    "09_letta_migration.py": [
        "1 agent, 2 blocks, 2 messages would come in; nothing was stored (dry run).",
        "1 agent, 2 blocks, 2 messages imported, 0 known already.",
        "0 messages imported, 5 known already.",
        "<human>\nName: Ana",
        "assistant: Broad beans, north bed, 2 April.",
    ],
}


def python_for(name: str) -> str:
    """The first Python that has what an example needs; without one its test is skipped."""
    needed = NEEDS.get(name)
    if needed is None:
        return sys.executable
    question = f"import {', '.join(needed)}"
    for python in PYTHONS:
        if (
            subprocess.run([python, "-c", question], capture_output=True, check=False).returncode
            == 0
        ):
            return python
    pytest.skip(f"no Python here has {', '.join(needed)}")


def ended(path: Path, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """An example run to its end by somebody who has no key, with memory-mcp on the PATH."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    inherited = {
        key: value for key, value in environment().items() if not key.startswith("OPENAI_")
    }
    own = {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "TMPDIR": str(folder),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"]]),
    }
    return subprocess.run(
        [python_for(path.name), path, *words],
        cwd=folder,
        env=inherited | own | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )


def test_every_example_is_known_here_and_in_its_readme() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    names = [path.name for path in EXAMPLES]
    assert names == list(SHOWS)
    assert sorted(set(re.findall(r"\]\((\w+\.py)\)", readme))) == names


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_shows_what_it_says(path: Path, tmp_path: Path) -> None:
    shown = ended(path, tmp_path)
    assert (shown.returncode, shown.stderr) == (0, ""), shown.stdout
    for expected in SHOWS[path.name]:
        assert expected in shown.stdout
    assert list((tmp_path / "home").iterdir()) == []
    assert [one.name for one in tmp_path.iterdir()] == ["home"]


def test_the_agent_loop_knows_in_its_second_run_what_its_first_was_told(tmp_path: Path) -> None:
    loop = FOLDER / "05_agent_loop.py"
    store = {"MEMORY_MCP_DATABASE": str(tmp_path / "memory.db")}

    told = ended(loop, tmp_path, "I'm Ana, and I drink my tea green.", **store)
    asked = ended(loop, tmp_path, "What do I drink?", **store)

    assert told.stdout.endswith("Agent: Noted, Ana.\n\n"), told.stderr
    # The script answers so only when it finds the tea in what memory put in view.
    assert asked.stdout == "You:   What do I drink?\nAgent: Your tea, green.\n\n"
