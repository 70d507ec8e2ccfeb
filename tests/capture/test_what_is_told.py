"""What a session is told: the context once, and again only where its history has lost it."""

import html
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.capture.conftest import Spool

from memory_mcp.domain.machine_texts import said_by_user
from memory_mcp.domain.own_output import CLOSING, LEAD, OPENING, enclosed, without_own_output
from memory_mcp.services import Services
from memory_mcp.testing import open_memory

START = {"hook_event_name": "SessionStart", "source": "startup"}
PROMPT = {"hook_event_name": "UserPromptSubmit", "prompt": "And now?"}
PRE = {"hook_event_name": "PreCompact", "trigger": "auto"}
POST = {"hook_event_name": "PostCompact", "compact_summary": "<summary>S</summary>"}
COMPACT = {"hook_event_name": "SessionStart", "source": "compact"}
RESUME = {"hook_event_name": "SessionStart", "source": "resume"}


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Services on a new store."""
    async with open_memory(tmp_path / "memory.db") as services:
        yield services


@pytest.fixture
def claude(services: Services, tmp_path: Path) -> Spool:
    """Claude Code's hooks."""
    return Spool(services, tmp_path / "memory.db", "claude-code")


async def edited(services: Services, text: str) -> None:
    """Another session edits a block."""
    agent = await services.agents.named("ada")
    await services.core_memory.append(agent.id, "human", text)


def contexts(*told: str) -> int:
    """How many of these are the whole context."""
    return sum(LEAD in each for each in told)


@pytest.mark.parametrize(
    "compaction",
    [
        (PRE, COMPACT, POST),  # Claude Code 2.1.332
        (PRE, POST, RESUME, COMPACT),  # Codex 0.171.0, resumed and compacted at once
        (PRE, POST, COMPACT),
        (PRE, COMPACT),  # Codex, without a hook for PostCompact
        (PRE, POST),
        (POST,),
        (COMPACT,),
        (POST, COMPACT),
        (COMPACT, POST),
        (PRE, COMPACT, COMPACT, POST, POST),  # hooks that are installed twice
        (PRE, PRE, POST, POST, COMPACT, COMPACT),
    ],
)
async def test_a_compaction_is_followed_by_the_context_once_whatever_the_order(
    claude: Spool, compaction: tuple[dict[str, Any], ...]
) -> None:
    first = await claude.tell(**START)
    assert contexts(first) == 1
    for turn in range(3):
        prompt = {**PROMPT, "prompt_id": f"p{turn}"}
        assert await claude.tell(**prompt) == ""
        told = [await claude.tell(**event) for event in compaction]
        told += [await claude.tell(**prompt, n=n) for n in range(2)]
        assert contexts(*told) == 1


async def test_an_attempt_is_no_compaction(services: Services, tmp_path: Path) -> None:
    gemini = Spool(services, tmp_path / "memory.db", "gemini")
    assert await gemini.tell(**START) == ""  # there it would stand before the user's words
    first = {"hook_event_name": "BeforeAgent", "prompt": "Do this."}
    assert contexts(await gemini.tell(**first, timestamp="2026-11-25T08:00:00.000Z")) == 1
    for second in range(4):
        stamp = {"timestamp": f"2026-11-25T09:00:0{second}.000Z"}
        asked = {"hook_event_name": "BeforeAgent", "prompt": f"Do {second}."}
        assert await gemini.tell(**asked, **stamp) == ""
        await gemini.tell(hook_event_name="PreCompress", trigger="auto", **stamp)
        answer = {"hook_event_name": "AfterAgent", "prompt_response": f"Done {second}."}
        await gemini.tell(**answer, **stamp)
    assert [text for _, text in await gemini.said()] == [
        "Do this.", "Do 0.", "Done 0.", "Do 1.", "Done 1.", "Do 2.", "Done 2.", "Do 3.", "Done 3."
    ]  # fmt: skip


async def test_geminis_own_file_tells_of_a_compression(services: Services, tmp_path: Path) -> None:
    gemini = Spool(services, tmp_path / "memory.db", "gemini")
    path = tmp_path / "session-1.jsonl"
    more = {"transcript_path": str(path)}
    path.write_text('{"sessionId": "s1", "projectHash": "x", "kind": "main"}\n', "utf-8")
    await gemini.tell(**START, **more)
    assert contexts(await gemini.tell(hook_event_name="BeforeAgent", prompt="Zero.", **more)) == 1

    def turn(number: int, text: str) -> dict[str, Any]:
        return {"id": f"m{number}", "type": "user", "content": [{"text": text}]}

    history = {"$set": {"messages": [turn(1, "…"), turn(2, "What was said before.")]}}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(history) + "\n")
    asked = {"hook_event_name": "BeforeAgent", **more}
    assert contexts(await gemini.tell(prompt="One.", **asked)) == 1
    assert await gemini.tell(prompt="Half.", **asked) == ""
    assert await gemini.tell(prompt="Two.", **asked) == ""
    # A history that holds what it was told, escaped as it puts it, is none without it.
    held = html.escape(enclosed(f"{LEAD}\n\n…"))
    changed = {"$set": {"messages": [turn(5, enclosed("+ a difference")), turn(6, "b")]}}
    kept = {"$set": {"messages": [turn(3, f"<hook_context>{held}</hook_context>"), turn(4, "b")]}}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(kept) + "\n")
    assert await gemini.tell(prompt="Three.", **asked) == ""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(changed) + "\n")
    assert contexts(await gemini.tell(prompt="Four.", **asked)) == 1


async def test_a_resumed_session_is_told_what_changed_and_nothing_else(
    claude: Spool, services: Services
) -> None:
    await claude.tell(**START)
    await claude.tell(hook_event_name="SessionEnd", reason="other")
    assert await claude.tell(**RESUME) == ""
    await edited(services, "Name: Ada.")
    told = await claude.tell(**RESUME)
    assert contexts(told) == 0
    assert "+ Name: Ada." in told
    assert await claude.tell(**PROMPT) == ""


async def test_a_fork_has_seen_what_its_parent_had(claude: Spool, services: Services) -> None:
    claude.at = "2026-11-25T09:00:00.000Z"
    await claude.tell(**START)
    await claude.tell(hook_event_name="Stop", last_assistant_message="Done.")
    await edited(services, "Name: Ada.")
    claude.at = "2026-11-25T09:05:00.500Z"
    fork = {"hook_event_name": "SessionStart", "source": "fork", "session_id": "f1"}
    told = await claude.tell(**fork, seconds_since_last_response=300)
    assert contexts(told) == 0
    assert "+ Name: Ada." in told
    # Nobody's fork: no answer came then.
    stranger = {**fork, "session_id": "f2", "seconds_since_last_response": 42}
    assert contexts(await claude.tell(**stranger)) == 1


async def test_a_session_that_was_cleared_is_told_again(claude: Spool) -> None:
    await claude.tell(**START)
    cleared = {"hook_event_name": "SessionStart", "source": "clear"}
    assert contexts(await claude.tell(**cleared)) == 1
    assert contexts(await claude.tell(**PROMPT)) == 0


async def test_a_subagent_is_neither_the_user_nor_the_session(
    claude: Spool, services: Services
) -> None:
    await claude.tell(**START)
    await edited(services, "Name: Ada.")
    inside = {"agent_id": "a1", "agent_type": "general-purpose"}
    assert await claude.tell(**PROMPT | {"prompt": "ORDER"}, **inside) == ""
    tool = {"hook_event_name": "PostToolUse", "tool_use_id": "t1", "tool_input": {"label": "human"}}
    await claude.tell(**tool, tool_name="Bash", tool_response="ran", **inside)
    await claude.tell(**tool, tool_name="mcp__memory__core_memory_append", **inside)
    # What the subagent has seen, the session has not.
    assert "+ Name: Ada." in await claude.tell(**PROMPT)
    assert await claude.said() == [("user", "And now?")]


@pytest.mark.parametrize(
    "host", ["claude-code", "codex", "gemini", "qwen", "copilot", "vscode", "cursor"]
)
async def test_what_we_said_ourselves_is_never_recorded(
    services: Services, tmp_path: Path, host: str
) -> None:
    spool = Spool(services, tmp_path / "memory.db", host)
    hooks = {"gemini": "BeforeAgent", "cursor": "beforeSubmitPrompt"}
    hook = hooks.get(host, "UserPromptSubmit")
    ours = enclosed(f"{LEAD}\n\n<memory_blocks>The user is Ada.</memory_blocks>")
    changed = enclosed("Core memory block <human> changed:\n+ Name: Ada.")
    escaped = html.escape(ours)
    for number, wrapped in enumerate(
        (
            f"<hook_context>{escaped}</hook_context>\n\nWords {0}.",
            f"<hook_context>{html.escape(escaped)}</hook_context>\n\nWords {1}.",
            f"<system-reminder>\n{ours}\n</system-reminder>\nWords {2}.",
            f"{json.dumps(ours)[1:-1]}\nWords {3}.",
            f"Words {4}.\n{ours}",
            f"<hook_context>{LEAD}</hook_context>\n\nWords {5}.",
            # Cut off by the host, inside a wrapper that nobody has seen yet.
            f"<context>{escaped[:150]}…</context>\n\nWords {6}.",
            f"<context>{html.escape(changed)[:90]}…</context>\n\nWords {7}.",
            f"Words {8}.\n{escaped[:150]} … {escaped[-40:]}",
        )
    ):
        stamp = f"2026-11-25T09:00:{number:02}.000Z"
        session = {"session_id": "s1", "conversation_id": "s1"}
        await spool.tell(hook_event_name=hook, prompt=wrapped, timestamp=stamp, **session)
    texts = [text.strip() for _, text in await spool.said()]
    assert texts == [f"Words {number}." for number in range(9)]


async def test_memory_cannot_end_the_frame_that_it_is_told_in(
    claude: Spool, services: Services
) -> None:
    await claude.tell(**START | {"session_id": "s0"})
    for mark in (CLOSING, html.escape(CLOSING), "\\u003c/memory-mcp\\u003e", OPENING):
        await edited(services, f"Quoted: {mark} and more.")
    told = await claude.tell(**START)
    assert told.count(CLOSING) == 1
    assert without_own_output(f"{told}\nWords.").strip() == "Words."


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("<task-notification>\n<task-id>b1</task-id>\n</task-notification>", ""),
        ("<system-reminder>\nAs you know\n</system-reminder>\nReal words.", "Real words."),
        ("<subagent_notification>\n{}\n</subagent_notification>", ""),
        ("[Request interrupted by user for tool use]", ""),
        ('<user_input mode="act">Fix the bug.</user_input>', "Fix the bug."),
        (
            "<command-message>review</command-message>\n<command-name>/review</command-name>\n"
            "<command-args>the tide tests</command-args>",
            "/review the tide tests",
        ),
        ("<command-name>/clear</command-name><command-args></command-args>", ""),
        ("<command-name>/model</command-name><local-command-stdout>x</local-command-stdout>", ""),
        ("<bash-input>ls</bash-input>", ""),
        ("[SYSTEM NOTIFICATION - NOT USER INPUT]\nA shell has ended.", ""),
        ("<bash-stdout>a</bash-stdout><bash-stderr></bash-stderr>", ""),
        ("# AGENTS.md instructions for /p\n\n<INSTRUCTIONS>\nA\n</INSTRUCTIONS>", ""),
        ("<skill>\n<name>tides</name>\n</skill>", ""),
        ('<teammate-message teammate_id="lead">Do it.</teammate-message>', ""),
        ('<agent-message from="x">done</agent-message>\nAnd you?', "And you?"),
        ("Another Claude session sent a message:\n<cross-session-message>x", ""),
        ("<recommended_plugins>\nx\n</recommended_plugins>", ""),
        ("<goal_context>\nx\n</goal_context>\nGo on.", "Go on."),
        ('<internal_model_context kind="x">\nx\n</internal_model_context>', ""),
        ("<permissions instructions>x</permissions instructions>", ""),
        ("Fix it. <system-reminder>Use the list.</system-reminder>\n", "Fix it."),
        (
            "Fix it.\n  And that.<system-reminder>a</system-reminder>"
            " <system-reminder>\nb\n</system-reminder>",
            "Fix it.\n  And that.",
        ),
        # Words about these things are words.
        ("Why does <memory-mcp> come before </memory-mcp> here?", None),
        ("The log has <command-name>/clear</command-name>, why?", None),
        ("<command-name> is in the log, why?", None),
        ("<bash-input> is what?", None),
        ("<skill> tags are what?", None),
        ("<turn_aborted> is what?", None),
        ("# AGENTS.md instructions should be shorter.", None),
        ("[Request interrupted by user] is in the log, why?", None),
        ("What does <system-reminder> mean in your prompt?", None),
        ("What does `<system-reminder>x</system-reminder>` mean?", None),
        ("Does one close it with </system-reminder>", None),
        ("Why <context_window_guidance> before </context_window>", None),
        ("Why is `<memory-mcp>` in the log?", None),
        ("if a <b> then\n  <div>c</div>\n", "if a <b> then\n  <div>c</div>"),
        ("    indented\n\tand more", None),
    ],
)
def test_of_a_prompt_its_users_words_are_kept(prompt: str, words: str | None) -> None:
    assert said_by_user(prompt) == (prompt if words is None else words)


def test_a_users_empty_element_behind_our_context_is_kept() -> None:
    ours = html.escape(enclosed(f"{LEAD}\n\nNothing yet."))
    words = 'Why is <div class="tide"></div> empty?'
    assert said_by_user(f"<hook_context>{ours}</hook_context>\n\n{words}").strip() == words


async def test_a_failed_request_is_nobodys_answer(claude: Spool) -> None:
    for text in (
        'API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}',
        "API Error: Connection error.",
        "No response requested.",
    ):
        await claude.tell(hook_event_name="Stop", last_assistant_message=text)
    await claude.tell(**PROMPT)
    assert await claude.said() == [("user", "And now?")]
