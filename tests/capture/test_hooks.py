"""Hooks: what hosts tell is stored once, and what they are told is what they have not seen."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import Server, wait_until
from tests.capture.conftest import HOSTS, Hooked, payload, text_of

from memory_mcp.storage.sqlite.driver import sqlite_module

PROMPT = "We use Postgres 17 for the harbour project, decided today."
ANSWER = "Noted: Postgres 17 it is. The tide tests pass."
TOOL = "pytest -q tests/test_tides.py"
EVENTS = {
    # Start, prompt, tool, answer, compaction, end: as each host calls them.
    "claude-code": (
        "SessionStart", "UserPromptSubmit", "PostToolUse", "Stop", "PreCompact", "SessionEnd"
    ),
    "codex": (
        "SessionStart", "UserPromptSubmit", "PostToolUse", "Stop", "PreCompact", "SessionEnd"
    ),
    "cursor": (
        "sessionStart", "beforeSubmitPrompt", "postToolUse", "afterAgentResponse", "preCompact",
        "sessionEnd",
    ),
    "gemini": (
        "SessionStart", "BeforeAgent", "AfterTool", "AfterAgent", "PreCompress", "SessionEnd"
    ),
    "vscode": ("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop", "PreCompact", ""),
}  # fmt: skip


def transcript(folder: Path, *texts: str) -> str:
    """A transcript as VS Code writes it, with these answers; returns its path."""
    path = folder / "transcript.jsonl"
    with path.open("a", encoding="utf-8") as file:
        for text in texts:
            data = {"messageId": f"m-{text[:12]}", "content": text}
            line = {"type": "assistant.message", "data": data, "id": "e", "timestamp": None}
            file.write(json.dumps(line | {"timestamp": "2026-11-25T09:00:05.000Z"}) + "\n")
    return str(path)


@pytest.mark.parametrize("host", HOSTS)
def test_a_day_in_a_host_is_stored_and_the_next_session_knows_it(hooked: Hooked, host: str) -> None:
    start, prompt, tool, answer, compaction, end = EVENTS[host]
    more = {"transcript_path": transcript(hooked.folder, ANSWER)} if host == "vscode" else {}
    first, asked = hooked.tell(host, start), hooked.tell(host, prompt)
    if host == "gemini":  # it is told at the first prompt
        first, asked = asked, first
    assert "<memory_blocks>" in first
    assert "Postgres" not in first
    assert asked == ""
    assert hooked.tell(host, tool) == ""
    assert hooked.tell(host, answer, **more) == ""
    assert hooked.tell(host, compaction) == ""
    if end:
        assert hooked.tell(host, end) == ""
    roles = [role for role, _ in hooked.said()]
    assert roles == ["user", "tool", "assistant"]
    texts = [text for _, text in hooked.said()]
    assert texts[0] == PROMPT
    assert TOOL in texts[1]
    assert "4 passed" in texts[1]
    assert texts[2] == ANSWER
    ((known, stored_host, project, ended),) = hooked.rows(
        "SELECT external_id, host, project, ended_at FROM conversations"
    )
    assert known in json.dumps(payload(host, start))
    assert stored_host == host
    assert project == str(hooked.project)
    assert (ended is not None) == bool(end)
    assert hooked.rows("SELECT name FROM agents WHERE project IS NOT NULL") == [("harbour",)]
    names = ("session_id", "sessionId", "conversation_id")
    again = {name: "the-next-day" for name in names if name in payload(host, start)}
    next_day = hooked.tell(host, start, **again)
    assert PROMPT in (next_day or hooked.tell(host, prompt, **again, prompt="What did I ask?"))
    assert hooked.waiting() == []


@pytest.mark.parametrize("host", HOSTS)
def test_an_event_that_is_told_again_is_stored_once(hooked: Hooked, host: str) -> None:
    more = {"transcript_path": transcript(hooked.folder, ANSWER)} if host == "vscode" else {}
    for event in EVENTS[host]:
        for _ in range(2):
            if event:
                hooked.tell(host, event, **more if event == "Stop" else {})
    assert [role for role, _ in hooked.said()] == ["user", "tool", "assistant"]
    assert len(hooked.rows("SELECT 1 FROM conversations")) == 1


def test_the_same_words_in_another_turn_are_another_message(hooked: Hooked) -> None:
    for second in (10, 20):
        at = f"2026-11-25T09:00:{second}.000Z"
        hooked.tell("gemini", "BeforeAgent", prompt="Go on.", timestamp=at)
        hooked.tell("gemini", "AfterAgent", prompt_response=f"Done {second}.", timestamp=at)
    texts = [text for _, text in hooked.said()]
    assert texts == ["Go on.", "Done 10.", "Go on.", "Done 20."]


def test_every_documented_payload_is_taken_without_a_word_of_complaint(hooked: Hooked) -> None:
    for host in HOSTS:
        for path in sorted((Path(__file__).parent / "payloads" / host).iterdir()):
            ended = hooked.call(host, path.read_bytes())
            assert ended.stderr == "", path
    assert hooked.waiting() == []
    assert hooked.log() == ""


# What is told.


def test_a_changed_block_is_told_once_and_as_a_difference(hooked: Hooked) -> None:
    hooked.tell("claude-code", "SessionStart")
    assert hooked.tell("claude-code", "UserPromptSubmit", prompt="One.", prompt_id="1") == ""
    with Server(hooked.database, "--agent", "harbour", daemon=True) as other:
        other.greet()
        other.call("core_memory_append", label="human", content="Name: Ada.")
    told = hooked.tell("claude-code", "UserPromptSubmit", prompt="Two.", prompt_id="2")
    assert told.splitlines()[-2:] == [" + Name: Ada.", "</memory-mcp>"]
    assert len(told) < 150
    assert hooked.tell("claude-code", "UserPromptSubmit", prompt="Three.", prompt_id="3") == ""


def test_what_the_sessions_own_model_edits_is_not_told_back(hooked: Hooked) -> None:
    hooked.tell("claude-code", "SessionStart")
    with Server(hooked.database, "--agent", "harbour", daemon=True) as own:
        own.greet()
        own.call("core_memory_append", label="project", content="Uses Postgres 17.")
    hooked.tell(
        "claude-code",
        "PostToolUse",
        tool_name="mcp__memory__core_memory_append",
        tool_input={"label": "project", "content": "Uses Postgres 17."},
    )
    assert hooked.tell("claude-code", "UserPromptSubmit") == ""
    assert [role for role, _ in hooked.said()] == ["user"]


def test_a_start_that_is_told_again_is_answered_once(hooked: Hooked) -> None:
    assert "<memory_blocks>" in hooked.tell("vscode", "SessionStart")
    assert hooked.tell("vscode", "SessionStart") == ""


def test_a_session_without_a_start_is_told_at_its_first_prompt(hooked: Hooked) -> None:
    assert "<memory_blocks>" in hooked.tell("codex", "UserPromptSubmit")
    assert hooked.tell("codex", "UserPromptSubmit", turn_id="turn-8", prompt="And now?") == ""


@pytest.mark.parametrize(("host", "chars"), [("claude-code", 10_000), ("codex", 7_500)])
def test_what_is_told_keeps_within_the_hosts_cap(hooked: Hooked, host: str, chars: int) -> None:
    with Server(hooked.database, "--agent", "harbour", daemon=True) as other:
        other.greet()
        for label in ("persona", "human", "project"):
            line = f"{label} knows Älteres and “quotes”. "
            content = "\n".join(f"{n} {line}" for n in range(200))
            other.call("core_memory_replace", label=label, new_content=content[:4_900])
    told = hooked.tell(host, "SessionStart")
    assert chars // 2 < len(told) <= chars
    assert "[cut: 4,900 characters in all, see memory://blocks/persona]" in told


# Transcripts.


def test_of_a_transcript_only_what_is_new_is_read(hooked: Hooked) -> None:
    hooked.tell("vscode", "SessionStart")
    path = transcript(hooked.folder, "First answer.")
    hooked.tell("vscode", "Stop", transcript_path=path)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"type": "assistant.message", "data": {"messageId": "half", "content": "Ha')
    hooked.tell("vscode", "Stop", transcript_path=path)
    assert hooked.said() == [("assistant", "First answer.")]
    ((offset,),) = hooked.rows("SELECT offset FROM host_sessions")
    with open(path, "a", encoding="utf-8") as file:
        file.write('lf of it."}}\r\n')
    hooked.tell("vscode", "Stop", transcript_path=path)
    assert hooked.said() == [("assistant", "First answer."), ("assistant", "Half of it.")]
    assert hooked.rows("SELECT offset FROM host_sessions") > [(offset,)]


@pytest.mark.parametrize("host", ["claude-code", "codex"])
def test_an_answer_that_the_payload_lacks_is_read_from_the_transcript(
    hooked: Hooked, host: str
) -> None:
    part = {"type": "text", "text": ANSWER}
    lines: list[dict[str, Any]] = [
        {"type": "user", "uuid": "u", "message": {"content": PROMPT}},
        {"type": "assistant", "uuid": "a", "message": {"content": [{"type": "thinking"}, part]}},
        {"type": "assistant", "uuid": "s", "isSidechain": True, "message": {"content": [part]}},
        {
            "type": "response_item",
            "timestamp": "2026-11-25T09:00:05.000Z",
            "payload": {"type": "message", "role": "assistant", "content": [part]},
        },
    ]
    path = hooked.folder / "transcript.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    hooked.tell(host, "SessionStart")
    for _ in range(2):
        more = {"last_assistant_message": None, "transcript_path": str(path)}
        hooked.tell(host, "Stop", **more)
    asked = [("user", PROMPT)] if host == "claude-code" else []
    assert hooked.said() == [*asked, ("assistant", ANSWER)]


def test_a_transcript_that_is_not_there_is_no_trouble(hooked: Hooked) -> None:
    hooked.tell("vscode", "SessionStart")
    hooked.tell("vscode", "Stop", transcript_path=str(hooked.folder / "nothing"))
    assert hooked.waiting() == []


# What hosts may do to it.


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (b"", "told nothing"),
        (b" \r\n", "told nothing"),
        (b'{"session_id": "s1", ', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"[" * 100_000, "is not JSON"),
    ],
    ids=["empty", "blank", "broken", "bytes", "list", "deep"],
)
def test_what_is_no_event_is_said_and_leaves_nothing(
    hooked: Hooked, told: bytes, reason: str
) -> None:
    ended = hooked.call("claude-code", told)
    assert ended.stdout == ""
    assert reason in ended.stderr
    assert reason in hooked.log()
    assert hooked.waiting() == []


def test_ten_megabytes_are_stored_as_far_as_a_message_goes(hooked: Hooked) -> None:
    text = "Ünïcode \U0001f6a2 " * 1_000_000
    hooked.tell("claude-code", "UserPromptSubmit", prompt=text)
    ((role, stored),) = hooked.said()
    assert role == "user"
    assert len(stored) == 1_000_000
    assert stored.endswith(f"[cut: {len(text):,} characters in all]")


def test_windows_line_ends_a_byte_order_mark_and_odd_characters_are_taken(hooked: Hooked) -> None:
    told = payload("claude-code", "UserPromptSubmit", prompt="a\0b \ud800 c", cwd=r"C:\tmp\ü x")
    text = json.dumps(told, indent=2).replace("\n", "\r\n")
    ended = hooked.call("claude-code", b"\xef\xbb\xbf" + text.encode())
    assert ended.stderr == ""
    assert hooked.said() == [("user", "a\ufffdb \ufffd c")]


def test_fields_of_another_kind_are_passed_over(hooked: Hooked) -> None:
    odd = {"session_id": ["s"], "prompt": 5, "hook_event_name": "UserPromptSubmit", "cwd": None}
    assert hooked.call("claude-code", json.dumps(odd).encode()).stdout == ""
    odd |= {"session_id": "s"}
    text_of(hooked.call("claude-code", json.dumps(odd).encode()).stdout)
    assert hooked.said() == []
    assert hooked.waiting() == []


def test_secrets_are_taken_out_even_of_what_is_cut(hooked: Hooked) -> None:
    secret = "sk-" + "a1" * 20
    hooked.tell("claude-code", "UserPromptSubmit", prompt=f"The key is {secret}.")
    command = "x" * 380 + f" {secret}"
    hooked.tell("claude-code", "PostToolUse", tool_input={"command": command})
    assert secret[:12] not in str(hooked.said())
    assert "[redacted: API key]" in hooked.said()[0][1]


# Whatever else happens.


def test_hooks_import_neither_the_server_nor_the_stores_driver() -> None:
    code = (
        "import sys; sys.argv = ['memory-mcp', 'hook', 'claude-code'];"
        "from memory_mcp.__main__ import main; main();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code], input="", text=True, capture_output=True, check=True
    )
    loaded = set(ended.stdout.split())
    assert loaded.isdisjoint({"mcp", "pydantic", "litellm", "aiosqlite", "anyio", "argparse"})
    assert "memory_mcp" in loaded


def test_while_the_store_is_locked_nothing_is_lost_and_nobody_waits_long(hooked: Hooked) -> None:
    hooked.tell("claude-code", "SessionStart")
    lock = sqlite_module().connect(hooked.database, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    told = payload("claude-code", "UserPromptSubmit", cwd=str(hooked.project))
    began = time.monotonic()
    ended = hooked.call("claude-code", json.dumps(told).encode())
    assert time.monotonic() - began < 15
    assert ended.stdout == ""
    assert "did not answer" in ended.stderr
    assert len(hooked.waiting()) == 1
    lock.execute("ROLLBACK")
    lock.close()
    hooked.tell("claude-code", "Stop")
    assert hooked.said() == [("user", PROMPT), ("assistant", ANSWER)]
    assert hooked.waiting() == []


def test_what_nobody_served_is_taken_in_by_the_next_hook_in_order(hooked: Hooked) -> None:
    hooked.tell("claude-code", "Stop")  # the host waits for no answer: no daemon is started
    hooked.tell("claude-code", "SessionEnd")
    assert len(hooked.waiting()) == 2
    assert not hooked.database.exists()
    told = hooked.tell("claude-code", "SessionStart", source="resume")
    assert ANSWER in told
    assert hooked.said() == [("assistant", ANSWER)]
    assert hooked.rows("SELECT ended_at FROM conversations") == [(None,)]


def test_a_server_takes_in_what_hooks_left(hooked: Hooked) -> None:
    hooked.tell("claude-code", "Stop")
    with Server(hooked.database) as server:
        server.greet()
        wait_until(lambda: not hooked.waiting())
    assert hooked.said() == [("assistant", ANSWER)]


def test_where_no_daemon_can_be_had_the_hook_does_it_itself(hooked: Hooked) -> None:
    (hooked.folder / "memory.db.daemon.lock").mkdir(parents=True)
    assert "<memory_blocks>" in hooked.tell("claude-code", "SessionStart")
    assert hooked.tell("claude-code", "UserPromptSubmit") == ""
    assert hooked.said() == [("user", PROMPT)]


def test_a_store_that_cannot_be_used_does_not_fail_the_host(hooked: Hooked) -> None:
    hooked.database.write_text("this is no store")
    told = payload("claude-code", "SessionStart", cwd=str(hooked.project))
    ended = hooked.call("claude-code", json.dumps(told).encode())
    assert ended.stdout == ""
    assert "not a SQLite database" in ended.stderr
    assert len(hooked.waiting()) == 1


def test_the_agent_is_the_one_that_was_named(hooked: Hooked) -> None:
    told = payload("claude-code", "UserPromptSubmit", cwd=str(hooked.project))
    hooked.call("claude-code", json.dumps(told).encode(), "--agent", "Über mich")
    assert hooked.rows("SELECT a.name FROM messages m JOIN agents a ON a.seq = m.agent_seq") == [
        ("Über mich",)
    ]


def test_hooks_of_many_sessions_at_once_are_all_stored(hooked: Hooked) -> None:
    hooked.tell("claude-code", "SessionStart")
    variables = {**os.environ, "MEMORY_MCP_DATABASE": str(hooked.database)}
    started = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "memory_mcp", "hook", "codex"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
        )
        for _ in range(8)
    ]
    for number, process in enumerate(started):
        told = payload("codex", "UserPromptSubmit", session_id=f"s{number}", cwd="/")
        assert process.stdin
        process.stdin.write(json.dumps(told).encode())
        process.stdin.close()
    told = []
    for process in started:
        assert process.stdout
        told.append(text_of(process.stdout.read().decode()))
        process.stdout.close()
        assert process.wait(60) == 0
    assert all("<memory_blocks>" in text for text in told)
    assert len(hooked.said()) == 8


def test_what_is_said_after_the_end_opens_the_conversation_again(hooked: Hooked) -> None:
    hooked.tell("codex", "SessionStart")
    hooked.tell("codex", "SessionEnd")
    assert hooked.rows("SELECT ended_at IS NULL FROM conversations") == [(0,)]
    hooked.tell("codex", "UserPromptSubmit")
    assert hooked.rows("SELECT ended_at IS NULL FROM conversations") == [(1,)]


def test_a_host_that_does_not_listen_is_not_failed(hooked: Hooked) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "memory_mcp", "hook", "claude-code"],
        stdin=subprocess.PIPE,
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "MEMORY_MCP_DATABASE": str(hooked.database)},
    )
    os.close(writer)
    told = payload("claude-code", "SessionStart", cwd=str(hooked.project))
    _, errors = process.communicate(json.dumps(told).encode(), 60)
    assert process.returncode == 0
    assert b"Broken pipe" in errors


def test_a_store_in_a_place_that_is_no_folder_does_not_fail_the_host(hooked: Hooked) -> None:
    (hooked.folder / "file").touch()
    place = str(hooked.folder / "file" / "memory.db")
    told = json.dumps(payload("codex", "SessionStart")).encode()
    ended = hooked.call("codex", told, "--database", place)
    assert ended.stdout == ""
    assert "memory-mcp hook codex: " in ended.stderr
