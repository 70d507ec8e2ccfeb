"""Agents, their groups, their shared blocks and their mail, as a person handles them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import Server, run, text_of

Ended = subprocess.CompletedProcess[str]
Run = Callable[..., Ended]


@pytest.fixture
def memory(tmp_path: Path) -> Run:
    """Runs a command on one new store."""

    def command(*words: object, stdin: bytes = b"") -> Ended:
        wide = {"COLUMNS": "200"}
        database = tmp_path / "memory.db"
        return run("--database", database, *words, folder=tmp_path, stdin=stdin, more=wide)

    return command


def done(ended: Ended) -> str:
    """What a command printed that must succeed."""
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def told(ended: Ended) -> Any:
    """The same as JSON."""
    return json.loads(done(ended))


def refused(ended: Ended) -> str:
    """What a command said that must not succeed."""
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr.removeprefix("memory-mcp: ").rstrip("\n")


def test_an_agent_is_made_shown_set_and_grouped(memory: Run) -> None:
    made = told(
        memory(
            "agents", "create", "ada", "--description", "Reads papers", "--tag", "crew",
            "--persona", "I am Ada.", "--system-prompt", "Be brief.", "--model", "small",
            "--context-tokens", "16000", "--tool-rule", "init:archival_search", "--json",
        )
    )  # fmt: skip
    assert [(one["name"], one["tags"], one["model"]) for one in made] == [
        ("ada", ["crew"], "small")
    ]
    assert made[0]["tool_rules"] == ["init:archival_search"]

    (shown,) = told(memory("agents", "show", "ada", "--json"))
    assert (shown["system_prompt"], shown["context_tokens"]) == ("Be brief.", 16_000)
    assert shown["blocks"] == ["persona", "human", "project"]
    (tagged,) = told(memory("agents", "tag", "ada", "night", "crew", "--json"))
    assert tagged["tags"] == ["night", "crew"]
    (untagged,) = told(memory("agents", "untag", "ada", "night", "--json"))
    assert untagged["tags"] == ["crew"]
    assert "small" in done(memory("agents"))
    (cleared,) = told(memory("agents", "set", "ada", "--tag", "none", "--model", "none", "--json"))
    assert (cleared["tags"], cleared["model"]) == ([], None)
    assert "I am Ada." in done(memory("--agent", "ada", "blocks", "show", "persona"))
    table = done(memory("agents"))
    assert "Reads papers" in table
    assert "2 agents" in table


def test_what_cannot_be_done_with_agents_is_refused_with_what_would_do(memory: Run) -> None:
    done(memory("agents", "create", "ada"))
    assert "there is an agent 'ada' already" in refused(memory("agents", "create", "ADA"))
    assert "choose another name" in refused(memory("agents", "create", "shadow"))
    assert "may not hold" in refused(memory("agents", "create", "a/b"))
    assert "There are: default, ada." in refused(memory("agents", "show", "bob"))
    assert "there is nothing to set" in refused(memory("agents", "set", "ada"))
    assert "wants a tag" in refused(memory("agents", "tag", "ada"))
    assert "has no tag 'x'. Its tags: none." in refused(memory("agents", "untag", "ada", "x"))
    assert "takes one name" in refused(memory("agents", "show", "ada", "bob"))
    assert "wants the agent's name" in refused(memory("agents", "delete"))
    assert "cannot be deleted" in refused(memory("agents", "delete", "default", "--yes"))
    assert "was deleted. None is." in refused(memory("agents", "restore", "ada"))


def test_deleting_an_agent_first_says_what_would_go_and_can_be_taken_back(memory: Run) -> None:
    done(memory("agents", "create", "ada"))
    note = b'{"content": "A note."}\n'
    done(memory("--agent", "ada", "import", "passages", "-", stdin=note))

    preview = done(memory("agents", "delete", "ada"))
    assert "would be deleted with 0 messages in 0 conversations, 1 passage, 1 block" in preview
    assert "Nothing was done yet" in preview
    assert "was deleted with" in done(memory("agents", "delete", "ada", "--yes"))
    assert "agent 'ada' was deleted on" in refused(memory("agents", "show", "ada"))
    assert "agent 'ada' was deleted on" in refused(memory("--agent", "ada", "stats"))
    done(memory("agents", "restore", "ada"))
    assert told(memory("--agent", "ada", "stats", "--json"))["passages"] == 1


def test_a_session_of_a_deleted_agent_is_told_so_and_greeted_all_the_same(
    memory: Run, tmp_path: Path
) -> None:
    done(memory("agents", "create", "ada"))
    with Server(tmp_path / "memory.db", "--agent", "ada") as open_session:
        open_session.greet()
        open_session.call("archival_search", query="x")
        done(memory("agents", "delete", "ada", "--yes"))
        with Server(tmp_path / "memory.db", "--agent", "ada") as new_session:
            assert "serverInfo" in new_session.greet()
            for session in (open_session, new_session):
                refusal = session.call("archival_insert", content="Lost?")
                assert refusal["isError"]
                assert "`memory-mcp agents restore ada` brings it back" in text_of(refusal)
                read = session.ask("resources/read", {"uri": "memory://context"})
                assert "was deleted on" in read["error"]["message"]
        done(memory("agents", "restore", "ada"))
        assert not open_session.call("archival_insert", content="Kept.")["isError"]


def test_a_block_is_made_shared_set_and_taken_back(memory: Run) -> None:
    for name in ("ada", "bob"):
        done(memory("agents", "create", name))
    made = told(
        memory(
            "--agent", "ada", "blocks", "create", "plan", "--value", "Sail at six.", "--limit",
            "200", "--description", "The plan.", "--on-overflow", "error", "--json",
        )
    )  # fmt: skip
    attached = done(memory("--agent", "ada", "blocks", "attach", "plan", "--to", "bob"))
    assert attached == "Block 'plan' is attached to 2 agents now.\n"
    done(memory("--agent", "bob", "blocks", "set", "plan", "--stdin", stdin=b"Sail\nat seven.\n"))
    assert done(memory("--agent", "ada", "blocks", "show", "plan")) == "Sail\nat seven.\n"
    history = done(memory("--agent", "ada", "blocks", "history", "plan"))
    assert "person" in history
    assert "Sail at six." in history
    undone = done(memory("--agent", "ada", "blocks", "undo", "plan"))
    assert undone == "Block 'plan' (version 3) reads again:\n Sail at six.\n"
    locked = memory("--agent", "ada", "blocks", "set", "plan", "--read-only", "--limit", "300")
    assert done(locked) == "Block 'plan' is at version 3: 12 of 300 characters.\n"
    (block,) = told(memory("--agent", "bob", "blocks", "show", "plan", "--json"))
    assert (block["read_only"], block["limit"], block["shared_with"]) == (True, 300, 1)
    assert "was taken from the agent" in done(memory("--agent", "ada", "blocks", "detach", "plan"))
    assert "there is no block 'plan'" in refused(memory("--agent", "ada", "blocks", "show", "plan"))
    done(memory("--agent", "ada", "blocks", "attach", made["id"]))
    assert (
        len(told(memory("--agent", "ada", "blocks", "history", "plan", "--json"))["history"]) == 3
    )


def test_a_group_has_a_block_that_comes_and_goes_with_its_tag(memory: Run) -> None:
    done(memory("agents", "create", "ada", "--tag", "crew"))
    done(memory("agents", "create", "bob"))
    done(memory("blocks", "create", "plan", "--group", "crew", "--value", "Sail."))
    assert "there is no block" in refused(memory("--agent", "bob", "blocks", "show", "plan"))
    done(memory("agents", "tag", "bob", "crew"))
    assert done(memory("--agent", "bob", "blocks", "show", "plan")) == "Sail.\n"
    done(memory("agents", "untag", "bob", "crew"))
    assert "there is no block" in refused(memory("--agent", "bob", "blocks", "show", "plan"))
    assert done(memory("--agent", "ada", "blocks", "show", "plan")) == "Sail.\n"


def test_what_cannot_be_done_with_blocks_is_refused_with_what_would_do(memory: Run) -> None:
    assert "wants a block's label" in refused(memory("blocks", "show"))
    assert "has a block 'human' of its own" in refused(memory("blocks", "create", "human"))
    assert "cannot be a block's label" in refused(memory("blocks", "create", "a b"))
    assert "no agent has the tag 'x'" in refused(memory("blocks", "create", "p", "--group", "x"))
    assert "there is nothing to set" in refused(memory("blocks", "set", "human"))
    assert "goes from 100 to" in refused(memory("blocks", "set", "human", "--limit", "9"))
    assert "was never changed" in refused(memory("blocks", "undo", "human"))
    assert "There are: default." in refused(memory("blocks", "attach", "human", "--to", "eve"))
    usage = memory("blocks", "human")
    assert usage.returncode == 2
    assert "invalid choice: 'human'" in usage.stderr


def test_mail_is_listed_of_all_or_of_one_agent_and_looking_delivers_nothing(
    memory: Run, tmp_path: Path
) -> None:
    for name in ("bob", "eva"):
        done(memory("agents", "create", name))
    with Server(tmp_path / "memory.db", "--agent", "ada") as ada:
        ada.greet()
        for to in ("bob", "eva"):
            assert not ada.call("send_to_agent", message=f"To {to}.", to=to)["isError"]
    everything = told(memory("mail", "--json"))
    assert [(one["text"], one["state"]) for one in everything["mail"]] == [
        ("To eva.", "queued"),
        ("To bob.", "queued"),
    ]
    bobs = told(memory("--agent", "bob", "mail", "--json"))
    assert [one["text"] for one in bobs["mail"]] == ["To bob."]
    limited = done(memory("mail", "--limit", "1"))
    assert "1 of 2 mails" in limited
    assert "To eva." in limited
    assert "must be 1 or more" in refused(memory("mail", "--limit", "0"))
    assert "there is no agent 'nobody'" in refused(memory("--agent", "nobody", "mail"))
    with Server(tmp_path / "memory.db", "--agent", "bob") as bob:
        assert "1 unread mail, from 'ada'." in bob.greet()["instructions"]
        assert "> To bob." in text_of(bob.call("archival_search", query="x"))
