"""`memory-mcp forget`, as a person runs it: beside a daemon whose session goes on, or alone."""

import json
from pathlib import Path
from typing import Any

from tests.acceptance.processes import Server, run
from tests.cli.conftest import lines

WORD = "zebrafinch"
SAID = [
    {
        "role": "user",
        "content": f"My {WORD} is called Otto.",
        "created_at": "2025-03-01T10:00:00Z",
        "conversation": "chat-1",
    },
    {
        "role": "user",
        "content": "And how are you?",
        "created_at": "2026-03-01T10:00:00Z",
        "conversation": "chat-1",
    },
]


def filled(folder: Path) -> Path:
    """A store in which the word stands in both memories."""
    database = folder / "memory.db"
    for kind, items in (("jsonl", SAID), ("passages", [{"content": f"The {WORD} PIN is 4471."}])):
        run("--database", database, "import", kind, "-", folder=folder, stdin=lines(items))
    return database


def forget(database: Path, *words: object, code: int = 0, stdin: bytes = b"") -> str:
    """What the command says."""
    ended = run("--database", database, "forget", *words, folder=database.parent, stdin=stdin)
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def holding(folder: Path) -> set[str]:
    """Files in which the word stands."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and WORD.encode() in path.read_bytes().lower()
    }


def test_it_is_shown_first_then_goes_and_comes_back(tmp_path: Path) -> None:
    database = filled(tmp_path)

    shown = forget(database, "--text", WORD)
    assert shown.startswith(f"'{WORD}' stands in 1 passage and 1 message:")
    assert "--yes" in shown
    told = json.loads(forget(database, "--text", WORD, "--yes", "--json"))

    assert told["counts"] == {"passage": 1, "message": 1}
    (receipt,) = told["done"]
    assert "Nothing holds" in forget(database, "--text", WORD)
    assert "can be put back until" in forget(database, "--receipt", receipt)
    assert forget(database, "--undo", receipt).startswith("Put back: 1 passage and 1 message.")
    assert "1 passage and 1 message" in forget(database, "--text", WORD)
    assert "put back on" in forget(database, "--receipts")


def test_what_goes_for_good_beside_an_open_session_is_in_no_file_and_the_proof_says_so(
    tmp_path: Path,
) -> None:
    database = filled(tmp_path)
    with Server(database, daemon=True) as server:
        server.greet()
        server.call("core_memory_append", label="human", content=f"keeps a {WORD}")
        assert WORD in str(server.call("archival_search", query=WORD))

        told = json.loads(forget(database, "--text", WORD, "--now", "--yes", "--json"))
        (receipt,) = told["done"]

        assert "no byte of it is left" in told["said"]
        assert {name for name in holding(tmp_path) if not name.startswith("stderr")} == set()
        # The next answer tells what others changed: a line of a block is gone. It is told once.
        server.call("archival_search", query="PIN")
        assert WORD not in str(server.call("archival_search", query="PIN"))
        proof = forget(database, "--verify", receipt, stdin=f"My {WORD} is called Otto.".encode())
        assert "stands in no row, no index and no byte" in proof
        server.call("archival_insert", content=f"A {WORD}, told anew.")
        proof = forget(database, "--verify", receipt, "--text", f"a {WORD}, TOLD", code=1)
        assert "passages.content: 1 row" in proof
        assert "memory.db" in proof
    assert "nothing to put back" in forget(database, "--undo", receipt)


def test_time_conversation_id_and_agent_are_meant_as_they_are_given(tmp_path: Path) -> None:
    database = filled(tmp_path)

    assert "1 message:" in forget(database, "--before", "2026-01-01")
    assert "1 message:" in forget(database, "--after", "2025-01-01", "--before", "2026-01-01")
    assert "2 messages:" in forget(database, "--conversation", "chat-1")
    assert "1 message:" in forget(database, "--conversation", "chat-1", "--text", WORD)
    shown = forget(database, "--text", WORD)
    passage = shown.partition("[passage-")[2].partition("]")[0]
    assert "1 passage:" in forget(database, "--id", f"passage-{passage}")
    run("--database", database, "agents", "create", "work", folder=tmp_path)
    assert "Agent 'work' would go" in forget(database, "--agent", "work")
    told = forget(database, "--agent", "work", "--yes")
    assert "Forgotten: agent 'work'" in told
    receipt = told.partition("--undo ")[2].split()[0]
    forget(database, "--undo", receipt)
    assert "work" in run("--database", database, "agents", folder=tmp_path).stdout
    forget(database, "--agent", "work", "--now", "--yes")
    agents: Any = run("--database", database, "agents", "--json", folder=tmp_path).stdout
    assert "work" not in agents
    everything = forget(database, "--agent", "default")
    assert "1 passage and 2 messages" in everything


def test_what_cannot_be_meant_is_refused_and_says_how_to_go_on(tmp_path: Path) -> None:
    database = filled(tmp_path)

    for words, reason in (
        ((), "say what is to be forgotten"),
        (("--undo", "--text", "x"), "go alone"),
        (("--id", "passage-1", "--text", "x"), "--id goes alone"),
        (("--text", "x", "--delete-copies"), "goes with --now"),
        (("--before", "yesterday-ish"), "is not a date"),
        (("--after", "2026-01-01", "--before", "2025-01-01"), "Swap them"),
        (("--undo", "receipt-1"), "there is no receipt"),
        (("--verify", "receipt-1", "--text", "x"), "there is no receipt"),
        (("--text", ""), "is empty"),
    ):
        assert reason in forget(database, *words, code=1), words
    assert holding(tmp_path) == {"memory.db"}
