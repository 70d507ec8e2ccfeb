"""A store full of texts that steer terminals: no command passes one of them on."""

import json
import os
import re
import sqlite3
import subprocess
import unicodedata
from pathlib import Path

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, Server, command, environment, run
from tests.cli.conftest import lines

EVIL = (
    "\x1b]0;title\x07\x1b[2J\x1b]8;;https://example.com\x1b\\link\x1b]52;c;cm0=\x07"
    " \x9b31m\x90x\x9c"
    " back\x08\x08\r over \u202e\u2066bidi \u200f\u2028line\x85next \x7f\U000e0041tag"
)
FORGED = (
    "\n1 of 1 message.\nmemory-mcp: ERROR: forged\nok   forged\n2026-11-20 09:30  Boss  message-1"
)
NAME = "Ana\x1b[31m\x9b\u202e"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
SEEN = {"Cc", "Zl", "Zp"}

COMMANDS = """
context
context --instructions
context --json
stats
stats --json
search tea
search tea --json
recall
recall tea
recall --json
blocks
blocks show human
blocks --json
blocks history human
blocks show nonesuch
agents
agents --json
agents show {agent}
agents payload {agent}
agents delete {agent}
mail
mail --json
log
log --all --limit 50
log --all --json
shadow
shadow --json
shadow runs
shadow ask offers
shadow ask "forget 'tea'"
shadow undo
doctor
doctor --json
daemon status
daemon stop
daemon log
import jsonl {bad}
import jsonl {bad} --json
import markdown {notes}
import markdown {notes} --json --dry-run
import mem0 {notes}
export jsonl -
export af -
export af {bad}
export markdown {folder}
install --all --dry-run
install codex
uninstall codex
hook {evil}
{evil}
--agent {evil} context
--database {evil} stats
blocks create {evil}
recall --from {evil}
completion --shell bash
serve --help
""".strip().splitlines()


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store's path: each noun's text, and as an older store may have it, each name."""
    folder = tmp_path_factory.mktemp("evil")
    database = folder / "memory.db"
    text = f"tea {EVIL}{FORGED}"
    messages = [
        {"role": role, "name": "Ana", "content": text, "conversation": f"chat {EVIL}",
         "created_at": "2026-11-20T09:30:00Z"}
        for role in ("user", "assistant")
    ]  # fmt: skip
    passages = [{"content": text, "tags": ["tea"]}, {"content": f"{text} again", "tags": ["tea"]}]
    for kind, items in (("jsonl", messages), ("passages", passages)):
        ended = run("--database", database, "import", kind, "-", folder=folder, stdin=lines(items))
        assert ended.returncode == 0, ended.stderr
    with Server(database) as server:
        server.greet()
        server.call("core_memory_append", label="human", content=text)
        server.call("core_memory_append", label="human", content=f"{text} more")
    for words in (("agents", "create", "bob", "--description", text), ("agents", "create", "eve")):
        assert run("--database", database, *words, folder=folder).returncode == 0
    with Server(database, "--agent", "bob") as server:
        server.greet()
        server.call("send_to_agent", to="eve", message=text)
        server.call("core_memory_append", label="project", content=text)
    older = sqlite3.connect(database)
    older.execute("UPDATE agents SET name = ? WHERE name = 'bob'", (NAME,))
    older.execute("UPDATE passage_tags SET tag = ?", (f"t {EVIL}",))
    older.commit()
    older.close()
    (folder / "notes").mkdir()
    for name in (b"a\x1b[2J\nmemory-mcp: forged.md", b"b\xc2\x9b.md"):
        (folder / "notes" / os.fsdecode(name)).write_bytes(b"\xff\xfe\xfd")
    bad = folder / os.fsdecode(b"bad \x1b]0;title\x07.jsonl")
    bad.write_text('{"role": "user"}\n' + json.dumps({"role": EVIL, "content": "x"}) + "\n")
    (folder / "home").mkdir()
    (folder / "home" / ".codex").mkdir()
    return database


def words_of(line: str, database: Path) -> list[str]:
    """A command's words, with what stands for paths and names put in."""
    told = {
        "agent": NAME,
        "bad": next(str(each) for each in database.parent.iterdir() if each.suffix == ".jsonl"),
        "notes": str(database.parent / "notes"),
        "folder": str(database.parent / f"out-{abs(hash(line))}-{os.urandom(4).hex()}"),
        "evil": f"a{EVIL}",
    }
    parts = [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', line)]
    return [part.format(**told) if "{" in part else part for part in parts]


def places(database: Path) -> dict[str, str]:
    """An environment in which nothing of the person's is touched."""
    home = str(database.parent / "home")
    return environment(
        HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home, XDG_STATE_HOME=home,
        MEMORY_MCP_DATABASE=str(database), MEMORY_MCP_DAEMON_IDLE_SECONDS="0",
        TERM="xterm-256color",
    )  # fmt: skip


def steering(text: str) -> list[str]:
    """The characters of an output that steer whoever shows it."""
    return [
        f"U+{ord(char):04X}"
        for char in text
        if (unicodedata.category(char) in SEEN and char not in "\n\t")
        or "\u202a" <= char <= "\u202e"
        or "\u2066" <= char <= "\u2069"
        or char in "\u200e\u200f\u200b"
        or "\U000e0000" <= char <= "\U000e007f"
    ]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_pipe_gets_nothing_that_steers_a_terminal(evil: Path, line: str) -> None:
    ended = subprocess.run(
        command(*words_of(line, evil)), cwd=evil.parent, env=places(evil), capture_output=True,
        stdin=subprocess.DEVNULL, timeout=2 * DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    out, err = ended.stdout.decode(), ended.stderr.decode()

    assert steering(out) == []
    assert steering(err) == []
    assert "Traceback" not in err
    # Everything that a line of ours begins with is ours; a block alone is shown as it is.
    if "--json" not in line and not line.startswith(("context", "blocks show", "export")):
        ours = [
            each
            for each in (out + err).split("\n")
            if re.match(r"memory-mcp: (ERROR|forged)", each)
        ]
        assert ours == []
        assert "\nok   forged" not in out
    if "--json" in line and ended.returncode == 0:
        json.loads(out)


@pytest.mark.skipif(os.name == "nt", reason="there are no such terminals")
@pytest.mark.parametrize(
    "line", ["search tea", "recall", "context", "blocks", "blocks show human", "mail", "agents",
             "stats --json", "log --all", "recall --from {evil}", "shadow ask offers"],
)  # fmt: skip
def test_a_terminal_gets_nothing_but_colours(evil: Path, line: str) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command(*words_of(line, evil)), cwd=evil.parent, env=places(evil), stdin=theirs,
        stdout=theirs, stderr=theirs, close_fds=True,
    ) as running:  # fmt: skip
        os.close(theirs)
        told = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            told += part
        running.wait(DEADLINE_SECONDS)
    os.close(ours)

    text = STYLE.sub("", told.decode()).replace("\r\n", "\n")
    assert text.strip()
    assert steering(text) == []


def test_json_says_exactly_what_is_stored(evil: Path) -> None:
    told = run("--database", evil, "blocks", "show", "human", "--json", folder=evil.parent).stdout

    (block,) = json.loads(told)
    assert block["value"].startswith(f"tea {EVIL}{FORGED}")


def test_an_export_says_exactly_what_is_stored(evil: Path) -> None:
    told = run("--database", evil, "export", "jsonl", "-", "--all", folder=evil.parent).stdout

    passages = [json.loads(line) for line in told.splitlines() if '"passage"' in line]
    assert any(each.get("content") == f"tea {EVIL}{FORGED}" for each in passages)
