"""One event, one key: what hooks tell and what the host's own file of the session holds."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.capture.conftest import Spool

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.host_events import HostEvent, message_of
from memory_mcp.domain.ids import ConversationId
from memory_mcp.services import Services
from memory_mcp.testing import open_memory
from memory_mcp.transcripts.claude_code import ClaudeCodeTranscript
from memory_mcp.transcripts.copilot import CopilotTranscript
from memory_mcp.transfer.formats import FORMATS, items_of
from memory_mcp.transfer.importing import import_items
from memory_mcp.transfer.report import Report
from memory_mcp.transfer.source import Source

Line = dict[str, Any]


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Services on a new store."""
    async with open_memory(tmp_path / "memory.db") as services:
        yield services


@pytest.fixture
def claude(services: Services, tmp_path: Path) -> Spool:
    """Claude Code's hooks."""
    return Spool(services, tmp_path / "memory.db", "claude-code")


async def imported(services: Services, kind: str, path: Path) -> Report:
    """What an import into the same agent did."""
    report = Report()
    source = Source(str(path), report, "ada")
    items = items_of(kind, source, report)
    choice = AgentChoice(name="ada")
    await import_items(items, services, choice, report, host=FORMATS[kind].host)
    return report


def written(path: Path, lines: Sequence[Line]) -> Path:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return path


def at(second: float) -> str:
    """A moment, so many seconds after nine."""
    return f"2026-11-25T09:{int(second) // 60:02}:{second % 60:06.3f}Z"


def line(kind: str, uuid: str, second: float, content: Any, **more: Any) -> Line:
    """A line of Claude Code's transcript."""
    message = {"role": kind, "content": content}
    told = {"type": kind, "uuid": uuid, "sessionId": "s1", "timestamp": at(second)}
    return {**told, "message": message, **more}


def say(text: str) -> list[Line]:
    """The content of an answer."""
    return [{"type": "text", "text": text}]


ASKED = {"c": 1}
DAY = [
    line("user", "u1", 1, "Which database?", promptId="p1"),
    line("assistant", "a1", 2, say("Let me look first.")),
    line(
        "assistant", "a2", 3, [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"c": 1}}]
    ),
    line("user", "r1", 4, [{"type": "tool_result", "tool_use_id": "t1", "content": "postgres"}]),
    {
        "type": "attachment",
        "uuid": "q0",
        "sessionId": "s1",
        "timestamp": at(5),
        "attachment": {
            "type": "queued_command",
            "prompt": "And the version?",
            "commandMode": "prompt",
            "source_uuid": "q1",
        },
    },
    line("assistant", "a3", 6, say("Postgres 17.")),
    line("user", "u2", 7, "yes", promptId="p2"),
    line("assistant", "a4", 8, say("Done.")),
    line("user", "u3", 9, "yes", promptId="p3"),
    line("assistant", "a5", 10, say("Done.")),
]
DAYS_WORDS = [
    ("user", "Which database?"),
    ("assistant", "Let me look first."),
    ("tool", "Bash(c=1)\n→ postgres"),
    ("user", "And the version?"),
    ("assistant", "Postgres 17."),
    ("user", "yes"),
    ("assistant", "Done."),
    ("user", "yes"),
    ("assistant", "Done."),
]


async def hooks_of_the_day(claude: Spool, **more: Any) -> None:
    """What Claude Code's hooks tell of that day; its file grows as it goes on."""
    path = more.get("transcript_path")

    async def tell(upto: int, second: float, **payload: Any) -> None:
        if path:
            written(Path(path), DAY[:upto])
        claude.at = at(second)
        await claude.tell(**payload, **more)

    await tell(0, 0, hook_event_name="SessionStart", source="startup")
    prompt = {"hook_event_name": "UserPromptSubmit"}
    await tell(0, 1.2, **prompt, prompt="Which database?", prompt_id="p1")
    tool = {"tool_name": "Bash", "tool_input": {"c": 1}, "tool_response": {"stdout": "postgres"}}
    await tell(3, 4, hook_event_name="PostToolUse", tool_use_id="t1", prompt_id="p1", **tool)
    await tell(4, 4.9, **prompt, prompt="And the version?", prompt_id="p1")
    stop = {"hook_event_name": "Stop"}
    await tell(6, 6.3, **stop, last_assistant_message="Postgres 17.", prompt_id="p1")
    await tell(6, 7.1, **prompt, prompt="yes", prompt_id="p2")
    await tell(8, 8.2, **stop, last_assistant_message="Done.", prompt_id="p2")
    await tell(8, 9.1, **prompt, prompt="yes", prompt_id="p3")
    await tell(10, 10.2, **stop, last_assistant_message="Done.", prompt_id="p3")
    await tell(10, 11, hook_event_name="SessionEnd", reason="other", prompt_id="p3")


async def test_hooks_and_the_transcript_they_name_tell_a_day_once(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "s1.jsonl"

    await hooks_of_the_day(claude, transcript_path=str(path))

    assert await claude.said() == DAYS_WORDS
    assert (await imported(services, "claude-code", path)).stored == 0


async def test_an_import_after_hooks_without_a_transcript_brings_only_what_they_lack(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    await hooks_of_the_day(claude)
    path = written(tmp_path / "s1.jsonl", DAY)

    report = await imported(services, "claude-code", path)

    assert report.stored == 1  # the words before the tool's use
    assert await claude.said() == DAYS_WORDS
    assert (await imported(services, "claude-code", path)).stored == 0


async def test_hooks_after_an_import_of_their_session_store_only_what_is_new(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    path = written(tmp_path / "s1.jsonl", DAY[:6])
    await imported(services, "claude-code", path)
    more = {"transcript_path": str(path)}
    claude.at = at(6.9)
    await claude.tell(hook_event_name="SessionStart", source="resume", **more)
    claude.at = at(7.1)
    await claude.tell(hook_event_name="UserPromptSubmit", prompt="yes", prompt_id="p2", **more)
    written(path, DAY[:8])
    await claude.tell(hook_event_name="Stop", last_assistant_message="Done.", **more)

    assert await claude.said() == DAYS_WORDS[:7]


async def test_a_forks_copies_are_known_and_its_own_words_are_not(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    # Copied lines keep their uuids and times; session and promptId are the fork's on all of them.
    copies = [
        {**each, "sessionId": "f1", **({"promptId": "pf"} if "promptId" in each else {})}
        for each in DAY
    ]
    own = line("user", "f-u", 20, "Try another.", promptId="pf", sessionId="f1")
    answer = line("assistant", "f-a", 21, say("Another it is."), sessionId="f1")
    folder = tmp_path / "projects"
    # In the order of the names the fork comes first.
    written(folder / "f1.jsonl", [*copies, own, answer])
    written(folder / "s1.jsonl", DAY)

    await imported(services, "claude-code", folder)

    assert await claude.said() == [
        *DAYS_WORDS, ("user", "Try another."), ("assistant", "Another it is.")
    ]  # fmt: skip
    agent = await services.agents.named("ada")
    sessions = {
        each.external_id: each.messages for each in await services.recall.conversations(agent.id)
    }
    assert sessions == {"s1": 9, "f1": 2}


async def test_a_fork_of_what_only_hooks_recorded_is_known_too(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    await hooks_of_the_day(claude)
    copies = [{**each, "sessionId": "f1"} for each in DAY]
    own = line("user", "f-u", 20, "Try another.", promptId="pf", sessionId="f1")
    path = written(tmp_path / "f1.jsonl", [*copies, own])

    assert (await imported(services, "claude-code", path)).stored == 2
    assert ("user", "Try another.") in await claude.said()


async def test_what_was_forgotten_does_not_come_back_by_the_transcript(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    await hooks_of_the_day(claude)
    agent = await services.agents.named("ada")
    page = await services.recall.search(agent.id, "Which database?", roles=["user"])
    gone = next(hit.message for hit in page.hits if hit.message.content == "Which database?")
    await services.forgetting.forget(agent.id, [gone.id])
    path = written(tmp_path / "s1.jsonl", DAY)

    await imported(services, "claude-code", path)

    assert [text for _, text in await claude.said()].count("Which database?") == 0


@pytest.mark.parametrize(
    ("host", "turn"), [("claude-code", "prompt_id"), ("codex", "turn_id"), ("qwen", "prompt_id")]
)
async def test_an_event_whose_message_was_forgotten_is_not_stored_when_it_is_told_again(
    services: Services, tmp_path: Path, host: str, turn: str
) -> None:
    spool = Spool(services, tmp_path / "memory.db", host)

    async def tell(second: float, mark: str, **more: str) -> None:
        spool.at = at(second)
        told = {"hook_event_name": "UserPromptSubmit", "prompt": "The secret.", turn: mark}
        await spool.tell(**told | more)

    await tell(0, "one")
    agent = await services.agents.named("ada")
    page = await services.recall.search(agent.id, None, limit=5)
    await services.forgetting.forget(agent.id, [hit.message.id for hit in page.hits])

    await tell(0, "one")
    await tell(60, "one")
    assert await spool.said() == []
    await tell(61, "one", prompt="Other words.")
    await tell(62, "one", session_id="s2")
    await tell(63, "two")
    said = [text for _, text in await spool.said()]
    assert said == ["Other words.", "The secret.", "The secret."]


async def test_without_a_turn_the_same_words_at_another_time_are_said_anew(
    services: Services, tmp_path: Path
) -> None:
    spool = Spool(services, tmp_path / "memory.db", "claude-code")
    told = {"hook_event_name": "UserPromptSubmit", "prompt": "The secret."}
    spool.at = at(0)
    await spool.tell(**told)
    agent = await services.agents.named("ada")
    page = await services.recall.search(agent.id, None, limit=5)
    await services.forgetting.forget(agent.id, [hit.message.id for hit in page.hits])

    await spool.tell(**told)
    assert await spool.said() == []
    spool.at = at(60)
    await spool.tell(**told)
    assert [text for _, text in await spool.said()] == ["The secret."]


@pytest.mark.parametrize(
    ("host", "hook", "turn"),
    [
        ("claude-code", "UserPromptSubmit", "prompt_id"),
        ("codex", "UserPromptSubmit", "turn_id"),
        ("qwen", "UserPromptSubmit", "prompt_id"),
    ],
)
async def test_what_is_typed_while_the_model_works_is_another_message(
    services: Services, tmp_path: Path, host: str, hook: str, turn: str
) -> None:
    spool = Spool(services, tmp_path / "memory.db", host)
    for second, text in enumerate(("First.", "Wait, the other one.", "First.")):
        spool.at = at(second)
        for _ in range(2):  # each call told twice
            await spool.tell(hook_event_name=hook, prompt=text, **{turn: "the-turn"})

    assert [text for _, text in await spool.said()] == ["First.", "Wait, the other one.", "First."]


async def test_a_transcript_that_makes_no_sense_costs_no_prompt(
    claude: Spool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = written(tmp_path / "s1.jsonl", [line("user", "u1", 1, "Before.")])

    def broken(*_: object) -> None:
        raise ValueError("Before.")

    monkeypatch.setattr(ClaudeCodeTranscript, "events", broken)
    prompt = {"hook_event_name": "UserPromptSubmit", "prompt": "Words.", "prompt_id": "p1"}
    await claude.tell(**prompt, transcript_path=str(path))
    assert await claude.said() == [("user", "Words.")]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "a transcript of claude-code cannot be understood: ValueError"
    ]


async def test_a_rollouts_lines_are_known_by_their_own_ids(
    services: Services, tmp_path: Path
) -> None:
    codex = Spool(services, tmp_path / "memory.db", "codex")
    path = str(tmp_path / "rollout-x.jsonl")
    meta = {"id": "s1", "cwd": "/home/ana/tides", "source": "exec", "thread_source": "user"}

    def item(second: float, payload: Line, **more: Any) -> Line:
        return {"timestamp": at(second), "type": "response_item", "payload": payload, **more}

    def message(role: str, ident: str, text: str) -> Line:
        kind = "input_text" if role == "user" else "output_text"
        content = [{"type": kind, "text": text}]
        return {"type": "message", "role": role, "id": ident, "content": content}

    call = {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": "{}"}
    output = (
        "Chunk ID: 3a0740\nWall time: 0.1 seconds\nProcess exited with code 0\nOutput:\n4 passed"
    )
    lines = [
        {"timestamp": at(0), "type": "session_meta", "payload": meta},
        item(1, message("user", "m0", "<environment_context>\n…\n</environment_context>")),
        item(2, message("user", "m1", "Run the tests.")),
        item(3, message("assistant", "m2", "I run them.")),
        item(4, call),
        item(5, {"type": "function_call_output", "call_id": "c1", "output": output}),
        item(6, message("assistant", "m3", "All pass.")),
        item(7, message("user", "m4", "<subagent_notification>\n{}\n</subagent_notification>")),
        item(
            8, message("assistant", "m5", "In short: tests."), metadata={"compaction_output": True}
        ),
        # A fork copies its parent's head too.
        {"timestamp": at(9), "type": "session_meta", "payload": {**meta, "id": "older"}},
        item(10, message("user", "m6", "Thanks.")),
    ]
    written(Path(path), lines[:2])
    codex.at = at(2)
    more = {"transcript_path": path, "turn_id": "t1"}
    await codex.tell(hook_event_name="UserPromptSubmit", prompt="Run the tests.", **more)
    written(Path(path), lines[:6])
    tool = {"tool_name": "Bash", "tool_input": {"command": "pytest"}, "tool_response": "4 passed\n"}
    await codex.tell(hook_event_name="PostToolUse", tool_use_id="c1", **tool, **more)
    written(Path(path), lines)
    await codex.tell(hook_event_name="Stop", last_assistant_message="All pass.", **more)

    assert (await imported(services, "codex", Path(path))).stored == 0
    said = await codex.said()
    assert [text for role, text in said if role != "tool"] == [
        "Run the tests.", "I run them.", "All pass.", "Thanks."
    ]  # fmt: skip
    assert [text for role, text in said if role == "tool"] == ["exec_command()\n→ 4 passed"]


async def test_a_subagents_rollout_is_nobodys_conversation(
    services: Services, tmp_path: Path
) -> None:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": "s1"}}}
    meta = {"id": "sub", "session_id": "s1", "source": source, "thread_source": "subagent"}
    content = [{"type": "input_text", "text": "ORDER"}]
    order = {"type": "message", "role": "user", "id": "m1", "content": content}
    path = written(
        tmp_path / "rollout-sub.jsonl",
        [
            {"timestamp": at(0), "type": "session_meta", "payload": meta},
            {"timestamp": at(1), "type": "response_item", "payload": order},
        ],
    )

    report = await imported(services, "codex", path)

    assert report.stored == 0
    assert report.left_out["messages of subagents"] == 1


async def test_geminis_chat_tells_each_use_of_a_tool_once_and_no_summary(
    services: Services, tmp_path: Path
) -> None:
    def turn(kind: str, ident: str, second: float, content: Any, **more: Any) -> Line:
        return {"id": ident, "timestamp": at(second), "type": kind, "content": content, **more}

    used = {"id": "run_1", "name": "run_shell_command", "args": {"command": "pytest"}}
    response = {"functionResponse": {"id": "run_1", "name": "run_shell_command", "response": {}}}
    context = [{"text": "<session_context>\n…\n</session_context>"}]
    told = turn("user", "m1", 1, [{"text": "Run the tests."}])
    answer = turn("gemini", "m3", 4, "All pass.")
    kept = [{**told, "id": "n1", "timestamp": at(9)}, {**answer, "id": "n2", "timestamp": at(9)}]
    summary = [
        turn("user", "n3", 9, [{"text": "<state_snapshot>…</state_snapshot>"}]),
        turn("gemini", "n4", 9, "Got it. Thanks for the additional context!"),
    ]
    path = written(
        tmp_path / "session-1.jsonl",
        [
            {"sessionId": "s1", "projectHash": "x", "startTime": at(0), "kind": "main"},
            {"$set": {"messages": [turn("user", "m0", 0, context)]}},
            told,
            turn("gemini", "m2", 2, ""),
            turn("gemini", "m2", 2, "", toolCalls=[{**used, "resultDisplay": "4 passed"}]),
            turn("user", "m2b", 3, [response]),
            answer,
            {"$set": {"lastUpdated": at(5)}},
            {"$set": {"messages": [*summary, *kept]}},
            turn("user", "m5", 10, [{"text": "Run the tests."}]),
        ],
    )  # fmt: skip

    report = await imported(services, "gemini", path)

    gemini = Spool(services, tmp_path / "memory.db", "gemini")
    assert await gemini.said() == [
        ("user", "Run the tests."),
        ("tool", "run_shell_command(command=pytest)\n→ 4 passed"),
        ("assistant", "All pass."),
        ("user", "Run the tests."),
    ]
    assert report.left_out["summaries that Gemini CLI asked for"] == 2


async def test_words_are_known_however_late_the_file_says_they_were_delivered(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    claude.at = at(1)
    await claude.tell(hook_event_name="UserPromptSubmit", prompt="And then?", prompt_id="p1")
    path = written(tmp_path / "s1.jsonl", [line("user", "u1", 2000, "And then?")])

    assert (await imported(services, "claude-code", path)).stored == 0


async def test_the_same_words_in_two_hosts_at_once_are_two_messages(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    claude.at = at(1)
    await claude.tell(hook_event_name="UserPromptSubmit", prompt="Run the tests.", prompt_id="p1")
    content = [{"type": "input_text", "text": "Run the tests."}]
    told = {"type": "message", "role": "user", "id": "m1", "content": content}
    path = written(
        tmp_path / "rollout-x.jsonl",
        [
            {"timestamp": at(0), "type": "session_meta", "payload": {"id": "x"}},
            {"timestamp": at(2), "type": "response_item", "payload": told},
        ],
    )

    assert (await imported(services, "codex", path)).stored == 1


async def test_the_same_words_in_two_sessions_at_once_are_each_sessions_own(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    for session, second in (("s1", 10.0), ("s2", 11.0)):
        claude.at = at(second)
        await claude.tell(hook_event_name="UserPromptSubmit", prompt="Go.", session_id=session)
    folder = tmp_path / "projects"
    # Each line is nearer in time to what the other session's hook told.
    written(folder / "s1.jsonl", [line("user", "u1", 11, "Go.")])
    written(folder / "s2.jsonl", [line("user", "u2", 10, "Go.", sessionId="s2")])
    await imported(services, "claude-code", folder)
    agent = await services.agents.named("ada")

    for session, key in (("s1", "u1"), ("s2", "u2")):
        _, (told,) = await services.recall.conversation(agent.id, ConversationId(session))
        event = HostEvent(kind="prompt", session=session, text="Go.", key=key)
        again = message_of(event, session, told.created_at, "Go.")
        assert (await services.recall.append(agent.id, [again], "claude-code")).known == [told.id]


async def test_lines_without_a_time_have_that_of_the_line_before(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    first, *others = DAY
    timeless = [{name: each[name] for name in each if name != "timestamp"} for each in others]
    path = written(tmp_path / "s1.jsonl", [first, *timeless])

    report = await imported(services, "claude-code", path)

    assert (report.stored, report.bad) == (len(DAYS_WORDS), 0)


@pytest.mark.parametrize(
    "prompt", ["And now?", [{"type": "text", "text": "And now?"}], {"text": "And now?"}]
)
async def test_what_is_queued_is_read_in_every_spelling(
    claude: Spool, services: Services, tmp_path: Path, prompt: Any
) -> None:
    queued = {"type": "queued_command", "prompt": prompt}
    told = {"type": "attachment", "uuid": "q", "sessionId": "s1", "timestamp": at(1)}
    path = written(tmp_path / "s1.jsonl", [{**told, "attachment": queued}])

    assert (await imported(services, "claude-code", path)).stored == 1
    assert await claude.said() == [("user", "And now?")]


async def test_a_tool_that_gemini_still_runs_is_told_when_it_has_answered(
    services: Services, tmp_path: Path
) -> None:
    call = {"id": "r1", "name": "read_file", "args": {"path": "p"}, "status": "executing"}
    told = {"id": "m1", "timestamp": at(1), "type": "gemini", "content": "Let me look."}
    done = {**call, "status": "success", "resultDisplay": "port 8447"}
    path = written(
        tmp_path / "session-1.jsonl",
        [
            {"sessionId": "s1", "projectHash": "x", "startTime": at(0), "kind": "main"},
            {**told, "toolCalls": [call]},
            {**told, "toolCalls": [done]},
        ],
    )

    await imported(services, "gemini", path)

    gemini = Spool(services, tmp_path / "memory.db", "gemini")
    assert await gemini.said() == [
        ("assistant", "Let me look."),
        ("tool", "read_file(path=p)\n→ port 8447"),
    ]


def test_a_copilot_session_that_is_resumed_elsewhere_stays_where_it_began() -> None:
    transcript = CopilotTranscript("c1", Counter())
    for kind, folder in (("session.start", "/one"), ("session.resume", "/two")):
        data = {"sessionId": "c1", "context": {"cwd": folder}}
        assert not list(transcript.events({"type": kind, "data": data}))
    assert transcript.folder == "/one"


async def test_a_codex_forks_copies_are_known_though_items_have_no_ids(
    claude: Spool, services: Services, tmp_path: Path
) -> None:
    def item(second: float, role: str, text: str) -> Line:
        content = [{"type": "input_text", "text": text}]
        payload = {"type": "message", "role": role, "content": content}
        return {"timestamp": at(second), "type": "response_item", "payload": payload}

    def head(session: str, **more: Any) -> Line:
        payload = {"id": session, "cwd": "/w", **more}
        return {"timestamp": at(0), "type": "session_meta", "payload": payload}

    first = [head("x"), item(1, "user", "One?"), item(2, "assistant", "Yes.")]
    second = [head("y", forked_from_id="x"), *first, item(3, "user", "Two?")]
    third = [head("z", forked_from_id="y"), *second, item(4, "user", "Three?")]
    for name, lines in (("1", third), ("2", second), ("3", first)):
        written(tmp_path / "sessions" / f"rollout-{name}.jsonl", lines)

    await imported(services, "codex", tmp_path / "sessions")

    assert [text for _, text in await claude.said()] == ["One?", "Yes.", "Two?", "Three?"]


async def test_what_only_hooks_recorded_is_known_in_a_codex_fork_that_kept_no_times(
    services: Services, tmp_path: Path
) -> None:
    codex = Spool(services, tmp_path / "memory.db", "codex")
    prompt, stop = {"hook_event_name": "UserPromptSubmit"}, {"hook_event_name": "Stop"}
    codex.at = at(1)
    await codex.tell(**prompt, prompt="One?", turn_id="t1")
    codex.at = at(2)
    await codex.tell(**stop, last_assistant_message="Yes.", turn_id="t1")

    def item(second: float, role: str, text: str) -> Line:
        payload = {"type": "message", "role": role, "content": [{"type": "text", "text": text}]}
        return {"timestamp": at(second), "type": "response_item", "payload": payload}

    def head(session: str, second: float, **more: Any) -> Line:
        payload = {"id": session, "cwd": "/w", "timestamp": at(second), **more}
        return {"timestamp": at(50), "type": "session_meta", "payload": payload}

    lines = [
        head("f1", 50, forked_from_id="s1"),
        head("s1", 0),
        item(50, "user", "One?"),
        item(50, "assistant", "Yes."),
        item(55, "user", "Two?"),
    ]
    path = written(tmp_path / "rollout-f.jsonl", lines)
    # The fork's own hook names its file, and then the file is imported.
    codex.at = at(55)
    more = {"session_id": "f1", "transcript_path": str(path)}
    await codex.tell(**prompt, prompt="Two?", turn_id="t2", **more)
    await imported(services, "codex", path)

    assert [text for _, text in await codex.said()] == ["One?", "Yes.", "Two?"]
    agent = await services.agents.named("ada")
    sessions = {
        each.external_id: each.messages for each in await services.recall.conversations(agent.id)
    }
    assert sessions == {"s1": 2, "f1": 1}


@pytest.mark.parametrize("words", ["Anew.", f"Anew. {'w' * 4000}"])
async def test_a_transcript_that_was_written_anew_is_read_from_its_beginning(
    claude: Spool, tmp_path: Path, words: str
) -> None:
    prompt = {"hook_event_name": "UserPromptSubmit", "transcript_path": str(tmp_path / "s1.jsonl")}
    written(tmp_path / "s1.jsonl", DAY[:4])
    claude.at = at(5)
    await claude.tell(**prompt, prompt="Before.")
    written(tmp_path / "s1.jsonl", [line("user", "n1", 6, words), line("user", "n2", 7, "Next.")])
    claude.at = at(8)
    await claude.tell(**prompt, prompt="After.")

    assert [text for _, text in await claude.said()][-4:] == ["Before.", words, "Next.", "After."]
