"""`recall`, `log` and `completion`: what people look at."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import command, environment, heed_interrupts, run

from memory_mcp.cli import COMMANDS
from memory_mcp.cli.completion import SHELLS


def ask(filled: Path, *words: str, wide: str = "80") -> subprocess.CompletedProcess[str]:
    """Run a command on the filled store."""
    more = {"COLUMNS": wide}
    return run("--database", filled, *words, folder=filled.parent, more=more)


def test_recall_prints_the_latest_messages_last(filled: Path) -> None:
    ended = ask(filled, "recall")

    lines = [line.rstrip() for line in ended.stdout.splitlines()]
    assert lines[0].startswith("2026-11-20 09:30  Ana  message-")
    assert lines[1] == "  When are the tides high in Porto?"
    assert lines[3].startswith("2026-11-20 09:31  assistant  message-")
    assert lines[-1] == "2 of 2 messages."


def test_recall_searches_and_filters(filled: Path) -> None:
    found = json.loads(ask(filled, "recall", "half past", "--limit", "1", "--json").stdout)
    users = json.loads(ask(filled, "recall", "--role", "user", "--json").stdout)

    assert [message["content"] for message in found["messages"]] == ["At half past three."]
    assert [message["role"] for message in users["messages"]] == ["user"]
    assert users["total"] == 1


def test_recall_prints_a_conversation_whole(filled: Path) -> None:
    (message, _) = json.loads(ask(filled, "recall", "--json").stdout)["messages"]

    by_id = ask(filled, "recall", "--conversation", message["conversation"])
    by_name = ask(filled, "recall", "--conversation", "chat-1")

    assert by_id.stdout == by_name.stdout
    assert by_id.stdout.index("When are") < by_id.stdout.index("At half")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--conversation", "chat-9"), "there is no conversation 'chat-9'"),
        (("tides", "--conversation", "chat-1"), "leave query and filters out"),
        (("--role", "boss"), "'boss' is no role"),
        (("--limit", "0"), "limit"),
        (("--from", "soon"), "is not a date"),
    ],
)
def test_a_recall_that_cannot_be_meant_is_refused(
    filled: Path, words: tuple[str, ...], reason: str
) -> None:
    ended = ask(filled, "recall", *words)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert reason in ended.stderr


def test_the_log_tells_what_happened_newest_last_and_no_texts(filled: Path) -> None:
    told = ask(filled, "log").stdout
    changes: list[dict[str, Any]] = json.loads(ask(filled, "log", "--json").stdout)

    assert [f"{each['what']} {each['operation']}" for each in changes] == [
        *["block attached"] * 3,
        "agent made",
        "message appended",
        "passage filed",
        "block edited",
    ]
    assert changes[-1]["details"] == {"label": "human", "by": "default"}
    assert len(told.splitlines()) == 7
    assert "block edited  label: human, by: default  block-" in told.splitlines()[-1]
    assert "Ana" not in told
    last = json.loads(ask(filled, "log", "--json", "--limit", "1").stdout)
    assert last == changes[-1:]


def test_the_log_of_one_agent_leaves_out_the_others(filled: Path, tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    for name in ("one", "two"):
        run("--database", database, "agents", "create", name, folder=tmp_path)

    mine = json.loads(ask(database, "--agent", "two", "log", "--json").stdout)
    every = json.loads(ask(database, "log", "--all", "--json").stdout)

    assert {tuple(each["agents"]) for each in mine} == {("two",)}
    assert {tuple(each["agents"]) for each in every} == {("default",), ("one",), ("two",)}


def test_the_log_follows_one_agent_through_any_number_of_others_changes(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"

    def file(agent: str, notes: int, first: int = 0) -> None:
        numbers = range(first, first + notes)
        told = b"".join(b'{"content": "Note %d."}\n' % number for number in numbers)
        options = ("--database", database, "--agent", agent)
        assert run(*options, "import", "passages", "-", folder=tmp_path, stdin=told).returncode == 0

    file("mine", 1)
    following = subprocess.Popen(
        command("--database", database, "--agent", "mine", "log", "--follow", "--json"),
        env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert following.stdout
    try:
        while json.loads(following.stdout.readline())["operation"] != "filed":
            pass
        file("other", 1_200)
        file("mine", 1, first=1)
        news = json.loads(following.stdout.readline())
    finally:
        following.kill()
        following.communicate()
    assert (news["agents"], news["what"], news["operation"]) == (["mine"], "passage", "filed")


def test_the_log_follows_what_happens(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    run("--database", database, "import", "passages", "-", folder=tmp_path)
    following = subprocess.Popen(
        command("--database", database, "log", "--follow", "--json"),
        env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert following.stdout
    try:
        made = [json.loads(following.stdout.readline())["what"] for _ in range(4)]
        note = b'{"content": "A note."}\n'
        run("--database", database, "import", "passages", "-", folder=tmp_path, stdin=note)
        news = json.loads(following.stdout.readline())
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=30)
    finally:
        following.kill()  # in vain where it has ended, as it should
        following.communicate()
    assert made == [*["block"] * 3, "agent"]
    assert (news["what"], news["operation"]) == ("passage", "filed")
    assert (following.returncode, err) == (130, b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_knows_every_command_and_their_options(tmp_path: Path, shell: str) -> None:
    ended = run("completion", shell, folder=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    for name in COMMANDS:
        assert name in ended.stdout
    for option in ("dry-run", "conversation", "context-tokens", "follow"):
        assert option in ended.stdout


def test_bash_completes_a_command_and_an_option(tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash", folder=tmp_path).stdout)
    typed = f"""
        source {script}
        COMP_WORDS=(memory-mcp exp); COMP_CWORD=1
        $(complete -p memory-mcp | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo "${{COMPREPLY[@]}}"
    """

    ended = subprocess.run(
        ["bash", "--norc", "-c", typed], capture_output=True, text=True, check=False
    )

    assert ended.stdout.split() == ["export"], ended.stderr


@pytest.mark.parametrize(
    "name", ["search", "recall", "blocks", "agents", "context", "stats", "log"]
)
def test_what_people_ask_is_told_to_scripts_too(filled: Path, name: str) -> None:
    words = ("tides",) if name == "search" else ()

    assert json.loads(ask(filled, name, *words, "--json").stdout)


@pytest.mark.parametrize("name", ["recall", "blocks", "agents", "stats"])
def test_what_is_printed_fits_the_terminal(filled: Path, name: str) -> None:
    told = ask(filled, name, wide="60").stdout

    assert max(map(len, told.splitlines())) <= 60


def test_an_import_that_is_interrupted_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    database, file = tmp_path / "memory.db", tmp_path / "notes.jsonl"
    count = 8_000
    with file.open("w") as out:
        for number in range(count):
            out.write(json.dumps({"content": f"{number} " + "words of the sea " * 20}) + "\n")
    words = ("--database", database, "import", "passages", file)
    importing = subprocess.Popen(
        command(*words), env=environment(), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    wal = database.with_name("memory.db-wal")
    while importing.poll() is None and not (wal.exists() and wal.stat().st_size > 2_000_000):
        os.sched_yield()
    importing.send_signal(signal.SIGINT)
    out, err = importing.communicate(timeout=60)

    again = run(*words, folder=tmp_path)

    assert (importing.returncode, out) == (130, "")
    assert "Run the same command again: it goes on where this ended" in err
    assert "Traceback" not in err
    stored = int(again.stdout.split()[0].replace(",", ""))
    assert 0 < stored < count
    assert f"{count - stored:,} known already" in again.stdout


def test_a_dry_run_says_what_would_come_and_makes_no_store(tmp_path: Path) -> None:
    note = b'{"content": "A note."}\n{"content": ""}\n'
    words = ("--database", tmp_path / "memory.db", "import", "passages", "-", "--dry-run")

    ended = run(*words, folder=tmp_path, stdin=note)

    assert ended.returncode == 1
    assert ended.stdout.splitlines()[0] == (
        "1 passage would come in; nothing was stored (dry run)."
    )
    assert "line 2: content is empty" in ended.stdout
    assert list(tmp_path.iterdir()) == []
