"""`memory-mcp export`: whole files, written over nothing, readable by their owner alone."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.processes import run
from tests.cli.conftest import lines


def export(filled: Path, *words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Export from the filled store."""
    return run("--database", filled, "export", *words, folder=folder)


@pytest.mark.parametrize("kind", ["jsonl", "af"])
def test_an_export_is_one_file_for_its_owner_alone(filled: Path, tmp_path: Path, kind: str) -> None:
    ended = export(filled, kind, "out put.ü", folder=tmp_path)

    file = tmp_path / "out put.ü"
    first, *_ = ended.stdout.splitlines()
    assert first == f"{file.stat().st_size:,} bytes written to out put.ü."
    assert (ended.returncode, ended.stderr) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["out put.ü"]


@pytest.mark.parametrize("kind", ["jsonl", "af"])
def test_what_is_there_is_written_over_only_when_asked(
    filled: Path, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "out"
    file.write_text("mine")

    refused = export(filled, kind, file, folder=tmp_path)
    before = file.read_text()
    forced = export(filled, kind, file, "--force", folder=tmp_path)

    assert (refused.returncode, before) == (1, "mine")
    assert "exists and was left alone. With --force it is replaced." in refused.stderr
    assert (forced.returncode, file.read_text()[:1]) == (0, "{")


@pytest.mark.parametrize("kind", ["jsonl", "af"])
def test_an_export_comes_in_again_elsewhere(filled: Path, tmp_path: Path, kind: str) -> None:
    export(filled, kind, tmp_path / "out", "--all", folder=tmp_path)
    words = ("--database", tmp_path / "other.db")

    ended = run(*words, "import", kind, tmp_path / "out", folder=tmp_path)
    again = run(*words, "export", kind, tmp_path / "again", "--all", folder=tmp_path)

    assert (ended.returncode, again.returncode) == (0, 0)
    assert "2 messages, 2 passages" in ended.stdout
    if kind == "jsonl":
        assert (tmp_path / "again").read_bytes() == (tmp_path / "out").read_bytes()


def test_an_export_may_go_to_standard_output(filled: Path, tmp_path: Path) -> None:
    ended = export(filled, "jsonl", "-", folder=tmp_path)

    kinds = [json.loads(line)["kind"] for line in ended.stdout.splitlines()]
    assert (kinds[:2], kinds[-1]) == (["memory-mcp", "agent"], "end")
    assert list(tmp_path.iterdir()) == []


def test_an_export_ends_with_what_it_holds_and_what_stays_behind(
    filled: Path, tmp_path: Path
) -> None:
    to_file = export(filled, "jsonl", "out", "--all", folder=tmp_path)
    to_stdout = export(filled, "jsonl", "-", "--all", folder=tmp_path)

    _, *told = to_file.stdout.splitlines()
    assert told[0] == (
        "It holds 1 agent, 3 blocks, 4 versions of blocks, 1 conversation, 2 messages and "
        "2 passages."
    )
    assert told[1] == "What stays behind:"
    assert told[2].startswith("  lines of the log of changes: ")
    assert to_stdout.stderr.splitlines()[: len(told)] == told
    assert to_stdout.stdout == (tmp_path / "out").read_text()


def test_markdown_is_a_folder_that_people_can_read(filled: Path, tmp_path: Path) -> None:
    ended = export(filled, "markdown", "out", folder=tmp_path)

    assert ended.stdout == "3 files written to out.\n"
    home = tmp_path / "out" / "default"
    page = (home / "README.md").read_text()
    assert "## human\n\nName: Ana [bold]Sousa[/bold].\n" in page
    (chat,) = (home / "conversations").iterdir()
    assert f"(conversations/{chat.name})" in page
    assert "**Ana**, 2026-11-20 09:30:\n\nWhen are the tides high in Porto?" in chat.read_text()
    passages = "".join(path.read_text() for path in (home / "passages").iterdir())
    assert "## 2026-11-18 · database, decision\n\nDecision: the tides are kept" in passages
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in home.rglob("*.md"))

    again = export(filled, "markdown", "out", folder=tmp_path)
    assert again.returncode == 1
    assert "is not empty and was left alone" in again.stderr
    assert export(filled, "markdown", "out", "--force", folder=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("jsonl", "no/such/place"), "cannot be written: No such file or directory"),
        (("jsonl", "."), "is a folder; give the name of a file"),
        (("markdown", "-"), "cannot go to standard output"),
        (("jsonl", "x", "--agent", "nobody"), "there is no agent 'nobody'. There are: default"),
        (("jsonl", "x", "--agent", "default", "--all"), "give one of the two"),
    ],
)
def test_an_export_that_cannot_be_made_leaves_nothing(
    filled: Path, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    ended = export(filled, *words, folder=tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_not_made_by_an_export(tmp_path: Path) -> None:
    ended = export(tmp_path / "none.db", "jsonl", "x", folder=tmp_path)

    assert ended.returncode == 1
    assert "there is no store" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_page_of_markdown_says_what_a_text_made_up(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    lures = [
        "tea\n\n## 2026-11-22 · boss\n\nforged",
        "tea\n```\nnever closed",
        "tea <!--\n<!-- hidden",
        "---\ndate: 2026-11-22\n---\n# Boss",
        "**Boss**, 2026-11-22 14:05:\n\nforged",
        "Boss\n====\n\ntea\r## forged\u2028## forged",
        "plain tea",
    ]
    messages = [
        {"role": "user", "name": "**Ana** `x`", "content": lure, "conversation": "c: [x]\t- y",
         "created_at": f"2026-11-20T09:{n:02}:00Z"}
        for n, lure in enumerate(lures)
    ]  # fmt: skip
    passages = [
        {"content": lure, "tags": ["# tea", "a, b"], "occurred_at": "2026-11-18"} for lure in lures
    ]
    for kind, given in (("jsonl", messages), ("passages", passages)):
        run("--database", database, "import", kind, "-", folder=tmp_path, stdin=lines(given))
    value = "\n".join(lures).encode()
    run("--database", database, "blocks", "set", "human", "--stdin", folder=tmp_path, stdin=value)

    assert export(database, "markdown", "out", folder=tmp_path).returncode == 0

    home = tmp_path / "out" / "default"
    ours = ("#", "**")
    told = {
        path.parent.name: [
            line
            for line in path.read_text().splitlines()
            if line.startswith((*ours, "---", "===", "```", "<"))
        ]
        for path in home.rglob("*.md")
    }
    assert told["default"] == [
        "# default", "## persona", "## human", "## project", "## Conversations", "## Passages",
    ]  # fmt: skip
    assert told["conversations"][:3] == ["---", "---", "# Conversation of 2026-11-20"]
    assert told["conversations"][3:] == [
        f"**\\*\\*Ana\\*\\* \\`x\\`**, 2026-11-20 09:{n:02}:" for n in range(len(lures))
    ]
    (front,) = (path.read_text() for path in (home / "conversations").iterdir())
    assert '\nconversation: "c: [x]\\t- y"\n' in front
    assert told["passages"][0] == "# Passages of 2026-11"
    assert told["passages"][1:] == ['## 2026-11-18 · "\\# tea", "a, b"'] * len(lures)
