"""The shadow agent as a person meets it: real servers, a real worker, a model over real HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import Server, run, text_of, wait_until

from memory_mcp.testing.chat import calls, says
from memory_mcp.testing.model_server import ModelServer, Rule, held, spoilt, status

INSERT = calls("memory_insert", label="human", new_string="Name: Ana.")
FINISH = calls("memory_finish_edits", report="Kept the name.")
MESSAGE = {"role": "user", "created_at": "2026-11-20T10:00:00Z", "conversation": "c"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def keeps_the_name() -> list[Rule]:
    """A model that keeps the name at each reflection."""
    return [
        Rule(said="Block human", answers=[FINISH], loop=True),
        Rule(answers=[INSERT], loop=True),
    ]


def with_model(server: ModelServer, **more: str) -> dict[str, str]:
    return {
        "MEMORY_MCP_MODEL": "openai/gpt-5-mini",
        "MEMORY_MCP_MODEL_BASE_URL": server.base_url,
        "MEMORY_MCP_AGENT": "default",
        **more,
    }


def import_messages(store: Path, *texts: str) -> None:
    lines = [json.dumps({**MESSAGE, "content": text}) for text in texts]
    file = store.with_name("messages.jsonl")
    file.write_text("\n".join(lines))
    ended = run(
        *("--database", store, "--agent", "default", "import", "jsonl", file), folder=store.parent
    )
    assert ended.returncode == 0, ended.stderr


def shadow(store: Path, *words: str, more: dict[str, str] | None = None, code: int = 0) -> str:
    """What `memory-mcp shadow …` prints."""
    told = {"MEMORY_MCP_AGENT": "default"} | (more or {})
    ended = run("--database", store, "shadow", *words, folder=store.parent, more=told)
    assert ended.returncode == code, ended.stderr
    return ended.stdout if code == 0 else ended.stdout + ended.stderr


def runs(store: Path) -> list[dict[str, Any]]:
    return json.loads(shadow(store, "runs", "--all", "--json"))


def log_of(store: Path) -> str:
    log = store.with_name(f"{store.name}.shadow.log")
    return log.read_text() if log.exists() else ""


@pytest.fixture(autouse=True)
def no_worker_stays(store: Path) -> Iterator[None]:
    yield
    for pid in re.findall(r"process (\d+) on \S+ works", log_of(store)):
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_what_was_said_reaches_core_memory_without_anybody_asking(store: Path) -> None:
    with (
        ModelServer(keeps_the_name()) as model,
        Server(store, "--tools", "capture", daemon=True, more=with_model(model)) as host,
    ):
        host.greet()
        for number in range(5):
            host.call("conversation_append", role="user", content=f"I am Ana, I said {number}.")
        wait_until(lambda: host.read("memory://blocks/human") == "Name: Ana.")

        answer = text_of(host.call("archival_search", query="Ana"))
        assert "Name: Ana." in answer, "the host's model is told of the change"
        told = json.loads(host.read("memory://shadow/runs"))
        assert [(each["state"], each["trigger"]) for each in told] == [("done", "turns")]
        record = json.loads(host.read(f"memory://shadow/runs/{told[0]['id']}"))
        sent = [asked.json["messages"] for asked in model.requests]
        assert [call["request"]["messages"] for call in record["calls"]] == sent
        stats = json.loads(host.read("memory://stats"))["shadow"]
        assert stats["tokens_today"] == told[0]["tokens_in"] + told[0]["tokens_out"] > 0


def test_a_serving_process_never_loads_litellm() -> None:
    code = (
        "import sys, memory_mcp.cli.serve, memory_mcp.daemon.life, memory_mcp.app; "
        "print('litellm' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_the_work_goes_on_when_the_host_is_closed(store: Path) -> None:
    import_messages(store, *["I am Ana."] * 5)
    script = [Rule(said="Block human", answers=[FINISH], loop=True), Rule(answers=[held(INSERT)])]
    with ModelServer(script) as model:
        with Server(store, more=with_model(model)) as host:
            host.greet()
            wait_until(lambda: model.requests)
        model.release()
        wait_until(lambda: [each["state"] for each in runs(store)] == ["done"])


def test_many_servers_have_one_worker_between_them(store: Path) -> None:
    import_messages(store, *["I am Ana."] * 5)
    with ModelServer(keeps_the_name()) as model, ExitStack() as hosts:
        for _ in range(8):
            hosts.enter_context(Server(store, more=with_model(model))).greet()
        wait_until(lambda: [each["state"] for each in runs(store)] == ["done"])

    assert len(re.findall(r"process \d+ on \S+ works", log_of(store))) == 1
    assert len(model.requests) == 2


def test_another_worker_goes_on_with_the_run_of_a_killed_one(store: Path) -> None:
    import_messages(store, *["I am Ana."] * 5)
    script = [Rule(said="Block human", answers=[held(FINISH), FINISH]), Rule(answers=[INSERT])]
    with ModelServer(script) as model, Server(store, more=with_model(model)) as host:
        host.greet()
        wait_until(lambda: len(model.requests) == 2)
        (pid,) = re.findall(r"process (\d+) on \S+ works", log_of(store))
        os.kill(int(pid), signal.SIGKILL)
        assert host.read("memory://blocks/human") == ""
        wait_until(lambda: host.read("memory://blocks/human") == "Name: Ana.")

    (told,) = runs(store)
    assert (told["state"], told["takeovers"], told["calls"]) == ("done", 1, 3)


@pytest.mark.parametrize(
    "fault",
    [status(429), spoilt("truncated")],
    ids=["busy", "truncated"],
)
def test_a_model_that_stumbles_is_asked_again(store: Path, fault: Any) -> None:
    import_messages(store, "I am Ana.")
    with ModelServer([fault, INSERT, FINISH]) as model:
        told = shadow(store, "run", more=with_model(model))
    assert "Kept the name." in told
    assert runs(store)[0]["state"] == "done"


@pytest.mark.parametrize(
    ("fault", "named"),
    [(status(401, "Incorrect API key"), "401"), (says("Hello!"), "support tool calling")],
    ids=["wrong key", "no tool calling"],
)
def test_a_model_that_cannot_fails_the_run_clearly_and_nothing_else(
    store: Path, fault: Any, named: str
) -> None:
    import_messages(store, "I am Ana.")
    with ModelServer([fault], loop=True) as model:
        told = shadow(store, "run", more=with_model(model))
    assert "failed" in told
    assert named in told
    with Server(store, "--agent", "default") as host:
        host.greet()
        assert "Ana" in text_of(host.call("conversation_search", query="Ana"))


def test_an_unreachable_model_fails_the_run_clearly(store: Path) -> None:
    import_messages(store, "I am Ana.")
    with ModelServer([INSERT]) as model:
        more = with_model(model)
    told = shadow(store, "run", more=more)
    assert "failed" in told
    assert runs(store)[0]["tokens_in"] == 0


def test_a_person_sees_what_was_done_and_undoes_it(store: Path) -> None:
    import_messages(store, "I am Ana.")
    with ModelServer(keeps_the_name()) as model:
        shadow(store, "run", more=with_model(model))
    (told,) = runs(store)
    printed = shadow(store, "runs", told["id"])
    assert "+Name: Ana." in printed
    assert '"role": "system"' in printed

    assert "block 'human' reads as before" in shadow(store, "undo", told["id"])
    assert "has nothing to undo" in shadow(store, "undo", told["id"], code=1)
    ended = run("--database", store, "blocks", "human", folder=store.parent)
    assert ended.stdout.strip() == ""


def test_what_somebody_changed_since_is_left_and_said(store: Path) -> None:
    import_messages(store, "I am Ana.")
    with ModelServer(keeps_the_name()) as model:
        shadow(store, "run", more=with_model(model))
    with Server(store, "--agent", "default") as host:
        host.greet()
        host.call("core_memory_append", label="human", content="Lives in Porto.")

    assert "somebody changed it since" in shadow(store, "undo", code=1)


def test_asking_without_a_model_understands_the_written_grammar(store: Path) -> None:
    import_messages(store, "My old street was Elm Street 5.")
    assert "off: no model is set" in shadow(store)
    preview = shadow(store, "ask", 'forget "Elm Street"')
    (code,) = re.findall(r"confirm (\w+)", preview)
    shadow(store, "ask", f"confirm {code}")
    with Server(store, "--agent", "default") as host:
        host.greet()
        assert "old street" not in text_of(host.call("conversation_search", query="Elm Street"))
    assert "not understood" in shadow(store, "ask", "tidy up, would you")


def test_asking_with_a_model_brings_its_answer(store: Path) -> None:
    report = calls("memory_finish_edits", report="You have never told me your street.")
    with ModelServer([report]) as model:
        told = shadow(store, "ask", "what do you know of my street?", more=with_model(model))
    assert told.strip() == "You have never told me your street."
    assert "what do you know of my street?" in model.requests[0].said


def test_one_pass_without_a_model_does_what_needs_none(store: Path) -> None:
    import_messages(store, *[f"Line {number}: {'words ' * 60}" for number in range(200)])
    told = shadow(store, "run", more={"MEMORY_MCP_CONTEXT_TOKENS": "2000"})
    assert re.search(r"\d+ messages left the view", told)
    assert "No model is set" in told


def test_paused_it_asks_nothing_until_it_is_resumed(store: Path) -> None:
    import_messages(store, "I am Ana.")
    with ModelServer(keeps_the_name()) as model:
        assert "paused by memory-mcp shadow pause" in shadow(store, "pause", more=with_model(model))
        assert "The model was not asked" in shadow(store, "run", more=with_model(model))
        shadow(store, "resume")
        shadow(store, "run", more=with_model(model))
    assert len(model.requests) == 2
