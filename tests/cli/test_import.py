"""`memory-mcp import`: the closing report, bad lines, and the same file twice."""

import gzip
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.acceptance.processes import run

MESSAGE: dict[str, Any] = {
    "role": "user",
    "content": "When are the tides high?",
    "created_at": "2026-11-20T09:30:00Z",
    "conversation": "chat-1",
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A place for a store."""
    return tmp_path / "memory.db"


def bring(
    database: Path, kind: str, content: bytes, *words: str
) -> subprocess.CompletedProcess[str]:
    """Import a file."""
    file = database.with_name("lines.jsonl")
    file.write_bytes(content)
    return run("--database", database, *words, "import", kind, file, folder=database.parent)


def json_lines(*items: Any) -> bytes:
    """One JSON value a line."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def stats(database: Path, *words: str) -> dict[str, Any]:
    """What the store holds."""
    told = run("--database", database, *words, "stats", "--json", folder=database.parent)
    return json.loads(told.stdout)


def test_messages_are_imported_once_however_often(database: Path) -> None:
    content = json_lines(
        MESSAGE,
        MESSAGE | {"role": "assistant", "content": "At three.", "name": "Claude"},
        MESSAGE | {"external_id": "m-3", "metadata": {"model": "x"}},
        MESSAGE,  # the same line twice in one file is two messages
    )
    first = bring(database, "jsonl", content)
    second = bring(database, "jsonl", content)
    assert (first.returncode, first.stdout, first.stderr) == (
        0,
        "4 messages imported, 0 known already.\n",
        "",
    )
    assert (second.returncode, second.stdout) == (0, "0 messages imported, 4 known already.\n")
    told = stats(database)
    assert (told["messages"], told["conversations"]) == (4, 1)


def test_bad_lines_are_reported_by_number_and_the_rest_goes_on(database: Path) -> None:
    content = b"\n".join(
        [
            json.dumps(MESSAGE).encode(),
            b"{",
            b"",
            b'["a", "list"]',
            b'{"role": "user"}',
            json.dumps(MESSAGE | {"role": "boss"}).encode(),
            json.dumps(MESSAGE | {"created_at": "yesterday"}).encode(),
            json.dumps(MESSAGE | {"content": "  "}).encode(),
            json.dumps(MESSAGE | {"content": "half: \ud800"}).encode(),
            json.dumps(MESSAGE | {"content": 5}).encode(),
            json.dumps(MESSAGE | {"metadata": "none"}).encode(),
            b"\xff\xfe",
            b"[" * 100_000,
            json.dumps(MESSAGE | {"content": "The last.", "mood": "fine"}).encode(),
        ]
    )
    ended = bring(database, "jsonl", content)
    assert ended.returncode == 1
    assert ended.stderr == ""
    # Why a line is not JSON, each Python says in its own words.
    assert re.sub(r"not JSON \(.*\)", "not JSON (WHY)", ended.stdout) == snapshot("""\
2 messages imported, 0 known already.
field 'mood' has no place in memory and was left out (1 line).
12 bad lines:
  line 2: the line is not JSON (WHY)
  line 4, item 1: it is not a JSON object
  line 4, item 2: it is not a JSON object
  line 5: content is missing
  line 6: role 'boss' is none; the roles are user, assistant, tool, system.
  line 7: created_at 'yesterday' is not a date. Write it as 2026-11-22 or 2026-11-22T14:05:00Z.
  line 8: content is empty. Give it some text.
  line 9: content holds an unpaired surrogate (\\ud800) at position 6, half of a character. Send the whole character, or leave it out.
  line 10: content must be text
  line 11: metadata must be an object
  line 12: the line is not UTF-8
  line 13, item 1: it is not JSON (WHY); the list is read no further
""")  # noqa: E501 - a report's lines are as long as they are
    assert stats(database)["messages"] == 2


def test_passages_bring_their_tags_and_dates(database: Path) -> None:
    content = json_lines(
        {"content": "SQLite was chosen.", "tags": ["decision"], "occurred_at": "2026-11-18"},
        {"content": "SQLite was chosen.", "tags": ["database"], "occurred_at": "2026-11-18"},
        {"content": "Tides.", "tags": "decision"},
        {"content": "Tides.", "tags": [1]},
        {"content": "Tides.", "tags": [" "]},
        {"content": "Tides.", "occurred_at": "soon"},
        {"content": "x" * 100_001},
    )
    ended = bring(database, "passages", content)
    assert ended.returncode == 1
    assert ended.stdout == snapshot("""\
1 passage imported, 1 known already.
5 bad lines:
  line 3: tags must be a list of texts
  line 4: tags must be a list of texts
  line 5: tags: each tag is empty. Give it some text.
  line 6: occurred_at 'soon' is not a date. Write it as 2026-11-22 or 2026-11-22T14:05:00Z.
  line 7: content has 100,001 characters; the limit is 100,000. Split it into several smaller pieces, or keep what matters.
""")  # noqa: E501 - as above
    told = stats(database)
    assert told["passages"] == 1
    assert {tag["tag"] for tag in told["tags"]} == {"database", "decision"}
    assert told["first_passage_at"].startswith("2026-11-18")


def test_of_many_bad_lines_the_first_are_told_and_the_rest_counted(database: Path) -> None:
    ended = bring(database, "passages", b"{\n" * 25)
    assert ended.returncode == 1
    report = ended.stdout.splitlines()
    assert report[:2] == ["0 passages imported, 0 known already.", "25 bad lines:"]
    assert report[2].startswith("  line 1: the line is not JSON")
    assert report[21:] == [report[21], "  … and 5 more"]


def test_lines_may_come_from_standard_input(database: Path) -> None:
    ended = run(
        "--database", database, "import", "passages", "-",
        folder=database.parent, stdin=json_lines({"content": "Tides."}),
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, "1 passage imported, 0 known already.\n")


@pytest.mark.parametrize(
    "content",
    [
        b'{"content": "Tides."}',  # no line break at the end
        b'{"content": "Tides."}\r\n',
        b'\n\n  \n{"content": "Tides."}\n\n',
        b'\xef\xbb\xbf{"content": "Tides."}\n',  # as Windows' editors begin a file
    ],
)
def test_line_ends_and_marks_of_any_editor_will_do(database: Path, content: bytes) -> None:
    ended = bring(database, "passages", content)
    assert (ended.returncode, ended.stdout) == (0, "1 passage imported, 0 known already.\n")


def test_an_empty_file_is_no_error(database: Path) -> None:
    ended = bring(database, "jsonl", b"")
    assert (ended.returncode, ended.stdout) == (0, "0 messages imported, 0 known already.\n")


def test_an_import_goes_to_the_agent_named(database: Path) -> None:
    bring(database, "jsonl", json_lines(MESSAGE), "--agent", "work")
    assert stats(database, "--agent", "work")["messages"] == 1
    assert stats(database)["messages"] == 0


def test_a_batch_and_more_is_imported_whole_and_found_at_once(database: Path) -> None:
    items = [{"content": f"Passage number {number} about tides."} for number in range(450)]
    ended = bring(database, "passages", json_lines(*items))
    assert ended.stdout == "450 passages imported, 0 known already.\n"
    told = stats(database)
    assert (told["passages"], told["index"]["waiting"]) == (450, 0)
    asked = ("search", "passage number 449", "--limit", "1", "--json")
    answer = run("--database", database, *asked, folder=database.parent)
    (hit,) = json.loads(answer.stdout)["archival"]["results"]
    assert hit["content"] == "Passage number 449 about tides."


def test_secrets_are_taken_out_of_messages(database: Path) -> None:
    secret = "ghp_" + "a1B2" * 10
    bring(database, "jsonl", json_lines(MESSAGE | {"content": f"My token is {secret}, keep it."}))
    asked = ("search", "token", "--in", "recall")
    answer = run("--database", database, *asked, folder=database.parent)
    assert "My token is [redacted: GitHub token], keep it." in answer.stdout
    assert all(
        secret.encode() not in path.read_bytes() for path in database.parent.glob("memory.db*")
    )


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("jsonl", "nowhere.jsonl"), 1, "nowhere.jsonl cannot be read: No such file or directory."),
        (("passages", "."), 1, ". is a folder, and passages wants a file."),
        (("letta", "x"), 2, "invalid choice: 'letta'"),
        (("jsonl",), 2, "the following arguments are required: path"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused(
    database: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    ended = run("--database", database, "import", *words, folder=database.parent)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_import_of_notes_says_how_dates_were_read(database: Path) -> None:
    folder = database.with_name("vault")
    folder.mkdir()
    (folder / "a.md").write_text("---\ncreated: Jan 5, 2024\n---\nWords.", "utf-8")
    (folder / "b.md").write_text("---\ncreated: 05/01/2024\n---\nWords.", "utf-8")

    ended = run("--database", database, "import", "markdown", folder, folder=database.parent)

    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout == snapshot("""\
2 passages imported, 0 known already.
front matter 'created' read as a date: 'Jan 5, 2024' as 2024-01-05.
1 bad thing:
  b.md: created '05/01/2024' may be two days, depending on which comes first, day or month; the note came in without it. Write it as 2026-11-22
""")  # noqa: E501 - a report's lines are as long as they are


def test_trailing_garbage_is_told_by_its_place_and_what_came_before_is_stored(
    database: Path,
) -> None:
    content = json.dumps([{"memory": "Likes rye"}]).encode() + b"\n<html>\n"
    ended = bring(database, "mem0", content)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout == snapshot("""\
1 passage imported, 0 known already.
1 bad thing:
  lines.jsonl, line 2: the line is not JSON (Expecting value)
""")


def test_the_report_of_a_dry_run_too_says_what_is_left_out_and_the_exit_code_is_1(
    database: Path,
) -> None:
    folder = database.with_name("graph")
    folder.mkdir()
    graph = {"type": "entity", "name": "Ana", "observations": ["Sails", {"odd": 1}, ""]}
    (folder / "memory.jsonl").write_text(json.dumps(graph))
    (folder / "readme.txt").write_text("x")
    told = ("--database", database, "import", "server-memory", folder, "--dry-run")

    plain = run(*told, folder=database.parent)
    script = run(*told, "--json", folder=database.parent)

    assert plain.returncode == script.returncode == 1
    assert plain.stdout == snapshot("""\
1 passage would come in; nothing was stored (dry run).
left out, or without a counterpart here:
  empty observations
not understood, and not imported:
  observations of an unknown shape (memory.jsonl, line 1)
  files ending in .txt (readme.txt)
""")
    report = json.loads(script.stdout)
    assert (report["dry_run"], report["whole"], report["stored"]) == (True, False, {"passage": 1})
    assert report["left_out"] == {"empty observations": 1}
    assert report["not_understood"] == {
        "observations of an unknown shape": 1,
        "files ending in .txt": 1,
    }


def test_a_folder_with_nothing_to_read_is_refused_after_saying_what_is_in_it(
    database: Path,
) -> None:
    folder = database.with_name("projects")
    folder.mkdir()
    empty = run("--database", database, "import", "codex", folder, folder=database.parent)
    (folder / "notes.doc").write_text("x")
    other = run("--database", database, "import", "codex", folder, folder=database.parent)

    assert (empty.returncode, other.returncode) == (1, 1)
    assert "it has: nothing." in empty.stderr
    assert "there is no file ending in .jsonl" in other.stdout
    assert "files ending in .doc (notes.doc)" in other.stdout


def test_compressed_lines_may_come_from_standard_input_or_a_pipe(database: Path) -> None:
    packed = gzip.compress(json_lines({"content": "Tides."}))
    told = ("--database", database, "import", "passages")
    piped = run(*told, "-", folder=database.parent, stdin=packed)
    pipe = database.with_name("pipe")
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_bytes, json_lines({"content": "Ebb."}))
        named = run(*told, pipe, folder=database.parent)

    assert (piped.returncode, piped.stdout) == (0, "1 passage imported, 0 known already.\n")
    assert (named.returncode, named.stdout) == (0, "1 passage imported, 0 known already.\n")


def test_a_zip_on_standard_input_is_refused(database: Path) -> None:
    told = ("--database", database, "import", "chatgpt", "-")
    ended = run(*told, folder=database.parent, stdin=b"PK\x03\x04 and more")
    assert ended.returncode == 1
    assert "standard input is a zip" in ended.stderr
