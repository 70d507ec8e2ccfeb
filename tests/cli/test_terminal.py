"""Any terminal: what it cannot show, who reads what is printed, and what comes from it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, command, environment, run

ROCKET = "rocket 🚀 in 東京 → café"
NARROW = [
    {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp437"},
    {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
]
needs_bytes = pytest.mark.skipif(os.name == "nt", reason="Windows gives arguments as text")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a text that few encodings have, and with more than a pipe holds."""
    folder = tmp_path_factory.mktemp("narrow")
    database = folder / "memory.db"
    texts = [ROCKET, *(f"filler {n}: " + "x" * 1_000 for n in range(200))]
    lines = b"".join(json.dumps({"content": text}).encode() + b"\n" for text in texts)
    for words in (("import", "passages", "-"), ("blocks", "set", "project", "--value", ROCKET)):
        ended = run("--database", database, "--in-process", *words, folder=folder, stdin=lines)
        assert ended.returncode == 0, ended.stderr
    return database


def call(
    database: Path, *words: str | bytes, stdin: bytes = b"", more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; what it printed as bytes."""
    return subprocess.run(
        [*command("--database", database, "--in-process"), *words],
        cwd=database.parent,
        env=environment(**(more or {})),
        input=stdin,
        capture_output=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("more", NARROW)
def test_what_a_terminal_cannot_show_is_spelled_out(database: Path, more: dict[str, str]) -> None:
    ended = call(database, "search", "rocket", more=more)

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert rb"rocket \U0001f680 in \u6771\u4eac -> caf" in ended.stdout


@pytest.mark.parametrize(
    "words", ["context", "blocks", "blocks history project", "agents", "log", "doctor", "--help"]
)
def test_every_command_prints_in_ascii(database: Path, words: str) -> None:
    ended = call(database, *words.split(), more={"PYTHONIOENCODING": "ascii"})

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.isascii()


def test_json_stays_json_on_any_terminal(database: Path) -> None:
    ended = call(database, "search", "rocket", "--json", more={"PYTHONIOENCODING": "ascii"})

    assert json.loads(ended.stdout)["archival"]["results"][0]["content"] == ROCKET


def test_an_export_is_utf_8_whatever_the_terminal(database: Path) -> None:
    plain = call(database, "export", "jsonl", "-")
    narrow = call(database, "export", "jsonl", "-", more={"PYTHONIOENCODING": "ascii"})

    assert narrow.stdout == plain.stdout
    assert ROCKET in plain.stdout.decode()


def test_an_error_is_spelled_out_too(database: Path) -> None:
    ended = call(database, "blocks", "show", "東京", more={"PYTHONIOENCODING": "ascii"})

    assert ended.returncode == 1
    assert ended.stderr.startswith(rb"memory-mcp: there is no block '\u6771\u4eac'")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("search", "filler", "--limit", "50"), 0),
        (("search", "filler", "--limit", "50", "--json"), 0),
        (("log", "--limit", "200", "--follow"), 0),
        (("agents", "--json"), 0),
        (("blocks",), 0),
        (("--help",), 0),
        (("export", "jsonl", "-"), 141),  # it is not whole, and whoever keeps it should know
    ],
)
def test_a_reader_that_leaves_ends_a_command_quietly(
    database: Path, words: tuple[str, ...], code: int
) -> None:
    with subprocess.Popen(
        command("--database", database, "--in-process", *words),
        cwd=database.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(1)
        process.stdout.close()
        told = process.stderr.read()
        assert (process.wait(DEADLINE_SECONDS), told) == (code, b"")


def test_a_demo_that_nobody_watches_ends_with_its_daemon(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("demo"),
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""  # its children have let go of it too
        assert process.wait(DEADLINE_SECONDS) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [("search", "filler"), ("export", "jsonl", "-"), ("agents",)])
def test_a_full_disk_is_said_in_a_sentence(database: Path, words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            command("--database", database, "--in-process", *words),
            cwd=database.parent,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=2 * DEADLINE_SECONDS,
            check=False,
        )

    assert ended.returncode == 1
    assert ended.stderr == b"memory-mcp: the output cannot be written: No space left on device.\n"


@needs_bytes
def test_an_argument_that_is_no_text_is_refused(database: Path) -> None:
    ended = call(database, "search", b"caf\xe9")

    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(
        rb"memory-mcp: 'caf\udce9' is no text: bytes in it are not UTF-8"
    )


@needs_bytes
def test_an_argument_is_read_as_utf_8_in_a_locale_without_letters(database: Path) -> None:
    ended = call(database, "search", "東京", more=NARROW[-1])

    assert ended.returncode == 0
    assert rb"rocket \U0001f680 in \u6771\u4eac" in ended.stdout


@needs_bytes
def test_a_file_name_in_no_encoding_is_told_of(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    try:
        (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.md"))).write_bytes(b"\xff")
    except OSError:
        pytest.skip("this file system has no such names")

    ended = call(database, "import", "markdown", str(folder))

    assert ended.returncode == 1
    assert rb"caf\xe9.md: the file is not UTF-8" in ended.stdout


@needs_bytes
@pytest.mark.parametrize("place", ["notes", "notes/東京.md"])
def test_a_note_is_the_same_in_every_locale(tmp_path: Path, place: str) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "東京.md").write_text("a note")
    words = ("import", "markdown", os.fsencode(place))

    first = call(tmp_path / "memory.db", *words)
    again = call(tmp_path / "memory.db", *words, more=NARROW[-1])

    assert b"1 passage imported, 0 known already." in first.stdout
    assert b"0 passages imported, 1 known already." in again.stdout


def test_input_that_is_no_text_is_refused(database: Path) -> None:
    ended = call(database, "blocks", "set", "human", "--stdin", stdin=b"Name: Jos\xe9\n")

    assert ended.returncode == 1
    assert b"standard input is not UTF-8: there is a byte 0xe9 at position 9" in ended.stderr
