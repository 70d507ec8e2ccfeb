"""Hosts' own files of their sessions: who said what where, each once, and nothing passed over."""

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.transfer.conftest import Bring, bring_into

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import MessageCopy
from memory_mcp.services import Services
from memory_mcp.transfer.report import Report

Line = dict[str, Any]


def written(path: Path, lines: Sequence[Any], *, indent: int | None = None) -> Path:
    """A file of JSON values, one after another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line, indent=indent)}\n" for line in lines), "utf-8")
    return path


async def said(services: Services) -> list[str]:
    """What recall holds: agent, conversation, speaker, words; in the order it came."""
    return [
        f"{copy.agent} {copy.conversation} {copy.role}: {copy.content}"
        async for copy in services.copies.rows("message")
        if isinstance(copy, MessageCopy)
    ]


def untaken(report: Report) -> int:
    """How many things the report tells of that were not taken."""
    return report.left_out.total() + report.not_understood.total() + report.bad


# --- Codex ---


def item(at: str, role: str, text: str, **more: Any) -> Line:
    """A message of a rollout."""
    part = {"type": "input_text" if role == "user" else "output_text", "text": text}
    payload = {"type": "message", "role": role, "content": [part], **more}
    return {"timestamp": f"2026-09-14T{at}Z", "type": "response_item", "payload": payload}


def head(at: str, session: str, cwd: str, **more: Any) -> Line:
    """What a rollout begins with."""
    at = f"2026-09-14T{at}Z"
    return {
        "timestamp": at,
        "type": "session_meta",
        "payload": {"id": session, "timestamp": at, "cwd": cwd, **more},
    }


PARENT = [
    head("10:00:00", "p", "/w/north"),
    item("10:00:01", "user", "Where is the key?"),
    item("10:00:02", "assistant", "Under the mat."),
    item("10:05:00", "user", "yes"),
    item("10:05:01", "assistant", "Good."),
]
CHILD = [
    head("11:00:00", "c", "/w/south", forked_from_id="p"),
    # All that is copied gets the fork's time.
    *({**line, "timestamp": "2026-09-14T11:00:00.010Z"} for line in PARENT),
    item("11:01:00", "user", "And the other key?"),
    item("11:01:01", "assistant", "In the drawer."),
]
GRANDCHILD = [
    head("12:00:00", "g", "/w/south", forked_from_id="c"),
    *({**line, "timestamp": "2026-09-14T12:00:00.010Z"} for line in CHILD),
    item("12:01:00", "user", "yes"),
]
FAMILY = {
    "north p user: Where is the key?": 1,
    "north p assistant: Under the mat.": 1,
    "north p user: yes": 1,
    "north p assistant: Good.": 1,
    "south c user: And the other key?": 1,
    "south c assistant: In the drawer.": 1,
    "south g user: yes": 1,
}
FILES = {"rollout-1": PARENT, "rollout-2": CHILD, "rollout-3": GRANDCHILD}


@pytest.mark.parametrize(
    "order",
    [
        ["rollout-1 rollout-2 rollout-3"],
        ["rollout-1", "rollout-2", "rollout-3"],
        ["rollout-2 rollout-1", "rollout-3"],
        ["rollout-2", "rollout-1", "rollout-3"],
        ["rollout-2", "rollout-3", "rollout-1"],
        ["rollout-3 rollout-2", "rollout-1"],
    ],
    ids=" then ".join,
)
async def test_what_a_codex_fork_copies_is_stored_once_where_it_was_said(
    bring: Bring, services: Services, tmp_path: Path, order: list[str]
) -> None:
    for number, names in enumerate(order):
        for name in names.split():
            written(tmp_path / str(number) / f"{name}.jsonl", FILES[name])
        await bring("codex", tmp_path / str(number))

    assert dict.fromkeys(await said(services), 1) == FAMILY
    assert len(await said(services)) == len(FAMILY)


@pytest.mark.parametrize("agent", [None, "ada"])
async def test_a_codex_fork_that_is_imported_again_and_again_brings_nothing_new(
    services: Services, tmp_path: Path, agent: str | None
) -> None:
    for name, lines in FILES.items():
        written(tmp_path / f"{name}.jsonl", lines)

    first = await bring_into(services, "codex", tmp_path, agent=agent)
    again = await bring_into(services, "codex", tmp_path, agent=agent)

    assert (first.stored, again.stored) == (len(FAMILY), 0)


async def test_two_codex_forks_of_a_session_that_is_gone_share_what_they_copied(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    other = [
        head("13:00:00", "d", "/w/south", forked_from_id="p"),
        *({**line, "timestamp": "2026-09-14T13:00:00.010Z"} for line in PARENT),
        item("13:01:00", "user", "Elsewhere?"),
    ]
    written(tmp_path / "rollout-2.jsonl", CHILD)
    written(tmp_path / "rollout-4.jsonl", other)

    await bring("codex", tmp_path)

    lines = await said(services)
    assert lines.count("north p user: Where is the key?") == 1
    assert "south d user: Elsewhere?" in lines
    assert len(lines) == 7


async def test_a_codex_fork_that_goes_on_at_once_is_known_by_the_time_in_its_turns_id(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def turn(at: str, milliseconds: int) -> Line:
        ident = UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)
        payload = {"turn_id": str(ident), "cwd": "/w/south"}
        return {"timestamp": f"2026-09-14T{at}Z", "type": "turn_context", "payload": payload}

    forked_at = 1789383600000  # 11:00 on that day
    written(
        tmp_path / "rollout-2.jsonl",
        [
            *CHILD[:2],
            turn("11:00:00.010", forked_at - 3_600_000),
            *CHILD[2:-2],
            turn("11:00:00.020", forked_at + 20),
            item("11:00:00.021", "user", "And the other key?"),
        ],
    )

    await bring("codex", tmp_path)

    assert "south c user: And the other key?" in await said(services)


async def test_a_codex_fork_without_its_parents_head_is_known_by_words_speaker_and_time(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # The copies kept their times, and were made in other folders than the parent's.
    child = [head("11:00:00", "c", "/w/south", forked_from_id="p"), *PARENT[1:], *CHILD[-2:]]
    grandchild = [
        head("12:00:00", "g", "/w/east", forked_from_id="c"),
        *child[1:],
        item("12:01:00", "user", "yes"),
    ]
    written(tmp_path / "in" / "rollout-1.jsonl", PARENT)
    written(tmp_path / "in" / "rollout-2.jsonl", child)
    written(tmp_path / "in" / "rollout-3.jsonl", grandchild)

    report = await bring("codex", tmp_path / "in")

    lines = await said(services)
    expected = {each.replace("south g", "east g") for each in FAMILY}
    assert (set(lines), len(lines)) == (expected, len(expected))
    assert report.is_whole
    assert (await bring("codex", tmp_path / "in")).stored == 0


async def test_what_a_codex_fork_says_at_once_is_its_own_where_its_parent_never_said_it(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    asked = item("11:00:00.600", "user", "And the other key?")
    written(tmp_path / "rollout-1.jsonl", PARENT)
    written(tmp_path / "rollout-2.jsonl", [*CHILD[:-2], asked])

    await bring("codex", tmp_path)

    lines = await said(services)
    assert "south c user: And the other key?" in lines
    assert len(lines) == 5
    assert (await bring("codex", tmp_path / "rollout-2.jsonl")).stored == 0


async def test_a_codex_forks_own_head_that_comes_again_ends_what_it_copied(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    own = head("11:00:00.020", "c", "/w/south", forked_from_id="p")
    asked = item("11:00:00.030", "user", "And the other key?")
    written(tmp_path / "rollout-2.jsonl", [*CHILD[:-2], own, asked])

    await bring("codex", tmp_path)

    assert "south c user: And the other key?" in await said(services)


async def test_what_was_forgotten_does_not_come_back_by_a_codex_fork(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    await bring("codex", written(tmp_path / "rollout-1.jsonl", PARENT))
    agent = await services.agents.choose(AgentChoice(name="north"))
    page = await services.recall.search(agent.id, "Where is the key?", roles=["user"])
    gone = [hit.message.id for hit in page.hits if "key" in hit.message.content]
    await services.forgetting.forget(agent.id, gone)

    await bring("codex", written(tmp_path / "rollout-2.jsonl", CHILD))

    assert not [line for line in await said(services) if "Where is the key?" in line]


async def test_a_rollout_that_is_rewritten_in_another_order_is_known(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    lines = [*PARENT, item("10:05:00", "user", "yes"), item("10:09:00", "user", "yes")]
    path = written(tmp_path / "rollout-1.jsonl", lines)
    first = await bring("codex", path)
    written(path, [lines[0], *reversed(lines[1:])])
    other_order = await bring("codex", path)
    written(path, [lines[0], *lines[3:]])
    truncated = await bring("codex", path)
    renamed = await bring("codex", written(tmp_path / "rollout-copy.jsonl", lines))
    grown = await bring("codex", written(path, [*lines, item("10:10:00", "user", "yes")]))

    # Said twice at one time, and at another: three times.
    assert [each.stored for each in (first, other_order, truncated, renamed, grown)] == [
        6, 0, 0, 0, 1
    ]  # fmt: skip


async def test_a_rollout_without_a_head_is_called_what_its_name_says(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    ident = "01a221e3-eb79-7cf0-98e9-f943a5fd04c2"
    name = f"rollout-2026-09-14T10-00-00-{ident}.jsonl"
    await bring("codex", written(tmp_path / name, PARENT[1:]))

    assert f"default {ident} user: yes" in await said(services)


async def test_codex_words_that_only_its_notices_hold_come_in_too(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def notice(kind: str, text: str) -> Line:
        payload = {"type": kind, "message": text}
        return {"timestamp": "2026-09-14T10:00:03Z", "type": "event_msg", "payload": payload}

    path = written(
        tmp_path / "rollout-1.jsonl",
        [
            *PARENT[:2],
            notice("user_message", "Where is the key?"),
            notice("user_message", "Only here."),
            notice("agent_message", "Under the mat."),
            PARENT[2],
            notice("agent_message", "Said to the screen."),
        ],
    )

    report = await bring("codex", path)

    assert await said(services) == [
        "north p user: Where is the key?",
        "north p assistant: Under the mat.",
        "north p user: Only here.",
        "north p assistant: Said to the screen.",
    ]
    assert (await bring("codex", path)).stored == 0
    assert report.is_whole


async def test_codexs_notices_of_a_messages_parts_are_that_message(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def notice(kind: str, text: str) -> Line:
        payload = {"type": kind, "message": text}
        return {"timestamp": "2026-09-14T10:00:03Z", "type": "event_msg", "payload": payload}

    def in_parts(role: str, *texts: str) -> Line:
        kind = "input_text" if role == "user" else "output_text"
        return item("10:00:01", role, "", content=[{"type": kind, "text": each} for each in texts])

    lines = [
        PARENT[0],
        in_parts("user", "one", "two"),
        notice("user_message", "onetwo"),
        notice("agent_message", "part a"),
        in_parts("assistant", "part a", "part b"),
        notice("agent_message", "part b"),
        # All of it was told: what is told once more is said once more.
        notice("agent_message", "part b"),
        notice("user_message", "two"),
        in_parts("user", "<environment_context>\nx\n</environment_context>", "three"),
        notice("user_message", "three"),
    ]

    report = await bring("codex", written(tmp_path / "rollout-1.jsonl", lines))

    assert await said(services) == [
        "north p user: one\ntwo",
        "north p assistant: part a\npart b",
        "north p user: three",
        "north p assistant: part b",
        "north p user: two",
    ]
    assert report.is_whole


async def test_codexs_sessions_of_2025_are_read_in_each_of_their_shapes(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    session = {"id": "s1", "timestamp": "2025-05-07T10:00:00Z", "instructions": ""}
    message = PARENT[1]["payload"]
    call = {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c"}
    output = {"type": "function_call_output", "call_id": "c", "output": '{"output":"4 passed"}'}
    # One object, as the first versions wrote it, and bare items behind the session.
    written(
        tmp_path / "s" / "rollout-2025-05-07-s1.json",
        [{"session": session, "items": [message, call, output]}],
        indent=2,
    )
    bare = [{**session, "id": "s2"}, {"record_type": "state"}, message, {"type": "reasoning"}]
    written(tmp_path / "s" / "rollout-2025-08-07-s2.jsonl", bare)

    report = await bring("codex", tmp_path / "s")

    assert await said(services) == [
        "default s1 user: Where is the key?",
        "default s1 tool: shell()\n→ 4 passed",
        "default s2 user: Where is the key?",
    ]
    assert report.is_whole


async def test_codexs_images_and_what_an_editor_adds_are_no_words(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    tag = {"type": "input_text", "text": "<image name=[Image #1]>"}
    end = {"type": "input_text", "text": "</image>"}
    editor = (
        "# Context from my IDE setup:\n\n## Active file: a.py\n\n"
        "## My request for Codex:\nRename it.\n"
    )
    only = {"type": "message", "role": "user", "content": [tag, image, end]}
    stamp = {"timestamp": "2026-09-14T10:00:01Z", "type": "response_item"}
    search = {"type": "web_search_call", "action": {"type": "search", "query": "tides"}}
    voice = {"type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    lines = [
        PARENT[0],
        {**stamp, "payload": only},
        item("10:00:02", "user", editor),
        {**stamp, "payload": search},
        {**stamp, "payload": voice},
    ]

    report = await bring("codex", written(tmp_path / "rollout-1.jsonl", lines))

    assert await said(services) == [
        "north p user: [image]",
        "north p user: Rename it.",
        "north p tool: web_search(query=tides)",
        "north p user: [audio]",
    ]
    assert dict(report.left_out) == {"images, sound and documents (their contents)": 2}


async def test_codexs_compressed_rollouts_are_read_to_their_end(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    ident = "01a221e3-eb79-7cf0-98e9-f943a5fd04c2"
    folder = tmp_path / "archived_sessions"
    folder.mkdir()
    text = "".join(f"{json.dumps(line)}\n" for line in PARENT[1:])
    name = f"rollout-2026-09-14T10-00-00-{ident}.jsonl.gz"
    (folder / name).write_bytes(gzip.compress(text.encode()))
    packed = "".join(f"{json.dumps(line)}\n" for line in CHILD)
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "rollout-2.jsonl.gz").write_bytes(gzip.compress(packed.encode()))

    report = await bring("codex", tmp_path)

    lines = await said(services)
    assert f"default {ident} assistant: Good." in lines
    assert "south c assistant: In the drawer." in lines
    assert report.is_whole


# --- Claude Code ---


def line(kind: str, uuid: str, at: str, content: Any, session: str = "s", **more: Any) -> Line:
    """A line of Claude Code's transcript."""
    return {
        **{"type": kind, "uuid": uuid, "sessionId": session, "cwd": "/w/north"},
        "timestamp": f"2026-09-14T{at}Z",
        "message": {"role": kind, "content": content},
        **more,
    }


async def test_a_claude_code_file_with_lines_of_two_sessions_keeps_them_apart(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # A session that is resumed under a new id, and a switch to another in the same window.
    lines = [
        line("user", "u1", "10:00:00", "First."),
        line("user", "u2", "11:00:00", "Second.", "t", cwd="/w/south"),
        line("assistant", "a2", "11:00:01", [{"type": "text", "text": "Yes."}], "t"),
    ]

    await bring("claude-code", written(tmp_path / "t.jsonl", lines))

    assert await said(services) == [
        "north s user: First.",
        "south t user: Second.",
        "south t assistant: Yes.",
    ]


@pytest.mark.parametrize("order", [["1", "2"], ["2", "1"], ["1 2"]], ids=" then ".join)
async def test_a_claude_code_branch_leaves_what_it_copied_where_it_was_said(
    bring: Bring, services: Services, tmp_path: Path, order: list[str]
) -> None:
    first = [line("user", "u1", "10:00:00", "First."), line("user", "u2", "10:01:00", "First.")]
    copies = [
        {**each, "sessionId": "b", "forkedFrom": {"sessionId": "s", "messageUuid": each["uuid"]}}
        for each in first
    ]
    files = {"1": first, "2": [*copies, line("user", "u3", "11:00:00", "Other.", "b")]}
    for number, names in enumerate(order):
        for name in names.split():
            written(tmp_path / str(number) / f"{name}.jsonl", files[name])
        await bring("claude-code", tmp_path / str(number))

    assert sorted(await said(services)) == [
        "north b user: Other.",
        "north s user: First.",
        "north s user: First.",
    ]


async def test_a_claude_code_session_that_was_written_anew_at_its_resumption_comes_once(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # Until 2.0 the new file held all lines of the old one, under the new session.
    old = [line("user", f"u{n}", f"10:0{n}:00", f"Words {n}.", "z-old") for n in range(3)]
    new = [{**each, "sessionId": "a-new"} for each in old]
    written(tmp_path / "z-old.jsonl", old)
    more = line("user", "u9", "12:00:00", "More.", "a-new")
    written(tmp_path / "a-new.jsonl", [*new, more])

    await bring("claude-code", tmp_path)

    assert await said(services) == [
        *(f"north z-old user: Words {n}." for n in range(3)),
        "north a-new user: More.",
    ]


async def test_lines_that_claude_code_wrote_twice_come_once(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # An editor that opens a session again, and a compaction, append lines that are there already.
    first = line("user", "u1", "10:00:00", "First.")
    again = {**first, "cwd": "/w/north/inner"}
    report = await bring("claude-code", written(tmp_path / "s.jsonl", [first, first, again]))

    assert (report.stored, report.known) == (1, 2)
    assert await said(services) == ["north s user: First."]


async def test_of_a_message_that_claude_code_wrote_in_versions_the_whole_one_comes(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def answer(uuid: str, text: str, ident: str = "msg_1") -> Line:
        told = line("assistant", uuid, "10:00:00", None, requestId="r1")
        content = [{"type": "text", "text": text}]
        return {**told, "message": {"id": ident, "role": "assistant", "content": content}}

    helper = {**answer("x1", "Another block. And more."), "isSidechain": True}
    lines = [
        answer("a1", "Let me look"),
        line("user", "u1", "10:00:01", "Go on."),
        answer("a2", "Let me look at the okapi file."),
        answer("a3", "Another block."),
        helper,
        # A session that is resumed writes its lines again, under other uuids.
        answer("a4", "Let me look at the okapi file."),
        answer("a5", "Let me look"),
        answer("a6", "Let me look", "msg_2"),
    ]
    path = written(tmp_path / "s.jsonl", lines)

    report = await bring("claude-code", path)

    assert await said(services) == [
        "north s user: Go on.",
        "north s assistant: Let me look at the okapi file.",
        "north s assistant: Another block.",
        "north s assistant: Let me look",
    ]
    assert report.left_out["other versions of messages"] == 3
    assert (await bring("claude-code", path)).stored == 0


async def test_ids_that_are_short_are_good_in_their_session_only(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def used(session: str, asked: str, answer: str) -> list[Line]:
        call = {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {"command": asked}}
        told = {"type": "tool_result", "tool_use_id": "call_1", "content": answer}
        return [
            line("assistant", f"{session}-a", "10:00:00", [call], session),
            line("user", f"{session}-u", "10:00:01", [told], session),
        ]

    written(tmp_path / "one.jsonl", used("one", "make", "built"))
    written(tmp_path / "two.jsonl", used("two", "make test", "4 passed"))

    report = await bring("claude-code", tmp_path)
    again = await bring("claude-code", tmp_path)

    assert (report.stored, again.stored) == (2, 0)


async def test_what_claude_code_shows_besides_text_stands_for_itself(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
    search = {"type": "server_tool_use", "id": "w1", "name": "web_search", "input": {"query": "a"}}
    hits = [{"type": "web_search_result", "title": "Tides", "url": "https://tides.example"}]
    found = {"type": "web_search_tool_result", "tool_use_id": "w1", "content": hits}
    lines = [
        line("user", "u1", "10:00:00", [image]),
        line("user", "u2", "10:00:01", [{"type": "document", "title": "plan.pdf"}]),
        line("user", "u3", "10:00:02", [{"type": "text", "text": "And this?"}, image]),
        line(
            "assistant", "a1", "10:00:03", [search, found, {"type": "text", "text": "High at two."}]
        ),
        line(
            "assistant",
            "a2",
            "10:00:04",
            [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "mcp__shots__take", "input": {}},
            ],
        ),
        line(
            "user",
            "u4",
            "10:00:05",
            [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [image, {"type": "text", "text": "taken"}],
                },
                {"type": "text", "text": "[Request interrupted by user for tool use]"},
            ],
        ),
        line("assistant", "a3", "10:00:06", [{"type": "tool_use", "id": "t2", "name": "Bash"}]),
    ]

    report = await bring("claude-code", written(tmp_path / "s.jsonl", lines))

    assert await said(services) == [
        "north s user: [image]",
        "north s user: [plan.pdf]",
        "north s user: And this?",
        "north s tool: web_search(query=a)\n→ Tides https://tides.example",
        "north s assistant: High at two.",
        "north s assistant: I look.",
        "north s tool: mcp__shots__take()\n→ taken",
    ]
    assert report.is_whole
    assert dict(report.left_out) == {
        "images, sound and documents (their contents)": 4,
        "commands and messages that Claude Code wrote itself": 1,
        "uses of tools that have no answer (interrupted)": 1,
    }


async def test_an_answer_that_comes_after_somebody_spoke_keeps_its_tools_name(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    calls = [
        {"type": "tool_use", "id": name, "name": "Bash", "input": {"c": name}} for name in "ab"
    ]
    refused = {"type": "tool_result", "tool_use_id": "a", "content": "no"}
    done = {"type": "tool_result", "tool_use_id": "b", "content": "done"}
    lines = [
        line("assistant", "a1", "10:00:00", calls),
        line("user", "u1", "10:00:01", [refused, {"type": "text", "text": "Use ninja."}]),
        line("user", "u2", "10:00:02", [done]),
    ]

    await bring("claude-code", written(tmp_path / "s.jsonl", lines))

    assert "north s tool: Bash(c=b)\n→ done" in await said(services)


async def test_what_a_person_typed_behind_a_local_command_is_kept(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    command = (
        "<command-name>/compact</command-name>\n<command-message>compact</command-message>\n"
        "<command-args>keep the schema</command-args>"
    )
    note = {**line("system", "u1", "10:00:00", None), "subtype": "local_command"}
    note["content"] = command

    await bring("claude-code", written(tmp_path / "s.jsonl", [note]))

    assert await said(services) == ["north s user: /compact keep the schema"]


async def test_what_others_than_the_person_sent_is_counted(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def queued(uuid: str, words: str, kind: str) -> Line:
        told = {"type": "queued_command", "prompt": words, "commandMode": "prompt"}
        more = {"attachment": {**told, "origin": {"kind": kind}}}
        return {**line("attachment", uuid, "10:00:05", None), **more}

    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}
    done = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
    lines = [
        line("user", "u1", "10:00:00", "Peer says x.", origin={"kind": "peer", "from": "y"}),
        line("user", "u2", "10:00:01", "Mine.", origin={"kind": "human"}),
        line("assistant", "a1", "10:00:02", [call]),
        line("user", "u3", "10:00:03", [done], origin={"kind": "coordinator"}),
        line("user", "u4", "10:00:04", [{"type": "text", "text": "x"}], origin={"kind": "channel"}),
        queued("q1", "Theirs.", "task-notification"),
        queued("q2", "Mine, too.", "human"),
    ]

    report = await bring("claude-code", written(tmp_path / "s.jsonl", lines))

    assert await said(services) == [
        "north s user: Mine.",
        "north s tool: Bash()\n→ done",
        "north s user: Mine, too.",
    ]
    assert report.left_out == {
        "messages that others than the user sent (agents, channels, notices)": 3
    }


async def test_the_whole_of_a_hosts_folder_may_be_given(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    project = home / "projects" / "-w-north"
    written(project / "s.jsonl", [line("user", "u1", "10:00:00", "First.")])
    agent = line("user", "x1", "10:00:00", "Look there.", isSidechain=True)
    written(project / "agent-a1b2.jsonl", [agent])
    written(project / "s" / "subagents" / "agent-c3.jsonl", [agent])
    written(project / "s" / "subagents" / "agent-c3.meta.json", [{}])
    written(project / "sessions-index.json", [{"version": 1, "entries": []}])
    (project / "s" / "tool-results").mkdir()
    (project / "s" / "tool-results" / "t1.txt").write_text("long")
    (project / "memory").mkdir()
    (project / "memory" / "MEMORY.md").write_text("# Notes")
    written(home / "history.jsonl", [{"display": "First.", "timestamp": 1, "project": "/w"}])
    written(home / "todos" / "s-agent-s.json", [[]])
    written(home / "plugins" / "p" / "plugin.json", [{"name": "p"}])
    for number in range(3):
        (home / "plugins" / "p" / f"README-{number}.md").write_text("# A plugin")

    report = await bring("claude-code", home)

    assert await said(services) == ["north s user: First."]
    assert report.is_whole
    assert dict(report.left_out) == {
        "files of subagents": 3,
        "indexes of sessions": 1,
        "answers of tools that were stored apart (the sessions have their beginnings)": 1,
        "notes that the host keeps (memory-mcp import markdown reads them)": 1,
        "lists of prompts (what was sent stands in the sessions, too)": 1,
        "lists of tasks, and plans": 1,
        "other files of Claude Code (settings, extensions, logs and the like)": 4,
    }


# --- Gemini CLI, Qwen Code, Copilot CLI ---


CHAT = {"sessionId": "g1", "projectHash": "h", "startTime": "2026-09-14T10:00:00Z", "kind": "main"}


def turn(kind: str, ident: str, content: Any, **more: Any) -> Line:
    """A message of a chat of Gemini CLI."""
    told = {"id": ident, "timestamp": "2026-09-14T10:00:01Z", "type": kind, "content": content}
    return {**told, **more}


async def test_of_a_message_that_gemini_wrote_again_the_last_words_count(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    call = {"id": "r1", "name": "read_file", "args": {}, "status": "success"}
    lines = [
        CHAT,
        turn("user", "m1", "Which port?"),
        turn("gemini", "m2", "Let me"),
        turn("gemini", "m2", "Let me look.", toolCalls=[{**call, "resultDisplay": "listen: 8"}]),
        turn("gemini", "m2", "Let me look there.", toolCalls=[{**call, "resultDisplay": "8447"}]),
        # A later version that lacks something takes nothing away.
        turn("gemini", "m2", ""),
        {"$set": {"lastUpdated": "2026-09-14T10:00:02Z"}},
        {"$set": {"sessionId": "another"}},
        {"$rewindTo": "m2"},
        turn("user", "m3", [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
    ]

    path = written(tmp_path / "session-1.jsonl", lines)
    report = await bring("gemini", path)

    assert await said(services) == [
        "default g1 user: Which port?",
        "default g1 assistant: Let me look there.",
        "default g1 tool: read_file()\n→ 8447",
        "default g1 user: [image]",
    ]
    assert report.is_whole
    assert report.left_out["earlier versions of messages"] == 2
    assert report.left_out["places to which the chat was rewound"] == 1
    assert report.left_out["changes of the chat's head"] == 2
    assert (await bring("gemini", path)).stored == 0


async def test_a_message_that_gemini_wrote_again_after_an_import_comes_beside_the_first(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    lines = [CHAT, turn("user", "m1", "Which port?"), turn("gemini", "m2", "Let me look.")]
    path = tmp_path / "session-1.jsonl"
    await bring("gemini", written(path, lines))
    written(path, [*lines, turn("gemini", "m2", "Let me look. It is 8447.")])

    grown = await bring("gemini", path)
    again = await bring("gemini", path)

    assert await said(services) == [
        "default g1 user: Which port?",
        "default g1 assistant: Let me look.",
        "default g1 assistant: Let me look. It is 8447.",
    ]
    what = "messages changed at the source since they came (kept; the new words beside them)"
    assert (grown.stored, grown.left_out[what], again.stored) == (1, 1, 0)


async def test_of_gemini_clis_folder_the_chats_are_read_and_the_rest_is_told_of(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    project = home / "tmp" / "north"
    asked, answered = turn("user", "m1", "Which port?"), turn("gemini", "m2", "8447.")
    written(project / "chats" / "session-1.jsonl", [CHAT, asked, answered])
    helper = {**CHAT, "sessionId": "sub", "kind": "subagent"}
    written(project / "chats" / "g1" / "sub.jsonl", [helper, turn("user", "x1", "Look.")])
    written(project / "logs.json", [[{"sessionId": "g1", "type": "user", "message": "Hi"}]])
    # A checkpoint is a copy of a chat, without ids and times.
    turns = [
        {"role": "user", "parts": [{"text": "Which port?"}]},
        {"role": "model", "parts": [{"text": "8447."}]},
        {"role": "user", "parts": [{"text": "Only here."}]},
    ]
    written(project / "checkpoint-plan.json", [turns])
    written(home / "settings.json", [{}])

    report = await bring("gemini", home)

    assert [re.sub(r"^\S+ ", "", each) for each in await said(services)] == [
        "g1 user: Which port?",
        "g1 assistant: 8447.",
        "north/checkpoint-plan user: Only here.",
    ]
    assert report.is_whole
    assert dict(report.left_out) == {
        "messages of subagents": 1,
        "lists of prompts (what was sent stands in the sessions, too)": 1,
        "copies in checkpoints of what a chat holds": 2,
        "other files of Gemini CLI (settings, extensions, logs and the like)": 1,
    }


async def test_a_checkpoint_that_is_saved_again_under_another_name_brings_what_is_new(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    turns = [
        {"role": "user", "parts": [{"text": "Which port?"}]},
        {"role": "model", "parts": [{"text": "8447."}]},
        {"role": "user", "parts": [{"text": "yes"}]},
    ]
    first = await bring("gemini", written(tmp_path / "checkpoint-a.json", [turns]))
    more = [*turns, {"role": "user", "parts": [{"text": "yes"}]}]
    path = written(tmp_path / "checkpoint-b.json", [{"history": more, "authType": "x"}])
    second = await bring("gemini", path)
    path.touch()
    third = await bring("gemini", path)

    assert [each.stored for each in (first, second, third)] == [3, 1, 0]


async def test_what_a_prompt_with_files_holds_besides_the_persons_words_is_left_out(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    files = [
        {"text": "Explain @a.py"},
        {"text": "\n--- Content from referenced files ---"},
        {"text": "\nContent from @a.py:\n"},
        {"text": "import os"},
        {"text": "\n--- End of content ---"},
    ]
    shown = turn("user", "m2", files, displayContent=[{"text": "Explain it"}])
    lines = [CHAT, turn("user", "m1", files), shown]

    await bring("gemini", written(tmp_path / "session-1.jsonl", lines))

    assert await said(services) == [
        "default g1 user: Explain @a.py",
        "default g1 user: Explain it",
    ]


def qwen(kind: str, uuid: str, parts: list[Line], session: str = "q1", **more: Any) -> Line:
    """A line of Qwen Code's chat."""
    return {
        **{"uuid": uuid, "sessionId": session, "timestamp": "2026-09-14T10:00:00Z"},
        **{"type": kind, "cwd": "/w/north", "message": {"role": kind, "parts": parts}},
        **more,
    }


async def test_a_qwen_forks_copies_stay_in_the_session_they_were_said_in(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    first = qwen("user", "u1", [{"text": "First."}], provenance="real_user")
    copy = {**first, "sessionId": "q2", "forkedFrom": {"sessionId": "q1", "messageUuid": "u1"}}
    own = qwen("user", "u2", [{"text": "Second."}], "q2", provenance="real_user")
    await bring("qwen", written(tmp_path / "a-q2.jsonl", [copy, own]))
    await bring("qwen", written(tmp_path / "q1.jsonl", [first]))

    assert await said(services) == ["north q1 user: First.", "north q2 user: Second."]


async def test_of_a_qwen_prompt_only_what_was_typed_is_the_users(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    parts = [{"text": "Explain @a.py"}, {"text": "import os"}]
    typed: Line = {"systemPayload": {"displayText": "Explain @a.py", "hookContext": "x"}}
    image = [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    lines = [
        qwen("user", "u1", parts, provenance="real_user", **typed),
        qwen("user", "u2", image, provenance="real_user"),
        qwen("user", "u3", [{"text": "tick"}], provenance="system", subtype="cron"),
        qwen("user", "u4", [{"text": "Spoken."}], subtype="realtime_message"),
    ]

    report = await bring("qwen", written(tmp_path / "q1.jsonl", lines))

    assert await said(services) == [
        "north q1 user: Explain @a.py",
        "north q1 user: [image]",
        "north q1 user: Spoken.",
    ]
    assert report.is_whole


async def test_qwens_chats_of_2025_are_read_as_gemini_clis(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    chat = {**CHAT, "messages": [turn("user", "m1", "First."), turn("qwen", "m2", "Yes.")]}
    written(tmp_path / "tmp" / "h" / "chats" / "session-1.json", [chat], indent=2)

    report = await bring("qwen", tmp_path)

    assert await said(services) == ["default g1 user: First.", "default g1 assistant: Yes."]
    assert report.is_whole


async def test_a_copilot_session_of_2025_is_one_object(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    asked = {"id": "c1", "function": {"name": "bash", "arguments": '{"command":"make"}'}}
    chat = {
        "sessionId": "k1",
        "startTime": "2025-10-08T21:10:16Z",
        "chatMessages": [
            {"role": "user", "content": "Build it."},
            {"role": "assistant", "content": "I build.", "tool_calls": [asked]},
            {"role": "tool", "tool_call_id": "c1", "content": "built"},
        ],
        "timeline": [],
    }
    path = written(tmp_path / "history-session-state" / "session_k1_1.json", [chat], indent=2)

    report = await bring("copilot", tmp_path)

    assert await said(services) == [
        "default k1 user: Build it.",
        "default k1 assistant: I build.",
        "default k1 tool: bash(command=make)\n→ built",
    ]
    assert report.is_whole
    assert (await bring("copilot", path)).stored == 0


async def test_a_copilot_session_that_is_resumed_keeps_its_id(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def event(kind: str, ident: str, **data: Any) -> Line:
        return {"type": kind, "id": ident, "timestamp": "2026-09-14T10:00:00Z", "data": data}

    blob = [{"type": "blob", "displayName": "shot.png"}]
    lines = [
        event("session.start", "e1", sessionId="k1", context={"cwd": "/w/north"}),
        event("user.message", "e2", messageId="m1", content="First."),
        event("session.resume", "e3", sessionId="k2", context={"cwd": "/w/south"}),
        event("user.message", "e4", messageId="m2", content="", attachments=blob),
    ]

    await bring("copilot", written(tmp_path / "k1" / "events.jsonl", lines))

    assert await said(services) == ["north k1 user: First.", "north k1 user: [shot.png]"]


# --- All of them ---

UNKNOWN: dict[str, list[tuple[Line, str]]] = {
    "claude-code": [
        (line("hologram", "u1", "10:00:00", "x"), "lines of the type 'hologram'"),
        (
            line("user", "u2", "10:00:00", [{"type": "smell", "data": "x"}]),
            "parts of the type 'smell'",
        ),
        (
            {"type": "attachment", "attachment": {"type": "hologram"}, "sessionId": "s"},
            "attachments of the type 'hologram'",
        ),
    ],
    "codex": [
        (
            {"timestamp": "2026-09-14T10:00:00Z", "type": "hologram", "payload": {}},
            "lines of the type 'hologram'",
        ),
        (
            {"type": "response_item", "payload": {"type": "hologram"}},
            "items of the type 'hologram'",
        ),
        ({"type": "event_msg", "payload": {"type": "hologram"}}, "events of the type 'hologram'"),
        (
            item("10:00:00", "user", "x", content=[{"type": "smell"}]),
            "parts of the type 'smell'",
        ),
    ],
    "gemini": [
        (turn("hologram", "m1", "x"), "entries of the type 'hologram'"),
        ({"$set": {"hologram": 1}}, "changes of 'hologram'"),
        ({"$set": {"messages": [turn("novel", "m3", "x")]}}, "entries of the type 'novel'"),
        ({"$set": {"messages": [{"id": "m4"}]}}, "entries of the type 'none'"),
        ({"$set": {"messages": ["lost"]}}, "messages of a history that are no objects"),
        ({"hologram": 1}, "records of an unknown kind"),
        (turn("user", "m2", [{"smell": {}}]), "parts of the type 'smell'"),
    ],
    "qwen": [
        (qwen("hologram", "u1", []), "lines of the type 'hologram'"),
        (qwen("system", "u2", [], subtype="hologram"), "system lines of the type 'hologram'"),
        (qwen("user", "u3", [{"smell": {}}]), "parts of the type 'smell'"),
    ],
    "copilot": [
        ({"type": "assistant.hologram", "data": {}}, "lines of the type 'assistant.hologram'"),
        ({"type": "session.hologram", "data": {}}, "lines of the type 'session.hologram'"),
    ],
}


@pytest.mark.parametrize(
    ("host", "record", "reason"),
    [(host, *each) for host, records in UNKNOWN.items() for each in records],
    ids=[f"{host}: {each[1]}" for host, records in UNKNOWN.items() for each in records],
)
async def test_what_a_host_is_not_known_to_write_is_not_understood(
    bring: Bring, tmp_path: Path, host: str, record: Line, reason: str
) -> None:
    path = tmp_path / "north" / "chats" / "session-1.jsonl"
    report = await bring(host, written(path, [record]))

    assert dict(report.not_understood) == {reason: 1}
    assert report.examples == {reason: "line 1"}


SESSIONS: dict[str, list[Line]] = {
    "claude-code": [line("user", "u1", "10:00:00", "One."), line("user", "u2", "10:01:00", "Two.")],
    "codex": [PARENT[0], item("10:00:01", "user", "One."), item("10:00:02", "user", "Two.")],
    "gemini": [CHAT, turn("user", "m1", "One."), turn("user", "m2", "Two.")],
    "qwen": [qwen("user", "u1", [{"text": "One."}]), qwen("user", "u2", [{"text": "Two."}])],
    "copilot": [
        {"type": "user.message", "id": "e1", "data": {"content": "One."}, "parentId": None},
        {"type": "user.message", "id": "e2", "data": {"content": "Two."}, "parentId": "e1"},
    ],
}


@pytest.mark.parametrize("arranged", ["lines", "pretty", "list", "pretty list"])
@pytest.mark.parametrize("host", SESSIONS)
async def test_a_session_may_be_arranged_in_its_file_as_somebody_liked(
    bring: Bring, services: Services, tmp_path: Path, host: str, arranged: str
) -> None:
    records = SESSIONS[host]
    if host == "copilot":
        records = [{**each, "timestamp": "2026-09-14T10:00:00Z"} for each in records]
    indent = 2 if "pretty" in arranged else None
    path = tmp_path / "north" / "session-1.jsonl"
    written(path, [records] if "list" in arranged else records, indent=indent)

    report = await bring(host, path)

    assert [each.split(": ")[1] for each in await said(services)] == ["One.", "Two."]
    assert report.is_whole


@pytest.mark.parametrize("host", SESSIONS)
async def test_a_file_of_which_nothing_was_taken_or_counted_is_named(
    bring: Bring, tmp_path: Path, host: str
) -> None:
    written(tmp_path / "s" / "session-1.jsonl", SESSIONS[host][-1:])
    (tmp_path / "s" / "session-2.jsonl").write_text("[]\n", "utf-8")

    report = await bring(host, tmp_path)

    assert [place for place, _ in report.bad_places if "session-2" in place]
    assert untaken(report) >= 1


@pytest.mark.parametrize("text", ["", "\n", " \r\n\n"])
@pytest.mark.parametrize("host", SESSIONS)
async def test_a_file_of_white_space_is_as_good_as_empty(
    bring: Bring, tmp_path: Path, host: str, text: str
) -> None:
    first = {"timestamp": "2026-09-14T10:00:00Z", **SESSIONS[host][0]}
    written(tmp_path / "s" / "session-1.jsonl", [first])
    (tmp_path / "s" / "session-2.jsonl").write_text(text, "utf-8", newline="")

    report = await bring(host, tmp_path / "s")

    assert report.left_out["empty files"] == 1
    assert report.bad == 0


@pytest.mark.parametrize("host", SESSIONS)
async def test_a_session_in_which_nothing_was_said_is_counted(
    bring: Bring, tmp_path: Path, host: str
) -> None:
    empty = {
        "claude-code": line("user", "u1", "10:00:00", ""),
        "codex": PARENT[0],
        "gemini": CHAT,
        "qwen": qwen("user", "u1", []),
        "copilot": {"type": "session.start", "id": "e", "data": {"sessionId": "k"}, "parentId": 0},
    }
    report = await bring(host, written(tmp_path / "session-1.jsonl", [empty[host]]))

    assert report.left_out.total() == 1
    assert report.is_whole
